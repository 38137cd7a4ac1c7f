"""From an id to the page that shows its object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from financial.models import (
    MirrorRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.search.terms import kind_of

PAYMENTS = "financial.view_stripepaymentintent"
CUSTOMERS = "financial.view_stripecustomer"
SUBSCRIPTIONS = "financial.view_stripesubscription"
PRODUCTS = "financial.view_stripeproduct"
PAYOUTS = "financial.view_stripepayout"
LEDGER = "financial.view_transaction"
EVENTS = "financial.view_stripewebhookevent"


@dataclass(frozen=True)
class Place:
    """One page that shows an object, who may see it, and the id it goes by there."""

    page: str
    permission: str
    key: Any = ""


# Where an object is shown, the best place first: (page, permission, the column with the id that page goes by).
PLACES: Mapping[str, tuple[type[MirrorRow], tuple[tuple[str, str, str], ...]]] = {
    "product": (StripeProduct, (("product", PRODUCTS, "stripe_id"),)),
    "price": (StripePrice, (("product", PRODUCTS, "product_stripe_id"),)),
    "customer": (StripeCustomer, (("customer", CUSTOMERS, "stripe_id"),)),
    "payment_intent": (StripePaymentIntent, (("payment", PAYMENTS, "stripe_id"),)),
    "charge": (
        StripeCharge,
        (("payment", PAYMENTS, "payment_intent_stripe_id"), ("customer", CUSTOMERS, "customer_stripe_id")),
    ),
    "refund": (StripeRefund, (("payment", PAYMENTS, "payment_intent_stripe_id"),)),
    "dispute": (StripeDispute, (("payment", PAYMENTS, "payment_intent_stripe_id"),)),
    "subscription": (StripeSubscription, (("subscription", SUBSCRIPTIONS, "stripe_id"),)),
    "invoice": (
        StripeInvoice,
        (
            ("subscription", SUBSCRIPTIONS, "subscription_stripe_id"),
            ("customer", CUSTOMERS, "customer_stripe_id"),
            ("payment", PAYMENTS, "payment_intent_stripe_id"),
        ),
    ),
    "payout": (StripePayout, (("payout", PAYOUTS, "stripe_id"),)),
    "balance_transaction": (StripeBalanceTransaction, (("transaction", LEDGER, "transaction"),)),
}


def places_of(kind: str, row: Mapping[str, Any]) -> list[Place]:
    """Return the pages that show an object of this kind; `row` has the columns named in `PLACES`."""
    return [Place(page, permission, row[column]) for page, permission, column in PLACES[kind][1] if row[column]]


def page_of(credential: StripeCredential, stripe_id: str) -> list[Place] | None:
    """Return the pages that show the object with this id, the best first; None where it is not in the mirror.

    One query.
    """
    kind = kind_of(stripe_id)
    if kind == "event":
        return _page_of_event(credential, stripe_id)
    if kind not in PLACES:
        return None
    model, places = PLACES[kind]
    row = model.objects.of(credential).filter(stripe_id=stripe_id).values(*(column for *_, column in places)).first()
    return None if row is None else places_of(kind, row)


def _page_of_event(credential: StripeCredential, event_id: str) -> list[Place] | None:
    events = StripeWebhookEvent.objects.filter(credential=credential, account="", event_id=event_id)
    return [Place("event", EVENTS, event_id)] if events.exists() else None
