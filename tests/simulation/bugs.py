"""Bugs planted on purpose: a simulation is trusted only while it finds every one of them.

Each is a mistake somebody could make, written as a change to our own functions while one run lasts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import orjson
from django.utils import timezone

from financial import outbox, stripe_services
from financial.errors import GatewayError
from financial.gateway import StripeGateway
from financial.ledger import journal
from financial.mirror import store
from financial.mirror.resources import BY_HINT, embeds
from financial.mirror.translate import detach
from financial.models import StripeWebhookEvent
from financial.sync import catchup, pulling, runs, spans
from financial.webhooks import applying, inbox, receiving

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

Patches = Iterator[Any]
Plant = Callable[["Simulation"], Patches]


@dataclass(frozen=True)
class Bug:
    """A planted bug, and the run that finds it first; seed 0 where none is known with today's code."""

    plant: Plant
    profile: str
    steps: int
    seed: int


BUGS: dict[str, Bug] = {}


@contextmanager
def planted(name: str, sim: Simulation) -> Iterator[None]:
    """Let a bug be in the code while the block runs; none if the name is empty."""
    with ExitStack() as stack:
        for patch in BUGS[name].plant(sim) if name else ():
            stack.enter_context(patch)
        yield


def bug(profile: str, steps: int, *, seed: int) -> Callable[[Plant], Plant]:
    """Register a plant; `seed` is the first of this profile and length that finds it, or 0."""

    def register(plant: Plant) -> Plant:
        BUGS[plant.__name__] = Bug(plant, profile, steps, seed)
        return plant

    return register


def _shown_by(event: StripeWebhookEvent, resource: Any) -> dict[str, Any]:
    body = StripeWebhookEvent.objects.values_list("body", flat=True).get(pk=event.pk)
    payload, _ = detach(orjson.loads(body)["data"]["object"], embeds(resource))
    return payload


def _carries_its_object(task: Any) -> bool:
    return not any(event.type in BY_HINT for event in task.events)


# Trusting the event


@bug("races", 400, seed=1)
def payload_instead_of_a_fetch(sim: Simulation) -> Patches:
    fetch = applying._look

    def look(task: Any, gateway: Any) -> list[Any]:
        if not _carries_its_object(task):
            return fetch(task, gateway)
        task.shown_at = gateway.now()
        return [] if task.is_deleted else [_shown_by(task.events[-1], task.resource)]

    yield mock.patch.object(applying, "_look", look)


def _guarded_by_created(is_newer: Callable[[Any, Any], bool]) -> Any:
    newest: dict[str, Any] = {}
    fetch = applying._look

    def look(task: Any, gateway: Any) -> list[Any]:
        if not _carries_its_object(task):
            return fetch(task, gateway)
        task.shown_at = gateway.now()
        if task.is_deleted:
            return []
        for event in task.events:
            if task.stripe_id not in newest or is_newer(event.created_at, newest[task.stripe_id][0]):
                newest[task.stripe_id] = (event.created_at, _shown_by(event, task.resource))
        return [newest[task.stripe_id][1]]

    return mock.patch.object(applying, "_look", look)


@bug("races", 400, seed=1)
def payload_if_strictly_newer(sim: Simulation) -> Patches:
    yield _guarded_by_created(lambda new, old: new > old)


@bug("races", 400, seed=1)
def payload_if_as_new(sim: Simulation) -> Patches:
    yield _guarded_by_created(lambda new, old: new >= old)


# The write rule


@bug("races", 400, seed=1)
def blind_overwrite(sim: Simulation) -> Patches:
    save_many = store.save_many
    yield mock.patch.object(store, "save_many", lambda *a, seen, **o: save_many(*a, seen=1 << 60, **o))


@bug("races", 500, seed=0)
def counter_drawn_after_the_look(sim: Simulation) -> Patches:
    write = applying._write
    yield mock.patch.object(applying, "_write", lambda c, tasks, gateway, seen: write(c, tasks, gateway, store.draw()))


@bug("races", 500, seed=0)
def counter_drawn_after_the_page(sim: Simulation) -> Patches:
    write = pulling._Pull._write

    def late(self: Any, part: Any) -> int:
        part.waiting = [replace(delivery, seen=store.draw()) for delivery in part.waiting]
        return write(self, part)

    yield mock.patch.object(pulling._Pull, "_write", late)


@bug("contended", 500, seed=0)
def version_of_the_look_instead_of_the_write(sim: Simulation) -> Patches:
    save_many = store.save_many

    def save(*arguments: Any, seen: int, **options: Any) -> int:
        with mock.patch.object(store, "draw", lambda: seen):
            return save_many(*arguments, seen=seen, **options)

    yield mock.patch.object(store, "save_many", save)


@bug("races", 400, seed=4)
def loser_is_done_all_the_same(sim: Simulation) -> Patches:
    write = applying._write

    def content(*arguments: Any) -> bool:
        write(*arguments)
        for task in arguments[1]:
            task.changes = task.changes or []
        return True

    yield mock.patch.object(applying, "_write", content)


@bug("calm", 300, seed=2)
def no_tombstone(sim: Simulation) -> Patches:
    yield mock.patch.object(store, "mark_deleted", lambda *arguments, **options: 0)


@bug("races", 400, seed=1)
def tombstone_revives(sim: Simulation) -> Patches:
    """A deletion neither counts as a write nor lasts: a look from before it wins."""
    guard, mark_deleted = store._Table._guard, store.mark_deleted

    def forgetful(self: Any, *arguments: Any) -> str:
        return re.sub(r' AND "?\w+"?\.deleted_at IS NULL', "", guard(self, *arguments))

    def mark(credential: Any, resource: Any, stripe_id: str, **options: Any) -> int:
        row = resource.model.objects.filter(credential=credential, stripe_id=stripe_id).first()
        with mock.patch.object(store, "draw", lambda: row.version if row else 1):
            return mark_deleted(credential, resource, stripe_id, **options)

    yield mock.patch.object(store._Table, "_guard", forgetful)
    yield mock.patch.object(store, "mark_deleted", mark)


@bug("broken", 300, seed=2)
def any_error_means_gone(sim: Simulation) -> Patches:
    look = StripeGateway.look

    def hasty(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return look(self, *arguments, **options)
        except GatewayError:
            return None

    yield mock.patch.object(StripeGateway, "look", hasty)


# The inbox


@bug("crashing", 400, seed=1)
def answered_before_stored(sim: Simulation) -> Patches:
    receive = stripe_services.receive_webhook

    def later(*arguments: Any) -> None:
        def store_it() -> None:
            sim.hub.pause(seconds=1)
            receive(*arguments)

        sim.hub.spawn("later", sim.actors.web, store_it)

    yield mock.patch.object(stripe_services, "receive_webhook", later)


@bug("races", 300, seed=1)
def no_deduplication(sim: Simulation) -> Patches:
    row = receiving._row

    def another(*arguments: Any, **options: Any) -> StripeWebhookEvent:
        made = row(*arguments, **options)
        if StripeWebhookEvent.objects.filter(event_id=made.event_id).exists():
            made.account = f"copy {sim.hub.step}"
        return made

    yield mock.patch.object(receiving, "_row", another)


@bug("crashing", 400, seed=1)
def done_before_the_effect(sim: Simulation) -> Patches:
    look = applying._Account._look_at_all

    def hasty(self: Any, gateway: Any) -> None:
        pks = [event.pk for event in self.lease.events]
        StripeWebhookEvent.objects.filter(pk__in=pks).update(state="done", due_at=None, handled_at=timezone.now())
        look(self, gateway)

    yield mock.patch.object(applying._Account, "_look_at_all", hasty)


@bug("broken", 300, seed=0)
def failed_is_done(sim: Simulation) -> Patches:
    def give_up(lease: Any, events: Any, error: str, *, now: Any) -> None:
        lease.rows().update(state="done", due_at=None, lease="", handled_at=now)

    yield mock.patch.object(inbox, "postpone", give_up)


@bug("crashing", 400, seed=0)
def lease_without_end(sim: Simulation) -> Patches:
    yield mock.patch.object(inbox, "_lease_length", lambda: timedelta(days=3650))


@bug("silent", 300, seed=1)
def no_missing_parents(sim: Simulation) -> Patches:
    yield mock.patch.object(applying, "_fetch_parents", lambda *arguments: None)
    yield mock.patch.object(store, "repair_links", lambda credential, **options: 0)


# The sync


@bug("silent", 500, seed=1)
def cursor_at_the_end_of_the_sync(sim: Simulation) -> Patches:
    finish = runs.finish

    def late(run: Any, error: str) -> None:
        if run.covers_until:
            run.covers_until = timezone.now()
        finish(run, error)

    yield mock.patch.object(runs, "finish", late)
    yield mock.patch.object(catchup, "OVERLAP", timedelta(0))


@bug("silent", 400, seed=1)
def no_catch_up(sim: Simulation) -> Patches:
    yield mock.patch.object(catchup, "collect", lambda *arguments, **options: None)


@bug("patient", 500, seed=0)
def only_new_balance_transactions(sim: Simulation) -> Patches:
    yield mock.patch.object(catchup, "POLLED", dict.fromkeys(catchup.POLLED, timedelta(0)))


@bug("calm", 200, seed=1)
def first_page_only(sim: Simulation) -> Patches:
    list_page = StripeGateway.list_page
    yield mock.patch.object(
        StripeGateway, "list_page", lambda *a, **o: replace(list_page(*a, **o), next_after="")
    )  # fmt: skip


@bug("calm", 200, seed=1)
def page_goes_on_a_second_later(sim: Simulation) -> Patches:
    advance = spans.Board.advance

    def jumpy(self: Any, span: Any, created: Any, next_after: str) -> bool:
        goes_on = advance(self, span, created, next_after)
        span.after, span.newest = "", span.newest - 1
        return goes_on

    yield mock.patch.object(spans.Board, "advance", jumpy)


@bug("races", 400, seed=2)
def not_listed_means_gone(sim: Simulation) -> Patches:
    yield mock.patch.object(pulling._Pull, "_look", lambda self, resource, stripe_id: None)


@bug("restless", 500, seed=0)
def checkpoint_before_the_rows(sim: Simulation) -> Patches:
    write = pulling._Pull._write

    def hasty(self: Any, part: Any) -> int:
        part.step.spans = part.waiting[-1].left
        part.step.save(update_fields=("spans",))
        sim.hub.pause()
        return write(self, part)

    yield mock.patch.object(pulling._Pull, "_write", hasty)


# Writing to Stripe, and the books


@bug("restless", 600, seed=2)
def fresh_idempotency_key(sim: Simulation) -> Patches:
    create = StripeGateway.create

    def fresh(self: Any, service: str, body: Any, *, idempotency_key: str) -> Any:
        return create(self, service, body, idempotency_key=f"{idempotency_key}-{sim.hub.step}")

    yield mock.patch.object(StripeGateway, "create", fresh)
    yield mock.patch.object(outbox, "_find", lambda *arguments: None)


@bug("calm", 300, seed=1)
def booked_only_by_events(sim: Simulation) -> Patches:
    yield mock.patch.object(journal, "book_all", lambda *arguments, **options: journal.Booked())
