from __future__ import annotations

from typing import Any

import pytest

from financial.gateway import bodies

PRICE: dict[str, Any] = {
    "recurring": False, "interval": "month", "interval_count": 1, "nickname": "", "metadata": None,
}  # fmt: skip
PAYMENT: dict[str, Any] = {"description": "", "payment_method": "", "metadata": None}
NO_REDIRECT = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


def test_what_is_empty_is_not_sent() -> None:
    assert bodies.product("Novel", "", None) == {"name": "Novel"}
    assert bodies.customer("ada@example.com", "", "", "", {}) == {"email": "ada@example.com"}


def test_what_is_given_is_sent_under_stripes_names() -> None:
    assert bodies.customer("a@example.com", "Ada", "+44", "Reader", {"shelf": "7"}) == {
        "email": "a@example.com", "name": "Ada", "phone": "+44", "description": "Reader", "metadata": {"shelf": "7"},
    }  # fmt: skip
    assert bodies.product("Novel", "Bound", {"isbn": "1"}) == {
        "name": "Novel", "description": "Bound", "metadata": {"isbn": "1"},
    }  # fmt: skip


def test_free_price_is_sent_with_its_zero() -> None:
    assert bodies.price("prod_1", 0, "usd", **PRICE) == {"unit_amount": 0, "product": "prod_1", "currency": "usd"}


def test_one_time_price_has_no_cycle() -> None:
    assert "recurring" not in bodies.price("prod_1", 2999, "usd", **PRICE)


def test_recurring_price_names_its_cycle() -> None:
    body = bodies.price("prod_1", 2999, "usd", **{**PRICE, "recurring": True, "interval": "week", "interval_count": 2})
    assert body["recurring"] == {"interval": "week", "interval_count": 2}


def test_payment_without_a_method_waits_for_one() -> None:
    body = bodies.payment_intent("cus_1", 2999, "usd", **PAYMENT)
    assert body == {"amount": 2999, "currency": "usd", "customer": "cus_1", **NO_REDIRECT}


def test_payment_with_a_method_is_confirmed_at_once_without_the_customer() -> None:
    body = bodies.payment_intent("cus_1", 2999, "usd", **{**PAYMENT, "payment_method": "pm_card_visa"})
    assert body["confirm"] is body["off_session"] is True
    assert (body["payment_method"], body["automatic_payment_methods"]) == (
        "pm_card_visa", NO_REDIRECT["automatic_payment_methods"],
    )  # fmt: skip


@pytest.mark.parametrize(("quantity", "item"), [(None, {"price": "price_1"}), (3, {"price": "price_1", "quantity": 3})])
def test_subscription_has_one_item(quantity: int | None, item: dict[str, Any]) -> None:
    body = bodies.subscription("cus_1", "price_1", quantity=quantity, trial_days=0, metadata=None)
    assert body == {"customer": "cus_1", "items": [item]}


def test_trial_is_sent_in_days() -> None:
    body = bodies.subscription("cus_1", "price_1", quantity=None, trial_days=14, metadata=None)
    assert body["trial_period_days"] == 14


def test_metadata_is_copied() -> None:
    metadata = {"a": "b"}
    body = bodies.product("Novel", "", metadata)
    metadata["a"] = "c"
    assert body["metadata"] == {"a": "b"}
