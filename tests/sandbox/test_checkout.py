"""Checkout sessions and payment links, below the pages that show them."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import OLD, payment_intents, payment_links, setup_intents
from sandbox.core.checkout_visit import complete, intent_of
from sandbox.core.errors import StripeError
from sandbox.core.settings import DAY
from sandbox.core.store import Object
from tests.sandbox.client import Client, world

DECLINED = "pm_card_visa_chargeDeclined"
BANK_ASKS = "pm_card_threeDSecure2Required"


@pytest.fixture
def client() -> Client:
    return Client(world())


def _session(client: Client, amount: int = 2500, interval: str | None = None, **params: Any) -> dict[str, Any]:
    mode = "subscription" if interval else "payment"
    return client.post(
        "/v1/checkout/sessions",
        mode=mode,
        line_items=[{"price": client.price(amount, interval)["id"], "quantity": 2}],
        success_url="https://example.com/s",
        **params,
    )


def _stored(client: Client, session: dict[str, Any]) -> Object:
    return client.world.raw("checkout.session", session["id"])


def _after(client: Client, session: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/v1/checkout/sessions/{session['id']}")


def _events(client: Client) -> list[str]:
    return [event["type"] for event in client.get("/v1/events", limit=100)["data"]][::-1]


def _declined(client: Client, session: dict[str, Any], card: str = DECLINED) -> StripeError:
    with pytest.raises(StripeError) as caught:
        complete(client.world, _stored(client, session), card)
    return caught.value


def test_a_refused_payment_leaves_what_stripe_leaves(client: Client) -> None:
    session = _session(client)

    error = _declined(client, session)

    after = _after(client, session)
    intent = client.get(f"/v1/payment_intents/{after['payment_intent']}", expand=["latest_charge"])
    assert (error.code, after["status"], after["payment_status"]) == ("card_declined", "open", "unpaid")
    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert (intent["latest_charge"]["status"], intent["latest_charge"]["amount"]) == ("failed", 5000)
    assert {"payment_intent.created", "charge.failed", "payment_intent.payment_failed"} <= set(_events(client))
    assert "checkout.session.completed" not in _events(client)


def test_after_a_decline_the_same_intent_is_paid(client: Client) -> None:
    session = _session(client)
    _declined(client, session)

    complete(client.world, _stored(client, session), email="b@example.com")

    after = _after(client, session)
    assert (after["status"], after["payment_status"], after["customer"]) == ("complete", "paid", None)
    assert after["customer_details"]["email"] == "b@example.com"
    assert [c["status"] for c in client.get("/v1/charges", payment_intent=after["payment_intent"])["data"]] == [
        "succeeded",
        "failed",
    ]
    assert len(client.get("/v1/payment_intents")["data"]) == 1


def test_a_complete_session_takes_no_second_payment(client: Client) -> None:
    session = _session(client)
    complete(client.world, _stored(client, session))

    assert "complete" in _declined(client, session, "pm_card_visa").message
    assert len(client.get("/v1/charges")["data"]) == 1


@pytest.mark.parametrize(("passed", "status"), [(True, "complete"), (False, "open")])
def test_the_bank_decides_whether_a_session_completes(client: Client, passed: bool, status: str) -> None:
    session = _session(client)
    complete(client.world, _stored(client, session), BANK_ASKS)
    assert _after(client, session)["status"] == "open"

    intent = intent_of(client.world, _stored(client, session))
    assert intent is not None
    payment_intents.authenticate(client.world, intent, passed=passed)

    assert _after(client, session)["status"] == status


def test_a_held_payment_completes_unpaid(client: Client) -> None:
    session = _session(client, payment_intent_data={"capture_method": "manual", "metadata": {"a": "b"}})

    complete(client.world, _stored(client, session))

    after = _after(client, session)
    intent = client.get(f"/v1/payment_intents/{after['payment_intent']}")
    assert (after["status"], after["payment_status"], intent["status"]) == ("complete", "unpaid", "requires_capture")
    assert (intent["amount_capturable"], intent["metadata"]) == (5000, {"a": "b"})


def test_a_card_kept_at_checkout_pays_again_without_its_owner(client: Client) -> None:
    session = _session(client, payment_intent_data={"setup_future_usage": "off_session"})
    complete(client.world, _stored(client, session), email="b@example.com")
    customer = _after(client, session)["customer"]

    method = client.get(f"/v1/customers/{customer}/payment_methods")["data"][0]["id"]
    again = client.pay(card=method, customer=customer, off_session=True)

    assert (again["status"], again["customer"]) == ("succeeded", customer)


def test_customer_creation_always_makes_a_customer(client: Client) -> None:
    session = _session(client, customer_creation="always", customer_email="b@example.com")

    complete(client.world, _stored(client, session), email="b@example.com")

    customer = client.get(f"/v1/customers/{_after(client, session)['customer']}")
    assert customer["email"] == "b@example.com"
    assert client.get("/v1/payment_intents", customer=customer["id"])["data"]


def test_a_known_customer_pays_as_such(client: Client) -> None:
    customer = client.customer()["id"]
    session = _session(client, customer=customer)

    complete(client.world, _stored(client, session))

    assert client.get("/v1/charges", customer=customer)["data"][0]["amount"] == 5000


def test_a_subscription_begins_with_its_first_payment(client: Client) -> None:
    session = _session(client, 900, "month", subscription_data={"metadata": {"s": "1"}})
    _declined(client, session)
    assert _after(client, session)["subscription"] is None

    complete(client.world, _stored(client, session))

    after = _after(client, session)
    sub = client.get(f"/v1/subscriptions/{after['subscription']}", expand=["latest_invoice"])
    assert (sub["status"], sub["metadata"], sub["customer"]) == ("active", {"s": "1"}, after["customer"])
    assert (sub["latest_invoice"]["id"], sub["latest_invoice"]["status"]) == (after["invoice"], "paid")
    client.world.advance(32 * DAY)
    assert len(client.get("/v1/invoices", subscription=sub["id"], status="paid")["data"]) == 2
    assert len(client.get("/v1/subscriptions", status="all")["data"]) == 1


@pytest.mark.parametrize(("passed", "status"), [(True, "active"), (False, "incomplete")])
def test_the_bank_decides_whether_a_subscription_begins(client: Client, passed: bool, status: str) -> None:
    session = _session(client, 900, "month")
    complete(client.world, _stored(client, session), BANK_ASKS)
    intent = intent_of(client.world, _stored(client, session))
    assert intent is not None

    payment_intents.authenticate(client.world, intent, passed=passed)

    assert client.get("/v1/subscriptions", status="all")["data"][0]["status"] == status
    if not passed:
        complete(client.world, _stored(client, session))
    after = _after(client, session)
    assert (after["status"], client.get(f"/v1/subscriptions/{after['subscription']}")["status"]) == (
        "complete",
        "active",
    )


def test_a_trial_keeps_the_card_and_bills_later(client: Client) -> None:
    session = _session(client, 900, "month", subscription_data={"trial_period_days": 7})
    assert session["amount_total"] == 0

    complete(client.world, _stored(client, session))

    after = _after(client, session)
    sub = client.get(f"/v1/subscriptions/{after['subscription']}")
    assert (after["payment_status"], sub["status"]) == ("no_payment_required", "trialing")
    client.world.advance(8 * DAY)
    assert (
        client.get(f"/v1/subscriptions/{sub['id']}", expand=["latest_invoice"])["latest_invoice"]["amount_paid"] == 1800
    )


def test_once_and_again_can_be_bought_together(client: Client) -> None:
    items = [
        {"price": client.price(900)["id"], "quantity": 1},
        {"price": client.price(500, None)["id"], "quantity": 1},
    ]
    session = client.post(
        "/v1/checkout/sessions", mode="subscription", line_items=items, success_url="https://example.com"
    )

    complete(client.world, _stored(client, session))

    invoice = client.get(f"/v1/invoices/{_after(client, session)['invoice']}")
    assert (invoice["amount_paid"], len(invoice["lines"]["data"])) == (1400, 2)


def test_setting_up_keeps_a_card_that_the_bank_has_confirmed(client: Client) -> None:
    session = client.post("/v1/checkout/sessions", mode="setup", success_url="https://example.com", currency="usd")
    _declined(client, session)
    complete(client.world, _stored(client, session), "pm_card_authenticationRequiredOnSetup")

    intent = client.world.raw("setup_intent", _after(client, session)["setup_intent"])
    setup_intents.authenticate(client.world, intent, passed=True)

    after = _after(client, session)
    assert (after["status"], after["payment_status"]) == ("complete", "no_payment_required")
    assert len(client.get(f"/v1/customers/{after['customer']}/payment_methods")["data"]) == 1


def test_an_expired_session_gives_its_intent_up(client: Client) -> None:
    session = _session(client)
    _declined(client, session)

    client.world.advance(2 * DAY)

    after = _after(client, session)
    assert (after["status"], after["url"]) == ("expired", None)
    assert client.get(f"/v1/payment_intents/{after['payment_intent']}")["status"] == "canceled"


def test_a_coupon_is_taken_off_and_counted_when_paid(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=10, max_redemptions=1)["id"]
    session = _session(client, discounts=[{"coupon": coupon}])
    assert (session["amount_subtotal"], session["amount_total"]) == (5000, 4500)
    assert client.get(f"/v1/coupons/{coupon}")["times_redeemed"] == 0

    complete(client.world, _stored(client, session))

    assert client.get("/v1/charges")["data"][0]["amount"] == 4500
    assert client.get(f"/v1/coupons/{coupon}")["valid"] is False


def test_nothing_due_needs_no_card(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=100)["id"]
    session = _session(client, discounts=[{"coupon": coupon}])

    complete(client.world, _stored(client, session))

    after = _after(client, session)
    assert (after["status"], after["payment_status"], after["payment_intent"]) == (
        "complete",
        "no_payment_required",
        None,
    )


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"success_url": "https://example.com\r\nSet-Cookie: a=b"}, "success_url"),
        ({"cancel_url": "//example.com"}, "cancel_url"),
        ({"subscription_data": {"trial_period_days": 3}}, "subscription_data"),
        ({"expires_at": 1}, "expires_at"),
        ({"nonsense": "1"}, "nonsense"),
        ({"payment_intent_data": {"nonsense": "1"}}, "payment_intent_data[nonsense]"),
    ],
)
def test_what_stripe_refuses_is_refused(client: Client, params: dict[str, Any], param: str) -> None:
    item = {"price": client.price(900, None)["id"], "quantity": 1}
    given = {"mode": "payment", "line_items": [item], "success_url": "https://example.com"} | params

    assert client.refused("POST", "/v1/checkout/sessions", given).error["param"] == param


# ---- payment links


def _link(client: Client, interval: str | None = None, **params: Any) -> dict[str, Any]:
    items = [{"price": client.price(2500, interval)["id"], "quantity": 2}]
    return client.post("/v1/payment_links", line_items=items, **params)


def _visit(client: Client, link: dict[str, Any]) -> Object:
    return payment_links.visit(client.world, client.world.raw("payment_link", link["id"]))


@pytest.mark.parametrize("version", ["", OLD])
def test_every_visit_of_a_link_is_a_session_of_its_own(client: Client, version: str) -> None:
    client.version = version or client.version
    link = _link(client, metadata={"a": "b"})

    first, second = _visit(client, link), _visit(client, link)
    complete(client.world, first)

    sessions = client.get("/v1/checkout/sessions", payment_link=link["id"])["data"]
    assert first["id"] != second["id"]
    assert [(s["payment_link"], s["status"], s["amount_total"]) for s in sessions] == [
        (link["id"], "open", 5000),
        (link["id"], "complete", 5000),
    ]
    assert sessions[1]["metadata"] == {"a": "b"}


def test_a_recurring_price_makes_a_link_to_a_subscription(client: Client) -> None:
    link = _link(client, "month", subscription_data={"trial_period_days": 5})

    session = _visit(client, link)
    complete(client.world, session)

    assert client.get(f"/v1/subscriptions/{session['subscription']}")["status"] == "trialing"


def test_a_closed_link_opens_nothing(client: Client) -> None:
    link = _link(client)
    client.post(f"/v1/payment_links/{link['id']}", active=False, inactive_message="Sold out")

    with pytest.raises(StripeError, match="Sold out"):
        _visit(client, link)

    assert client.get("/v1/checkout/sessions")["data"] == []


def test_a_link_closes_after_its_last_sale(client: Client) -> None:
    link = _link(client, restrictions={"completed_sessions": {"limit": 1}})

    complete(client.world, _visit(client, link))

    after = client.get(f"/v1/payment_links/{link['id']}")
    assert (after["active"], after["restrictions"]["completed_sessions"]) == (False, {"count": 1, "limit": 1})


def test_links_are_listed_newest_first_and_by_state(client: Client) -> None:
    links = [_link(client)["id"] for _ in range(3)]
    client.post(f"/v1/payment_links/{links[1]}", active=False)

    assert [link["id"] for link in client.get("/v1/payment_links")["data"]] == links[::-1]
    assert [link["id"] for link in client.get("/v1/payment_links", active=True)["data"]] == [links[2], links[0]]


def test_a_link_refuses_what_does_not_fit(client: Client) -> None:
    item = {"price": client.price(900, None)["id"], "quantity": 1}
    redirect = {"type": "redirect", "redirect": {"url": "ftp://example.com"}}
    for params, param in (
        ({"subscription_data": {"description": "x"}}, "subscription_data"),
        ({"after_completion": redirect}, "after_completion[redirect][url]"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"price": item["price"]}]}, "line_items[0][quantity]"),
    ):
        given = {"line_items": [item]} | params
        assert client.refused("POST", "/v1/payment_links", given).error["param"] == param
