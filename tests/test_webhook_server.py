"""The webhook's address behind a real server with a real SQLite file: what no test inside one process can show."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import payloads

ROOT = Path(__file__).parents[1]
PATH = "/studio/financial/stripe/webhook/"
OLD, NEW = "whsec_" + "o" * 30, "whsec_" + "n" * 30
PATIENCE = 10  # seconds; the studio's own time-out for a locked database is twenty
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Studio:
    """A studio in processes of its own."""

    folder: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def shell(self, code: str) -> None:
        command = [sys.executable, "-m", "studio", "shell", "-c", code]
        subprocess.run(command, env=self.environment, cwd=ROOT, check=True, timeout=60, capture_output=True)

    def post(self, event_id: str, *secrets: str, header: str = "") -> requests.Response:
        body = body_of(event_id)
        signed = header or signature(body, *(secrets or (OLD,)))
        headers = {"Stripe-Signature": signed, "Content-Type": "application/json"}
        return requests.post(self.url, data=body, headers=headers, timeout=PATIENCE, allow_redirects=False)

    def stored(self, prefix: str = "") -> list[str]:
        with closing(sqlite3.connect(self.folder / "studio.sqlite3", timeout=5)) as opened:
            rows = opened.execute("SELECT event_id FROM financial_stripewebhookevent ORDER BY id").fetchall()
        return [event_id for (event_id,) in rows if event_id.startswith(prefix)]

    def sent_raw(self, head: str, chunks: list[bytes]) -> int:
        """Return the status of a request written by hand; 0 where the server hung up without an answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            try:
                line.sendall(
                    f"POST {self.url.split(str(self.port))[1]} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n".encode()
                )
                for chunk in chunks:
                    line.sendall(chunk)
                line.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it did not want to read on
            try:
                answer = line.recv(1000)
            except OSError:
                return 0
        found = re.match(rb"HTTP/1\.1 (\d+)", answer)
        return int(found[1]) if found else 0


def body_of(event_id: str) -> bytes:
    return payloads.body_of(payloads.event("some.type", payloads.product(), event_id))


def signature(body: bytes, *secrets: str) -> str:
    """The header as Stripe writes it while a secret is rolled: one mark for each."""
    now = time.time()
    stamp = payloads.signature(body, secrets[0], at=now).partition(",")[0]
    return ",".join([stamp, *(payloads.signature(body, secret, at=now).partition(",")[2] for secret in secrets)])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "STUDIO_VAR": str(folder), "FINANCIAL_ENGINE": "none"}
    environment |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_LOG_LEVEL": "ERROR"}
    there = Studio(folder, port, environment)
    command = [sys.executable, "-m", "studio", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=120, capture_output=True)
    there.shell(
        "from financial.models import StripeCredential\n"
        f"StripeCredential.objects.create(name='Shop', secret_key='sk_test_0000', webhook_secret={OLD!r}, is_active=True)"
    )
    server = [sys.executable, "-m", "gunicorn", "studio.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    server += ["--worker-class", "gthread", "--workers", "1", "--threads", "8", "--no-control-socket"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        _until_ready(port, process, folder / "log")
        yield there
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# R7: a busy or locked database


def test_a_locked_database_is_answered_503_soon_and_works_again_without_a_restart(studio: Studio) -> None:
    with closing(sqlite3.connect(studio.folder / "studio.sqlite3", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer = studio.post("evt_locked")
        holder.execute("ROLLBACK")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert studio.stored("evt_locked") == []
    assert studio.post("evt_locked").status_code == 200
    assert studio.stored("evt_locked") == ["evt_locked"]


def test_a_database_that_is_busy_for_a_moment_is_waited_for(studio: Studio) -> None:
    with closing(
        sqlite3.connect(studio.folder / "studio.sqlite3", isolation_level=None, check_same_thread=False)
    ) as holder:
        holder.execute("BEGIN IMMEDIATE")
        release = threading.Timer(1, holder.execute, ["COMMIT"])
        release.start()
        answer = studio.post("evt_busy")
        release.join()

    assert answer.status_code == 200


AWAY = """
import time, django
django.setup()
from django.test import Client
began = time.monotonic()
answer = Client().post("{path}", b"{{}}", content_type="application/json", headers={{"Stripe-Signature": "t=1,v1=0"}})
print("answer", answer.status_code, answer.headers["Retry-After"], time.monotonic() - began < {patience}, flush=True)
"""


def test_a_database_that_is_away_is_answered_503_soon(tmp_path: Path) -> None:
    """PostgreSQL with its pool, which would look for a connection for half a minute."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STUDIO_VAR": str(tmp_path)}
    environment |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_HOSTS": "testserver"}
    environment |= {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"}

    said = subprocess.run(
        [sys.executable, "-c", AWAY.format(path=PATH, patience=PATIENCE)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert "answer 503 30 True" in said.stdout, said.stderr[-2000:]


# R11: what the length says and what comes


@pytest.mark.parametrize(
    ("head", "chunks"),
    [
        ("Content-Length: 100", [b"x" * 50]),
        ("Content-Length: 10", [b"x" * 2 * MEBIBYTE]),
        ("Transfer-Encoding: chunked", [b"%x\r\n%s\r\n" % (65536, b"x" * 65536)] * 64 + [b"0\r\n\r\n"]),
        ("Transfer-Encoding: chunked", [b"ffffffff\r\n", b"x" * 1000]),
        ("Transfer-Encoding: chunked", [b"not a length\r\n\r\n"]),
        ("Content-Length: -5", []),
        ("Content-Length: 5, 6", [b"12345"]),
        ("Content-Length: 5\r\nContent-Length: 6", [b"123456"]),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", [b"0\r\n\r\n"]),
    ],
)
def test_a_body_that_is_not_as_long_as_it_says_is_never_a_5xx(studio: Studio, head: str, chunks: list[bytes]) -> None:
    before = studio.stored()

    assert studio.sent_raw(head, chunks) in (0, 400, 413)

    assert studio.stored() == before
    assert studio.post(f"evt_after_{abs(hash((head, len(chunks))))}").status_code == 200


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 10 * MEBIBYTE])
def test_a_giant_is_turned_away_before_it_is_read(studio: Studio, size: int) -> None:
    assert studio.sent_raw(f"Content-Length: {size}", []) == 413


# R15: a secret is rolled under load


def test_no_event_is_lost_while_a_secret_is_rolled(studio: Studio) -> None:
    answers: Counter[int] = Counter()
    ends = threading.Event()
    sent: list[str] = []

    def deliver(number: int) -> None:
        count = 0
        while not ends.is_set():
            name = f"evt_rolled_{number}_{count}"
            answers[studio.post(name, OLD, NEW).status_code] += 1
            sent.append(name)
            count += 1
            time.sleep(0.01)

    def roll(number: int) -> None:
        studio.shell(
            "from financial.models import StripeCredential\n"
            f"row = StripeCredential.objects.get(name='Shop'); row.webhook_secret = {NEW!r}; row.save()"
        )
        studio.shell(
            "from financial.models import StripeCredential\n"
            f"row = StripeCredential.objects.get(name='Shop'); row.webhook_secret = {OLD!r}; row.save()"
        )
        ends.set()

    rolling = threading.Thread(target=roll, args=(0,))
    rolling.start()
    in_threads(3, deliver)
    rolling.join()

    assert set(answers) == {200}
    assert sorted(studio.stored("evt_rolled_")) == sorted(sent)


# R19: a flood of forgeries


def test_true_events_pass_through_a_flood_of_forgeries(studio: Studio) -> None:
    answers: Counter[tuple[str, int]] = Counter()

    def flood(number: int) -> None:
        for count in range(100):
            forged = studio.post(f"evt_forged_{number}_{count}", header="t=1,v1=" + "0" * 64)
            answers["forged", forged.status_code] += 1
            if count % 10 == 0:
                answers["true", studio.post(f"evt_true_{number}_{count}").status_code] += 1

    in_threads(6, flood)

    assert answers == {("forged", 400): 600, ("true", 200): 60}
    assert studio.stored("evt_forged") == []
    assert len(studio.stored("evt_true")) == 60
