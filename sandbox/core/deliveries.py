"""Webhook deliveries: what is to be sent when, signed how, and tried again when refused.

The core keeps the list and the rules; somebody else (the HTTP layer, a simulation)
takes what is due, sends it, and reports the answer.
Stripe: https://docs.stripe.com/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from . import render, wire

if TYPE_CHECKING:
    from .store import Object
    from .world import World


@dataclass
class Delivery:
    """One event on its way to one endpoint; `state` is pending, delivered, failed or lost."""

    id: str
    event: str
    endpoint: str
    type: str
    created: int
    due: float
    state: str = "pending"
    attempts: int = 0
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Sending:
    """What goes over the wire for one attempt."""

    delivery: str
    url: str
    body: bytes
    headers: dict[str, str]


class Outbox:
    """All deliveries of one account, in the order they were caused."""

    def __init__(self) -> None:
        self.all: dict[str, Delivery] = {}
        self.waiting: set[str] = set()

    def add(self, world: World, event_id: str, endpoint_id: str) -> None:
        """Queue an event for an endpoint, as often and as late as the faults in force say."""
        event = world.raw("event", event_id)
        fate = world.faults.webhook(world, event["type"])
        for _ in range(fate.copies):
            due = world.main.now + fate.delay(world)
            entry = Delivery(world.ids.new("whd_"), event_id, endpoint_id, event["type"], world.now, due)
            self.all[entry.id] = entry
            if fate.lost:
                entry.state = "lost"
            else:
                self.waiting.add(entry.id)

    def due(self, now: float, *, everything: bool = False) -> list[Delivery]:
        """Return the waiting deliveries whose time has come, in the order to send them."""
        ready = [self.all[i] for i in self.waiting if everything or self.all[i].due <= now]
        order = {i: n for n, i in enumerate(self.all)} if ready else {}
        return sorted(ready, key=lambda d: (d.due, order[d.id]))

    def record(self, world: World, delivery_id: str, status: int) -> None:
        """Note the answer of an attempt: 2xx is success, all else is tried again later."""
        entry = self.all[delivery_id]
        entry.attempts += 1
        entry.answers.append(status)
        waits = world.settings.webhook_retry_seconds
        if 200 <= status < 300:
            entry.state = "delivered"
            self.waiting.discard(delivery_id)
            _one_less_pending(world, entry.event)
        elif entry.attempts > len(waits) or not _endpoint_works(world, entry.endpoint):
            entry.state = "failed"
            self.waiting.discard(delivery_id)
        else:
            entry.due = world.main.now + waits[entry.attempts - 1]

    def drop(self, delivery_id: str) -> None:
        """Give a delivery up whose event or endpoint is gone."""
        self.all[delivery_id].state = "failed"
        self.waiting.discard(delivery_id)

    def refused(self, world: World, type: str, object_id: str) -> bool:
        """Return whether an endpoint was told of this and has not accepted it yet."""
        for entry in self.all.values():
            if entry.type == type and entry.answers and entry.state in ("pending", "failed"):
                event = world.find("event", entry.event)
                if event is not None and event["_object"]["id"] == object_id:
                    return True
        return False

    def resend(self, world: World, delivery_id: str) -> Delivery:
        """Queue a delivery once more, whatever became of it."""
        entry = self.all[delivery_id]
        entry.state, entry.due = "pending", world.main.now
        self.waiting.add(delivery_id)
        return entry

    def prune(self, keep: int = 5000) -> None:
        """Forget the oldest settled deliveries beyond `keep`."""
        surplus = len(self.all) - keep
        if surplus > 0:
            for id in [i for i in self.all if i not in self.waiting][:surplus]:
                del self.all[id]

    def dump(self) -> list[dict[str, Any]]:
        """Return plain JSON values, for a snapshot."""
        return [asdict(entry) for entry in self.all.values()]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Take over what a snapshot holds."""
        self.all = {entry["id"]: Delivery(**entry) for entry in state}
        self.waiting = {i for i, entry in self.all.items() if entry.state == "pending"}


def sending(world: World, delivery: Delivery, at: int) -> Sending | None:
    """Return the signed request of a delivery, or None when its event or endpoint is gone."""
    event, endpoint = world.find("event", delivery.event), world.find("webhook_endpoint", delivery.endpoint)
    if event is None or endpoint is None or endpoint["status"] != "enabled":
        return None
    body = wire.pretty(render.event_view(world, event, endpoint["api_version"]))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, secrets(endpoint, at), at),
    }
    return Sending(delivery.id, endpoint["url"], body, headers)


def secrets(endpoint: Object, at: int) -> list[str]:
    """Return the secrets that sign now: two while one is being rolled."""
    old, until = endpoint.get("_old_secret"), endpoint.get("_old_secret_until", 0)
    return [endpoint["_secret"], old] if old and at < until else [endpoint["_secret"]]


def signature(body: bytes, keys: list[str], at: int) -> str:
    """Return a `Stripe-Signature` header: t=..., one v1=... per secret."""
    signed = str(at).encode() + b"." + body
    marks = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


def _one_less_pending(world: World, event_id: str) -> None:
    event = world.find("event", event_id)
    if event is not None and event["pending_webhooks"] > 0:
        world.change(event, pending_webhooks=event["pending_webhooks"] - 1)


def _endpoint_works(world: World, endpoint_id: str) -> bool:
    endpoint = world.find("webhook_endpoint", endpoint_id)
    return endpoint is not None and endpoint["status"] == "enabled"
