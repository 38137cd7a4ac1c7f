"""The default: two daemon threads of the server process work through the rows. Any number of processes may."""

from __future__ import annotations

from collections.abc import Callable

from django.db import close_old_connections

from financial.engines.attendant import Attendant

LOOK_EVERY_SECONDS = 5.0


def _work(part: str) -> Callable[[], bool]:
    def answer() -> bool:
        from financial import work

        close_old_connections()
        try:
            return bool(getattr(work, part)())
        finally:
            close_old_connections()

    return answer


# A sync may take minutes: events do not wait for it.
ATTENDANTS = (
    Attendant("financial-events", _work("apply_events"), every_seconds=LOOK_EVERY_SECONDS),
    Attendant("financial-chores", _work("do_chores"), every_seconds=LOOK_EVERY_SECONDS),
)


def wake() -> None:
    """Ring for both."""
    for attendant in ATTENDANTS:
        attendant.ring()
