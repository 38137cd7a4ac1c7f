"""What changed since the last complete sync, from Stripe's list of events, by way of the inbox.

Events that never came, and those that came but wait, are held for the run; then each object is asked for again by the
path every webhook takes. An event that was applied costs nothing any more. Events reach thirty days back. What has none
(balance transactions) or changes without one (payouts do, but late) is listed again over an overlap. Where single requests
would cost more than a listing, the resource is listed, and its events are closed as covered by that.

Stripe: https://docs.stripe.com/api/events/list
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from django.db.models import Q, QuerySet
from django.utils import timezone

from financial import webhooks
from financial.mirror.resources import EVENT_TYPES, Resource
from financial.models import StripeCredential, StripeWebhookEvent, SyncRun

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

REACH = timedelta(days=28)  # two days less than Stripe keeps events
OVERLAP = timedelta(hours=1)
HELD = timedelta(hours=1)  # then workers apply what a dead run left
POLLED: Mapping[str, timedelta] = {
    "balance_transaction": timedelta(days=10),  # pending ones turn available within that
    "payout": timedelta(days=10),  # paid ones may still fail within five business days
}
EVENTS_PER_WRITE = 500
EVENTS_PATH = "/v1/events"
State = StripeWebhookEvent.State
Source = StripeWebhookEvent.Source


@dataclass(frozen=True, slots=True)
class Applied:
    """What the events of one resource brought: objects written and gone, and events that could not be applied."""

    written: int
    gone: int
    failed: int


def collect(run: SyncRun, gateway: StripeGateway, *, since: datetime, tick: Callable[[], None]) -> None:
    """Put what the inbox lacks of the events since then into it, and hold for this run whatever of them is not applied."""
    wanted = frozenset(EVENT_TYPES)
    named = gateway.iterate(EVENTS_PATH, {"created[gte]": int(since.timestamp())})
    for events in _batches(event for event in named if event.get("type") in wanted):
        webhooks.file(run.credential, map(orjson.dumps, events), source=Source.CATCH_UP, now=timezone.now())
        webhooks.hold(
            StripeWebhookEvent.objects.filter(
                credential=run.credential, event_id__in=[event["id"] for event in events]
            ),
            lease=_lease(run),
            until=timezone.now() + HELD,
        )
        tick()


def held(run: SyncRun, resource: Resource) -> set[str]:
    """Return the ids of the objects whose events the run holds."""
    return set(_held(run).filter(object_type=resource.name).values_list("object_stripe_id", flat=True))


def is_too_much(credential: StripeCredential, resource: Resource, ids: Sized) -> bool:
    """Whether listing the resource again, a hundred rows a request, costs less than asking for each.

    What brings its charge along is asked for: no listing would show that the charge changed.
    """
    if len(ids) < 100 or "charge" in resource.expand:
        return False
    return len(ids) * 100 > resource.model.objects.filter(credential=credential).count()


def apply(run: SyncRun, resource: Resource, gateway: StripeGateway, *, tick: Callable[[], None]) -> Applied:
    """Apply the events the run holds of a resource; what fails stays in the inbox and says why."""
    return _apply(_held(run).filter(object_type=resource.name), gateway, tick)


def apply_deletions(run: SyncRun, resource: Resource, gateway: StripeGateway, *, tick: Callable[[], None]) -> Applied:
    """Apply only those after which an object is gone: a listing does not show what it leaves out."""
    return _apply(_held(run).filter(object_type=resource.name, type__in=resource.gone), gateway, tick)


def _apply(rows: QuerySet[StripeWebhookEvent], gateway: StripeGateway, tick: Callable[[], None]) -> Applied:
    pks = list(rows.values_list("pk", flat=True))
    changes = [change["change"] for change in webhooks.apply_held(rows, lambda _: gateway, tick=tick)]
    failed = sum(
        StripeWebhookEvent.objects.filter(pk__in=part).exclude(state=State.DONE).count() for part in _batches(pks)
    )
    return Applied(
        written=sum(change in ("created", "updated") for change in changes),
        gone=sum(change == "deleted" for change in changes),
        failed=failed,
    )


def cover(run: SyncRun, resource: Resource) -> int:
    """Close the events of a resource that was listed to its end since they happened, and return how many."""
    return webhooks.cover(_held(run).filter(object_type=resource.name), by=f"sync {run.pk}", now=timezone.now())


def release(run: SyncRun) -> int:
    """Leave to the workers what the run holds and did not apply."""
    return _held(run).update(lease="", due_at=timezone.now())


def _held(run: SyncRun) -> QuerySet[StripeWebhookEvent]:
    of_run = Q(credential=run.credential_id, lease=_lease(run))
    return StripeWebhookEvent.objects.filter(of_run, state=State.WAITING)


def _lease(run: SyncRun) -> str:
    return f"sync {run.pk}"


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, EVENTS_PER_WRITE)):
        yield batch
