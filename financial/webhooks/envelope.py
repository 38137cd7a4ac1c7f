"""What an event's envelope says: which event it is, and which of our resources it makes us look at. No database."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from financial.mirror.resources import BY_EVENT, BY_HINT
from financial.mirror.translate import at, reduce_to_id
from financial.models import StripeWebhookEvent

State = StripeWebhookEvent.State
UNREADABLE = (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)
Facts = dict[str, Any]


def read(body: bytes, *, livemode: bool) -> Facts:
    """Return the columns an authentic body fills, its `state` among them; `livemode` is the credential's.

    A body that is no event is kept all the same, under the digest of its bytes.
    """
    try:
        facts = _facts(orjson.loads(body))
    except UNREADABLE:
        return _unreadable(body, "The body is not an event.")
    if any("\0" in value for value in facts.values() if isinstance(value, str)):
        return _unreadable(body, "The event's envelope holds a NUL.")
    return {**facts, **_routing(facts, livemode)}


def _unreadable(body: bytes, error: str) -> Facts:
    digest = hashlib.sha256(body).hexdigest()
    return {"account": "", "event_id": f"sha256:{digest}", "type": "", "state": State.QUARANTINED, "error": error}


def _facts(event: dict[str, Any]) -> Facts:
    if event["object"] != "event" or not _is_id(event["id"]) or not isinstance(event["type"], str):
        raise ValueError
    name, stripe_id = _subject(event["type"], event["data"])
    return {
        "account": str(event.get("account") or "")[:255],
        "event_id": event["id"],
        "type": event["type"][:255],
        "api_version": str(event.get("api_version") or "")[:64],
        "livemode": event.get("livemode") is True,
        "created_at": at(event["created"]),
        "object_type": name[:64],
        "object_stripe_id": stripe_id if _is_id(stripe_id) else "",
    }


def _subject(event_type: str, data: dict[str, Any]) -> tuple[str, Any]:
    """Return kind and id of the object to look at: the one the event carries, or the one that it only names."""
    carried = data["object"]
    hinted = BY_HINT.get(event_type)
    if hinted is None:
        return str(carried.get("object") or ""), carried.get("id")
    before = data.get("previous_attributes") or {}
    return hinted.name, reduce_to_id(carried.get(hinted.name) or before.get(hinted.name))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _routing(facts: Facts, livemode: bool) -> Facts:
    if facts["livemode"] != livemode:
        return {"state": State.MISROUTED, "error": "The event is of the other mode than the credential."}
    if facts["account"]:
        return {"state": State.MISROUTED, "error": "The event belongs to a connected account."}
    if facts["type"] in BY_HINT:
        return {"state": State.WAITING if facts["object_stripe_id"] else State.IGNORED}
    if facts["type"] not in BY_EVENT:
        return {"state": State.IGNORED}
    if not facts["object_stripe_id"] or facts["object_type"] != BY_EVENT[facts["type"]].name:
        return {"state": State.QUARANTINED, "error": "The event does not carry the object its type names."}
    return {"state": State.WAITING}
