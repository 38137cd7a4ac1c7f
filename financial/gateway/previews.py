"""What Stripe says an invoice would be, as plain values. Pure; amounts are minor units of `currency`.

Stripe: https://docs.stripe.com/api/invoices/create_preview
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

A_MOMENT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of an invoice that does not exist; a negative amount is a credit."""

    text: str
    amount_minor: int
    is_proration: bool
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class InvoicePreview:
    """An invoice that does not exist: its lines, from the sum of them to what is left to pay, and when it is made.

    `lines` are at most Stripe's first page of them; the sums are of all. subtotal + discount + tax = total, so that
    `discount_minor` is below zero and `tax_minor` is what comes on top. total + balance = due: `balance_minor` is below
    zero where credit of the customer pays, above where something is owed from before.
    """

    currency: str
    lines: tuple[PreviewLine, ...]
    has_more: bool
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int
    balance_minor: int
    due_minor: int
    at: datetime

    def is_now(self, asked_at: datetime) -> bool:
        """Whether it would be made at once: then it bills prorations and periods that begin now, and nothing later."""
        return bool(self.lines) and all(
            line.is_proration or abs(line.starts_at - asked_at) <= A_MOMENT for line in self.lines
        )

    @property
    def credited_minor(self) -> int:
        """What goes to the customer's credit balance because the total is below zero."""
        return max(-self.total_minor, 0)


def preview_of(payload: Mapping[str, Any]) -> InvoicePreview:
    lines = payload.get("lines") or {}
    total, due = int(payload.get("total") or 0), int(payload.get("amount_due") or 0)
    return InvoicePreview(
        currency=str(payload.get("currency") or ""),
        lines=tuple(_line(line) for line in lines.get("data") or ()),
        has_more=bool(lines.get("has_more")),
        subtotal_minor=int(payload.get("subtotal") or 0),
        discount_minor=-sum(int(one.get("amount") or 0) for one in payload.get("total_discount_amounts") or ()),
        tax_minor=sum(int(one.get("amount") or 0) for one in payload.get("total_taxes") or () if _is_on_top(one)),
        total_minor=total,
        balance_minor=due - max(total, 0),
        due_minor=due,
        at=_instant(max(int(payload.get(name) or 0) for name in ("created", "next_payment_attempt"))),
    )


def _line(payload: Mapping[str, Any]) -> PreviewLine:
    parent = payload.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    period = payload.get("period") or {}
    return PreviewLine(
        text=str(payload.get("description") or ""),
        amount_minor=int(payload.get("amount") or 0),
        is_proration=bool(details.get("proration")),
        starts_at=_instant(period.get("start") or 0),
        ends_at=_instant(period.get("end") or 0),
    )


def _is_on_top(tax: Mapping[str, Any]) -> bool:
    return tax.get("tax_behavior") != "inclusive"


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
