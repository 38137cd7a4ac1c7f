"""The webhook inbox as people look at it: how it stands, and what each event is about. Bodies are never read here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Subquery
from django.utils import timezone

from financial import conf
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
from financial.paging import BoundedCount, CountUpTo

State = StripeWebhookEvent.State
# What somebody must look at, the most urgent first.
ATTENTION_STATES = (State.DEAD, State.QUARANTINED, State.MISROUTED)
COUNT_MAX = 1_000
KEPT_SECONDS = 5
LATE_AFTER = dt.timedelta(minutes=5)
VERY_LATE_AFTER = dt.timedelta(hours=1)
RELATED_SHOWN = 10
RELATED_MAX = 1_000
LATEST = 8
# Where pages show an object: the page's address, and the column that holds the id it is known by there.
PAGES: Mapping[str, tuple[type[MirrorRow], tuple[tuple[str, str], ...]]] = {
    "product": (StripeProduct, (("product", "stripe_id"),)),
    "price": (StripePrice, (("product", "product_stripe_id"),)),
    "customer": (StripeCustomer, (("customer", "stripe_id"),)),
    "payment_intent": (StripePaymentIntent, (("payment", "stripe_id"),)),
    "charge": (StripeCharge, (("payment", "payment_intent_stripe_id"), ("customer", "customer_stripe_id"))),
    "refund": (StripeRefund, (("payment", "payment_intent_stripe_id"),)),
    "dispute": (StripeDispute, (("payment", "payment_intent_stripe_id"),)),
    "subscription": (StripeSubscription, (("subscription", "stripe_id"),)),
    "invoice": (StripeInvoice, (("subscription", "subscription_stripe_id"), ("customer", "customer_stripe_id"))),
    "payout": (StripePayout, ()),
    "balance_transaction": (StripeBalanceTransaction, ()),
}


@dataclass(frozen=True)
class InboxHealth:
    """How one credential's inbox stands; one row per credential. Counts go no further than `COUNT_MAX`."""

    received_at: dt.datetime | None
    waiting_since: dt.datetime | None
    counts: Mapping[str, BoundedCount] = field(default_factory=dict)

    @property
    def waiting(self) -> BoundedCount:
        return self.counts[State.WAITING]

    @property
    def attention(self) -> tuple[tuple[str, BoundedCount], ...]:
        """(state, count) of the events that need somebody, the most urgent first; nothing where there are none."""
        return tuple((str(state), self.counts[state]) for state in ATTENTION_STATES if self.counts[state].value)

    @property
    def lag(self) -> dt.timedelta:
        """How long the oldest waiting event has waited."""
        return timezone.now() - self.waiting_since if self.waiting_since else dt.timedelta(0)

    @property
    def is_late(self) -> bool:
        return self.lag > LATE_AFTER

    @property
    def is_very_late(self) -> bool:
        return self.lag > VERY_LATE_AFTER


@dataclass(frozen=True)
class Inbox:
    """The inbox at a glance: events by state, in the order of the states, the latest that need somebody, the latest.

    `repeated` of the latest `looked_at` events were delivered more than once; each of them is stored and applied once.
    """

    received: BoundedCount
    counts: tuple[tuple[str, BoundedCount], ...]
    repeated: int
    looked_at: int
    failed: tuple[StripeWebhookEvent, ...]
    latest: tuple[StripeWebhookEvent, ...]


@dataclass(frozen=True)
class Touched:
    """One object an event speaks of or changed; `page` and `page_id` say where it is shown, if anywhere."""

    object: str
    stripe_id: str
    change: str = ""
    page: str = ""
    page_id: str = ""


def inbox_health(credential: StripeCredential) -> InboxHealth:
    """Return how the inbox stands; one query at most every few seconds, whatever the number of events."""
    key = _key(credential)
    found: InboxHealth | None = cache.get(key)
    if found is None:
        found = _inbox_health(credential)
        cache.set(key, found, min(KEPT_SECONDS, int(conf.get("CACHE_SECONDS"))))
    return found


def forget_inbox_health(credential: StripeCredential) -> None:
    """Have the next page look again, because somebody just changed something."""
    cache.delete(_key(credential))


def _key(credential: StripeCredential) -> str:
    return f"financial:inbox-health:{credential.pk}"


def _inbox_health(credential: StripeCredential) -> InboxHealth:
    events = StripeWebhookEvent.objects.filter(credential=credential.pk)
    waiting = events.filter(state=State.WAITING)
    states = (State.WAITING, *ATTENTION_STATES)
    counted = [_counted(events, state) for state in states]
    found = StripeCredential.objects.filter(pk=credential.pk).values_list(
        Subquery(events.order_by("-received_at", "-id").values("received_at")[:1]),
        Subquery(waiting.order_by("received_at", "id").values("received_at")[:1]),
        *counted,
    )
    if not found:
        return InboxHealth(None, None, {str(state): BoundedCount(0, COUNT_MAX) for state in states})
    received_at, waiting_since, *numbers = found[0]
    counts = {str(state): BoundedCount(number, COUNT_MAX) for state, number in zip(states, numbers, strict=True)}
    return InboxHealth(received_at, waiting_since, counts)


def _counted(events: QuerySet[StripeWebhookEvent], state: State) -> CountUpTo:
    return CountUpTo(events.filter(state=state), COUNT_MAX)


def event_counts(credential: StripeCredential) -> Mapping[str, BoundedCount]:
    """Return how many events are in each state, none counted beyond the limit; one query."""
    events = StripeWebhookEvent.objects.filter(credential=credential.pk)
    counted = [_counted(events, state) for state in State]
    numbers = StripeCredential.objects.filter(pk=credential.pk).values_list(*counted).first() or [0] * len(State)
    return {str(state): BoundedCount(number, COUNT_MAX) for state, number in zip(State, numbers, strict=True)}


def inbox(credential: StripeCredential) -> Inbox:
    """Return the inbox at a glance; at most six queries."""
    counts = event_counts(credential)
    newest = StripeWebhookEvent.objects.filter(credential=credential).defer("body").order_by("-received_at", "-id")
    # State by state, so that each is read from the index in its order, however many there are.
    failed = [
        event for state in ATTENTION_STATES if counts[state].value for event in newest.filter(state=state)[:LATEST]
    ]
    failed.sort(key=lambda event: (event.received_at, event.pk), reverse=True)
    looked_at = newest.values("pk", "deliveries")[:COUNT_MAX]  # no index knows deliveries
    again = looked_at.aggregate(all=Count("pk"), repeated=Count("pk", filter=Q(deliveries__gt=1)))
    return Inbox(
        received=BoundedCount(sum(count.value for count in counts.values()), COUNT_MAX),
        counts=tuple(counts.items()),
        repeated=again["repeated"],
        looked_at=again["all"],
        failed=tuple(failed[:LATEST]),
        latest=tuple(newest[:LATEST]),
    )


def events_of_object(event: StripeWebhookEvent) -> tuple[StripeWebhookEvent, ...]:
    """Return the latest other events of the same object, newest first; two queries, none where it names no object."""
    if not event.object_stripe_id:
        return ()
    same = StripeWebhookEvent.objects.filter(credential=event.credential_id, object_stripe_id=event.object_stripe_id)
    # Numbers first: beside an order, databases walk the whole inbox instead of the index of the objects.
    numbers = [pk for pk in same.order_by().values_list("pk", flat=True)[:RELATED_MAX] if pk != event.pk]
    others = StripeWebhookEvent.objects.filter(pk__in=numbers).defer("body")
    return tuple(others.order_by("-received_at", "-id")[:RELATED_SHOWN])


def touched(credential: StripeCredential, events: Sequence[StripeWebhookEvent]) -> Mapping[str, Touched]:
    """Return, by id, the objects these events name and where each is shown; one query per kind of object."""
    return locate(credential, {e.object_stripe_id: e.object_type for e in events if e.object_stripe_id})


def changed(event: StripeWebhookEvent) -> tuple[Touched, ...]:
    """Return what applying the event changed, in the order it was written; one query per kind of object."""
    noted = [change for change in event.changes if isinstance(change, dict) and change.get("id")]
    places = locate(event.credential, {str(change["id"]): str(change.get("object") or "") for change in noted})
    return tuple(
        Touched(place.object, place.stripe_id, str(change.get("change") or ""), place.page, place.page_id)
        for change in noted
        for place in [places[str(change["id"])]]
    )


def locate(credential: StripeCredential, kinds: Mapping[str, str]) -> Mapping[str, Touched]:
    """Return where each object (id to kind) is shown, as far as the mirror has it."""
    found = {stripe_id: Touched(kind, stripe_id) for stripe_id, kind in kinds.items()}
    for kind, (model, pages) in PAGES.items():
        wanted = [stripe_id for stripe_id, named in kinds.items() if named == kind]
        if not wanted or not pages:
            continue
        columns = dict.fromkeys(("stripe_id", *(column for _, column in pages)))
        rows = model.objects.of(credential).filter(stripe_id__in=wanted).values(*columns)
        for row in rows:
            page, page_id = next(((page, row[column]) for page, column in pages if row[column]), ("", ""))
            found[row["stripe_id"]] = Touched(kind, row["stripe_id"], "", page, page_id)
    return found
