"""What is in the mirrored account: how many of each, what is new, what needs attention, what happened last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

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
from financial.models.mirror import PAYMENT_FAILED, MirrorQuerySet
from financial.paging import COUNT_MAX, NO_LIMIT, BoundedCount, CountUpTo, bounded_count
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
    """Return how many products, customers, payments and subscriptions there are; two queries, none when kept."""
    return cached("stock", credential, lambda: _stock(credential))


def _stock(credential: StripeCredential) -> Stock:
    """Count what indexes know, deleted rows and all, and take away the few that were deleted or do not count."""
    customers, payments = StripeCustomer.objects.of(credential), StripePaymentIntent.objects.of(credential)
    products, subscriptions = StripeProduct.objects.of(credential), StripeSubscription.objects.of(credential)
    late, gone = Q(delinquent=True), Q(deleted_at__isnull=False)
    paid, subscribed = payments.filter(status="succeeded"), subscriptions.filter(_SUBSCRIBED)
    # What is counted, and what of it is not meant; products are few.
    counted: dict[str, tuple[QuerySet[Any], Sequence[QuerySet[Any]]]] = {
        "products": (products, (products.filter(gone),)),
        "active products": (products.filter(active=True), (products.filter(gone, active=True),)),
        "customers": (customers, (customers.filter(gone),)),
        "prompt customers": (customers, (customers.filter(gone), customers.filter(late, deleted_at=None))),
        "payments": (payments, (payments.filter(gone),)),
        "paid": (paid, (_in_status(payments.filter(gone), "succeeded"),)),
        "subscriptions": (subscriptions, (subscriptions.filter(gone),)),
        "subscribed": (subscribed, (_in_status(subscriptions.filter(gone), *StripeSubscription.ACTIVE_STATUSES),)),
    }
    taken = [CountUpTo(rows, NO_LIMIT) for _, less in counted.values() for rows in less]
    numbers = iter(_figures(credential, taken))
    fewer = [sum(next(numbers) for _ in less) for _, less in counted.values()]
    sizes = [CountUpTo(rows, COUNT_MAX + less) for (rows, _), less in zip(counted.values(), fewer, strict=True)]
    found = [BoundedCount(size - less) for size, less in zip(_figures(credential, sizes), fewer, strict=True)]
    return Stock(*(ResourceCount(*found[place : place + 2]) for place in range(0, len(found), 2)))


def _in_status(few: QuerySet[Any], *statuses: str) -> QuerySet[Any]:
    """Read the status from a few rows: by the index of statuses SQLite would read all that have it."""
    found: QuerySet[Any] = few.annotate(its=Coalesce("status", Value(""))).filter(its__in=statuses)
    return found


def _figures(credential: StripeCredential, counts: Sequence[CountUpTo]) -> tuple[int, ...]:
    numbers: tuple[int, ...] = StripeCredential.objects.filter(pk=credential.pk).values_list(*counts).get()
    return numbers


def attention(credential: StripeCredential, period: Period) -> Attention:
    """Return what waits for somebody, of failed payments and payouts those of the period; seven queries, none when kept."""
    return cached("attention", credential, lambda: _attention(credential, period), period)


def _attention(credential: StripeCredential, period: Period) -> Attention:
    failed = _failed(credential, period)
    payouts = _within(StripePayout.objects.of(credential).alive().filter(status="failed"), period)
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


def _within(rows: MirrorQuerySet[Any], period: Period) -> MirrorQuerySet[Any]:
    start, end = period.bounds(conf.time_zone())
    return rows.filter(created_at__gte=start, created_at__lt=end) if start else rows


def _failed(credential: StripeCredential, period: Period) -> MirrorQuerySet[Any]:
    return _within(StripePaymentIntent.objects.of(credential).alive().filter(PAYMENT_FAILED), period)


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


def recent(credential: StripeCredential, kinds: Collection[str] = ACTIVITIES.keys()) -> Recent:
    """Return the newest payments and subscriptions, and what happened last of these `kinds`; six queries, none when kept."""
    return cached("recent", credential, lambda: _recent(credential, kinds), tuple(kinds))


def _recent(credential: StripeCredential, kinds: Collection[str]) -> Recent:
    def newest(model: type[MirrorRow], *related: str) -> tuple[Any, ...]:
        rows = model.objects.of(credential).alive().filter(created_at__isnull=False).newest()
        return tuple(_light(rows, *related)[:ACTIVITY_ROWS])

    payments = newest(StripePaymentIntent, "customer")
    subscriptions = newest(StripeSubscription, "customer", "price", "price__product")
    known = {"payment": payments, "subscription": subscriptions}
    happened = (
        Activity(row.created_at, name, row)
        for name, (_, model, related) in ACTIVITIES.items()
        if name in kinds
        for row in (known[name] if name in known else newest(model, *related))
    )
    story = sorted(happened, key=attrgetter("at"), reverse=True)[:ACTIVITY_ROWS]
    return Recent(payments[:SHORT_LIST], subscriptions[:SHORT_LIST], tuple(story))


def _light(rows: QuerySet[Any], *related: str) -> QuerySet[Any]:
    """Join the parents, leave the payloads and what is encrypted where they are."""
    heavy = [*_HEAVY, *(f"{path}__{name}" for path in related for name in _HEAVY)]
    return (rows.select_related(*related) if related else rows).defer(*heavy)  # without a name Django joins them all
