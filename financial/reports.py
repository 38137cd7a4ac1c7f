"""Read-only questions about the mirror and the books, answered as frozen rows; never writes, knows no HTTP."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count

from financial.models import StripeCredential, StripeWebhookEvent, SyncRun

FAILED_EVENT_STATES = (
    StripeWebhookEvent.State.DEAD,
    StripeWebhookEvent.State.QUARANTINED,
    StripeWebhookEvent.State.MISROUTED,
)


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


def health(credential: StripeCredential) -> Health:
    """Return when data last arrived and what waits in the webhook inbox; four queries."""
    runs = SyncRun.objects.filter(credential=credential).order_by("-id")
    events = StripeWebhookEvent.objects.filter(credential=credential)
    open_states = (StripeWebhookEvent.State.WAITING, *FAILED_EVENT_STATES)
    counts = dict(events.filter(state__in=open_states).values_list("state").annotate(Count("id")).order_by())
    waiting = counts.pop(StripeWebhookEvent.State.WAITING, 0)
    return Health(
        run=runs.first(),
        synced_at=runs.filter(state=SyncRun.State.DONE).values_list("finished_at", flat=True).first(),
        webhook_at=events.order_by("-received_at", "-id").values_list("received_at", flat=True).first(),
        waiting=waiting,
        failed=sum(counts.values()),
    )
