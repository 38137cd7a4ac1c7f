"""Previews: they write nothing, and what they show is what then happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import OLD, snapshot, wire
from sandbox.core.settings import DAY, HOUR
from tests.sandbox.client import Client, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def _subscribe(client: Client, amount: int = 3100, **params: Any) -> dict[str, Any]:
    customer = client.customer()["id"]
    return client.post("/v1/subscriptions", customer=customer, items=[{"price": client.price(amount)["id"]}], **params)


def _preview(client: Client, **params: Any) -> dict[str, Any]:
    """Return a preview after making sure that it wrote nothing."""
    before = _state(client)
    shown = client.post("/v1/invoices/create_preview", **params)
    assert _state(client) == before
    return shown


def _state(client: Client) -> bytes:
    """Return everything there is but the ids that were used up; what is due has happened."""
    client.world.tick()
    state = snapshot.dump(client.world)
    state["tables"] = {kind: rows for kind, rows in state["tables"].items() if rows}
    return wire.dumps(state | {"counter": 0})


def _money(invoice: dict[str, Any]) -> dict[str, Any]:
    """Return what a preview promises of an invoice."""
    lines = [
        (line["amount"], line["description"], line["period"], line["quantity"]) for line in invoice["lines"]["data"]
    ]
    names = (
        "currency",
        "customer",
        "subtotal",
        "total",
        "amount_due",
        "starting_balance",
        "period_start",
        "period_end",
    )
    return {name: invoice[name] for name in names} | {"lines": lines}


def _latest(client: Client, sub: dict[str, Any]) -> dict[str, Any]:
    return client.get("/v1/invoices", subscription=sub["id"])["data"][0]


CHANGES = st.fixed_dictionaries(
    {
        "amount": st.sampled_from([0, 700, 1999, 12000]),
        "interval": st.sampled_from(["month", "month", "year"]),
        "quantity": st.integers(1, 9),
        "behavior": st.sampled_from(["create_prorations", "always_invoice", "none"]),
        "anchor": st.sampled_from([None, None, "now", "unchanged"]),
        "coupon": st.sampled_from([None, {"percent_off": 33.3, "duration": "forever"}, {"percent_off": 10}]),
        "balance": st.sampled_from([0, -5000, 120]),
        "after": st.integers(0, 31 * DAY - 1),
        "later": st.integers(0, 900),
        "waits": st.booleans(),
    }
)


@given(change=CHANGES)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_what_a_preview_shows_is_what_then_happens(change: dict[str, Any]) -> None:
    client = Client(world())
    more = {}
    if change["coupon"]:
        more = {"discounts": [{"coupon": client.post("/v1/coupons", **change["coupon"])["id"]}]}
    sub = _subscribe(client, **more)
    client.post(f"/v1/customers/{sub['customer']}", balance=change["balance"])
    if change["waits"]:
        client.post("/v1/invoiceitems", customer=sub["customer"], amount=250, currency="usd", description="Postage")
    client.world.advance(change["after"])
    price = client.price(change["amount"], change["interval"])["id"]
    wish: dict[str, Any] = {
        "items": [{"id": sub["items"]["data"][0]["id"], "price": price, "quantity": change["quantity"]}],
        "proration_behavior": change["behavior"],
        "proration_date": client.world.now,
    }
    if change["anchor"]:
        wish["billing_cycle_anchor"] = {"type": change["anchor"]}

    shown = _preview(client, subscription=sub["id"], subscription_details=wish)
    end = client.get(f"/v1/subscriptions/{sub['id']}")["items"]["data"][0]["current_period_end"]
    count = len(client.get("/v1/invoices", subscription=sub["id"])["data"])
    client.world.advance(min(change["later"], max(0, end - client.world.now - 1)))
    now = client.world.now
    client.post(f"/v1/subscriptions/{sub['id']}", **wish)
    if len(client.get("/v1/invoices", subscription=sub["id"])["data"]) == count:
        client.world.advance(shown["created"] - client.world.now)

    made, moved = _money(_latest(client, sub)), now - wish["proration_date"]
    assert made["total"] == shown["total"]
    assert made["amount_due"] == shown["amount_due"]
    if moved == 0:
        assert made == _money(shown)


def test_without_changes_it_is_the_next_renewal(client: Client) -> None:
    sub = _subscribe(client)
    client.post("/v1/invoiceitems", customer=sub["customer"], amount=250, currency="usd", description="Postage")

    shown = _preview(client, subscription=sub["id"])

    assert (shown["status"], shown["total"], shown["billing_reason"]) == ("draft", 3350, "upcoming")
    assert shown["id"].startswith("upcoming_in_")
    assert shown["created"] == sub["items"]["data"][0]["current_period_end"]
    client.world.advance(31 * DAY)
    assert _money(_latest(client, sub)) == _money(shown)


def test_a_new_subscription_can_be_previewed(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=10)["id"]
    price, customer = client.price(2000)["id"], client.customer()["id"]
    wish = {"items": [{"price": price, "quantity": 3}]}

    shown = _preview(client, customer=customer, subscription_details=wish, discounts=[{"coupon": coupon}])

    sub = client.post("/v1/subscriptions", customer=customer, **wish, discounts=[{"coupon": coupon}])
    assert shown["total"] == 5400
    assert _money(_latest(client, sub)) == _money(shown)


def test_a_new_trial_is_free_and_says_what_comes_then(client: Client) -> None:
    customer, end = client.customer()["id"], client.world.now + 14 * DAY
    wish = {"items": [{"price": client.price(2000)["id"]}], "trial_end": end}

    first = _preview(client, customer=customer, subscription_details=wish)
    then = _preview(client, customer=customer, subscription_details=wish, preview_mode="recurring")

    assert (first["total"], then["total"], then["created"]) == (0, 2000, end)


def test_a_new_subscription_says_what_comes_after_its_first_invoice(client: Client) -> None:
    customer, coupon = client.customer()["id"], client.post("/v1/coupons", percent_off=50, duration="once")["id"]
    wish = {"items": [{"price": client.price(2000)["id"]}]}
    more = {"customer": customer, "subscription_details": wish, "discounts": [{"coupon": coupon}]}

    first, then = _preview(client, **more), _preview(client, **more, preview_mode="recurring")

    assert (first["total"], then["total"]) == (1000, 2000)
    assert first["created"] == client.world.now < then["created"]


def test_a_subscription_for_nobody_yet_can_be_previewed(client: Client) -> None:
    wish = {"items": [{"price": client.price(2000)["id"]}]}

    assert _preview(client, subscription_details=wish)["total"] == 2000


def test_canceling_now_shows_what_is_given_back(client: Client) -> None:
    sub = _subscribe(client)
    client.world.advance(10 * DAY)
    wish = {"cancel_now": True, "proration_date": client.world.now}

    shown = _preview(client, subscription=sub["id"], subscription_details=wish)

    client.delete(f"/v1/subscriptions/{sub['id']}", prorate=True, invoice_now=True)
    assert shown["total"] == -2100
    assert _money(_latest(client, sub)) == _money(shown)


def test_canceling_at_the_end_leaves_nothing_to_bill(client: Client) -> None:
    sub = _subscribe(client)
    params = {"subscription": sub["id"], "subscription_details": {"cancel_at_period_end": True}}

    refused = client.refused("POST", "/v1/invoices/create_preview", params)

    assert (refused.status, refused.error["code"]) == (404, "invoice_upcoming_none")
    assert client.get(f"/v1/subscriptions/{sub['id']}")["cancel_at_period_end"] is False


def test_ending_a_trial_can_be_previewed(client: Client) -> None:
    sub = _subscribe(client, trial_period_days=9)
    client.world.advance(HOUR)

    shown = _preview(client, subscription=sub["id"], subscription_details={"trial_end": "now"})

    client.post(f"/v1/subscriptions/{sub['id']}", trial_end="now")
    assert _money(_latest(client, sub)) == _money(shown)


def test_only_what_recurs_leaves_out_what_waits(client: Client) -> None:
    sub = _subscribe(client)
    client.post("/v1/invoiceitems", customer=sub["customer"], amount=250, currency="usd")
    wish = {"items": [{"id": sub["items"]["data"][0]["id"], "quantity": 2}]}

    shown = _preview(client, subscription=sub["id"], subscription_details=wish, preview_mode="recurring")

    assert shown["total"] == 6200


def test_what_waits_for_a_customer_can_be_previewed(client: Client) -> None:
    customer = client.customer()["id"]
    nothing = client.refused("POST", "/v1/invoices/create_preview", {"customer": customer})
    item = {"amount": 900, "currency": "usd", "description": "Book"}

    shown = _preview(client, customer=customer, invoice_items=[item])

    assert nothing.error["code"] == "invoice_upcoming_none"
    assert (shown["total"], shown["lines"]["data"][0]["description"]) == (900, "Book")


def test_a_long_preview_is_whole(client: Client) -> None:
    sub = _subscribe(client)
    for quantity in range(2, 9):
        wish = {"items": [{"id": sub["items"]["data"][0]["id"], "quantity": quantity}]}
        client.post(f"/v1/subscriptions/{sub['id']}", **wish)

    lines = _preview(client, subscription=sub["id"])["lines"]

    assert (len(lines["data"]), lines["has_more"]) == (15, False)


def test_the_old_version_has_it_too(client: Client) -> None:
    client.version = OLD
    sub = _subscribe(client)

    shown = client.get("/v1/invoices/upcoming", subscription=sub["id"])

    assert "id" not in shown
    assert shown["lines"]["data"][0]["proration"] is False


def test_a_declined_preview_writes_nothing_either(client: Client) -> None:
    sub = _subscribe(client)
    before = _state(client)
    params = {"subscription": sub["id"], "subscription_details": {"items": [{"price": "price_none"}]}}

    assert client.refused("POST", "/v1/invoices/create_preview", params).error["code"] == "resource_missing"
    assert _state(client) == before
