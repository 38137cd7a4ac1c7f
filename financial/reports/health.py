"""How fresh the data is: sync runs and the webhook inbox."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Sum

from financial.models import StripeCredential, StripeWebhookEvent, SyncRun

FAILED_EVENT_STATES = (
    StripeWebhookEvent.State.DEAD,
    StripeWebhookEvent.State.QUARANTINED,
    StripeWebhookEvent.State.MISROUTED,
)
RUNS_SHOWN = 20
EVENTS_SHOWN = 8


@dataclass(frozen=True)
class Health:
    """How fresh one credential's data is; one row per credential."""

    run: SyncRun | None
    synced_at: dt.datetime | None
    webhook_at: dt.datetime | None
    waiting: int
    failed: int

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.state in (SyncRun.State.WAITING, SyncRun.State.RUNNING)

    @property
    def has_failed(self) -> bool:
        return self.run is not None and self.run.state == SyncRun.State.FAILED


@dataclass(frozen=True)
class Inbox:
    """The webhook inbox: events by state, in the order of the states, and the latest that need somebody."""

    counts: tuple[tuple[str, int], ...]
    failed: tuple[StripeWebhookEvent, ...]
    latest: tuple[StripeWebhookEvent, ...]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Proof:
    """The latest sync that listed every collection to its end and found nothing missing."""

    at: dt.datetime
    delivered: int
    stored: int


def health(credential: StripeCredential) -> Health:
    """Return when data last arrived and what waits in the webhook inbox; four queries."""
    runs = SyncRun.objects.filter(credential=credential).order_by("-id")
    events = StripeWebhookEvent.objects.filter(credential=credential)
    open_states = (StripeWebhookEvent.State.WAITING, *FAILED_EVENT_STATES)
    # Grouped by credential, not filtered by it, so that the index on the state is used: few events are ever open.
    by_state = StripeWebhookEvent.objects.filter(state__in=open_states).order_by().values_list("credential", "state")
    counts = {state: number for owner, state, number in by_state.annotate(Count("id")) if owner == credential.pk}
    waiting = counts.pop(StripeWebhookEvent.State.WAITING, 0)
    return Health(
        run=runs.first(),
        synced_at=runs.filter(state=SyncRun.State.DONE).values_list("finished_at", flat=True).first(),
        webhook_at=events.order_by("-received_at", "-id").values_list("received_at", flat=True).first(),
        waiting=waiting,
        failed=sum(counts.values()),
    )


def sync_runs(credential: StripeCredential) -> tuple[SyncRun, ...]:
    """Return the latest runs, newest first, with their steps; two queries."""
    runs = SyncRun.objects.filter(credential=credential).order_by("-id").prefetch_related("steps")
    return tuple(runs[:RUNS_SHOWN])


def latest_proof(credential: StripeCredential) -> Proof | None:
    """Return when the whole mirror was last found complete, and with how many rows; None if never. One query."""
    complete = SyncRun.objects.filter(
        credential=credential,
        state=SyncRun.State.DONE,
        kind__in=(SyncRun.Kind.FULL, SyncRun.Kind.VERIFY),
        resources=[],
    ).order_by("-id")
    sums = complete.annotate(Sum("steps__delivered"), Sum("steps__stored"))
    found = sums.values_list("finished_at", "steps__delivered__sum", "steps__stored__sum").first()
    if found is None or found[0] is None or found[1] is None:
        return None
    return Proof(found[0], delivered=found[1], stored=found[2])


def inbox(credential: StripeCredential) -> Inbox:
    """Return the inbox by state; three queries. Bodies are not read: they hold personal data."""
    events = StripeWebhookEvent.objects.filter(credential=credential)
    counts = dict(events.order_by().values_list("state").annotate(Count("id")))
    newest = events.defer("body").order_by("-received_at", "-id")
    return Inbox(
        counts=tuple((state, counts.get(state, 0)) for state in StripeWebhookEvent.State.values),
        failed=tuple(newest.filter(state__in=FAILED_EVENT_STATES)[:EVENTS_SHOWN]),
        latest=tuple(newest[:EVENTS_SHOWN]),
    )
