"""Changes of a subscription within its period: what is given back, what is asked for, and when."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import OLD, prorations, snapshot, wire
from sandbox.core.settings import DAY, HOUR
from tests.sandbox.client import NEW_YEAR, Client, world

JANUARY = 31 * DAY


@pytest.fixture
def client() -> Client:
    return Client(world())


def _subscribe(client: Client, amount: int = 3100, quantity: int = 1, **params: Any) -> dict[str, Any]:
    customer = params.pop("customer", None) or client.customer(params.pop("card", "pm_card_visa"))["id"]
    items = [{"price": client.price(amount)["id"], "quantity": quantity}]
    return client.post("/v1/subscriptions", customer=customer, items=items, **params)


def _change(client: Client, sub: dict[str, Any], price: str = "", **params: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": sub["items"]["data"][0]["id"]}
    entry |= {"price": price} if price else {}
    entry |= {"quantity": params.pop("quantity")} if "quantity" in params else {}
    return client.post(f"/v1/subscriptions/{sub['id']}", items=[entry], **params)


def _invoices(client: Client, sub: dict[str, Any]) -> list[dict[str, Any]]:
    return client.get("/v1/invoices", subscription=sub["id"])["data"]


def _waiting(client: Client, sub: dict[str, Any]) -> list[tuple[int, str]]:
    items = client.get("/v1/invoiceitems", customer=sub["customer"], pending=True)["data"]
    return [(item["amount"], item["description"]) for item in items][::-1]


def test_an_upgrade_waits_as_two_lines_for_the_next_invoice(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(6200)["id"])

    assert _waiting(client, sub) == [
        (-2100, "Unused time on Magazine after 11 Jan 2026"),
        (4200, "Remaining time on Magazine after 11 Jan 2026"),
    ]
    client.world.advance(21 * DAY + HOUR)
    renewal = _invoices(client, sub)[0]
    assert (renewal["total"], renewal["amount_paid"]) == (6200 + 2100, 6200 + 2100)
    assert _waiting(client, sub) == []


@pytest.mark.parametrize(
    ("cost", "left", "whole", "amount"),
    [(1000, 1, 3, 333), (1000, 2, 3, 667), (1, 1, 2, 1), (3100, 0, 31, 0), (999, 31, 31, 999), (1500, 1, 2_678_400, 0)],
)
def test_shares_are_exact_to_the_second(cost: int, left: int, whole: int, amount: int) -> None:
    assert prorations.share(cost, left, whole) == amount


def test_a_proration_counts_seconds(client: Client) -> None:
    sub = _subscribe(client, 2000)
    at = NEW_YEAR + 1_000_001

    client.world.advance(1_000_005)
    _change(client, sub, quantity=2, proration_date=at)

    left = JANUARY - 1_000_001
    assert [amount for amount, _ in _waiting(client, sub)] == [
        -round(2000 * left / JANUARY),
        round(4000 * left / JANUARY),
    ]


def test_always_invoice_collects_the_difference_at_once(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    changed = _change(client, sub, client.price(6200)["id"], proration_behavior="always_invoice")

    invoice = _invoices(client, sub)[0]
    assert (invoice["status"], invoice["amount_paid"], invoice["billing_reason"]) == (
        "paid",
        2100,
        "subscription_update",
    )
    assert changed["latest_invoice"] == invoice["id"]
    assert [line["parent"]["subscription_item_details"]["proration"] for line in invoice["lines"]["data"]] == [True] * 2
    first = _invoices(client, sub)[1]
    credited = invoice["lines"]["data"][0]["parent"]["subscription_item_details"]["proration_details"]["credited_items"]
    assert credited == {"invoice": first["id"], "invoice_line_items": [first["lines"]["data"][0]["id"]]}


def test_none_bills_nothing_for_the_running_period(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(6200)["id"], proration_behavior="none")

    assert _waiting(client, sub) == []
    client.world.advance(21 * DAY + HOUR)
    assert [i["total"] for i in _invoices(client, sub)] == [6200, 3100]


def test_what_was_never_billed_is_not_given_back(client: Client) -> None:
    sub = _subscribe(client, 3100)
    _change(client, sub, quantity=5, proration_behavior="none")
    client.world.advance(10 * DAY)

    _change(client, sub, quantity=1)

    assert [amount for amount, _ in _waiting(client, sub)] == [-2100, 2100]


def test_a_downgrade_becomes_a_credit_that_pays_the_next_invoice(client: Client) -> None:
    sub = _subscribe(client, 6200)
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(3100)["id"], proration_behavior="always_invoice")

    invoice = _invoices(client, sub)[0]
    assert (invoice["total"], invoice["amount_due"], invoice["ending_balance"]) == (-2100, 0, -2100)
    assert client.get(f"/v1/customers/{sub['customer']}")["balance"] == -2100
    client.world.advance(21 * DAY + HOUR)
    renewal = _invoices(client, sub)[0]
    assert (renewal["total"], renewal["starting_balance"], renewal["amount_paid"]) == (3100, -2100, 1000)
    assert client.get(f"/v1/customers/{sub['customer']}")["balance"] == 0


def test_voiding_an_invoice_gives_the_credit_back(client: Client) -> None:
    customer = client.post("/v1/customers", name="A", balance=-500)["id"]
    client.post("/v1/invoiceitems", customer=customer, amount=900, currency="usd")
    invoice = client.post("/v1/invoices", customer=customer, pending_invoice_items_behavior="include")["id"]
    client.post(f"/v1/invoices/{invoice}/finalize")
    assert client.get(f"/v1/customers/{customer}")["balance"] == 0

    client.post(f"/v1/invoices/{invoice}/void")

    assert client.get(f"/v1/customers/{customer}")["balance"] == -500


def test_what_is_too_little_to_charge_is_owed(client: Client) -> None:
    customer = client.customer()["id"]
    client.post("/v1/invoiceitems", customer=customer, amount=20, currency="usd")
    invoice = client.post("/v1/invoices", customer=customer, pending_invoice_items_behavior="include")["id"]

    paid = client.post(f"/v1/invoices/{invoice}/finalize")

    assert (paid["status"], paid["amount_due"], paid["ending_balance"]) == ("paid", 0, 20)
    assert client.get(f"/v1/customers/{customer}")["balance"] == 20


def test_discounts_that_last_are_in_a_proration(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=50, duration="forever")["id"]
    sub = _subscribe(client, 3100, discounts=[{"coupon": coupon}])
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(6200)["id"])

    assert [amount for amount, _ in _waiting(client, sub)] == [-1050, 2100]
    client.world.advance(21 * DAY + HOUR)
    assert _invoices(client, sub)[0]["total"] == 3100 + 1050


def test_a_coupon_takes_nothing_off_other_products(client: Client) -> None:
    price = client.price(1000, None)
    coupon = client.post("/v1/coupons", percent_off=50, applies_to={"products": [price["product"]]})["id"]
    customer = client.customer()["id"]
    for each in (price["id"], client.price(600, None)["id"]):
        client.post("/v1/invoiceitems", customer=customer, pricing={"price": each})

    invoice = client.post(
        "/v1/invoices",
        customer=customer,
        pending_invoice_items_behavior="include",
        discounts=[{"coupon": coupon}],
    )

    assert invoice["total"] == 1600 - 500


def test_another_interval_begins_a_new_period_at_once(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    changed = _change(client, sub, client.price(30000, "year")["id"])

    invoice, item = _invoices(client, sub)[0], changed["items"]["data"][0]
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", 30000 - 2100)
    assert changed["billing_cycle_anchor"] == item["current_period_start"] == client.world.now
    assert item["current_period_end"] - item["current_period_start"] == 365 * DAY
    client.world.advance(300 * DAY)
    assert len(_invoices(client, sub)) == 2


@pytest.mark.parametrize("version", ["new", OLD])
def test_a_new_anchor_begins_a_new_period(client: Client, version: str) -> None:
    if version == OLD:
        client.version = OLD
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    now = "now" if version == OLD else {"type": "now"}
    changed = client.post(f"/v1/subscriptions/{sub['id']}", billing_cycle_anchor=now, proration_behavior="none")

    assert changed["billing_cycle_anchor"] == client.world.now
    assert [i["total"] for i in _invoices(client, sub)] == [3100, 3100]


def test_moving_from_a_free_price_is_invoiced_at_once(client: Client) -> None:
    sub = _subscribe(client, 0)
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(3100)["id"])

    assert [i["total"] for i in _invoices(client, sub)] == [3100, 0]


def test_a_trial_gives_nothing_back(client: Client) -> None:
    sub = _subscribe(client, 3100, trial_period_days=20)
    client.world.advance(10 * DAY)

    _change(client, sub, client.price(6200)["id"])

    assert _waiting(client, sub) == []
    ended = client.post(f"/v1/subscriptions/{sub['id']}", trial_end="now")
    assert (ended["status"], ended["trial_end"]) == ("active", client.world.now)
    assert [i["total"] for i in _invoices(client, sub)] == [6200, 0]


def test_a_trial_within_a_paid_period_gives_its_rest_back(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    trying = client.post(f"/v1/subscriptions/{sub['id']}", trial_end=client.world.now + 40 * DAY)

    assert (trying["status"], trying["trial_start"]) == ("trialing", client.world.now)
    assert _waiting(client, sub) == [(-2100, "Unused time on Magazine after 11 Jan 2026")]


def test_items_that_come_and_go_are_prorated(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    extra = client.post("/v1/subscription_items", subscription=sub["id"], price=client.price(620)["id"], quantity=2)
    client.delete(f"/v1/subscription_items/{extra['id']}", proration_behavior="always_invoice")

    assert _invoices(client, sub)[0]["total"] == 0
    lines = [(line["amount"], line["description"]) for line in _invoices(client, sub)[0]["lines"]["data"]]
    assert lines == [
        (840, "Remaining time on 2 × Magazine after 11 Jan 2026"),
        (-840, "Unused time on 2 × Magazine after 11 Jan 2026"),
    ]


def test_items_of_different_rhythm_are_refused(client: Client) -> None:
    sub = _subscribe(client)

    refused = client.refused(
        "POST", "/v1/subscription_items", {"subscription": sub["id"], "price": client.price(900, "year")["id"]}
    )

    assert refused.error["param"] == "items"


def test_a_proration_date_outside_the_period_is_refused(client: Client) -> None:
    sub = _subscribe(client)

    for at in (NEW_YEAR - 1, NEW_YEAR + 32 * DAY):
        params = {"items": [{"id": sub["items"]["data"][0]["id"], "quantity": 2}], "proration_date": at}
        assert client.refused("POST", f"/v1/subscriptions/{sub['id']}", params).error["param"] == "proration_date"


def test_a_change_that_cannot_be_paid_makes_it_past_due(client: Client) -> None:
    sub = _subscribe(client, 3100)
    _bad_card(client, sub)

    changed = _change(client, sub, client.price(6200)["id"], proration_behavior="always_invoice")

    assert changed["status"] == "past_due"
    assert _invoices(client, sub)[0]["status"] == "open"


def test_error_if_incomplete_changes_nothing(client: Client) -> None:
    sub = _subscribe(client, 3100)
    _bad_card(client, sub)
    params = {
        "items": [{"id": sub["items"]["data"][0]["id"], "quantity": 2}],
        "proration_behavior": "always_invoice",
        "payment_behavior": "error_if_incomplete",
    }
    before = wire.dumps(snapshot.dump(client.world)["tables"])

    refused = client.refused("POST", f"/v1/subscriptions/{sub['id']}", params)

    assert (refused.status, refused.error["code"]) == (402, "card_declined")
    assert wire.dumps(snapshot.dump(client.world)["tables"]) == before


def _bad_card(client: Client, sub: dict[str, Any]) -> None:
    method = client.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=sub["customer"])["id"]
    client.post(f"/v1/customers/{sub['customer']}", invoice_settings={"default_payment_method": method})


def test_canceling_may_give_the_rest_back_and_bill_it(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    canceled = client.delete(f"/v1/subscriptions/{sub['id']}", prorate=True, invoice_now=True)

    final = _invoices(client, sub)[0]
    assert (canceled["status"], canceled["latest_invoice"]) == ("canceled", final["id"])
    assert (final["total"], final["status"]) == (-2100, "paid")
    assert client.get(f"/v1/customers/{sub['customer']}")["balance"] == -2100


def test_canceling_plainly_gives_nothing_back(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)

    client.delete(f"/v1/subscriptions/{sub['id']}")

    assert (_waiting(client, sub), len(_invoices(client, sub))) == ([], 1)


def test_what_waits_is_billed_when_a_period_was_the_last(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.world.advance(10 * DAY)
    _change(client, sub, client.price(6200)["id"], cancel_at_period_end=True)

    client.world.advance(21 * DAY + HOUR)

    assert client.get(f"/v1/subscriptions/{sub['id']}")["status"] == "canceled"
    assert [(i["total"], i["status"]) for i in _invoices(client, sub)] == [(2100, "paid"), (3100, "paid")]


def test_paused_collection_holds_an_invoice_of_a_change_too(client: Client) -> None:
    sub = _subscribe(client, 3100)
    client.post(f"/v1/subscriptions/{sub['id']}", pause_collection={"behavior": "keep_as_draft"})

    _change(client, sub, client.price(6200)["id"], proration_behavior="always_invoice")

    assert [i["status"] for i in _invoices(client, sub)] == ["draft", "paid"]
