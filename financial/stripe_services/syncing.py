"""Syncs asked for, run and done at once, and histories computed anew."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from financial import engines, sync
from financial.errors import (
    CredentialRefused,
    SyncAlreadyRunning,
)
from financial.mirror import history
from financial.models import (
    StripeCredential,
    SyncRun,
)
from financial.stripe_services.connection import gateway_for


def rebuild_mrr(credential: StripeCredential) -> int:
    """Compute the history of recurring revenue again and return how many rows changed: none, as a rule."""
    return history.rebuild(credential)


def request_sync(
    credential: StripeCredential,
    *,
    requested_by: str,
    resources: Sequence[str] = (),
    kind: SyncRun.Kind = SyncRun.Kind.AUTOMATIC,
) -> SyncRun:
    """Ask for a sync, of some resources or of all, and return the waiting run.

    Raises:
        SyncAlreadyRunning: one is under way.
        CredentialRefused: the credential cannot be used.
    """
    credential.usable_secret_key()
    run = sync.request(credential, requested_by=requested_by, resources=resources, kind=kind, now=timezone.now())
    engines.wake()
    return run


def run_sync(run: SyncRun, *, listener: sync.Listener | None = None) -> SyncRun:
    """Do a claimed run to its end; a credential that cannot be used fails it."""
    try:
        gateway = gateway_for(run.credential)
    except CredentialRefused as error:
        return sync.refuse(run, str(error))
    return sync.perform(run, gateway, listener=listener)


def sync_now(
    credential: StripeCredential,
    *,
    requested_by: str,
    resources: Sequence[str] = (),
    kind: SyncRun.Kind = SyncRun.Kind.AUTOMATIC,
    listener: sync.Listener | None = None,
) -> SyncRun:
    """Sync in this process and return the ended run, done or failed.

    Raises:
        SyncAlreadyRunning, CredentialRefused: nothing was started.
    """
    credential.usable_secret_key()
    now = timezone.now()
    run = sync.request(credential, requested_by=requested_by, resources=resources, kind=kind, now=now)
    if not sync.claim(run, now=now):
        run.delete()
        raise SyncAlreadyRunning(f"A sync of “{credential.name}” is already under way; wait until it has ended.")
    return run_sync(run, listener=listener)
