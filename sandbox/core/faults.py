"""Faults on demand: which answers and deliveries go wrong, how often, by the seed.

A rule is plain JSON: {"kind": "rate_limit", "method": "GET", "path": "/v1/customers",
"count": 3, "skip": 0, "probability": 1.0, "seconds": 2, "reason": "global-rate"}.
Webhook rules use `type` (an event type, `*` allowed) in place of method and path.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .errors import StripeError
from .events import matches

if TYPE_CHECKING:
    from .world import World

REQUEST_KINDS = {
    "rate_limit": "429 with Stripe-Rate-Limited-Reason, nothing done",
    "lock_timeout": "429 lock_timeout with Stripe-Should-Retry, nothing done",
    "error_before": "500, nothing done",
    "error_after": "500 after the work was done",
    "drop_after": "the connection closes after the work was done",
    "slow": "the answer comes `seconds` late",
    "truncate": "the JSON of the answer is cut in the middle",
}
WEBHOOK_KINDS = {
    "webhook_duplicate": "the event is delivered twice",
    "webhook_shuffle": "deliveries overtake each other within `seconds`",
    "webhook_lose": "the event is never delivered",
    "webhook_late": "the event is delivered `seconds` late",
}
REASONS = ("global-rate", "global-concurrency", "endpoint-rate", "endpoint-concurrency", "resource-specific")


@dataclass
class Fault:
    """One rule; `count` is how often it still strikes, -1 for ever."""

    kind: str
    method: str = ""
    path: str = ""
    type: str = "*"
    count: int = -1
    skip: int = 0
    probability: float = 1.0
    seconds: float = 2.0
    reason: str = "global-rate"

    @classmethod
    def parse(cls, rule: Any) -> Fault:
        """Return the rule that JSON describes.

        Raises:
            ValueError: with a sentence that says what is wrong.
        """
        if not isinstance(rule, dict):
            raise ValueError("a fault is a JSON object")
        if rule.get("kind") not in REQUEST_KINDS | WEBHOOK_KINDS:
            known = ", ".join(REQUEST_KINDS | WEBHOOK_KINDS)
            raise ValueError(f"unknown fault kind {rule.get('kind')!r}; known are {known}")
        unknown = sorted(set(rule) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f"unknown fault keys: {', '.join(unknown)}")
        fault = cls(**rule)
        for name, kind in (("count", int), ("skip", int), ("probability", (int, float)), ("seconds", (int, float))):
            value = getattr(fault, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ValueError(f"fault key {name!r} must be a number, not {value!r}")
        return fault

    def strikes(self, world: World) -> bool:
        """Return whether a rule that fits strikes this time; counts down."""
        if self.count == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.probability < 1 and not world.ids.chance(self.probability):
            return False
        if self.count > 0:
            self.count -= 1
        return True


@dataclass
class Fate:
    """What the faults do to one delivery."""

    copies: int = 1
    lost: bool = False
    late: float = 0
    jitter: float = 0

    def delay(self, world: World) -> float:
        """Return by how many seconds a copy is late."""
        return self.late + (world.ids.below(1000) * self.jitter / 1000 if self.jitter else 0)


class Faults:
    """The rules in force, first match wins (each webhook kind applies once)."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def load(self, rules: Any) -> None:
        """Replace the rules by parsed JSON (a list of rules).

        Raises:
            ValueError: with a sentence that says what is wrong.
        """
        if not isinstance(rules, list):
            raise ValueError("faults are a JSON list of rules")
        self.rules = [Fault.parse(rule) for rule in rules]

    def dump(self) -> list[dict[str, Any]]:
        """Return the rules as plain JSON values."""
        return [asdict(rule) for rule in self.rules]

    def request(self, world: World, method: str, path: str) -> Fault | None:
        """Return the fault that strikes a call, if one does."""
        for rule in self.rules:
            fits = rule.kind in REQUEST_KINDS and rule.method in ("", method) and path.startswith(rule.path)
            if fits and rule.strikes(world):
                return rule
        return None

    def webhook(self, world: World, type: str) -> Fate:
        """Return what happens to the delivery of an event."""
        fate = Fate()
        for rule in self.rules:
            if rule.kind not in WEBHOOK_KINDS or not matches(rule.type, type) or not rule.strikes(world):
                continue
            if rule.kind == "webhook_duplicate":
                fate.copies = 2
            elif rule.kind == "webhook_lose":
                fate.lost = True
            elif rule.kind == "webhook_late":
                fate.late = rule.seconds
            else:
                fate.jitter = rule.seconds
        return fate


def refusal(fault: Fault) -> tuple[StripeError, dict[str, str]] | None:
    """Return the error and headers of a fault that keeps the work from being done."""
    if fault.kind == "rate_limit":
        error = StripeError(
            429,
            "Request rate limit exceeded. You can learn more about rate limits here"
            " https://stripe.com/docs/rate-limits.",
            "rate_limit",
        )
        return error, {"Stripe-Rate-Limited-Reason": fault.reason}
    if fault.kind == "lock_timeout":
        error = StripeError(
            429,
            "This object cannot be accessed right now because another API request or Stripe process is"
            " currently accessing it. If you see this error intermittently, retry the request. If you see"
            " this error frequently and are making multiple concurrent requests to a single object, make"
            " your requests serially or at a lower rate.",
            "lock_timeout",
        )
        return error, {"Stripe-Should-Retry": "true"}
    return (server_error(), {}) if fault.kind == "error_before" else None


def server_error() -> StripeError:
    """Return Stripe's answer when something broke on its side."""
    return StripeError(
        500,
        "Sorry! There was an error while talking to one of our backends. Support has been notified.",
        type="api_error",
    )
