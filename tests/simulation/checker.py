"""The invariants: some at each answer and each commit, all of them once everything is quiet (docs/simulation.md)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Sum

from financial import accounts
from financial.gateway import bodies
from financial.mirror import store
from financial.mirror.resources import BY_NAME, EVENT_TYPES, RESOURCES, Resource
from financial.models import (
    Entry,
    MirrorRow,
    StripePaymentIntent,
    StripeRequest,
    StripeWebhookEvent,
    SyncRun,
    Transaction,
)
from sandbox.core.settings import PINNED
from tests.simulation.account import TOMBSTONE, digest

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

FINAL = {"done", "ignored", "misrouted", "quarantined", "dead"}
ATTEMPTS_MAX = 10
PAYLOAD = ("payload", "private", "digest")
LOOKS = ("version", "shown_at", "read_at", "checked_at", "is_steady")  # say when we last looked, not what we saw
KEY_LASTS_SECONDS = 24 * 3600  # at Stripe
_BY_TABLE = {resource.model._meta.db_table: resource for resource in RESOURCES}


class Violation(BaseException):
    """An invariant does not hold; the message begins with its name. Nothing in between may handle it."""


def demand(holds: object, invariant: str, what: str) -> None:
    if not holds:
        raise Violation(f"{invariant}: {what}")


class Checker:
    """Compares our rows with the account, which knows every version of every object."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.account = sim.account
        self.acked: set[str] = set()
        self._known_as_done: set[int] = set()
        self._shown: dict[
            tuple[str, str], tuple[int, bool, int]
        ] = {}  # row -> its version, whether it is a tombstone, and the oldest it can be of Stripe's

    # At once

    def acknowledged(self, event_id: str) -> None:
        with self.sim.hub.aside():
            stored = StripeWebhookEvent.objects.filter(event_id=event_id).count()
        demand(stored == 1, "INV-1", f"{event_id} was answered with 2xx, but {stored} rows hold it")
        self.acked.add(event_id)

    def committed(self, tables: Iterable[str]) -> None:
        with self.sim.hub.aside():
            for table in sorted(tables):
                if table in _BY_TABLE:
                    self._look_at(_BY_TABLE[table])
                elif table == Entry._meta.db_table:
                    self.balanced()

    def _look_at(self, resource: Resource) -> None:
        """Hold every row that was written against the versions its object has had."""
        model = resource.model
        changed = [
            stripe_id
            for stripe_id, version, deleted_at in model.objects.values_list("stripe_id", "version", "deleted_at")
            if self._shown.get((resource.name, stripe_id), ())[:2] != (version, deleted_at is not None)
        ]
        for row in model.objects.filter(stripe_id__in=changed) if changed else ():
            self._hold_against_history(resource, row)

    def _hold_against_history(self, resource: Resource, row: Any) -> None:
        key = (resource.name, row.stripe_id)
        before, _, oldest = self._shown.get(key, (0, False, 0))
        history = self.account.versions.get(key, [])
        demand(row.version > before, "INV-3", f"{row.stripe_id} went from version {before} to {row.version}")
        shown = TOMBSTONE if row.deleted_at else digest(row.whole_payload())
        place = next((place for place in range(oldest, len(history)) if history[place] == shown), None)
        demand(
            place is not None,
            "INV-3",
            f"{row.stripe_id} shows version {_places(history, shown)} of {len(history)} after it had shown {oldest + 1}",
        )
        self._shown[key] = (row.version, row.deleted_at is not None, place or 0)

    def done(self) -> None:
        """INV-2: what is marked done is done: the mirror shows what the event told of, or something newer."""
        with self.sim.hub.aside():
            rows = list(StripeWebhookEvent.objects.filter(state="done").values_list("pk", "event_id"))
            for pk, event_id in rows:
                if pk not in self._known_as_done and event_id in self.account.told:
                    self._known_as_done.add(pk)
                    self._is_shown(event_id, *self.account.told[event_id])

    def _is_shown(self, event_id: str, kind: str, stripe_id: str, told: int) -> None:
        if kind not in BY_NAME:  # tells of something that is shown elsewhere
            return
        row = BY_NAME[kind].model.objects.filter(stripe_id=stripe_id).first()
        shown = TOMBSTONE if row is None or row.deleted_at else digest(row.whole_payload())
        history = self.account.versions[kind, stripe_id]
        demand(shown in history[told:], "INV-2", f"{event_id} is done, but {stripe_id} does not show what it told of")

    # Once everything is quiet

    def everything(self) -> None:
        self.inbox()
        self.mirror()
        self.books()
        self.requests()

    def inbox(self) -> None:
        """INV-2: each event that reached us is here once, and came to an end."""
        rows = list(StripeWebhookEvent.objects.values_list("event_id", "state", "attempts"))
        held = Counter(event_id for event_id, _, _ in rows)
        demand(max(held.values(), default=1) == 1, "INV-2", f"{held.most_common(1)} is in the inbox more than once")
        missing = sorted(self.acked - set(held))
        demand(not missing, "INV-2", f"{missing[:3]} were acknowledged and are not in the inbox")
        created = self._events_within_reach()
        lacking = sorted(created - set(held))
        demand(not lacking, "INV-2", f"{len(lacking)} of {len(created)} events never came here: {lacking[:3]}")
        open_ones = [(event_id, state) for event_id, state, _ in rows if state not in FINAL]
        demand(not open_ones, "INV-2", f"{open_ones[:3]} never came to an end")

    def _events_within_reach(self) -> set[str]:
        """Return what the syncs must have found: each event of our types since the last full one, which covers the rest."""
        full = SyncRun.objects.filter(state="done", kind="full").exclude(covers_until=None).order_by("-pk").first()
        since = full.covers_until.timestamp() if full and full.covers_until else float("inf")
        world = self.account.world
        keys = [key for key in world.store.table("event").order if key[0] >= since]
        return {key[2] for key in keys if world.raw("event", key[2])["type"] in EVENT_TYPES}

    def mirror(self) -> None:
        """INV-4: row by row what the account shows; nothing more, nothing less."""
        for resource in RESOURCES:
            alive = self.account.alive(resource)
            payloads = [self.account.payload(resource, stripe_id) for stripe_id in alive]
            different = store.differing(self.sim.credential, resource, payloads, api_version=PINNED)
            different = [stripe_id for stripe_id in different if not self._shows(resource, stripe_id)]
            demand(not different, "INV-4", f"{len(different)} {resource.name} differ or are missing: {different[:3]}")
            rows = resource.model.objects.filter(credential=self.sim.credential)
            surplus = set(rows.filter(deleted_at=None).values_list("stripe_id", flat=True)) - set(alive)
            demand(not surplus, "INV-4", f"{resource.name} {sorted(surplus)[:3]} exist only here")
            self._links(resource)

    def _shows(self, resource: Resource, stripe_id: str) -> bool:
        """Whether a row shows the newest version but for copies of other objects in it."""
        row = resource.model.objects.filter(stripe_id=stripe_id, deleted_at=None).first()
        newest = self.account.versions[resource.name, stripe_id][-1]
        return row is not None and digest(row.whole_payload()) == newest

    def _links(self, resource: Resource) -> None:
        for key, parent in resource.parents.items():
            held = BY_NAME[parent].model.objects.filter(credential=self.sim.credential)
            named = dict(held.values_list("stripe_id", "pk"))
            rows = resource.model.objects.values_list("stripe_id", f"{key}_stripe_id", f"{key}_id")
            wrong = [stripe_id for stripe_id, name, link in rows if named.get(name) != link]
            demand(not wrong, "INV-4", f"{resource.name} {wrong[:3]} have a wrong or missing link to their {parent}")

    def books(self) -> None:
        """INV-5 to INV-7: one transaction for each movement of the balance and no other, all adding up to the balance."""
        lines = {line["id"]: line for line in self.account.world.all("balance_transaction")}
        moved = Transaction.objects.exclude(balance_transaction=None)
        booked = Counter(moved.values_list("balance_transaction__stripe_id", flat=True))
        demand(set(booked) == set(lines), "INV-5", f"booked and moved differ: {sorted(set(booked) ^ set(lines))[:3]}")
        demand(max(booked.values(), default=1) == 1, "INV-5", f"{booked.most_common(1)} was booked more than once")
        paid = StripePaymentIntent.objects.filter(status="succeeded", amount_received_minor__gt=0)
        forgotten = list(paid.filter(stripe_transaction=None).values_list("stripe_id", flat=True)[:3])
        demand(not forgotten, "INV-5", f"{forgotten} succeeded and were not booked")
        self.balanced()
        effects = self._on_clearing("transaction__balance_transaction__stripe_id", "transaction__currency")
        wrong = [line for (line, currency), net in effects.items() if line and net != lines[line]["net"]]
        demand(not wrong, "INV-6", f"{wrong[:3]} moved another amount in the books than at Stripe")
        self._equal_the_balance()

    def balanced(self) -> None:
        """INV-6: the legs of every transaction sum to zero."""
        sums = Entry.objects.order_by().values("transaction").annotate(left=Sum("amount_minor"))
        uneven = list(sums.exclude(left=0).values_list("transaction", "left")[:3])
        demand(not uneven, "INV-6", f"transactions {uneven} do not balance")

    def _equal_the_balance(self) -> None:
        """INV-7: per currency, what the books say lies at Stripe lies at Stripe."""
        ledger = self.account.world.ledger
        ours = {currency: net for (currency,), net in self._on_clearing("transaction__currency").items() if net}
        theirs = {
            currency: ledger.pending[currency] + ledger.available[currency]
            for currency in [*ledger.pending, *ledger.available]
        }
        theirs = {currency: net for currency, net in theirs.items() if net}
        demand(ours == theirs, "INV-7", f"the books say {ours}, the balance is {theirs}")

    def _on_clearing(self, *by: str) -> dict[tuple[str, ...], int]:
        legs = Entry.objects.filter(account__code=accounts.clearing("payments")).order_by()
        return {tuple(row[:-1]): row[-1] for row in legs.values_list(*by).annotate(Sum("amount_minor"))}

    def requests(self) -> None:
        """INV-9: each form made one object at most, and the one it was told of."""
        made: dict[str, list[dict[str, Any]]] = {}
        for resource in RESOURCES:
            for row in self.account.world.store.table(resource.name).rows.values():
                mark = bodies.mark_of(row.obj)
                if mark and resource.name != "charge":  # a charge repeats the metadata of its payment
                    made.setdefault(mark, []).append(row.obj)
        for form in self.sim.actors.forms:
            objects = sorted(made.get(form.key, []), key=lambda obj: int(obj["created"]))
            ids = [obj["id"] for obj in objects]
            again = [later["id"] for first, later in pairwise(objects) if not _is_forgotten(first, later["created"])]
            demand(not again, "INV-9", f"{form.key} made {ids}")
            demand(set(form.made) <= set(ids), "INV-9", f"{form.key} was told {form.made}, but made {ids}")
        sending = StripeRequest.objects.filter(state="sending")
        answered = [form.key for form in self.sim.actors.forms if form.is_done]
        stuck = list(sending.filter(idempotency_key__in=answered).values_list("idempotency_key", flat=True))
        demand(not stuck, "INV-9", f"{stuck} were answered and are still being sent")

    def attempts(self, before: dict[str, int]) -> None:
        """INV-11: with nothing going wrong any more, no event takes more than a few attempts."""
        rows = StripeWebhookEvent.objects.values_list("event_id", "attempts")
        many = [event_id for event_id, attempts in rows if attempts - before.get(event_id, 0) > ATTEMPTS_MAX]
        demand(not many, "INV-11", f"{many[:3]} took more than {ATTEMPTS_MAX} attempts in calm")

    def state(self) -> str:
        """Return a hash of the mirror and the books.

        Private columns count by what they hold, looks not at all, and copies of other objects in a payload by their ids:
        a price that is renamed sends no event of the subscriptions that hold it, so a later look may show it anew.
        """
        hashed = hashlib.sha256()
        for model in [*(resource.model for resource in RESOURCES), *_books()]:
            left_out = (*LOOKS, *PAYLOAD) if issubclass(model, MirrorRow) else LOOKS
            names = [field.attname for field in model._meta.concrete_fields if field.name not in left_out]
            for row in model._default_manager.order_by("pk"):
                shown = digest(row.whole_payload()) if isinstance(row, MirrorRow) else ""
                hashed.update(repr([shown, *(getattr(row, name) for name in names)]).encode())
        return hashed.hexdigest()


def _books() -> list[type[models.Model]]:
    """Return every model of the ledger, whatever they are called."""
    from financial.models import ledger

    found = [value for value in vars(ledger).values() if isinstance(value, type) and issubclass(value, models.Model)]
    return sorted(
        (model for model in set(found) if model.__module__ == ledger.__name__ and not model._meta.abstract),
        key=lambda model: model.__name__,
    )


def _is_forgotten(obj: dict[str, Any], at: int) -> bool:
    """Whether nothing at Stripe tells by then that a form made this: somebody deleted it, and its key has lapsed."""
    return bool(obj.get("deleted")) and at - int(obj["created"]) > KEY_LASTS_SECONDS


def _places(history: list[str], shown: str) -> str:
    places = [str(place + 1) for place, version in enumerate(history) if version == shown]
    return " or ".join(places) or "none"
