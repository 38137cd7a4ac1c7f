"""How a found row is shown: one line of plain values for each, whatever it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from financial.filters.states import payment_state
from financial.models import (
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeWebhookEvent,
    Transaction,
)
from financial.payment_methods import described
from financial.pricing import price_words
from financial.search.places import Place, places_of


@dataclass(frozen=True)
class Hit:
    """One line: a title and a note, an amount in minor units if it has one, a state in the words of the badges."""

    places: tuple[Place, ...]
    title: str
    note: str
    at: dt.datetime | None
    amount_minor: int | None = None
    currency: str = ""
    status: str = ""
    status_kind: str = ""


def payments(credential: StripeCredential, found: Sequence[StripePaymentIntent]) -> list[Hit]:
    return [_payment(row) for row in found]


def _payment(row: StripePaymentIntent) -> Hit:
    charges = list(row.charges.all())
    latest = next((charge for charge in charges if charge.stripe_id == row.latest_charge_stripe_id), None)
    customer = str(row.customer) if row.customer else row.customer_stripe_id
    return Hit(
        _places("payment_intent", row),
        customer or "No customer",
        _joined(_method(latest), row.description),
        row.created_at,
        row.amount_minor,
        row.currency,
        payment_state(row, charges),
        "payment",
    )


def _method(charge: StripeCharge | None) -> str:
    return described(charge.card_brand, charge.method_type, charge.card_last4) if charge else ""


def customers(credential: StripeCredential, found: Sequence[StripeCustomer]) -> list[Hit]:
    return [
        Hit(
            _places("customer", row),
            str(row),
            _joined(row.email if row.name else "", row.description),
            row.created_at,
            status="deleted" if row.is_deleted else "",
            status_kind="active",
        )
        for row in found
    ]


def subscriptions(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    return [
        Hit(
            _places("subscription", row),
            str(row.customer) if row.customer else row.customer_stripe_id or row.stripe_id,
            _joined(str(row.price.product or "") if row.price else "", price_words(row.price) if row.price else ""),
            row.created_at,
            status=row.status,
            status_kind="subscription",
        )
        for row in found
    ]


def products(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    """Lines of products with their default price; one further query."""
    wanted = [row.default_price_stripe_id for row in found if row.default_price_stripe_id]
    prices = StripePrice.objects.of(credential).filter(stripe_id__in=wanted).defer("payload", "private")
    words = {price.stripe_id: price_words(price) for price in prices}
    return [
        Hit(
            _places("product", row),
            str(row),
            _joined(words.get(row.default_price_stripe_id, ""), row.description),
            row.created_at,
            status="deleted" if row.is_deleted else "active" if row.active else "archived",
            status_kind="active",
        )
        for row in found
    ]


def invoices(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    return [
        Hit(
            _places("invoice", row),
            row.number or row.stripe_id,
            str(row.customer) if row.customer else row.customer_stripe_id,
            row.created_at,
            row.total_minor,
            row.currency,
            row.status,
            "stripeinvoice",
        )
        for row in found
    ]


def payouts(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    return [
        Hit(
            _places("payout", row),
            f"Payout arriving {row.arrives_on:%-d %b %Y}" if row.arrives_on else "Payout",
            _joined(row.trace_id, row.statement_descriptor),
            row.created_at,
            row.amount_minor,
            row.currency,
            row.status,
            "stripepayout",
        )
        for row in found
    ]


def refunds(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    return [_answer("refund", "Refund", row) for row in found]


def disputes(credential: StripeCredential, found: Sequence[Any]) -> list[Hit]:
    return [_answer("dispute", "Dispute", row) for row in found]


def _answer(kind: str, word: str, row: Any) -> Hit:
    customer = row.payment_intent.customer if row.payment_intent else None
    return Hit(
        _places(kind, row),
        f"{word} to {customer}" if customer and kind == "refund" else f"{word} of {customer}" if customer else word,
        row.reason.replace("_", " ").capitalize(),
        row.created_at,
        row.amount_minor,
        row.currency,
        row.status,
        f"stripe{kind}",
    )


def transactions(credential: StripeCredential, found: Sequence[Transaction]) -> list[Hit]:
    return [
        Hit(
            (Place("transaction", "financial.view_transaction", row.pk),),
            row.get_kind_display(),
            row.description or row.source_stripe_id,
            row.occurred_at,
            row.amount_minor,
            row.currency,
            row.status,
            "transaction",
        )
        for row in found
    ]


def events(credential: StripeCredential, found: Sequence[StripeWebhookEvent]) -> list[Hit]:
    return [
        Hit(
            (Place("event", "financial.view_stripewebhookevent", row.event_id),),
            row.type,
            _joined(row.event_id, row.object_stripe_id),
            row.received_at,
            status=row.state,
            status_kind="stripewebhookevent",
        )
        for row in found
    ]


def _places(kind: str, row: Any) -> tuple[Place, ...]:
    return tuple(places_of(kind, vars(row)))


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
