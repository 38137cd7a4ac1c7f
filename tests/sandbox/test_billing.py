"""Subscriptions and invoices on a movable clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.core import OLD, payment_intents, pricing
from sandbox.core.settings import DAY, HOUR
from tests.sandbox.client import NEW_YEAR, Client, Refused, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def _subscribe(client: Client, card: str = "pm_card_visa", amount: int = 1500, **params: Any) -> dict[str, Any]:
    customer = params.pop("customer", None) or client.customer(card)["id"]
    return client.post("/v1/subscriptions", customer=customer, items=[{"price": client.price(amount)["id"]}], **params)


def _status(client: Client, sub: dict[str, Any]) -> str:
    return client.get(f"/v1/subscriptions/{sub['id']}")["status"]


def _invoices(client: Client, sub: dict[str, Any]) -> list[dict[str, Any]]:
    return client.get("/v1/invoices", subscription=sub["id"])["data"]


def _new_card(client: Client, sub: dict[str, Any], token: str) -> None:
    method = client.post(f"/v1/payment_methods/{token}/attach", customer=sub["customer"])["id"]
    client.post(f"/v1/customers/{sub['customer']}", invoice_settings={"default_payment_method": method})


def test_the_first_invoice_is_paid_at_once(client: Client) -> None:
    sub = _subscribe(client)

    invoice = _invoices(client, sub)[0]
    payment = client.get("/v1/invoice_payments", invoice=invoice["id"])["data"][0]
    assert (sub["status"], invoice["status"], invoice["billing_reason"]) == ("active", "paid", "subscription_create")
    assert (payment["status"], payment["amount_paid"]) == ("paid", 1500)
    assert invoice["parent"]["subscription_details"]["subscription"] == sub["id"]


def test_a_renewal_waits_an_hour_as_a_draft(client: Client) -> None:
    sub = _subscribe(client)
    client.world.advance(31 * DAY)
    assert [i["status"] for i in _invoices(client, sub)] == ["draft", "paid"]

    client.world.advance(HOUR)

    renewed = client.get(f"/v1/subscriptions/{sub['id']}")
    item = renewed["items"]["data"][0]
    assert [i["status"] for i in _invoices(client, sub)] == ["paid", "paid"]
    assert item["current_period_start"] == sub["items"]["data"][0]["current_period_end"]
    types = [e["type"] for e in client.get("/v1/events", limit=100, created={"gte": NEW_YEAR + 31 * DAY})["data"]][::-1]
    wanted = [
        "invoice.created",
        "customer.subscription.updated",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    assert [t for t in types if t in wanted] == wanted


def test_the_renewal_event_tells_the_previous_period(client: Client) -> None:
    sub = _subscribe(client)
    client.world.advance(31 * DAY)

    data = client.get("/v1/events", type="customer.subscription.updated")["data"][0]["data"]

    before = data["previous_attributes"]["items"]["data"][0]["current_period_start"]
    assert before == sub["items"]["data"][0]["current_period_start"]
    assert data["previous_attributes"]["latest_invoice"] == sub["latest_invoice"]


def test_month_ends_do_not_drift() -> None:
    anchor = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())

    days = [datetime.fromtimestamp(pricing.period(anchor, "month", 1, n), UTC).strftime("%m-%d") for n in range(5)]

    assert days == ["01-31", "02-28", "03-31", "04-30", "05-31"]


def test_twelve_renewals_make_twelve_more_invoices(client: Client) -> None:
    sub = _subscribe(client)

    client.world.advance(366 * DAY)

    invoices = client.get("/v1/invoices", subscription=sub["id"], limit=100)["data"]
    assert len(invoices) == 13
    assert len({i["number"] for i in invoices}) == 13


def test_a_failed_renewal_is_retried_and_recovers(client: Client) -> None:
    sub = _subscribe(client)
    _new_card(client, sub, "pm_card_chargeCustomerFail")
    client.world.advance(31 * DAY + HOUR)
    invoice = _invoices(client, sub)[0]
    assert (_status(client, sub), invoice["attempt_count"]) == ("past_due", 1)
    assert invoice["next_payment_attempt"] == client.world.now + 3 * DAY
    assert client.get(f"/v1/customers/{sub['customer']}")["delinquent"] is True

    _new_card(client, sub, "pm_card_visa")
    client.world.advance(3 * DAY)

    assert (_status(client, sub), _invoices(client, sub)[0]["status"]) == ("active", "paid")
    assert client.get(f"/v1/customers/{sub['customer']}")["delinquent"] is False


@pytest.mark.parametrize("outcome", ["canceled", "unpaid", "past_due"])
def test_after_the_last_retry_the_settings_decide(outcome: str) -> None:
    client = Client(world(after_retries=outcome))
    sub = _subscribe(client)
    _new_card(client, sub, "pm_card_chargeCustomerFail")

    client.world.advance(48 * DAY)

    assert _status(client, sub) == outcome
    assert _invoices(client, sub)[0]["next_payment_attempt"] is None


def test_a_lost_card_is_not_charged_again(client: Client) -> None:
    sub = _subscribe(client, "pm_card_threeDSecure2Required")
    intent = client.get("/v1/payment_intents")["data"][0]
    payment_intents.authenticate(client.world, client.world.raw("payment_intent", intent["id"]), passed=True)
    charges = len(client.get("/v1/charges", limit=100)["data"])

    client.world.advance(31 * DAY + HOUR)
    client.world.advance(4 * DAY)

    assert _status(client, sub) == "past_due"
    assert len(client.get("/v1/charges", limit=100)["data"]) == charges + 1


def test_an_incomplete_subscription_expires_after_23_hours(client: Client) -> None:
    sub = _subscribe(client, "pm_card_chargeCustomerFail")
    assert sub["status"] == "incomplete"
    client.world.advance(23 * HOUR - 60)
    assert _status(client, sub) == "incomplete"

    client.world.advance(120)

    assert _status(client, sub) == "incomplete_expired"
    assert _invoices(client, sub)[0]["status"] == "void"


def test_an_incomplete_subscription_is_activated_by_paying(client: Client) -> None:
    sub = _subscribe(client, "pm_card_chargeCustomerFail")

    client.post(f"/v1/invoices/{sub['latest_invoice']}/pay", payment_method="pm_card_visa")

    assert _status(client, sub) == "active"


def test_error_if_incomplete_writes_nothing(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        _subscribe(client, "pm_card_chargeCustomerFail", payment_behavior="error_if_incomplete")

    assert caught.value.status == 402
    assert client.get("/v1/subscriptions", status="all")["data"] == []


def test_default_incomplete_waits_for_a_confirmation(client: Client) -> None:
    sub = _subscribe(
        client,
        payment_behavior="default_incomplete",
        expand=["latest_invoice.payments", "latest_invoice.confirmation_secret"],
    )
    assert sub["status"] == "incomplete"
    intent = sub["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]
    assert sub["latest_invoice"]["confirmation_secret"]["client_secret"].startswith(intent)

    client.post(f"/v1/payment_intents/{intent}/confirm", payment_method="pm_card_visa")

    assert _status(client, sub) == "active"


def test_a_customer_without_a_payment_method_cannot_subscribe(client: Client) -> None:
    customer = client.post("/v1/customers")["id"]

    refused = client.refused(
        "POST", "/v1/subscriptions", {"customer": customer, "items": [{"price": client.price()["id"]}]}
    )

    assert refused.error["code"] == "resource_missing"
    assert "no attached payment source" in refused.error["message"]


def test_a_trial_starts_free_warns_and_then_bills(client: Client) -> None:
    sub = _subscribe(client, trial_period_days=14)
    first = _invoices(client, sub)[0]
    assert (sub["status"], first["amount_due"], first["status"]) == ("trialing", 0, "paid")
    client.world.advance(11 * DAY)
    assert client.get("/v1/events", type="customer.subscription.trial_will_end")["data"]

    client.world.advance(3 * DAY + HOUR)

    assert _status(client, sub) == "active"
    assert [i["amount_paid"] for i in _invoices(client, sub)] == [1500, 0]


@pytest.mark.parametrize(
    ("wish", "status"), [("pause", "paused"), ("cancel", "canceled"), ("create_invoice", "past_due")]
)
def test_a_trial_may_end_without_a_card(client: Client, wish: str, status: str) -> None:
    customer = client.post("/v1/customers")["id"]
    sub = _subscribe(
        client,
        customer=customer,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": wish}},
    )

    client.world.advance(7 * DAY + HOUR)

    assert _status(client, sub) == status


def test_ending_a_trial_early_bills_at_once(client: Client) -> None:
    sub = _subscribe(client, trial_period_days=14)

    client.post(f"/v1/subscriptions/{sub['id']}", trial_end="now")

    assert _status(client, sub) == "active"
    assert _invoices(client, sub)[0]["amount_paid"] == 1500


def test_cancel_at_period_end_can_be_taken_back(client: Client) -> None:
    sub = _subscribe(client)
    client.post(f"/v1/subscriptions/{sub['id']}", cancel_at_period_end=True)
    client.post(f"/v1/subscriptions/{sub['id']}", cancel_at_period_end=False)
    client.world.advance(32 * DAY)
    assert _status(client, sub) == "active"

    client.post(f"/v1/subscriptions/{sub['id']}", cancel_at_period_end=True)
    client.world.advance(31 * DAY)

    assert _status(client, sub) == "canceled"
    assert client.get("/v1/subscriptions")["data"] == []
    assert len(client.get("/v1/subscriptions", status="all")["data"]) == 1
    deleted = client.get("/v1/events", type="customer.subscription.deleted")["data"][0]["data"]
    assert deleted["object"]["status"] == "canceled"
    assert "previous_attributes" not in deleted


def test_cancel_at_ends_on_its_day(client: Client) -> None:
    sub = _subscribe(client, cancel_at=NEW_YEAR + 10 * DAY)

    client.world.advance(10 * DAY)

    assert _status(client, sub) == "canceled"


def test_cancel_at_may_name_the_end_of_the_period(client: Client) -> None:
    sub = client.post(f"/v1/subscriptions/{_subscribe(client)['id']}", cancel_at="max_period_end")

    assert sub["cancel_at"] == sub["items"]["data"][0]["current_period_end"]
    client.world.advance(31 * DAY)
    assert _status(client, sub) == "canceled"


def test_canceling_twice_is_an_error(client: Client) -> None:
    sub = _subscribe(client)

    assert client.delete(f"/v1/subscriptions/{sub['id']}")["status"] == "canceled"
    assert client.refused("DELETE", f"/v1/subscriptions/{sub['id']}").status == 404


def test_a_pause_ends_on_its_day(client: Client) -> None:
    sub = _subscribe(client)
    until = client.world.now + 5 * DAY
    pause = {"behavior": "void", "resumes_at": until}
    client.post(f"/v1/subscriptions/{sub['id']}", pause_collection=pause)

    client.world.advance(5 * DAY - 1)
    assert client.get(f"/v1/subscriptions/{sub['id']}")["pause_collection"] == pause
    client.world.advance(1)

    assert client.get(f"/v1/subscriptions/{sub['id']}")["pause_collection"] is None
    client.world.advance(27 * DAY)
    assert [i["status"] for i in _invoices(client, sub)] == ["paid", "paid"]


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_paused_collection_treats_renewals_as_asked(client: Client, behavior: str, status: str) -> None:
    sub = _subscribe(client)
    client.post(f"/v1/subscriptions/{sub['id']}", pause_collection={"behavior": behavior})

    client.world.advance(32 * DAY)

    assert (_status(client, sub), _invoices(client, sub)[0]["status"]) == ("active", status)


GRADUATED = [{"up_to": 5, "unit_amount": 900}, {"up_to": "inf", "unit_amount": 500, "flat_amount": 1000}]


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": GRADUATED}, 5, 4500),
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": GRADUATED}, 7, 6500),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": GRADUATED}, 7, 4500),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": GRADUATED}, 5, 4500),
        ({"unit_amount": 1000, "transform_quantity": {"divide_by": 10, "round": "up"}}, 11, 2000),
        ({"unit_amount": 1000, "transform_quantity": {"divide_by": 10, "round": "down"}}, 19, 1000),
        ({"unit_amount_decimal": "0.5"}, 3, 2),
    ],
)
def test_prices_count_as_declared(client: Client, price: dict[str, Any], quantity: int, amount: int) -> None:
    product = client.post("/v1/products", name="P")["id"]
    made = client.post("/v1/prices", product=product, currency="usd", recurring={"interval": "month"}, **price)
    sub = client.post(
        "/v1/subscriptions", customer=client.customer()["id"], items=[{"price": made["id"], "quantity": quantity}]
    )

    assert client.get(f"/v1/invoices/{sub['latest_invoice']}")["total"] == amount


def test_a_yen_subscription_has_no_decimals(client: Client) -> None:
    price = client.price(500, currency="jpy")["id"]

    sub = client.post(
        "/v1/subscriptions", customer=client.customer()["id"], items=[{"price": price}], expand=["latest_invoice"]
    )

    assert (sub["latest_invoice"]["amount_paid"], sub["currency"]) == (500, "jpy")


@pytest.mark.parametrize(
    ("coupon", "totals"),
    [
        ({"percent_off": 20, "duration": "once"}, [1200, 1500, 1500]),
        ({"percent_off": 12.5, "duration": "forever"}, [1312, 1312, 1312]),
        ({"amount_off": 400, "currency": "usd", "duration": "repeating", "duration_in_months": 2}, [1100, 1100, 1500]),
        ({"amount_off": 9900, "currency": "usd", "duration": "once"}, [0, 1500, 1500]),
    ],
)
def test_coupons_last_as_long_as_they_say(client: Client, coupon: dict[str, Any], totals: list[int]) -> None:
    made = client.post("/v1/coupons", **coupon)["id"]
    sub = _subscribe(client, discounts=[{"coupon": made}])

    client.world.advance(60 * DAY)

    assert [i["total"] for i in _invoices(client, sub)][::-1] == totals
    first = _invoices(client, sub)[-1]
    assert first["subtotal"] - sum(d["amount"] for d in first["total_discount_amounts"]) == first["total"]
    assert sum(d["amount"] for line in first["lines"]["data"] for d in line["discount_amounts"]) == 1500 - totals[0]


def test_an_old_style_discount_of_a_customer_counts_for_all_invoices(client: Client) -> None:
    client.post("/v1/coupons", id="HALF", percent_off=50, duration="forever")
    client.version = OLD
    customer = client.customer(coupon="HALF")
    assert customer["discount"]["coupon"]["id"] == "HALF"

    sub = _subscribe(client, customer=customer["id"])

    assert client.get(f"/v1/invoices/{sub['latest_invoice']}")["total"] == 750


def test_a_refused_invoice_created_delays_the_invoice_for_72_hours(client: Client) -> None:
    sub = _subscribe(client)
    client.post("/v1/webhook_endpoints", url="https://example.com", enabled_events=["invoice.created"])
    client.world.advance(31 * DAY)
    delivery = client.world.outbox.due(client.world.main.now)[0]
    client.world.outbox.record(client.world, delivery.id, 500)

    client.world.advance(71 * HOUR)
    assert _invoices(client, sub)[0]["status"] == "draft"
    client.world.advance(2 * HOUR)

    assert _invoices(client, sub)[0]["status"] == "paid"


def test_a_used_up_coupon_is_refused(client: Client) -> None:
    client.post("/v1/coupons", id="ONE", percent_off=5, max_redemptions=1)
    _subscribe(client, discounts=[{"coupon": "ONE"}])

    with pytest.raises(Refused) as caught:
        _subscribe(client, discounts=[{"coupon": "ONE"}])

    assert caught.value.error["param"] == "discounts[0][coupon]"


def test_a_changed_price_counts_from_the_next_invoice(client: Client) -> None:
    sub = _subscribe(client)
    item = sub["items"]["data"][0]["id"]
    client.post(
        f"/v1/subscriptions/{sub['id']}",
        items=[{"id": item, "price": client.price(2500)["id"], "quantity": 2}],
        proration_behavior="none",
    )

    client.world.advance(31 * DAY + HOUR)

    assert [i["total"] for i in _invoices(client, sub)] == [5000, 1500]


def test_invoice_items_join_the_next_renewal(client: Client) -> None:
    sub = _subscribe(client)
    client.post("/v1/invoiceitems", customer=sub["customer"], amount=250, currency="usd", description="Postage")

    client.world.advance(31 * DAY + HOUR)

    invoice = _invoices(client, sub)[0]
    assert (invoice["total"], len(invoice["lines"]["data"])) == (1750, 2)


def test_a_sent_invoice_becomes_overdue(client: Client) -> None:
    customer = client.post("/v1/customers")["id"]
    sub = _subscribe(client, customer=customer, collection_method="send_invoice", days_until_due=5)
    assert sub["status"] == "active"

    client.world.advance(6 * DAY)

    assert _invoices(client, sub)[0]["status"] == "open"
    assert client.get("/v1/events", type="invoice.overdue")["data"]
    assert _status(client, sub) == "past_due"


def test_only_drafts_can_be_deleted(client: Client) -> None:
    sub = _subscribe(client)

    assert client.refused("DELETE", f"/v1/invoices/{sub['latest_invoice']}").status == 400


def test_paying_out_of_band_closes_an_invoice_without_money(client: Client) -> None:
    sub = _subscribe(client, "pm_card_chargeCustomerFail")

    invoice = client.post(f"/v1/invoices/{sub['latest_invoice']}/pay", paid_out_of_band=True)

    assert (invoice["status"], _status(client, sub)) == ("paid", "active")
    assert client.get("/v1/balance_transactions")["data"] == []


# ---- test clocks


def test_a_test_clock_moves_its_customers_alone(client: Client) -> None:
    clock = client.post("/v1/test_helpers/test_clocks", frozen_time=NEW_YEAR + 100 * DAY)["id"]
    own = _subscribe(client, customer=client.customer(test_clock=clock)["id"])
    other = _subscribe(client)
    assert own["created"] == NEW_YEAR + 100 * DAY

    advancing = client.post(f"/v1/test_helpers/test_clocks/{clock}/advance", frozen_time=NEW_YEAR + 132 * DAY)

    assert advancing["status"] == "advancing"
    assert client.get(f"/v1/test_helpers/test_clocks/{clock}")["status"] == "ready"
    assert len(_invoices(client, own)) == 2
    assert len(_invoices(client, other)) == 1
    assert client.world.now == NEW_YEAR


def test_a_test_clock_goes_forward_two_intervals_at_most(client: Client) -> None:
    clock = client.post("/v1/test_helpers/test_clocks", frozen_time=NEW_YEAR)["id"]
    _subscribe(client, customer=client.customer(test_clock=clock)["id"])
    path = f"/v1/test_helpers/test_clocks/{clock}/advance"

    assert client.refused("POST", path, {"frozen_time": NEW_YEAR}).status == 400
    assert client.refused("POST", path, {"frozen_time": NEW_YEAR + 90 * DAY}).status == 400


def test_things_on_a_clock_are_left_out_of_lists(client: Client) -> None:
    clock = client.post("/v1/test_helpers/test_clocks", frozen_time=NEW_YEAR)["id"]
    customer = client.customer(test_clock=clock)["id"]
    _subscribe(client, customer=customer)

    assert client.get("/v1/customers")["data"] == client.get("/v1/subscriptions", status="all")["data"] == []
    assert client.get("/v1/subscriptions", customer=customer)["data"]
    assert client.get("/v1/customers", test_clock=clock)["data"]


def test_deleting_a_clock_deletes_its_customers(client: Client) -> None:
    clock = client.post("/v1/test_helpers/test_clocks", frozen_time=NEW_YEAR)["id"]
    sub = _subscribe(client, customer=client.customer(test_clock=clock)["id"])

    assert client.delete(f"/v1/test_helpers/test_clocks/{clock}")["deleted"] is True

    assert client.get(f"/v1/customers/{sub['customer']}")["deleted"] is True
    assert _status(client, sub) == "canceled"
