"""How many deliveries were turned away at the webhook's address, and why: numbers, never what was in them.

Anybody may post there, so a refusal must cost next to nothing: it is counted in this process and handed to Django's cache
every few seconds, with one line in the log. The database is not touched. With several processes the cache must be a shared
one for the numbers to be of all of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

logger = logging.getLogger("financial.stripe_services.webhooks")
HAND_OVER_SECONDS = 5.0
HOURS = 24
# The answer that was given, and what it means.
REASONS: Mapping[int, str] = {
    400: "not signed with a secret of ours, or too old",
    413: "too large",
    503: "could not be checked or stored",
}

_lock = threading.Lock()
_counted: Counter[int] = Counter()
_handed_over_at = 0.0


@dataclass(frozen=True)
class Refusals:
    """The deliveries refused in the last 24 hours, by reason; `last_at` is the latest that was handed over."""

    by_reason: tuple[tuple[str, int], ...]
    last_at: datetime | None

    @property
    def total(self) -> int:
        return sum(count for _, count in self.by_reason)


def count(status: int) -> None:
    """Note one refusal answered with `status`. Never fails: the answer matters more than the number."""
    with _lock:
        _counted[status] += 1
    if time.monotonic() - _handed_over_at >= HAND_OVER_SECONDS:
        _hand_over()


def recent() -> Refusals:
    """Return what was refused in the last 24 hours, this process's latest included."""
    _hand_over()
    now = timezone.now()
    hours = [now - timedelta(hours=hour) for hour in range(HOURS)]
    kept = cache.get_many([_key(status, hour) for status in REASONS for hour in hours])
    sums = {status: sum(int(kept.get(_key(status, hour), 0)) for hour in hours) for status in REASONS}
    return Refusals(tuple((REASONS[status], number) for status, number in sums.items() if number), _last_at())


def _hand_over() -> None:
    global _handed_over_at
    with _lock:
        _handed_over_at = time.monotonic()
        counted = +_counted
        _counted.clear()
    if not counted:
        return
    logger.warning("webhooks refused: %s", ", ".join(f"{number} with {status}" for status, number in counted.items()))
    try:
        now = timezone.now()
        for status, number in counted.items():
            key = _key(status, now)
            cache.add(key, 0, (HOURS + 1) * 3600)
            cache.incr(key, number)
        cache.set("financial:refused:last", now.timestamp(), HOURS * 3600)
    except Exception:  # a cache that is away costs a number, not an answer
        logger.exception("the number of refused webhooks could not be kept")


def _last_at() -> datetime | None:
    stamp = cache.get("financial:refused:last")
    return datetime.fromtimestamp(stamp, UTC) if stamp else None


def _key(status: int, moment: datetime) -> str:
    return f"financial:refused:{status}:{moment.astimezone(UTC):%Y%m%d%H}"
