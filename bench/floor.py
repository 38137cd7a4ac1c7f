"""The barest receiver: check the HMAC, insert the bytes durably, answer. What the real one is held against."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

SECRET = os.environ["FLOOR_SECRET"].encode()
DATABASE = os.environ["FLOOR_DATABASE"]
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000"
TABLE = "CREATE TABLE IF NOT EXISTS floor (event_id text PRIMARY KEY, body {blob} NOT NULL, due_at double precision)"
_held = threading.local()


def connect() -> Any:
    if DATABASE.startswith("postgres"):
        import psycopg

        return psycopg.connect(DATABASE, autocommit=True)
    connection = sqlite3.connect(DATABASE, timeout=20, isolation_level=None)
    connection.executescript(PRAGMAS)
    return connection


def make_table() -> None:
    connect().execute(TABLE.format(blob="bytea" if DATABASE.startswith("postgres") else "blob"))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    parts = dict(part.split("=", 1) for part in environ["HTTP_STRIPE_SIGNATURE"].split(","))
    wanted = hmac.new(SECRET, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, parts["v1"]):
        start_response("400 Bad Request", [("Content-Length", "0")])
        return [b""]
    _store(json.loads(body)["id"], body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def _store(event_id: str, body: bytes) -> None:
    if not hasattr(_held, "connection"):
        _held.connection = connect()
    mark = "%s" if DATABASE.startswith("postgres") else "?"
    _held.connection.execute(
        f"INSERT INTO floor VALUES ({mark}, {mark}, {mark}) ON CONFLICT DO NOTHING", (event_id, body, time.time())
    )
