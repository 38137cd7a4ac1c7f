"""What is in the mirrored account: how many of each, what is new, what needs attention, what happened last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import chain
from operator import attrgetter
from typing import Any

from django.db.models import Q, QuerySet

from financial import conf
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.models.mirror import MirrorQuerySet
from financial.paging import BoundedCount, CountUpTo, bounded_count
from financial.reports.cached import cached
from financial.reports.ledger import Suspended, suspended
from financial.reports.periods import Period

SHORT_LIST = 6
ACTIVITY_ROWS = 12
DISPUTES_TO_ANSWER = ("needs_response", "warning_needs_response")
SUBSCRIPTIONS_AT_RISK = ("past_due", "unpaid")
DISPUTES_OPEN = (*DISPUTES_TO_ANSWER, "under_review", "warning_under_review")
_HEAVY = ("payload", "private")
_SUBSCRIBED = Q(status__in=StripeSubscription.ACTIVE_STATUSES)
_OF_PAYMENT = ("payment_intent", "payment_intent__customer")
# What the stream tells of: the word in addresses -> its label, the rows, and what to read with them.
ACTIVITIES: dict[str, tuple[str, type[MirrorRow], tuple[str, ...]]] = {
    "payment": ("Payments", StripePaymentIntent, ("customer",)),
    "subscription": ("Subscriptions", StripeSubscription, ("customer", "price", "price__product")),
    "refund": ("Refunds", StripeRefund, _OF_PAYMENT),
    "dispute": ("Disputes", StripeDispute, _OF_PAYMENT),
    "customer": ("Customers", StripeCustomer, ()),
    "payout": ("Payouts", StripePayout, ()),
}


@dataclass(frozen=True)
class ResourceCount:
    """One row per resource: how many there are, of which `current` ones count; neither is counted without end."""

    total: BoundedCount
    current: BoundedCount


@dataclass(frozen=True)
class Stock:
    """The account in four numbers of things; deleted rows are left out."""

    products: ResourceCount
    customers: ResourceCount
    payments: ResourceCount
    subscriptions: ResourceCount

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, part.name).total.value for part in fields(self))


@dataclass(frozen=True)
class Renewal:
    """A subscription that is not paid, and the invoice that waits, if it is mirrored."""

    subscription: StripeSubscription
    invoice: StripeInvoice | None


@dataclass(frozen=True)
class Trouble:
    """How much of what went wrong there is; counted no further than the limit of `financial.paging`."""

    failed_payments: BoundedCount
    open_disputes: BoundedCount


@dataclass(frozen=True)
class Attention:
    """What somebody should look at: up to six rows each, newest first, disputes by their deadline."""

    failed_payments: tuple[StripePaymentIntent, ...]
    disputes: tuple[StripeDispute, ...]
    renewals: tuple[Renewal, ...]
    events: tuple[StripeWebhookEvent, ...] = ()
    payouts: tuple[StripePayout, ...] = ()
    suspended: tuple[Suspended, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, part.name) for part in fields(self))


@dataclass(frozen=True)
class Activity:
    """One thing that happened; `kind` says which mirror row `row` is."""

    at: dt.datetime
    kind: str
    row: Any


@dataclass(frozen=True)
class Recent:
    """The newest rows, and all of them woven into one story."""

    payments: tuple[StripePaymentIntent, ...]
    subscriptions: tuple[StripeSubscription, ...]
    activity: tuple[Activity, ...]


def resource_counts(credential: StripeCredential) -> Stock:
    """Return how many products, customers, payments and subscriptions there are; one query, none when kept."""
    return cached("stock", credential, lambda: _stock(credential))


def _stock(credential: StripeCredential) -> Stock:
    counted = {
        name: [CountUpTo(rows), CountUpTo(rows.filter(current))]
        for name, rows, current in (
            ("products", StripeProduct.objects.of(credential).alive(), Q(active=True)),
            ("customers", StripeCustomer.objects.of(credential).alive(), Q(delinquent=False)),
            ("payments", StripePaymentIntent.objects.of(credential).alive(), Q(status="succeeded")),
            ("subscriptions", StripeSubscription.objects.of(credential).alive(), _SUBSCRIBED),
        )
    }
    figures = StripeCredential.objects.filter(pk=credential.pk).values_list(*chain(*counted.values())).get()
    totals = [BoundedCount(figure) for figure in figures]
    return Stock(**{name: ResourceCount(*totals[2 * place : 2 * place + 2]) for place, name in enumerate(counted)})


def attention(credential: StripeCredential, period: Period) -> Attention:
    """Return what waits for somebody, of failed payments and payouts those of the period; seven queries at most."""
    failed = _failed(credential, period)
    payouts = _since(StripePayout.objects.of(credential).alive().filter(status="failed"), period)
    disputes = StripeDispute.objects.of(credential).alive().filter(status__in=DISPUTES_TO_ANSWER)
    dead = StripeWebhookEvent.objects.filter(credential=credential, state=StripeWebhookEvent.State.DEAD)
    at_risk = StripeSubscription.objects.of(credential).alive().filter(status__in=SUBSCRIPTIONS_AT_RISK)
    return Attention(
        failed_payments=tuple(_light(failed.newest(), "customer")[:SHORT_LIST]),
        disputes=tuple(
            _light(disputes.order_by("evidence_due_at", "id"), "payment_intent", "payment_intent__customer")[
                :SHORT_LIST
            ]
        ),
        renewals=_renewals(credential, _light(at_risk.newest(), "customer", "price", "price__product")[:SHORT_LIST]),
        payouts=tuple(_light(payouts.newest())[:SHORT_LIST]),
        suspended=tuple(suspended(credential)[:SHORT_LIST]),
        events=tuple(dead.defer("body").order_by("-received_at", "-id")[:SHORT_LIST]),
    )


def _since(rows: MirrorQuerySet[Any], period: Period) -> MirrorQuerySet[Any]:
    start, _ = period.bounds(conf.time_zone())
    return rows.filter(created_at__gte=start) if start else rows


def _failed(credential: StripeCredential, period: Period) -> MirrorQuerySet[Any]:
    rows = StripePaymentIntent.objects.of(credential).alive().filter(status="requires_payment_method")
    return _since(rows.exclude(error_code=""), period)


def _renewals(credential: StripeCredential, subscriptions: Iterable[StripeSubscription]) -> tuple[Renewal, ...]:
    rows = tuple(subscriptions)
    named = [row.latest_invoice_stripe_id for row in rows if row.latest_invoice_stripe_id]
    found = _light(StripeInvoice.objects.of(credential).filter(stripe_id__in=named)) if named else ()
    invoices = {invoice.stripe_id: invoice for invoice in found}
    return tuple(Renewal(row, invoices.get(row.latest_invoice_stripe_id)) for row in rows)


def trouble(credential: StripeCredential, period: Period) -> Trouble:
    """Return how many payments of the period failed, and how many disputes are open, whenever made; two queries."""
    disputes = StripeDispute.objects.of(credential).alive().filter(status__in=DISPUTES_OPEN)
    return Trouble(bounded_count(_failed(credential, period)), bounded_count(disputes))


def recent(credential: StripeCredential, kind: str = "") -> Recent:
    """Return the newest payments and subscriptions, and what happened last, of one `kind` or all; six queries at most."""

    def newest(model: type[MirrorRow], *related: str) -> tuple[Any, ...]:
        rows = model.objects.of(credential).alive().filter(created_at__isnull=False).newest()
        return tuple(_light(rows, *related)[:ACTIVITY_ROWS])

    payments = newest(StripePaymentIntent, "customer")
    subscriptions = newest(StripeSubscription, "customer", "price", "price__product")
    known = {"payment": payments, "subscription": subscriptions}
    happened = (
        Activity(row.created_at, name, row)
        for name, (_, model, related) in ACTIVITIES.items()
        if kind in ("", name)
        for row in (known[name] if name in known else newest(model, *related))
    )
    story = sorted(happened, key=attrgetter("at"), reverse=True)[:ACTIVITY_ROWS]
    return Recent(payments[:SHORT_LIST], subscriptions[:SHORT_LIST], tuple(story))


def _light(rows: QuerySet[Any], *related: str) -> QuerySet[Any]:
    """Join the parents, leave the payloads and what is encrypted where they are."""
    heavy = [*_HEAVY, *(f"{path}__{name}" for path in related for name in _HEAVY)]
    return (rows.select_related(*related) if related else rows).defer(*heavy)  # without a name Django joins them all
