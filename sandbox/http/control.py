"""What only a sandbox can do, over HTTP: move the clock, set faults, play the bank.

JSON under /_sandbox/api/..., pages for people under /_sandbox (see `pages`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.core import (
    checkout_visit,
    disputes,
    money,
    payment_intents,
    payouts,
    refunds,
    setup_intents,
    snapshot,
    wire,
)
from sandbox.core.errors import StripeError
from sandbox.core.webhook_endpoints import roll_secret

from .service import Service


@dataclass(frozen=True)
class Answer:
    """A reply of the control side."""

    body: bytes
    status: int = 200
    type: str = "application/json"
    location: str = ""


Data = dict[str, Any]


def answer(service: Service, method: str, path: str, query: str, body: bytes) -> Answer:
    """Answer one call to /_sandbox."""
    parts = [p for p in path.split("/") if p][1:]
    try:
        if parts[:1] != ["api"]:
            from . import pages

            return pages.answer(service, method, parts, query, body)
        return _api(service, method, parts[1:], body)
    except StripeError as error:
        return _json({"error": error.message, "code": error.code}, 400)
    except (ValueError, TypeError) as error:
        return _json({"error": str(error)}, 400)
    except KeyError as error:
        return _json({"error": f"missing or unknown: {error}"}, 404)


def _api(service: Service, method: str, parts: list[str], body: bytes) -> Answer:
    name = "/".join([method, *("*" if place == 1 else part for place, part in enumerate(parts))])
    handler = _TABLE.get(name)
    if handler is None:
        return _json({"error": f"no such control call; known: {', '.join(sorted(_TABLE))}"}, 404)
    data = wire.loads(body) if body.strip() else {}
    if name == "POST/deliver":
        return _json(handler(service, data, ""))
    with service.lock:
        service.tick()
        return _json(handler(service, data, parts[1] if len(parts) > 1 else ""))


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(wire.pretty(value), status)


def state(service: Service, data: Data, id: str) -> Data:
    """Return the time, how many objects there are, and the balance."""
    world = service.world
    counts = {kind: len(table.order) for kind, table in sorted(world.store.tables.items())}
    return {"now": world.main.now, "objects": counts, "balance": money.balance(world),
            "deliveries_waiting": len(world.outbox.waiting), "faults": world.faults.dump()}  # fmt: skip


def _clock(service: Service, data: Data, id: str) -> Data:
    seconds = data["advance"] if "advance" in data else data["to"] - service.world.main.now
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError("the clock only moves forward, by a number of seconds")
    service.advance(seconds)
    return {"now": service.world.main.now}


def _faults(service: Service, data: Any, id: str) -> Data:
    service.world.faults.load(data)
    return {"faults": service.world.faults.dump()}


def _no_faults(service: Service, data: Data, id: str) -> Data:
    service.world.faults.load([])
    return {"faults": []}


def _deliver(service: Service, data: Data, id: str) -> Data:
    return {"sent": service.deliver(everything=bool(data.get("everything")))}


def _deliveries(service: Service, data: Data, id: str) -> Data:
    return {"deliveries": service.world.outbox.dump()}


def _resend(service: Service, data: Data, id: str) -> Data:
    return {"id": service.world.outbox.resend(service.world, id).id}


def _authenticate(service: Service, data: Data, id: str) -> Data:
    passed = bool(data.get("passed", True))
    kind = "setup_intent" if id.startswith("seti_") else "payment_intent"
    intent = service.world.get(kind, id)
    (setup_intents if kind == "setup_intent" else payment_intents).authenticate(service.world, intent, passed=passed)
    return {"id": id, "status": intent["status"]}


def _complete(service: Service, data: Data, id: str) -> Data:
    session = service.world.get("checkout.session", id)
    checkout_visit.complete(service.world, session, data.get("payment_method", "pm_card_visa"), data.get("email", ""))
    return {"id": id, "status": session["status"]}


def _dispute(service: Service, data: Data, id: str) -> Data:
    service.world.get("charge", id)
    disputes.open_dispute(service.world, id, data.get("reason", "fraudulent"))
    return {"disputes": [d["id"] for d in service.world.all("dispute", "charge", id)]}


def _finish(service: Service, data: Data, id: str) -> Data:
    dispute = service.world.get("dispute", id)
    if data["outcome"] not in ("won", "lost"):
        raise ValueError("outcome is won or lost")
    disputes.finish(service.world, dispute, data["outcome"])
    return {"id": id, "status": dispute["status"]}


def _pay_out(service: Service, data: Data, id: str) -> Data:
    payout = payouts.pay_out(service.world, data.get("currency", service.world.settings.default_currency))
    return {"id": payout and payout["id"]}


def _fail_payout(service: Service, data: Data, id: str) -> Data:
    service.world.get("payout", id)
    payouts.fail_payout(service.world, id, data.get("code", ""))
    return {"id": id, "status": service.world.raw("payout", id)["status"]}


def _fail_refund(service: Service, data: Data, id: str) -> Data:
    service.world.get("refund", id)
    refunds.fail_refund(service.world, id, data.get("reason", "lost_or_stolen_card"))
    return {"id": id, "status": service.world.raw("refund", id)["status"]}


def _fee(service: Service, data: Data, id: str) -> Data:
    line = money.stripe_fee(
        service.world, data["amount"], data["currency"], data.get("description", "Billing - Usage Fee")
    )
    return {"id": line["id"]}


def _topup(service: Service, data: Data, id: str) -> Data:
    return {"id": money.topup(service.world, data["amount"], data["currency"])["id"]}


def _roll(service: Service, data: Data, id: str) -> Data:
    endpoint = service.world.get("webhook_endpoint", id)
    return {"secret": roll_secret(service.world, endpoint, hours=data.get("hours", 24))}


def _snapshot(service: Service, data: Data, id: str) -> Data:
    return snapshot.dump(service.world)


# method / first word / "*" for an id / action -> what happens, under the lock
_TABLE: dict[str, Callable[[Service, Any, str], Data]] = {
    "GET/state": state,
    "GET/snapshot": _snapshot,
    "POST/clock": _clock,
    "GET/faults": lambda service, data, id: {"faults": service.world.faults.dump()},
    "POST/faults": _faults,
    "DELETE/faults": _no_faults,
    "POST/deliver": _deliver,
    "GET/deliveries": _deliveries,
    "POST/deliveries/*/resend": _resend,
    "POST/authenticate/*": _authenticate,
    "POST/checkout/*/complete": _complete,
    "POST/charges/*/dispute": _dispute,
    "POST/disputes/*/finish": _finish,
    "POST/payouts": _pay_out,
    "POST/payouts/*/fail": _fail_payout,
    "POST/refunds/*/fail": _fail_refund,
    "POST/stripe_fees": _fee,
    "POST/topups": _topup,
    "POST/webhook_endpoints/*/roll": _roll,
}
