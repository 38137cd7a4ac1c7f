"""What customers pay on at Stripe, and with what: payment links, Checkout pages, saved methods. Pure: payloads to values.

None of it is mirrored: it is read from Stripe when a page shows it. Amounts are minor units of `currency`.

Stripe: https://docs.stripe.com/api/payment-link, https://docs.stripe.com/api/checkout/sessions,
https://docs.stripe.com/api/payment_methods
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from financial.payment_methods import described

LINE_ITEMS = ("line_items",)


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """An address that may be paid by whoever has it; `limit` is how often, 0 any number of times."""

    stripe_id: str
    url: str
    is_active: bool
    sells: str
    currency: str
    amount_minor: int
    limit: int
    paid_count: int
    captures_later: bool

    @property
    def is_used_up(self) -> bool:
        return bool(self.limit) and self.paid_count >= self.limit


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """A page for one payment; `status` is open, complete or expired. `payment_stripe_id` is empty before it is paid."""

    stripe_id: str
    url: str
    status: str
    sells: str
    currency: str
    amount_minor: int
    customer_stripe_id: str
    payment_stripe_id: str
    payment_link_stripe_id: str
    expires_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.status == "open"


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """How a customer can be charged again; never more of a card than its last four digits."""

    stripe_id: str
    kind: str
    brand: str
    last4: str
    expires: tuple[int, int] | None  # month, year

    def __str__(self) -> str:
        shown = described(self.brand, self.kind, self.last4)
        return f"{shown}, expires {self.expires[0]:02}/{self.expires[1]}" if self.expires else shown

    def is_expired(self, today: datetime) -> bool:
        return self.expires is not None and (self.expires[1], self.expires[0]) < (today.year, today.month)


def link_of(payload: Mapping[str, Any]) -> PaymentLink:
    sells, amount_minor = _lines(payload)
    limits = (payload.get("restrictions") or {}).get("completed_sessions") or {}
    return PaymentLink(
        stripe_id=str(payload["id"]),
        url=str(payload.get("url") or ""),
        is_active=bool(payload.get("active")),
        sells=sells,
        currency=str(payload.get("currency") or ""),
        amount_minor=amount_minor,
        limit=int(limits.get("limit") or 0),
        paid_count=int(limits.get("count") or 0),
        captures_later=(payload.get("payment_intent_data") or {}).get("capture_method") == "manual",
    )


def page_of(payload: Mapping[str, Any]) -> CheckoutPage:
    sells, amount_minor = _lines(payload)
    expires = payload.get("expires_at")
    return CheckoutPage(
        stripe_id=str(payload["id"]),
        url=str(payload.get("url") or ""),
        status=str(payload.get("status") or ""),
        sells=sells,
        currency=str(payload.get("currency") or ""),
        amount_minor=int(payload.get("amount_total") or amount_minor),
        customer_stripe_id=_id(payload.get("customer")),
        payment_stripe_id=_id(payload.get("payment_intent")),
        payment_link_stripe_id=_id(payload.get("payment_link")),
        expires_at=datetime.fromtimestamp(expires, UTC) if expires else None,
    )


def method_of(payload: Mapping[str, Any]) -> SavedMethod:
    kind = str(payload.get("type") or "")
    details = payload.get(kind) or {}
    month, year = details.get("exp_month"), details.get("exp_year")
    return SavedMethod(
        stripe_id=str(payload["id"]),
        kind=kind,
        brand=str(details.get("brand") or details.get("bank_name") or ""),
        last4=str(details.get("last4") or ""),
        expires=(int(month), int(year)) if month and year else None,
    )


def _lines(payload: Mapping[str, Any]) -> tuple[str, int]:
    """Return what is sold in words, and what it costs; both empty where the lines were not asked for."""
    lines = (payload.get("line_items") or {}).get("data") or ()
    words = [_line(line) for line in lines]
    return ", ".join(words), sum(int(line.get("amount_total") or 0) for line in lines)


def _line(line: Mapping[str, Any]) -> str:
    quantity, name = int(line.get("quantity") or 1), str(line.get("description") or "")
    return name if quantity == 1 else f"{quantity} × {name}"


def _id(value: Any) -> str:
    return str(value.get("id") or "") if isinstance(value, Mapping) else str(value or "")
