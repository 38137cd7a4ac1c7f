"""The one database connection all actors share: where they may be interrupted, where they may die, what they changed.

Actors hand over outside transactions only, so one connection serves them all. A crash rolls back what was open, as the
server would.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

from tests.simulation.scheduling import Hub

_WRITES = re.compile(r"^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)")
_pristine: list[sqlite3.Connection] = []


class WatchedConnection:
    """Hooks before and after each commit, and the tables a commit changed."""

    def __init__(self, hub: Hub, switch_chance: float, committed: Callable[[set[str]], None]) -> None:
        self.hub = hub
        self.switch_chance = switch_chance
        self._committed = committed
        self._written: set[str] = set()
        self._commit = connection._commit

    @contextmanager
    def watched(self) -> Iterator[None]:
        connection._commit = self._watched_commit
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del connection._commit

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _WRITES.match(sql)
        self.hub.check_alive()
        if connection.in_atomic_block:
            if found:
                self._written.add(found[1])
            return execute(sql, params, many, context)
        if self.hub.current is not None and self.hub.dice.random() < self.switch_chance:
            self.hub.pause()
        if not found:
            return execute(sql, params, many, context)
        self.hub.passing("before a write")
        done = execute(sql, params, many, context)
        self._tell({found[1]})
        self.hub.passing("after a write")
        return done

    def _watched_commit(self) -> None:
        """Commit unless the process dies just before; by then everything is rolled back."""
        try:
            self.hub.check_alive()
            self.hub.passing("before a commit")
        except BaseException:
            self._written.clear()
            connection.run_on_commit = []
            connection._rollback()
            raise
        self._commit()
        written, self._written = self._written, set()
        self._tell(written)
        self._commit()  # the looking on, too: autocommit is still off
        try:
            self.hub.passing("after a commit")
        except BaseException:
            connection.run_on_commit = []
            raise

    def forget_rolled_back(self) -> None:
        """Call when no transaction is open: what a rolled back one wrote never was."""
        if self._written and not connection.in_atomic_block:
            self._written.clear()

    def _tell(self, tables: set[str]) -> None:
        if tables:
            self.hub.note("commits", *sorted(tables))
            self._committed(tables)


def wipe() -> None:
    """Bring the database back to how it was found, which must be empty, at the first call."""
    connection.ensure_connection()
    if connection.vendor != "sqlite":
        call_command("flush", verbosity=0, interactive=False)
    elif not _pristine:
        _pristine.append(sqlite3.connect(":memory:", check_same_thread=False))
        connection.connection.backup(_pristine[0])
    else:
        _pristine[0].backup(connection.connection)
