"""One round of whatever waits in rows: events to apply, syncs asked for, mails to send again. Called by engines."""

from __future__ import annotations

from django.utils import timezone

from financial import notices, sync, webhooks
from financial.models import SyncRun
from financial.stripe_services import gateway_for

EVENTS_PER_ROUND = 50


def once() -> bool:
    """Do some of what is due and return whether there may be more."""
    tried = webhooks.apply_due(gateway_for, now=timezone.now(), limit=EVENTS_PER_ROUND)
    ran = _next_sync()
    notices.send_waiting()
    return bool(tried or ran)


def _next_sync() -> bool:
    from financial.stripe_services import run_sync

    now = timezone.now()
    sync.bury_dead_runs(now=now)
    for run in SyncRun.objects.filter(state=SyncRun.State.WAITING).select_related("credential").order_by("pk")[:5]:
        if sync.claim(run, now=now):
            run_sync(run)
            return True
    return False
