"""What is in the mirrored account: how many of each, what is new, what needs attention, what happened last."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

from django.db.models import Count, Q, QuerySet

from financial import conf
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.reports.cached import cached
from financial.reports.periods import Period

SHORT_LIST = 6
ACTIVITY_ROWS = 12
DISPUTES_TO_ANSWER = ("needs_response", "warning_needs_response")
SUBSCRIPTIONS_AT_RISK = ("past_due", "unpaid")
_HEAVY = ("payload", "private")


@dataclass(frozen=True)
class ResourceCount:
    """One row per resource: how many there are, of which `current` ones count, and how many came in the period."""

    total: int
    current: int
    new: int


@dataclass(frozen=True)
class Stock:
    """The account in four numbers of things; deleted rows are left out."""

    products: ResourceCount
    customers: ResourceCount
    payments: ResourceCount
    subscriptions: ResourceCount

    @property
    def is_empty(self) -> bool:
        return not (self.products.total or self.customers.total or self.payments.total or self.subscriptions.total)


@dataclass(frozen=True)
class Attention:
    """What somebody should look at: up to six rows each, newest first, disputes by their deadline."""

    failed_payments: tuple[StripePaymentIntent, ...]
    disputes: tuple[StripeDispute, ...]
    subscriptions: tuple[StripeSubscription, ...]
    events: tuple[StripeWebhookEvent, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.failed_payments or self.disputes or self.subscriptions or self.events)


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


def resource_counts(credential: StripeCredential, period: Period) -> Stock:
    """Return how many products, customers, payments and subscriptions there are; four queries, none when kept."""
    return cached("stock", credential, lambda: _stock(credential, period), period)


def _stock(credential: StripeCredential, period: Period) -> Stock:
    def count(model: type[MirrorRow], current: Q) -> ResourceCount:
        start, end = period.bounds(conf.time_zone())
        new = Q(created_at__lt=end) & (Q(created_at__gte=start) if start else Q())
        answer = (
            model.objects.of(credential)
            .alive()
            .aggregate(total=Count("id"), current_rows=Count("id", filter=current), new_rows=Count("id", filter=new))
        )
        return ResourceCount(answer["total"], answer["current_rows"], answer["new_rows"])

    return Stock(
        products=count(StripeProduct, Q(active=True)),
        customers=count(StripeCustomer, Q(delinquent=False)),
        payments=count(StripePaymentIntent, Q(status="succeeded")),
        subscriptions=count(StripeSubscription, Q(status__in=StripeSubscription.ACTIVE_STATUSES)),
    )


def attention(credential: StripeCredential, period: Period) -> Attention:
    """Return failed payments of the period, disputes to answer, subscriptions not paid, events given up; four queries."""
    start, _ = period.bounds(conf.time_zone())
    failed = StripePaymentIntent.objects.of(credential).alive().filter(status="requires_payment_method")
    failed = failed.exclude(error_code="")
    if start:
        failed = failed.filter(created_at__gte=start)
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
        subscriptions=tuple(_light(at_risk.newest(), "customer", "price", "price__product")[:SHORT_LIST]),
        events=tuple(dead.defer("body").order_by("-received_at", "-id")[:SHORT_LIST]),
    )


def recent(credential: StripeCredential) -> Recent:
    """Return the newest payments and subscriptions, and the newest things that happened; five queries."""

    def newest(model: type[MirrorRow], *related: str) -> tuple[Any, ...]:
        rows = model.objects.of(credential).alive().filter(created_at__isnull=False).newest()
        return tuple(_light(rows, *related)[:ACTIVITY_ROWS])

    payments = newest(StripePaymentIntent, "customer")
    subscriptions = newest(StripeSubscription, "customer", "price", "price__product")
    happened = chain(
        (Activity(row.created_at, "payment", row) for row in payments),
        (Activity(row.created_at, "subscription", row) for row in subscriptions),
        (
            Activity(r.created_at, "refund", r)
            for r in newest(StripeRefund, "payment_intent", "payment_intent__customer")
        ),
        (
            Activity(r.created_at, "dispute", r)
            for r in newest(StripeDispute, "payment_intent", "payment_intent__customer")
        ),
        (Activity(row.created_at, "customer", row) for row in newest(StripeCustomer)),
    )
    story = sorted(happened, key=attrgetter("at"), reverse=True)[:ACTIVITY_ROWS]
    return Recent(payments[:SHORT_LIST], subscriptions[:SHORT_LIST], tuple(story))


def _light(rows: QuerySet[Any], *related: str) -> QuerySet[Any]:
    """Join the parents, leave the payloads and what is encrypted where they are."""
    heavy = [*_HEAVY, *(f"{path}__{name}" for path in related for name in _HEAVY)]
    return (rows.select_related(*related) if related else rows).defer(*heavy)  # without a name Django joins them all
