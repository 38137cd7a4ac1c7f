"""Pull the whole account through the line: list each resource, store page by page, link, book.

A run is a row, so it can be asked for in one process, done by another and watched by a third. What was read stays, even
if the run fails in the middle; running again completes it, and running twice changes nothing. Receives a gateway; knows
neither keys nor HTTP.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from financial.errors import (
    AuthenticationRefused,
    FinancialError,
    PermissionRefused,
    RequestRefused,
    SyncAlreadyRunning,
)
from financial.ledger import journal
from financial.mirror import store
from financial.mirror.resources import BY_NAME, RESOURCES, Resource
from financial.models import StripeCredential, SyncRun, SyncStep

if TYPE_CHECKING:
    from financial.gateway import Page, StripeGateway

logger = logging.getLogger("financial.stripe_services.sync")
LOCK_LASTS = timedelta(minutes=2)  # without a sign of life
PAGES_PER_WRITE = 5
RESTARTS_MAX = 3
State = SyncRun.State


class Listener(Protocol):
    """Hears of each step as it begins, moves and ends; the command and the tests listen."""

    def __call__(self, step: SyncStep) -> None: ...


def request(credential: StripeCredential, *, requested_by: str, resources: Sequence[str], now: datetime) -> SyncRun:
    """Return a waiting run for whoever runs it next.

    Raises:
        SyncAlreadyRunning: one is under way or waiting.
    """
    unknown = set(resources) - set(BY_NAME)
    if unknown:
        raise FinancialError(f"Unknown resource {sorted(unknown)[0]!r}; choose from {', '.join(BY_NAME)}.")
    with transaction.atomic():
        bury_dead_runs(now=now)
        if SyncRun.objects.filter(credential=credential, state__in=(State.WAITING, State.RUNNING)).exists():
            raise SyncAlreadyRunning(f"A sync of “{credential.name}” is already under way; wait until it has ended.")
        return SyncRun.objects.create(
            credential=credential, requested_by=requested_by, requested_at=now, resources=list(resources)
        )


def bury_dead_runs(*, now: datetime) -> int:
    """Fail the runs whose process is gone, so that their lock ends, and return how many."""
    dead = SyncRun.objects.filter(state=State.RUNNING).filter(Q(seen_at__lt=now - LOCK_LASTS) | Q(seen_at=None))
    SyncStep.objects.filter(run__in=dead, state=State.RUNNING).update(state=State.FAILED, error="The process ended.")
    return dead.update(
        state=State.FAILED, finished_at=now, error="The process ended in the middle of it. Run it again: it completes."
    )


def claim(run: SyncRun, *, now: datetime) -> bool:
    """Make the run ours; False if somebody else took it, or runs another one of this credential."""
    try:
        with transaction.atomic():
            mine = SyncRun.objects.filter(pk=run.pk, state=State.WAITING).update(
                state=State.RUNNING, started_at=now, seen_at=now
            )
    except IntegrityError:  # another run of the credential is running: the unique constraint is the lock
        return False
    if mine:
        run.refresh_from_db()
    return bool(mine)


def perform(run: SyncRun, gateway: StripeGateway, *, listener: Listener | None = None) -> SyncRun:
    """Do a claimed run to its end and return it, done or failed; a failure is in its `error`, naming the resource.

    A resource that a restricted key may not read fails alone. An unreachable Stripe or a refused key ends the run, as
    does anything unexpected, which is raised once the run is marked.
    """
    tell = listener or _quiet
    errors: list[str] = []
    try:
        with _garbage_collected_seldom():
            for step in _steps(run):
                try:
                    _do(run, step, gateway, tell)
                except PermissionRefused as error:
                    errors.append(f"{step.resource}: {error}")
                except FinancialError as error:
                    raise _Ended(f"{step.resource}: {error}") from error
            store.repair_links(run.credential)
            booked = journal.book_all(run.credential, now=timezone.now())
        run.booked, run.settled = booked.booked, booked.settled
    except _Ended as error:
        errors.append(str(error))
    except BaseException as error:
        _finish(run, f"{type(error).__name__}: the run was cut short. Run it again: it completes.")
        raise
    _finish(run, "; ".join(errors))
    return run


@contextmanager
def _garbage_collected_seldom() -> Iterator[None]:
    """A sync makes millions of short-lived dicts without cycles: looking through them, and through every object of the
    process, after each few hundred finds nothing and takes a fifth of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Ended(Exception):
    """The run cannot go on; carries the sentence that says why."""


def _quiet(step: SyncStep) -> None:
    pass


def _steps(run: SyncRun) -> list[SyncStep]:
    wanted = [resource for resource in RESOURCES if not run.resources or resource.name in run.resources]
    SyncStep.objects.bulk_create([SyncStep(run=run, resource=resource.name) for resource in wanted])
    return list(run.steps.order_by("pk"))


def _do(run: SyncRun, step: SyncStep, gateway: StripeGateway, tell: Listener) -> None:
    _mark(step, state=State.RUNNING, started_at=timezone.now())
    tell(step)
    try:
        for _ in _pull(run, BY_NAME[step.resource], step, gateway):
            tell(step)
    except BaseException as error:
        said = str(error) if isinstance(error, FinancialError) else type(error).__name__
        _mark(step, state=State.FAILED, finished_at=timezone.now(), error=said)
        _note_trouble(run.credential, error)
        tell(step)
        raise
    _mark(step, state=State.DONE, finished_at=timezone.now())
    tell(step)


def _mark(step: SyncStep, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(step, name, value)
    step.save(update_fields=tuple(changes))


def _note_trouble(credential: StripeCredential, error: BaseException) -> None:
    """A refused key or a missing permission is shown until a sync succeeds."""
    if isinstance(error, AuthenticationRefused | PermissionRefused):
        StripeCredential.objects.filter(pk=credential.pk).update(needs_attention=str(error)[:500])


def _pull(run: SyncRun, resource: Resource, step: SyncStep, gateway: StripeGateway) -> Iterator[None]:
    """Store a whole listing, a few pages to a transaction, and yield after each.

    The write counter is drawn before the pages are asked for, so that what a webhook writes meanwhile is never
    overwritten by an older page.
    """
    pages = _listing(resource, gateway)
    seen = store.draw()
    while batch := list(islice(pages, PAGES_PER_WRITE)):
        payloads = [payload for page in batch for payload in page.items]
        with transaction.atomic():
            step.written += store.save_many(
                run.credential, resource, payloads, seen=seen, api_version=gateway.api_version
            )
            step.read += len(payloads)
            step.pages += len(batch)
            step.save(update_fields=("read", "written", "pages"))
            SyncRun.objects.filter(pk=run.pk).update(seen_at=timezone.now())
            seen = store.draw()
        yield


def _listing(resource: Resource, gateway: StripeGateway) -> Iterator[Page]:
    """Yield every page; start over where the object the cursor names was deleted meanwhile."""
    after, restarts = "", 0
    while True:
        try:
            page = gateway.list_page(resource.path, resource.list_params, after=after)
        except RequestRefused as error:
            if error.param != "starting_after" or restarts == RESTARTS_MAX:
                raise
            after, restarts = "", restarts + 1
            continue
        yield page
        if not page.next_after:
            return
        after = page.next_after


def refuse(run: SyncRun, error: str) -> SyncRun:
    """End a claimed run that cannot even begin."""
    _finish(run, error)
    return run


def _finish(run: SyncRun, error: str) -> None:
    run.state = State.FAILED if error else State.DONE
    run.error = error
    run.finished_at = run.seen_at = timezone.now()
    run.save(update_fields=("state", "error", "finished_at", "seen_at", "booked", "settled"))
    if not error:
        StripeCredential.objects.filter(pk=run.credential_id).exclude(needs_attention="").update(needs_attention="")
    logger.info("sync=%s state=%s booked=%s settled=%s error=%s", run.pk, run.state, run.booked, run.settled, error)
