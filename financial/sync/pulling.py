"""The order of steps of one run: decide what to read, read, store, link, repair, book, prove.

What was read stays, even if the run fails in the middle; the next one goes on where it ended. Twice in a row changes
nothing. Receives a gateway; knows neither keys nor HTTP.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from django.db import transaction
from django.utils import timezone

from financial import conf, itemising
from financial.errors import AuthenticationRefused, FinancialError, PermissionRefused
from financial.ledger import journal
from financial.mirror import contents, history, store
from financial.mirror.resources import RESOURCES, Resource, own_expand
from financial.models import StripeCredential, SyncRun, SyncStep, statistics
from financial.sync import balances, catchup, proof, runs, spans
from financial.sync.reading import Collection, Delivery, Reader, ReadingEnded

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.sync")
ROWS_PER_WRITE = 1000
SIGN_OF_LIFE_SECONDS = 5.0
ITEMISING = "payout_row"  # the step that reads what payouts consist of
State = SyncRun.State
Kind = SyncRun.Kind


class Listener(Protocol):
    """Hears of each step as it begins, moves and ends; the command and the tests listen."""

    def __call__(self, step: SyncStep) -> None: ...


def perform(run: SyncRun, gateway: StripeGateway, *, listener: Listener | None = None) -> SyncRun:
    """Do a claimed run to its end and return it, done or failed; a failure is in its `error`, naming the resource.

    A resource that a restricted key may not read fails alone. An unreachable Stripe or a refused key ends the run, as
    does anything unexpected, which is raised once the run is marked.
    """
    pull = _Pull(run, gateway, listener or _quiet)
    try:
        return _performed(pull)
    finally:
        catchup.release(run)


def _performed(pull: _Pull) -> SyncRun:
    run = pull.run
    try:
        with _few_collections():
            pull.go()
    except FinancialError as error:
        pull.errors.append(str(error))
        pull.leave(str(error))
        _note_trouble(run.credential, error.__cause__ or error)
    except BaseException as error:
        pull.tell = _quiet  # whoever listens may be what failed
        pull.leave(type(error).__name__)
        runs.finish(run, f"{type(error).__name__}: the run was cut short. Run it again: it goes on.")
        raise
    runs.finish(run, "; ".join(pull.errors))
    return run


@contextmanager
def _few_collections() -> Iterator[None]:
    """Hold the garbage collector back: pages are many objects and no cycles, and it would look at all of them."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _quiet(step: SyncStep) -> None:
    pass


@dataclass(slots=True)
class _Part:
    """One resource of the run: its step, its listing, what it delivered, and pages that wait to be written."""

    step: SyncStep
    collection: Collection
    tally: proof.Tally
    expect_new: bool
    waiting: list[Delivery] = field(default_factory=list)
    late: set[str] = field(default_factory=set)  # what only the second look at the newest second showed

    def count_in(self) -> int:
        """Enter the waiting pages into the proof and return how many of their objects were not shown before."""
        count = 0
        for delivery in self.waiting:
            shown = {str(payload["id"]) for payload in delivery.items}
            if delivery.is_second_look:
                shown = {stripe_id for stripe_id in shown if stripe_id not in self.tally}
                self.late |= shown
            else:
                self.late -= shown
            self.tally.add(shown)
            count += len(shown) - delivery.again
        return count

    @property
    def waiting_rows(self) -> int:
        return sum(len(delivery.items) for delivery in self.waiting)


@dataclass(slots=True)
class _Pull:
    run: SyncRun
    gateway: StripeGateway
    tell: Listener
    errors: list[str] = field(default_factory=list)
    parts: dict[str, _Part] = field(default_factory=dict)
    covering: set[str] = field(default_factory=set)  # resources that are listed instead of their events being applied
    signed_at: float = field(default_factory=time.monotonic)

    @property
    def credential(self) -> StripeCredential:
        return self.run.credential

    def go(self) -> None:
        started = timezone.now()
        runs.begin(self.run, kind=self._kind(started), reads_from=started)
        if self.run.kind != Kind.INCREMENTAL or not self._prepare_catch_up(started):
            self._prepare_listing(started)
        self._read()
        if self.run.reads_from and self.run.reads_from < started:  # part of it was read by a run before this one
            self._catch_up_since(self.run.reads_from)
        if self.run.kind == Kind.VERIFY:
            return
        statistics.refresh()  # before booking, which joins what was just written
        store.repair_links(self.credential, tick=self._sign)
        self._itemise()
        booked = journal.book_all(self.credential, now=timezone.now(), tick=self._sign)
        self.run.booked, self.run.settled = booked.booked, booked.settled
        history.catch_up(self.credential, tick=self._sign)
        statistics.refresh()
        if not self.errors and not self.run.resources:
            self.run.covers_until = self._by_stripes_clock(started)
            self._prove_the_books()

    def _by_stripes_clock(self, moment: datetime) -> datetime:
        """Events are asked for by the time Stripe made them; ours may be hours off."""
        return moment + timedelta(seconds=self.gateway.skew_seconds)

    def _itemise(self) -> None:
        """Read which rows payouts consist of, where that is not known or does not sum up; a step only if there are any."""
        if self.run.resources and "payout" not in self.run.resources:
            return
        itemising.name_destinations(self.credential, self.gateway)
        if not contents.due(self.credential).exists():
            return
        step = SyncStep.objects.create(run=self.run, resource=ITEMISING)
        self._mark(step, state=State.RUNNING, started_at=timezone.now())
        try:
            found = itemising.read(self.credential, self.gateway, tick=self._sign)
        except FinancialError as error:
            self._mark(step, state=State.FAILED, finished_at=timezone.now(), error=str(error))
            self.errors.append(f"{ITEMISING}: {error}")
            _note_trouble(self.credential, error)
            return
        said = f"{found.failed:,} payouts could not be listed." if found.failed else ""
        self._mark(
            step,
            state=State.FAILED if said else State.DONE,
            finished_at=timezone.now(),
            read=found.rows,
            written=found.written,
            pages=found.pages,
            error=said,
        )
        self.errors += [f"{ITEMISING}: {said}"] if said else []

    def _prove_the_books(self) -> None:
        """Read Stripe's balance; whoever may not read it has synced all the same."""
        try:
            balances.read(self.credential, self.gateway)
        except FinancialError as error:
            logger.warning("books not held against Stripe's balance: %s", error)

    # What to read

    def _kind(self, now: datetime) -> Kind:
        if self.run.kind != Kind.AUTOMATIC:
            return Kind(self.run.kind)
        until = runs.covered_until(self.credential)
        is_reachable = until is not None and now - until < catchup.REACH
        return Kind.INCREMENTAL if is_reachable and not self.run.resources else Kind.FULL

    def _prepare_listing(self, now: datetime) -> None:
        resumed = runs.to_resume(self.run, now=now) if self.run.kind == Kind.FULL else None
        old = {step.resource: step for step in resumed.steps.all()} if resumed else {}
        if resumed and resumed.reads_from:
            runs.begin(self.run, kind=Kind.FULL, reads_from=resumed.reads_from)
        for resource in self._wanted():
            step = self._step(resource, old.get(resource.name))
            if step.state == State.DONE:
                self.tell(step)
            else:
                self._add(step, resource, spans.load(step.spans) or spans.fresh(int(now.timestamp())))

    def _prepare_catch_up(self, now: datetime) -> bool:
        """Apply what events name, and lay out what must be listed; False if the events cannot be read."""
        until = runs.covered_until(self.credential) or now
        try:
            catchup.collect(self.run, self.gateway, since=until - catchup.OVERLAP, tick=self._sign)
        except PermissionRefused:
            runs.begin(self.run, kind=Kind.FULL, reads_from=now)
            return False
        for resource in self._wanted():
            step = self._step(resource, None)
            polled = catchup.POLLED.get(resource.name)
            ids = catchup.held(self.run, resource)
            if polled is not None:
                self._catch_up(step, resource, ids)
                if step.state != State.FAILED:
                    self._add(step, resource, spans.since(int((until - polled).timestamp()), int(now.timestamp())))
            elif catchup.is_too_much(self.credential, resource, ids):
                self.covering.add(resource.name)
                step.gone = catchup.apply_deletions(self.run, resource, self.gateway, tick=self._sign).gone
                self._add(step, resource, spans.fresh(int(now.timestamp())))
            else:
                self._catch_up(step, resource, ids)
        return True

    def _catch_up_since(self, moment: datetime) -> None:
        catchup.collect(self.run, self.gateway, since=self._by_stripes_clock(moment) - catchup.OVERLAP, tick=self._sign)
        for resource in RESOURCES:
            self._heed(resource, catchup.apply(self.run, resource, self.gateway, tick=self._sign))

    def _wanted(self) -> list[Resource]:
        return [resource for resource in RESOURCES if not self.run.resources or resource.name in self.run.resources]

    def _step(self, resource: Resource, old: SyncStep | None) -> SyncStep:
        if old is None:
            return SyncStep.objects.create(run=self.run, resource=resource.name)
        old.pk, old.run = None, self.run
        if old.state != State.DONE:
            old.state, old.error, old.finished_at = State.WAITING, "", None
        old.save(force_insert=True)
        return old

    def _add(self, step: SyncStep, resource: Resource, board: spans.Board) -> None:
        ranges = [(span.oldest, None if span.is_open else span.newest) for span in board.spans]
        held = resource.model.objects.filter(credential=self.credential)
        is_here = held.exists()
        self.parts[resource.name] = _Part(
            step, Collection(resource, board), proof.Tally(ranges), expect_new=not is_here
        )
        expected = held.alive().count() if is_here and not step.spans and _is_whole(board) else step.expected
        self._mark(step, state=State.RUNNING, started_at=step.started_at or timezone.now(), expected=expected)

    def _catch_up(self, step: SyncStep, resource: Resource, ids: set[str]) -> None:
        self._mark(step, state=State.RUNNING, started_at=timezone.now())
        applied = catchup.apply(self.run, resource, self.gateway, tick=self._sign)
        error = self._heed(resource, applied)
        self._mark(
            step,
            state=State.FAILED if error else State.DONE,
            finished_at=timezone.now(),
            read=len(ids),
            written=applied.written,
            gone=applied.gone,
            error=error,
        )

    def _heed(self, resource: Resource, applied: catchup.Applied) -> str:
        """Return and note what went wrong with events, if anything did.

        Raises:
            ReadingEnded: Stripe cannot be had, so no other resource can be read either.
        """
        if not applied.failed:
            return ""
        self.credential.refresh_from_db(fields=("pause_reason",))
        if self.credential.pause_reason:
            raise ReadingEnded(f"{resource.name}: {self.credential.pause_reason}")
        error = f"{applied.failed:,} events could not be applied; each says why in the inbox."
        self.errors.append(f"{resource.name}: {error}")
        return error

    # Reading and writing

    def _read(self) -> None:
        """Store what the readers deliver, a few pages of one resource to a transaction."""
        reader = Reader(
            self.gateway,
            [part.collection for part in self.parts.values()],
            seen=store.draw(),
            threads=conf.get("SYNC_READERS"),
        )
        try:
            self._take_in(reader)
        except FinancialError:
            for part in self.parts.values():
                if part.waiting:  # what was read stays
                    self._write(part)
            raise

    def _take_in(self, reader: Reader) -> None:
        for delivery in reader:
            if delivery is not None:
                part = self.parts.get(delivery.collection.resource.name)
                if part is None:  # refused meanwhile
                    continue
                part.waiting.append(delivery)
                if part.waiting_rows >= ROWS_PER_WRITE or part.collection.is_finished:
                    reader.seen = self._write(part)
            self._sign()
            self._close_finished(reader)
        self._close_finished(reader)

    def _write(self, part: _Part) -> int:
        """Store the waiting pages with the checkpoint of what is left, and return a counter value drawn since."""
        step = part.step
        payloads = [item for delivery in part.waiting for item in delivery.items]
        counted = part.count_in()
        if self.run.kind == Kind.VERIFY:
            self._hold_against(part, payloads)
        with transaction.atomic():
            if self.run.kind != Kind.VERIFY:
                step.written += store.save_many(
                    self.credential,
                    part.collection.resource,
                    payloads,
                    seen=min(delivery.seen for delivery in part.waiting),
                    shown_at=min(delivery.shown_at for delivery in part.waiting),
                    api_version=self.gateway.api_version,
                    expect_new=part.expect_new,
                )
            step.read += counted
            step.pages += len(part.waiting)
            step.slices = part.collection.board.slices
            step.spans = part.waiting[-1].left
            step.save(update_fields=("read", "written", "pages", "slices", "spans", "missing", "different"))
            seen = store.draw()
        part.waiting.clear()
        self.tell(step)
        return seen

    def _close_finished(self, reader: Reader) -> None:
        for part in [part for part in self.parts.values() if part.collection.is_finished]:
            if part.waiting:
                reader.seen = self._write(part)
            del self.parts[part.collection.resource.name]
            if part.collection.error is not None:
                self._refuse(part, part.collection.error)
            else:
                self._close(part)

    def _refuse(self, part: _Part, error: Exception) -> None:
        self._mark(part.step, state=State.FAILED, finished_at=timezone.now(), error=str(error))
        self.errors.append(f"{part.step.resource}: {error}")
        _note_trouble(self.credential, error)

    def _close(self, part: _Part) -> None:
        """Prove a collection that was read to its end, repair what can be, and close its step."""
        step = part.step
        finding = proof.compare(self.credential, part.collection.resource, part.tally)
        board = part.collection.board
        step.delivered, step.stored = finding.delivered, finding.stored
        step.reread, step.late = board.reread, len(part.late) + board.torn
        if self.run.kind == Kind.VERIFY:
            self._judge(part, finding)
        else:
            gone, step.unlisted = self._look_for(part.collection.resource, finding.undelivered)
            step.gone += gone
            step.missing = finding.missing
        if step.resource in self.covering:
            catchup.cover(self.run, part.collection.resource)
        is_proved = not (step.missing or step.different or (step.gone and self.run.kind == Kind.VERIFY))
        step.error = "" if is_proved else _difference(step)
        if not is_proved:
            self.errors.append(f"{step.resource}: {step.error}")
        self._mark(
            step,
            state=State.DONE if is_proved else State.FAILED,
            finished_at=timezone.now(),
            verified_at=timezone.now() if is_proved else None,
            error=step.error,
            spans=[],
            **{name: getattr(step, name) for name in _PROOF_FIELDS},
        )

    def _look_for(self, resource: Resource, stripe_ids: Sequence[str]) -> tuple[int, int]:
        """Ask for rows the listing did not deliver, one by one: gone ones become tombstones, others are stored as they are.

        Returns how many were gone and how many were there but unlisted (created meanwhile, or on a test clock).
        """
        gone = 0
        for stripe_id in stripe_ids:
            seen = store.draw()
            payload = self._look(resource, stripe_id)
            with transaction.atomic():
                if payload is None:
                    gone += store.mark_deleted(self.credential, resource, stripe_id, now=timezone.now())
                else:
                    store.save(
                        self.credential,
                        resource,
                        payload,
                        seen=seen,
                        api_version=self.gateway.api_version,
                        shown_at=self.gateway.now(),
                    )
        return gone, len(stripe_ids) - gone

    def _look(self, resource: Resource, stripe_id: str) -> dict[str, Any] | None:
        self._sign()
        return self.gateway.look(resource.path, stripe_id, expand=own_expand(resource))

    # Verifying: nothing is written

    def _hold_against(self, part: _Part, payloads: Sequence[dict[str, Any]]) -> None:
        """Compare a page with our rows; what differs is asked for again, for it may have changed meanwhile.

        What was made since the last sync began may be missing still: not everything is told by an event.
        """
        resource, version = part.collection.resource, self.gateway.api_version
        until = runs.covered_until(self.credential)
        for stripe_id in store.differing(self.credential, resource, payloads, api_version=version):
            payload = self._look(resource, stripe_id)
            if payload is None or not store.differing(self.credential, resource, [payload], api_version=version):
                continue
            if resource.model.objects.filter(credential=self.credential, stripe_id=stripe_id).exists():
                part.step.different += 1
            elif until is None or int(payload.get("created") or 0) < until.timestamp():
                part.step.missing += 1

    def _judge(self, part: _Part, finding: proof.Finding) -> None:
        resource = part.collection.resource
        part.step.gone = sum(1 for stripe_id in finding.undelivered if self._look(resource, stripe_id) is None)
        part.step.unlisted = len(finding.undelivered) - part.step.gone

    # Endings

    def _sign(self) -> None:
        """Show a sign of life now and then, whatever takes long: without one the lock would end."""
        if time.monotonic() - self.signed_at > SIGN_OF_LIFE_SECONDS:
            self.signed_at = time.monotonic()
            runs.touch(self.run)

    def leave(self, error: str) -> None:
        """Close what was under way; its checkpoint stays for the next run."""
        for part in self.parts.values():
            is_culprit = error.startswith(f"{part.step.resource}: ")
            said = error.partition(": ")[2] if is_culprit else "Not read to its end; the next run goes on from here."
            self._mark(part.step, state=State.FAILED, finished_at=timezone.now(), error=said)

    def _mark(self, step: SyncStep, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(step, name, value)
        step.save(update_fields=tuple(changes))
        self.tell(step)


def _is_whole(board: spans.Board) -> bool:
    """Whether nothing of the collection was read yet and all of it will be."""
    return [(span.oldest, span.is_open) for span in board.spans] == [(spans.BEGINNING, True)]


_PROOF_FIELDS = ("delivered", "stored", "missing", "different", "gone", "unlisted", "reread", "late")


def _difference(step: SyncStep) -> str:
    said = ((step.missing, "missing here"), (step.different, "different here"), (step.gone, "gone at Stripe"))
    return ", ".join(f"{count:,} {what}" for count, what in said if count)


def _note_trouble(credential: StripeCredential, error: BaseException) -> None:
    """A refused key or a missing permission is shown until a sync succeeds."""
    if isinstance(error, AuthenticationRefused | PermissionRefused):
        StripeCredential.objects.filter(pk=credential.pk).update(needs_attention=str(error)[:500])
