"""Request bodies for what we create at Stripe: our words in, Stripe's parameters out. Pure; amounts are minor units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]
MARK = "financial_request"  # our metadata key: by it we find again what we created but never heard of


def _filled(**values: Any) -> Body:
    return {name: value for name, value in values.items() if value not in (None, "", {}, [])}


def given(**values: Any) -> Body:
    """Return what is to be changed; None leaves a thing as it is, an empty text clears it."""
    return {name: value for name, value in values.items() if value is not None}


def shows(body: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Return whether an object has the plain values that `body` gives it; Stripe keeps a cleared text as null."""
    return all((payload.get(name) or "") == (value or "") for name, value in body.items())


def product(name: str, description: str, metadata: Mapping[str, str] | None) -> Body:
    return _filled(name=name, description=description, metadata=dict(metadata or {}))


def price(
    product_id: str,
    unit_amount_minor: int,
    currency: str,
    *,
    recurring: bool,
    interval: str,
    interval_count: int,
    nickname: str,
    metadata: Mapping[str, str] | None,
) -> Body:
    cycle = _filled(interval=interval, interval_count=interval_count) if recurring else None
    return {
        "unit_amount": unit_amount_minor,  # zero is a price
        **_filled(
            product=product_id, currency=currency, recurring=cycle, nickname=nickname, metadata=dict(metadata or {})
        ),
    }


def customer(email: str, name: str, phone: str, description: str, metadata: Mapping[str, str] | None) -> Body:
    return _filled(email=email, name=name, phone=phone, description=description, metadata=dict(metadata or {}))


def payment_intent(
    customer_id: str,
    amount_minor: int,
    currency: str,
    *,
    description: str,
    payment_method: str,
    metadata: Mapping[str, str] | None,
    capture_later: bool = False,
) -> Body:
    """Confirmed at once, without the customer present, where a payment method is given; else waiting for one.

    Stripe: https://docs.stripe.com/api/payment_intents/create
    """
    confirmation: Body = {"payment_method": payment_method, "confirm": True, "off_session": True}
    return {
        **_filled(
            amount=amount_minor,
            currency=currency,
            customer=customer_id,
            description=description,
            metadata=dict(metadata or {}),
        ),
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        **_filled(capture_method="manual" if capture_later else None),
        **(confirmation if payment_method else {}),
    }


def refund(payment_id: str, amount_minor: int | None, *, reason: str, metadata: Mapping[str, str] | None) -> Body:
    """All that is left of it where no amount is given.

    Stripe: https://docs.stripe.com/api/refunds/create
    """
    return _filled(payment_intent=payment_id, amount=amount_minor, reason=reason, metadata=dict(metadata or {}))


def line_of_amount(amount_minor: int, currency: str, name: str) -> Body:
    """One line of a page to pay on: an amount that has no price at Stripe yet."""
    data = {"currency": currency, "unit_amount": amount_minor, "product_data": {"name": name}}
    return {"price_data": data, "quantity": 1}


def line_of_price(price_id: str, quantity: int) -> Body:
    return {"price": price_id, "quantity": quantity}


def payment_link(line: Body, *, limit: int, description: str, capture_later: bool) -> Body:
    """A link that can be paid `limit` times, 0 for any number.

    Stripe: https://docs.stripe.com/api/payment-link/create
    """
    limits = {"completed_sessions": {"limit": limit}} if limit else None
    return {
        "line_items": [line],
        **_filled(restrictions=limits, payment_intent_data=_paid_as(description, capture_later)),
    }


def checkout_page(line: Body, *, customer_id: str, description: str, capture_later: bool, success_url: str) -> Body:
    """A page for one payment of one customer; Stripe closes it after a day.

    Stripe: https://docs.stripe.com/api/checkout/sessions/create
    """
    return {
        "mode": "payment",
        "line_items": [line],
        "customer": customer_id,
        "success_url": success_url,
        **_filled(payment_intent_data=_paid_as(description, capture_later)),
    }


def _paid_as(description: str, capture_later: bool) -> Body:
    """What the payment shows that comes of a page; its lines are not on it."""
    return _filled(description=description, capture_method="manual" if capture_later else None)


def subscription(
    customer_id: str,
    price_id: str,
    *,
    quantity: int | None = None,
    trial_days: int = 0,
    discount: Mapping[str, str] | None = None,
    days_until_due: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Body:
    """With `days_until_due` invoices are sent to the customer, else the saved method is charged.

    `discount` gives a coupon or a promotion code; where both are empty there is none.

    Stripe: https://docs.stripe.com/api/subscriptions/create
    """
    is_sent = days_until_due is not None
    reduced = _filled(**(discount or {}))
    return _filled(
        customer=customer_id,
        items=[_filled(price=price_id, quantity=quantity)],
        trial_period_days=trial_days or None,
        discounts=[reduced] if reduced else None,
        collection_method="send_invoice" if is_sent else None,
        days_until_due=days_until_due,
        metadata=dict(metadata or {}),
    )


def marked(body: Mapping[str, Any], idempotency_key: str) -> Body:
    """Return the body with the request's key in the metadata of what it creates."""
    return {**body, "metadata": {**body.get("metadata", {}), MARK: idempotency_key}}


def expanded(body: Mapping[str, Any], paths: tuple[str, ...]) -> Body:
    """Return the body asking for an answer that shows what a listing shows."""
    return {**body, "expand": list(paths)} if paths else dict(body)


def mark_of(payload: Mapping[str, Any]) -> str:
    """Return the key of the request that created an object, empty where it was not ours."""
    return str((payload.get("metadata") or {}).get(MARK) or "")
