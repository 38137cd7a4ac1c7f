"""The life of a run: asked for, claimed, alive, ended. A run is a row, so one process may ask, another run, a third watch.

The lock is the database's: one running run per credential. It survives a crash and ends with it: at once where the dead
process ran on this machine, after two minutes without a sign of life anywhere else. One that lives on this machine may be
silent for half an hour: a single statement over millions of rows takes its time.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from financial.errors import FinancialError, SyncAlreadyRunning
from financial.mirror.resources import BY_NAME
from financial.models import StripeCredential, SyncRun, SyncStep

logger = logging.getLogger("financial.stripe_services.sync")
LOCK_LASTS = timedelta(minutes=2)  # without a sign of life
LOCK_LASTS_HERE = timedelta(minutes=30)  # where the process can be seen to live
RESUMABLE = timedelta(hours=24)
State = SyncRun.State
Kind = SyncRun.Kind


def request(
    credential: StripeCredential,
    *,
    requested_by: str,
    resources: Sequence[str],
    now: datetime,
    kind: Kind = Kind.AUTOMATIC,
) -> SyncRun:
    """Return a waiting run for whoever runs it next.

    Raises:
        SyncAlreadyRunning: one is under way or waiting.
        FinancialError: a resource is unknown.
    """
    unknown = sorted(set(resources) - set(BY_NAME))
    if unknown:
        raise FinancialError(f"Unknown resource {unknown[0]!r}; choose from {', '.join(BY_NAME)}.")
    with transaction.atomic():
        bury_dead_runs(now=now)
        if SyncRun.objects.filter(credential=credential, state__in=(State.WAITING, State.RUNNING)).exists():
            raise SyncAlreadyRunning(f"A sync of “{credential.name}” is already under way; wait until it has ended.")
        return SyncRun.objects.create(
            credential=credential, requested_by=requested_by, requested_at=now, resources=list(resources), kind=kind
        )


def bury_dead_runs(*, now: datetime) -> int:
    """Fail the runs whose process is gone, so that their lock ends, and return how many."""
    running = SyncRun.objects.filter(state=State.RUNNING).only("pk", "owner")
    lives = {run.pk: _lives_here(run.owner) for run in running}
    ended = [pk for pk, is_alive in lives.items() if is_alive is False]
    patience = {True: LOCK_LASTS_HERE, None: LOCK_LASTS}
    silent = Q(seen_at=None)
    for pk, is_alive in lives.items():
        if is_alive is not False:
            silent |= Q(pk=pk, seen_at__lt=now - patience[is_alive])
    dead = SyncRun.objects.filter(silent | Q(pk__in=ended), state=State.RUNNING)
    SyncStep.objects.filter(run__in=dead, state=State.RUNNING).update(state=State.FAILED, error="The process ended.")
    return dead.update(
        state=State.FAILED, finished_at=now, error="The process ended in the middle of it. Run it again: it goes on."
    )


def _owner() -> str:
    return f"{socket.gethostname()[:200]} {os.getpid()} {_birth(os.getpid())}".strip()


def _birth(pid: int) -> str:
    """What no other process of that number has, where the system tells it: when it was started."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _lives_here(owner: str) -> bool | None:
    """Whether the process lives on this machine; None where that cannot be said."""
    host, _, rest = owner.partition(" ")
    pid, _, birth = rest.partition(" ")
    if host != socket.gethostname()[:200] or not pid.isdigit():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _birth(int(pid))
    return birth == found if birth and found else None  # without a birth it may be another one of the same number


def claim(run: SyncRun, *, now: datetime) -> bool:
    """Make the run ours; False if somebody else took it, or runs another one of this credential."""
    try:
        with transaction.atomic():
            mine = SyncRun.objects.filter(pk=run.pk, state=State.WAITING).update(
                state=State.RUNNING, started_at=now, seen_at=now, owner=_owner()
            )
    except IntegrityError:  # another run of the credential is running: the unique constraint is the lock
        return False
    if mine:
        run.refresh_from_db()
    return bool(mine)


def begin(run: SyncRun, *, kind: Kind, reads_from: datetime) -> None:
    """Say what kind of run it is, before anything is read."""
    run.kind, run.reads_from = kind, reads_from
    run.save(update_fields=("kind", "reads_from"))


def touch(run: SyncRun) -> None:
    """Give a sign of life."""
    SyncRun.objects.filter(pk=run.pk).update(seen_at=timezone.now())


def refuse(run: SyncRun, error: str) -> SyncRun:
    """End a claimed run that cannot even begin."""
    finish(run, error)
    return run


def finish(run: SyncRun, error: str) -> None:
    """End a run: done without an error, failed with one."""
    run.state = State.FAILED if error else State.DONE
    run.error = error
    run.finished_at = run.seen_at = timezone.now()
    run.save(update_fields=_ENDINGS)
    if not error:
        troubled = StripeCredential.objects.filter(pk=run.credential_id).exclude(needs_attention="", paused_until=None)
        troubled.update(needs_attention="", paused_until=None, pause_reason="", pauses=0)
    logger.info("sync=%s kind=%s state=%s booked=%s settled=%s error=%s", run.pk, run.kind, run.state, run.booked,
                run.settled, error)  # fmt: skip


_ENDINGS = ("state", "error", "finished_at", "seen_at", "booked", "settled", "kind", "reads_from", "covers_until")


def covered_until(credential: StripeCredential) -> datetime | None:
    """Return the moment up to which the mirror is known to hold everything; None if there never was one."""
    done = SyncRun.objects.filter(credential=credential, state=State.DONE, resources=[]).exclude(covers_until=None)
    return done.order_by("-pk").values_list("covers_until", flat=True).first()


def to_resume(run: SyncRun, *, now: datetime) -> SyncRun | None:
    """Return the full run, a day old at most, that ended in the middle and that `run` can go on with."""
    last = (
        SyncRun.objects.filter(credential=run.credential, kind=Kind.FULL, pk__lt=run.pk, resources=run.resources)
        .order_by("-pk")
        .first()
    )
    if last is None or last.state != State.FAILED or last.requested_at < now - RESUMABLE:
        return None
    return last
