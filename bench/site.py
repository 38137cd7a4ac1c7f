"""The studio in processes of its own, as an operator runs it: to measure it, and to kill it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import urllib3

SECRET = "whsec_" + "b" * 32
KEY = "sk_test_" + "b" * 24
PATH = "/studio/financial/stripe/webhook/"
STUB_CREATED = 1_775_001_600
ROOT = Path(__file__).resolve().parent.parent
_SET_UP = f"""
import django; django.setup()
from django.core.management import call_command
from financial.models import StripeCredential
call_command("migrate", verbosity=0)
StripeCredential.objects.create(name="bench", secret_key={KEY!r}, webhook_secret={SECRET!r}, is_active=True)
"""


def event(number: int, subject: dict[str, Any], event_type: str = "product.updated") -> bytes:
    """The body of one event, about the size of a real one's."""
    created = int(time.time())
    return json.dumps(
        {
            "id": f"evt_{number:024d}", "object": "event", "api_version": "2026-10-28.endive", "created": created,
            "data": {"object": subject}, "livemode": False, "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None}, "type": event_type,
        }
    ).encode()  # fmt: skip


def product(number: int) -> dict[str, Any]:
    return {
        "id": f"prod_{number:014d}", "object": "product", "created": STUB_CREATED, "livemode": False, "active": True,
        "name": f"Novel {number}", "description": "x" * 800, "default_price": None, "metadata": {"shelf": str(number)},
    }  # fmt: skip


def sign(body: bytes) -> str:
    stamp = int(time.time())
    digest = hmac.new(SECRET.encode(), b"%d.%s" % (stamp, body), hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class Site:
    """A migrated studio with one credential. `settings` are environment variables."""

    def __init__(self, folder: Path, *, database_url: str = "", **settings: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = (folder / "log").open("ab")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FINANCIAL_", "STUDIO_"))},
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "STUDIO_VAR": str(folder / "var"),
            "STUDIO_LOG_LEVEL": "WARNING",
            "DATABASE_URL": database_url,
            "FINANCIAL_SYNC_EVERY_MINUTES": "0",
            "FINANCIAL_ENGINE": "none",
            **settings,
        }
        self._run(sys.executable, "-c", _SET_UP)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment, stderr=self.log)  # noqa: S603

    def start(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, so that its children can be killed with it."""
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env={**self.environment, **settings},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def serve(
        self, app: str = "studio.wsgi:application", *, workers: int = 1, threads: int = 8, port: int = 0
    ) -> Server:
        port = port or free_port()
        bind = ("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--no-control-socket")
        many = ("--workers", str(workers), "--threads", str(threads), "--log-level", "warning")
        return Server(self.start(sys.executable, "-m", "gunicorn", app, *bind, *many), port)

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start(sys.executable, "-m", "studio", "financial_worker")

    def celery(self, *, beat: bool = True, concurrency: int = 1) -> subprocess.Popen[bytes]:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "warning")
        beating = ("--beat",) if beat else ()
        many = ("--concurrency", str(concurrency))
        return self.start(sys.executable, "-m", "celery", "-A", "studio.worker", "worker", *quiet, *beating, *many)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connected() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def connected(self) -> Iterator[Any]:
        if self.database_url.startswith("postgres"):
            import psycopg

            with psycopg.connect(self.database_url, autocommit=True) as connection:
                yield connection
            return
        with closing(sqlite3.connect(self.folder / "var" / "studio.sqlite3", timeout=20, isolation_level=None)) as file:
            yield file

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM financial_stripewebhookevent GROUP BY state"))

    def close(self) -> None:
        for process in self.processes:
            kill(process)
        self.log.close()


class Server:
    """A server process that may be killed and started again on its port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended with {self.process.returncode}") from None
                time.sleep(0.02)
        raise RuntimeError("the server did not come up within a minute")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 a process we started, with the children it has; only these."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def deliver(pool: urllib3.HTTPConnectionPool, body: bytes) -> int:
    headers = {"Stripe-Signature": sign(body), "Content-Type": "application/json"}
    return int(pool.request("POST", PATH, body=body, headers=headers, retries=False).status)


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def fresh_postgres(server_url: str, name: str) -> Iterator[str]:
    """Create a database on the server, yield its address, and drop it at the end."""
    import psycopg
    from psycopg import sql

    def say(statement: str) -> None:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    say("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    say("CREATE DATABASE {}")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        say("DROP DATABASE IF EXISTS {} WITH (FORCE)")


def until(true: Any, *, seconds: float, every: float = 0.05) -> bool:
    """Wait until `true()` is, and return whether it was in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(every)
    return bool(true())
