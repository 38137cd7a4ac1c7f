"""How many requests a second may go to Stripe: one budget per account, one per endpoint, learned from its refusals.

Stripe allows 25 requests a second per endpoint and 100 (test mode: 25) per account, and says which limit was hit. Requests
are spaced evenly; a refusal cuts the budget it concerns by a tenth, answers raise it again up to where it began. All
threads of a process that use one key share its budgets. Knows nothing of HTTP; the clock and the sleep are handed in.

Stripe: https://docs.stripe.com/rate-limits
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

HEADROOM = 0.975  # turns are even, arrivals are not: at the limit itself some would always come too early
CUT = 0.9
RAISE_PER_ANSWER = 0.02  # of the ceiling
FLOOR_PER_SECOND = 1.0
QUIET_SECONDS = 0.5  # refusals this close together are one


@dataclass(slots=True)
class Lane:
    """Evenly spaced turns: `per_second` now, at most `ceiling` of them."""

    ceiling: float
    per_second: float = field(init=False)
    next_turn: float = 0.0
    last_cut: float = float("-inf")

    def __post_init__(self) -> None:
        self.per_second = self.ceiling

    def cut(self, now: float) -> None:
        if now - self.last_cut < QUIET_SECONDS:
            return
        self.last_cut = now
        self.per_second = max(FLOOR_PER_SECOND, self.per_second * CUT)
        self.next_turn = max(self.next_turn, now + 1 / self.per_second)

    def widen(self) -> None:
        self.per_second = min(self.ceiling, self.per_second + self.ceiling * RAISE_PER_ANSWER)


class Budget:
    """The turns of one account. Safe to share between threads."""

    _shared: ClassVar[dict[tuple[str, float, float], Budget]] = {}
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        account_per_second: float,
        endpoint_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account = Lane(account_per_second)
        self._endpoint_ceiling = endpoint_per_second
        self._endpoints: dict[str, Lane] = {}
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    @classmethod
    def shared(cls, name: str, account_per_second: float, endpoint_per_second: float) -> Budget:
        """Return the process's budget of that name; `name` tells accounts apart and is no key."""
        identity = (name, account_per_second, endpoint_per_second)
        with cls._shared_lock:
            return cls._shared.setdefault(identity, cls(account_per_second, endpoint_per_second))

    def wait(self, endpoint: str) -> float:
        """Sleep until it is this request's turn and return for how long.

        The endpoint's turn first, the account's when that has come: who waits for a busy endpoint holds up no other.
        """
        return self._turn(lambda: self._lane(endpoint)) + self._turn(lambda: self._account)

    def _turn(self, choose: Callable[[], Lane]) -> float:
        with self._lock:
            lane, now = choose(), self._clock()
            turn = max(now, lane.next_turn)
            lane.next_turn = turn + 1 / (lane.per_second * HEADROOM)
        if turn > now:
            self._sleep(turn - now)
        return turn - now

    def answered(self, endpoint: str) -> None:
        """A request got through: raise what was cut, little by little."""
        with self._lock:
            self._account.widen()
            self._lane(endpoint).widen()

    def refused(self, endpoint: str, reason: str) -> None:
        """A 429 came; `reason` is Stripe's header: `global-…` concerns the account, anything else the endpoint."""
        with self._lock:
            lane = self._account if reason.startswith("global") else self._lane(endpoint)
            lane.cut(self._clock())

    def per_second(self, endpoint: str = "") -> float:
        """Return the present budget of an endpoint, or of the account."""
        with self._lock:
            return self._lane(endpoint).per_second if endpoint else self._account.per_second

    def _lane(self, endpoint: str) -> Lane:
        return self._endpoints.setdefault(endpoint, Lane(self._endpoint_ceiling))
