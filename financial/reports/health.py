"""How fresh the data is: sync runs and the webhook inbox."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Sum
from django.utils import timezone

from financial import conf
from financial.models import StripeCredential, SyncRun
from financial.reports.inbox import InboxHealth, inbox_health

RUNS_SHOWN = 20
MISSED_SYNCS = 3
UNSCHEDULED = dt.timedelta(days=1)  # where a sync is run by hand or by somebody's own schedule


@dataclass(frozen=True)
class Health:
    """How fresh one credential's data is; one row per credential."""

    run: SyncRun | None
    synced_at: dt.datetime | None
    inbox: InboxHealth

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.state in (SyncRun.State.WAITING, SyncRun.State.RUNNING)

    @property
    def is_stale(self) -> bool:
        """Whether figures must say as of when they are: the last sync failed, or several in a row did not come."""
        if self.synced_at is None:
            return False
        minutes = int(conf.get("SYNC_EVERY_MINUTES"))
        patience = max(dt.timedelta(minutes=MISSED_SYNCS * minutes), dt.timedelta(hours=1)) if minutes else UNSCHEDULED
        return self.has_failed or timezone.now() - self.synced_at > patience

    @property
    def has_failed(self) -> bool:
        return self.run is not None and self.run.state == SyncRun.State.FAILED


@dataclass(frozen=True)
class Proof:
    """The latest sync that listed every collection to its end and found nothing missing."""

    at: dt.datetime
    delivered: int
    stored: int


def health(credential: StripeCredential) -> Health:
    """Return when data last arrived and how the webhook inbox stands; three queries."""
    runs = SyncRun.objects.filter(credential=credential).order_by("-id")
    return Health(
        run=runs.first(),
        synced_at=runs.filter(state=SyncRun.State.DONE).values_list("finished_at", flat=True).first(),
        inbox=inbox_health(credential),
    )


def left_unread(health: Health) -> tuple[str, ...]:
    """Return which kinds of object the last run did not read to their end, if it failed; one query then."""
    if health.run is None or not health.has_failed:
        return ()
    return tuple(health.run.steps.exclude(state=SyncRun.State.DONE).values_list("resource", flat=True))


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
