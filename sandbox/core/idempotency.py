"""Answers kept by idempotency key: replayed for the same call, refused for another.

Stripe: https://docs.stripe.com/api/idempotent_requests
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .errors import StripeError
from .settings import DAY

KEEP_SECONDS = DAY


@dataclass
class Kept:
    """One key: what was asked, and the answer once there is one."""

    fingerprint: str
    created: float
    status: int = 0
    body: bytes = b""
    request_id: str = ""


class Idempotency:
    """The keys of one account."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.in_flight: set[str] = set()

    def begin(self, key: str, method: str, path: str, body: bytes, now: float) -> Kept | None:
        """Return the kept answer of a repeated call, or None after noting a new one.

        Raises:
            StripeError: the key belongs to another call (400) or is in flight (409).
        """
        fingerprint = f"{method} {path} {blake2b(body, digest_size=16).hexdigest()}"  # bodies may hold card numbers
        found = self.kept.get(key)
        if found is not None and now - found.created > KEEP_SECONDS:
            found = None
        if found is None:
            self._prune(now)
            self.kept[key] = Kept(fingerprint, now)
            return None
        if found.fingerprint != fingerprint:
            raise _conflict(key, found, method, path)
        if not found.status or key in self.in_flight:
            raise StripeError(
                409,
                f"There is currently another in-progress request using this Idempotent Key: {key}."
                " Please try again later.",
                "idempotency_key_in_use",
                type="idempotency_error",
            )
        return found

    def _prune(self, now: float) -> None:
        """Forget keys that are too old; keys are kept in the order of their first use."""
        while self.kept:
            oldest = next(iter(self.kept))
            if now - self.kept[oldest].created <= KEEP_SECONDS:
                break
            del self.kept[oldest]

    def finish(self, key: str, status: int, body: bytes, request_id: str) -> None:
        """Keep the answer of a call that began to do something."""
        kept = self.kept[key]
        kept.status, kept.body, kept.request_id = status, body, request_id

    def release(self, key: str) -> None:
        """Forget a call that was refused before it did anything: its key may be used again."""
        self.kept.pop(key, None)

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values, for a snapshot."""
        return {k: [v.fingerprint, v.created, v.status, v.body.decode(), v.request_id] for k, v in self.kept.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what a snapshot holds."""
        self.kept = {k: Kept(f, c, s, b.encode(), r) for k, (f, c, s, b, r) in state.items()}


def _conflict(key: str, found: Kept, method: str, path: str) -> StripeError:
    if found.fingerprint.startswith(f"{method} {path} "):
        what = "with the same parameters they were first used with"
    else:
        what = f"for the same endpoint they were first used for ({found.fingerprint.split(' ')[1]})"
    return StripeError(
        400,
        f"Keys for idempotent requests can only be used {what}. Try using a key other than '{key}' if"
        " you meant to execute a different request.",
        type="idempotency_error",
    )
