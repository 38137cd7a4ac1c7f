"""One round of whatever waits in rows: events to apply, syncs asked for or due, what was left behind. Called by engines."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.utils import timezone

from financial import conf, notices, outbox, sync, webhooks
from financial.errors import CredentialRefused, SyncAlreadyRunning
from financial.models import StripeCredential, SyncRun
from financial.stripe_services import gateway_for, request_sync, run_sync

EVENTS_PER_ROUND = 256
SCHEDULE = "the schedule"


def once() -> bool:
    """Do some of what is due and return whether there may be more."""
    applied = apply_events()
    return do_chores() or applied


def apply_events() -> bool:
    """Apply some of the events that are due and return whether there may be more."""
    return bool(webhooks.apply_due(gateway_for, now=timezone.now(), limit=EVENTS_PER_ROUND))


def do_chores() -> bool:
    """Run a sync asked for or due, see to requests and mails left behind, and return whether there may be more."""
    now = timezone.now()
    ask_for_regular_sync(now)
    ran = _next_sync(now)
    outbox.give_up_abandoned(now=now)
    notices.send_waiting()
    return ran


def ask_for_regular_sync(now: datetime) -> SyncRun | None:
    """Ask for a sync of the active credential where the last one was asked for too long ago, and return it.

    The first is a person's to ask for: nobody wants a live account read because a server was started.
    """
    every = timedelta(minutes=conf.get("SYNC_EVERY_MINUTES"))
    credential = StripeCredential.objects.active() if every else None
    last = SyncRun.objects.filter(credential=credential).order_by("-pk").first() if credential else None
    if credential is None or last is None or last.requested_at > now - every:
        return None
    with suppress(SyncAlreadyRunning, CredentialRefused):
        return request_sync(credential, requested_by=SCHEDULE)
    return None


def _next_sync(now: datetime) -> bool:
    sync.bury_dead_runs(now=now)
    for run in SyncRun.objects.filter(state=SyncRun.State.WAITING).select_related("credential").order_by("pk")[:5]:
        if sync.claim(run, now=now):
            run_sync(run)
            return True
    return False
