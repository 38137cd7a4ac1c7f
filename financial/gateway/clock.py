"""Stripe's clock, as the `Date` of its answers tells it: rows keep the time of the state they show, by that clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class RemoteClock:
    """Our clock and what the other is ahead of it. A `Date` has whole seconds: where ours agrees with it, ours is right.

    Threads may share one; the worst that a race does is to keep the older of two answers.
    """

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.ahead_seconds, UTC)

    def heard(self, date: str, *, asked_at: float, answered_at: float) -> None:
        """Take in the `Date` of an answer (unix seconds of our clock around it); one that is no date is passed over.

        Some moment between asking and hearing lay within that second: that bounds the difference from both sides.
        """
        try:
            second = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return
        at_least, at_most = second - answered_at, second + 1 - asked_at
        self.ahead_seconds = min(max(self.ahead_seconds, at_least), at_most)
