"""Bring the mirror and the books up to date with what events named, and close the events with it.

Objects are looked at side by side, without a transaction; then a batch is written, booked and closed in one. Where that
fails, be it that somebody else wrote one of the rows or that one object is poison, each object has its own transaction and
its own fate. What fails because Stripe is away, or refuses the key, is nobody's fault: the credential pauses.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from financial import conf, itemising, notices
from financial.errors import (
    AuthenticationRefused,
    CredentialRefused,
    FinancialError,
    PermissionRefused,
    RateLimited,
    StripeUnavailable,
    UnreadableAnswer,
)
from financial.ledger import journal
from financial.mirror import history, store
from financial.mirror.resources import BY_NAME, RESOURCES, Resource, embeds, own_expand
from financial.mirror.translate import detach, reduce_to_id, translate
from financial.models import StripeCredential, StripePaymentIntent, StripeWebhookEvent
from financial.webhooks import inbox
from financial.webhooks.inbox import Change, Lease

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

logger = logging.getLogger("financial.stripe_services.webhooks")
ROUNDS_MAX = 5
OUTAGES_MAX = 3  # objects in a row that could not be had; then the rest is not even asked for
REFUSED = (AuthenticationRefused, CredentialRefused)
NEWS_LASTS = timedelta(days=1)
TOMBSTONE = "deleted"  # where a digest stands otherwise
OUTAGE = (StripeUnavailable, RateLimited, UnreadableAnswer)
Payload = dict[str, Any]
OpenGateway = Callable[[StripeCredential], "StripeGateway"]
Key = tuple[str, str]  # a resource's name and Stripe's id


@dataclass(slots=True)
class Task:
    """One object, the events that named it, what Stripe said of it, and what went wrong."""

    resource: Resource
    stripe_id: str
    events: list[StripeWebhookEvent]
    found: list[Payload] = field(default_factory=list)  # with what is embedded in it; empty if the object is gone
    parents: list[Payload] = field(default_factory=list)
    was_asked: bool = False
    shown_at: datetime | None = None
    error: Exception | None = None
    changes: list[Change] | None = None  # of the transaction that did it

    @property
    def key(self) -> Key:
        return self.resource.name, self.stripe_id

    @property
    def payloads(self) -> dict[Key, Payload]:
        return {(payload["object"], payload["id"]): payload for payload in (*self.parents, *self.found)}

    @property
    def payments(self) -> set[str]:
        """The ids of the payments that what was found tells of."""
        ids = {payload["id"] for payload in self.found if payload["object"] == "payment_intent"}
        return ids | {reduce_to_id(item.get("payment_intent")) for item in self.found if item["object"] == "charge"} - {
            ""
        }

    @property
    def was_answered(self) -> bool:
        """Whether Stripe said something of it, be it a refusal of this one object."""
        return self.was_asked and not self.is_deleted and not isinstance(self.error, REFUSED + OUTAGE)

    @property
    def is_deleted(self) -> bool:
        """Whether an event said so: that is final, whatever Stripe would answer."""
        return any(event.type in self.resource.gone for event in self.events)


def apply_due(open_gateway: OpenGateway, *, now: datetime, limit: int = 500) -> int:
    """Apply the events that are due, oldest first, and return how many were tried."""
    tried = 0
    size = int(conf.get("WEBHOOK_BATCH"))
    began = time.monotonic()
    while tried < limit and (lease := inbox.claim_due(now=now, size=min(size, limit - tried))):
        _work_off(lease, open_gateway)
        tried += len(lease.events)
        if time.monotonic() - began > lease.renewal_seconds:  # by now `now` is too old for another lease
            break
    return tried


def apply(event: StripeWebhookEvent, open_gateway: OpenGateway, *, now: datetime) -> StripeWebhookEvent:
    """Apply a claimed event, and what else waits for its object.

    Never raises for what went wrong with this event: the error is on the row, with the time of the next attempt.
    """
    _work_off(inbox.lease_of(event, now=now), open_gateway)
    event.refresh_from_db()
    return event


def apply_held(
    rows: QuerySet[StripeWebhookEvent], open_gateway: OpenGateway, *, tick: Callable[[], None] = lambda: None
) -> list[Change]:
    """Try each of these waiting events once, now, whatever lease they are under, and return what became of each object.

    Stops where Stripe cannot be had. `tick` is called after each batch.
    """
    changes: list[Change] = []
    untried = rows.filter(Q(last_attempt_at=None) | Q(last_attempt_at__lt=timezone.now()))
    size = int(conf.get("WEBHOOK_BATCH"))
    while lease := inbox.claim_of(untried, now=timezone.now(), size=size):
        accounts = _work_off(lease, open_gateway)
        changes += [task.changes[0] for account in accounts for task in account.tasks if task.changes]
        if any(account.is_paused for account in accounts):
            break
        tick()
    return changes


def _work_off(lease: Lease, open_gateway: OpenGateway) -> list[_Account]:
    by_credential = sorted(lease.events, key=lambda event: (event.credential_id, event.pk))
    accounts = []
    for _, events in groupby(by_credential, key=lambda event: event.credential_id):
        batch = list(events)
        account = _Account(batch[0].credential, lease, _tasks(batch))
        account.work(open_gateway)
        accounts.append(account)
    return accounts


def _tasks(events: Sequence[StripeWebhookEvent]) -> list[Task]:
    tasks: dict[Key, Task] = {}
    for event in events:
        key = (event.object_type, event.object_stripe_id)
        tasks.setdefault(key, Task(BY_NAME[event.object_type], event.object_stripe_id, [])).events.append(event)
    return list(tasks.values())


@dataclass(slots=True)
class _Account:
    """What one credential's events of a lease make us do."""

    credential: StripeCredential
    lease: Lease
    tasks: list[Task]
    is_paused: bool = False

    def work(self, open_gateway: OpenGateway) -> None:
        try:
            gateway = open_gateway(self.credential)
        except CredentialRefused as error:
            self._pause(error)
            return
        seen = store.draw()
        self._look_at_all(gateway)
        ready = [task for task in self.tasks if task.was_asked and task.error is None]
        if not self._done_together(ready, gateway, seen):
            for task in ready:
                self.lease.keep()
                _alone(task, self.credential, self.lease, gateway, seen)
        self._settle()
        self._itemise(gateway)

    # Asking

    def _look_at_all(self, gateway: StripeGateway) -> None:
        """Ask for every object, several at once; stop asking where Stripe cannot be had."""
        fetchers = min(int(conf.get("WEBHOOK_FETCHERS")), len(self.tasks))
        if fetchers <= 1:
            self._look_at_each(gateway)
            return
        with ThreadPoolExecutor(fetchers, thread_name_prefix="financial-look") as pool:
            waiting = iter(self.tasks)
            asked: set[Future[None]] = set()
            while True:
                while len(asked) < fetchers and not self._is_vain() and (task := next(waiting, None)):
                    asked.add(pool.submit(_ask, task, gateway))
                if not asked:
                    return
                _, asked = wait(asked, timeout=self.lease.renewal_seconds, return_when=FIRST_COMPLETED)
                self.lease.keep()

    def _look_at_each(self, gateway: StripeGateway) -> None:
        for task in self.tasks:
            if self._is_vain():
                return
            self.lease.keep()
            _ask(task, gateway)

    def _is_vain(self) -> bool:
        errors = [task.error for task in self.tasks if task.error is not None]
        if any(isinstance(error, REFUSED) for error in errors):
            return True
        return (
            not any(task.was_answered for task in self.tasks)
            and sum(isinstance(error, OUTAGE) for error in errors) >= OUTAGES_MAX
        )

    # Writing

    def _done_together(self, tasks: Sequence[Task], gateway: StripeGateway, seen: int) -> bool:
        """Write, book and close everything in one transaction; False, with nothing done, if any of it would fail."""
        if len(tasks) < 2:
            return False
        try:
            _fetch_parents(self.credential, tasks, gateway)
            with transaction.atomic():
                if _write(self.credential, tasks, gateway, seen):
                    _finish(self.credential, self.lease, tasks)
                    return True
                transaction.set_rollback(True)
        except Exception as error:  # whose fault it is shows when each is done alone
            logger.info("%s objects are written one by one: %s", len(tasks), type(error).__name__)
        return False

    def _itemise(self, gateway: StripeGateway) -> None:
        """Read what the payouts among them consist of, where Stripe says by now; what cannot be had waits for a sync."""
        payouts = [task.stripe_id for task in self.tasks if task.resource.name == "payout" and task.changes is not None]
        if not payouts:
            return
        try:
            itemising.read(self.credential, gateway, stripe_ids=payouts, tick=self.lease.keep)
        except FinancialError as error:
            logger.warning("the rows of %s payouts wait for the next sync: %s", len(payouts), error)

    # Endings

    def _settle(self) -> None:
        """Say of each object how it went, and of the credential whether Stripe answers it."""
        failed = [task for task in self.tasks if task.error is not None]
        done = [
            event for task in self.tasks if task.error is None and task.changes is not None for event in task.events
        ]
        for event in done:
            logger.info("event=%s type=%s outcome=done", event.event_id, event.type)
        refused = next((task.error for task in failed if isinstance(task.error, REFUSED)), None)
        if any(task.was_answered for task in self.tasks):
            inbox.resume(self.credential)
        if refused is not None:
            self._pause(refused)
            failed = [task for task in failed if not isinstance(task.error, REFUSED)]
        elif failed and not done and self._stripe_is_away(failed):
            self._pause(failed[0].error)
            return
        for task in failed:
            inbox.postpone(self.lease, task.events, _said(task.error), now=self.lease.now)
            if isinstance(task.error, PermissionRefused):
                inbox.note(self.credential, str(task.error))
        left = [event for task in self.tasks if not task.was_asked for event in task.events]
        inbox.release(self.lease, left, "", now=self.lease.now)

    def _stripe_is_away(self, failed: Sequence[Task]) -> bool:
        """Nothing could be had, and nothing was applied since: it is not these objects that fail."""
        if not all(isinstance(task.error, OUTAGE) for task in failed):
            return False
        return not any(inbox.stripe_answered_since(event) for task in failed for event in task.events[:1])

    def _pause(self, error: Exception | None) -> None:
        """Give back what Stripe would not talk about, with its attempts, and wait a while."""
        self.is_paused = True
        inbox.pause(self.credential, _said(error), is_refusal=isinstance(error, REFUSED), now=self.lease.now)
        unheard = [task for task in self.tasks if not task.was_asked or isinstance(task.error, REFUSED + OUTAGE)]
        events = [event for task in unheard for event in task.events]
        inbox.release(self.lease, events, _said(error), now=self.lease.now)


def _said(error: Exception | None) -> str:
    if isinstance(error, FinancialError):
        return str(error)
    return f"{type(error).__name__}: see the log of financial.stripe_services."


def _ask(task: Task, gateway: StripeGateway) -> None:
    """Put on the task what Stripe says of its object, or why it says nothing. In whatever thread."""
    try:
        task.found = _look(task, gateway)
    except FinancialError as error:
        task.error = error
    except Exception as error:  # a poison object must not stop the others
        logger.exception("object=%s", task.stripe_id)
        task.error = error
    task.was_asked = True


def _look(task: Task, gateway: StripeGateway) -> list[Payload]:
    """Return the object as it is now with what is embedded in it, parents first; nothing if it is gone."""
    if task.is_deleted:
        return []
    payload = gateway.look(task.resource.path, task.stripe_id, expand=task.resource.expand)
    task.shown_at = gateway.now()
    if payload is None:
        return []
    payload, embedded = detach(payload, embeds(task.resource))
    return [payload, *reversed([item for item in embedded if item.get("object") in BY_NAME])]


def _alone(task: Task, credential: StripeCredential, lease: Lease, gateway: StripeGateway, seen: int) -> None:
    """Do one object by itself: write, book and close in one transaction; ask again if somebody else wrote meanwhile."""
    try:
        for _ in range(ROUNDS_MAX):
            _fetch_parents(credential, [task], gateway)
            with transaction.atomic():
                if _write(credential, [task], gateway, seen):
                    _finish(credential, lease, [task])
                    return
                transaction.set_rollback(True)
            seen = store.draw()
            task.found = _look(task, gateway)
        raise FinancialError(f"{task.stripe_id} kept changing while it was read; it is tried again later.")
    except FinancialError as error:
        task.error, task.changes = error, None
    except Exception as error:  # a poison event must not stop the others
        logger.exception("event=%s type=%s", task.events[0].event_id, task.events[0].type)
        task.error, task.changes = error, None


def _fetch_parents(credential: StripeCredential, tasks: Sequence[Task], gateway: StripeGateway) -> None:
    """Fetch what the objects point to and the mirror lacks, and what that points to; a parent Stripe lacks is left out."""
    held = {(payload["object"], payload["id"]) for task in tasks for payload in task.found}
    waiting = [(task, payload) for task in tasks for payload in task.found]
    for task in tasks:
        task.parents = []
    while waiting:
        wanted = {key: task for task, payload in waiting for key in _named_parents(payload) if key not in held}
        held |= set(wanted)
        waiting = []
        for name, stripe_id in sorted(set(wanted) - set(_states(credential, wanted))):
            parent, task = BY_NAME[name], wanted[name, stripe_id]
            looked = gateway.look(parent.path, stripe_id, expand=own_expand(parent))
            if looked is not None:
                task.parents.append(looked)
                waiting.append((task, looked))


def _named_parents(payload: Payload) -> Iterator[Key]:
    resource = BY_NAME[payload["object"]]
    if resource.parents:
        values = translate(payload, resource.name, resource.columns).values
        for key, name in resource.parents.items():
            if values[f"{key}_stripe_id"]:
                yield name, values[f"{key}_stripe_id"]


def _states(credential: StripeCredential, keys: Iterable[Key]) -> dict[Key, str]:
    """Return what the mirror holds of these: each row's digest, or that it is a tombstone. One query per resource."""
    found: dict[Key, str] = {}
    for name, group in groupby(sorted(keys), key=lambda key: key[0]):
        rows = BY_NAME[name].model.objects.filter(credential=credential, stripe_id__in=[key[1] for key in group])
        for stripe_id, digest, deleted_at in rows.values_list("stripe_id", "digest", "deleted_at"):
            found[name, stripe_id] = digest if deleted_at is None else TOMBSTONE
    return found


def _write(credential: StripeCredential, tasks: Sequence[Task], gateway: StripeGateway, seen: int) -> bool:
    """Save everything by the write rule, and note what it changed; False if somebody wrote one of the rows since `seen`."""
    payloads = {key: payload for task in tasks for key, payload in task.payloads.items()}
    keys = {*payloads, *(task.key for task in tasks)}
    before = _states(credential, keys)
    for task in tasks:
        if task.key not in payloads:
            store.mark_deleted(credential, task.resource, task.stripe_id, now=timezone.now(), for_good=task.is_deleted)
    for resource in RESOURCES:
        names = [key for key in sorted(payloads) if key[0] == resource.name]
        written = store.save_many(
            credential,
            resource,
            [payloads[key] for key in names],
            seen=seen,
            api_version=gateway.api_version,
            shown_at=min((task.shown_at for task in tasks if task.shown_at), default=None),
            rewrite=True,  # also what is as it was: its version says that it was so at a later look
        )
        if written != sum(before.get(key) != TOMBSTONE for key in names):
            return False
    after = _states(credential, keys)
    for task in tasks:
        of_task = sorted({task.key, *task.payloads}, key=lambda key: key != task.key)
        task.changes = [_change(key, before, after) for key in of_task if key in after]
    return True


def _change(key: Key, before: Mapping[Key, str], after: Mapping[Key, str]) -> Change:
    if before.get(key) == after[key]:
        change = "unchanged"
    elif after[key] == TOMBSTONE:
        change = "deleted"
    else:
        change = "updated" if key in before else "created"
    return {"object": key[0], "id": key[1], "change": change}


def _finish(credential: StripeCredential, lease: Lease, tasks: Sequence[Task]) -> None:
    """Book what the objects tell of payments, and close their events, in the transaction that wrote them."""
    now = timezone.now()
    _book(credential, tasks, now)
    history.after(credential, [event for task in tasks for event in task.events])
    inbox.close(lease, [ending for task in tasks for ending in _endings(task)], now=now)


def _endings(task: Task) -> Iterator[tuple[StripeWebhookEvent, list[Change]]]:
    """The first event did it; the others of the same object were covered by the same look."""
    first, *others = task.events
    yield first, task.changes or []
    for event in others:
        yield event, [{"object": task.key[0], "id": task.key[1], "change": "covered", "by": first.event_id}]


def _book(credential: StripeCredential, tasks: Sequence[Task], now: datetime) -> None:
    """Book the payments these events speak of and what moved because of their objects, and tell the customers."""
    ids = {payment_id for task in tasks for payment_id in task.payments}
    moving = {key[1] for task in tasks for key in task.payloads if key[0] in journal.MOVING}
    if not (ids or moving):
        return
    payments = {
        payment.stripe_id: payment
        for payment in StripePaymentIntent.objects.filter(credential=credential, stripe_id__in=ids)
    }
    journal.book(credential, list(payments.values()), objects=moving, now=now)
    for task in tasks:
        for kind in {notices.KIND_BY_EVENT[event.type] for event in task.events if _is_news(event, now)}:
            for payment_id in task.payments & set(payments):
                notices.prepare(payments[payment_id], kind)


def _is_news(event: StripeWebhookEvent, now: datetime) -> bool:
    """Whether a customer is told: not of what a sync found out days later."""
    is_late = event.created_at is None or event.created_at < now - NEWS_LASTS
    return event.type in notices.KIND_BY_EVENT and not (is_late and event.source != StripeWebhookEvent.Source.WEBHOOK)
