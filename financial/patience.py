"""How long the database may keep Stripe waiting.

Stripe wants an answer within seconds and comes again after a 503, so what stores a delivery gives up sooner than a sync or a
worker would: those have time, and wait as long as the project's settings say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection

STORE_SECONDS = 4
SQLITE_SECONDS = 5.0  # of Django, where the settings name none


@contextmanager
def at_most(seconds: int = STORE_SECONDS) -> Iterator[None]:
    """Have the database refuse inside the block what it cannot do within `seconds`.

    Inside a transaction nothing changes: whoever began it knows how long it may last.

    Raises:
        OperationalError: it was busy, locked or slow for longer.
    """
    if connection.in_atomic_block:
        yield
        return
    limit, reset = _statements(seconds)
    _execute(limit)
    try:
        yield
    finally:
        try:
            _execute(reset)
        except Error:
            connection.close()  # nobody shall inherit our impatience


def _statements(seconds: int) -> tuple[str, str]:
    if connection.vendor == "sqlite":
        usual = float(connection.settings_dict["OPTIONS"].get("timeout", SQLITE_SECONDS))
        return f"PRAGMA busy_timeout = {seconds * 1000}", f"PRAGMA busy_timeout = {int(usual * 1000)}"
    if connection.vendor == "postgresql":
        return f"SET statement_timeout = {seconds * 1000}", "RESET statement_timeout"
    return "", ""


def _execute(statement: str) -> None:
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)
