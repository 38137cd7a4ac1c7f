"""Freshly migrated databases to measure in, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from bench.sync_floor import Floor


class SQLite:
    """Files in a temporary folder, opened as the studio opens them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'sync.sqlite3'}"

    def floor(self, kind: type[Floor]) -> Floor:
        import sqlite3

        from django.db import connection

        file = "floor.sqlite3" if kind is Floor else "sync.sqlite3"
        opened = sqlite3.connect(self.folder / file)
        opened.executescript(connection.settings_dict["OPTIONS"]["init_command"])
        return kind(opened, "?")

    def empty(self) -> None:
        from django.db import connection

        connection.close()
        for file in self.folder.glob("sync.sqlite3*"):
            file.unlink()
        _migrate()

    def drop(self) -> None:
        pass  # with its folder


class Postgres:
    """A database of our own on a server that is named by any other database on it."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.name = f"bench_sync_{os.getpid()}"
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()
        self._say(f"CREATE DATABASE {self.name}")

    def floor(self, kind: type[Floor]) -> Floor:
        import psycopg

        return kind(psycopg.connect(self.url), "%s")

    def empty(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        _migrate()

    def drop(self) -> None:
        self._say(f"DROP DATABASE {self.name} WITH (FORCE)")

    def _say(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
