"""How fast are webhooks stored and applied, measured against the barest code that could do it, and what does a kill lose?

    python -m bench.bench_webhooks                                   # ack and apply on SQLite, shortly
    python -m bench.bench_webhooks ack steady apply --database postgres://postgres@127.0.0.1:5432/postgres
    python -m bench.bench_webhooks --kill 200

ack: acknowledged events a second over 1, 8 and 32 connections that send as fast as they are answered. The floor is a WSGI
function that checks the HMAC and does one durable INSERT (bench/floor.py), under the same gunicorn. Both take turns; the
best of `--repeat` counts. steady: how long answers take at 50 and 100 events a second, counted from when each was due.

apply: events of different objects, stored beforehand, applied by two workers from a stub without limits. The floor does one
GET, one guarded UPDATE and one commit an event, also in two processes.

kill: server and worker are killed -9 and started again, so many times, while events come in over eight connections. What
was acknowledged must be there, and must all be applied once the killing stops.

Everything is real: gunicorn, HTTP, the studio's settings, a migrated database. The load comes from the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import urllib3

from bench.site import PATH, SECRET, Server, Site, deliver, event, fresh_postgres, kill, product, sign, until

CONNECTIONS = (1, 8, 32)
RATES = (50, 100)
P99_MAX_MS = {50: 100, 100: 250}
ACK_TARGET = 0.5
APPLY_TARGET = 0.4
DJSTRIPE_PER_SECOND = 42
PROCESSES = 2
ACKNOWLEDGED_BETWEEN = 20  # kills: a server that is only starting has nothing to lose
UNLIMITED = {
    "FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND": "1000000",
    "FINANCIAL_STRIPE_ENDPOINT_REQUESTS_PER_SECOND": "1000000",
}


# Load


@dataclass
class Load:
    """What came back, and how long after each event was due, in seconds."""

    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.answers[200] / self.seconds

    def milliseconds(self, share: float) -> float:
        return sorted(self.waits)[min(len(self.waits) - 1, int(len(self.waits) * share))] * 1000


class Client:
    """One connection that is kept; speaks just enough HTTP."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None

    async def post(self, body: bytes) -> int:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Stripe-Signature: {sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        for _ in range(2):  # an idle connection may have been closed by the server
            if self.reader is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                self.writer.write(head.encode() + body)
                answer = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                self.reader = None
                continue
            status = int(answer.split(b" ", 2)[1])
            lines = answer.lower().split(b"\r\n")
            length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
            await self.reader.readexactly(length)
            if b"connection: close" in lines:
                self.reader = None
            return status
        raise ConnectionError("the server closed a fresh connection")


async def _flood(port: int, connections: int, seconds: float, numbers: Iterator[int]) -> Load:
    load, ends_at = Load(), time.perf_counter() + seconds

    async def send() -> None:
        client = Client(port)
        while time.perf_counter() < ends_at:
            load.answers[await client.post(_body(next(numbers)))] += 1

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


async def _pace(port: int, per_second: int, seconds: float, numbers: Iterator[int]) -> Load:
    load, clients = Load(), [Client(port) for _ in range(32)]
    free: asyncio.Queue[Client] = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)

    async def send(due: float, number: int) -> None:
        client = await free.get()
        load.answers[await client.post(_body(number))] += 1
        load.waits.append(time.perf_counter() - due)
        free.put_nowait(client)

    began = time.perf_counter()
    sent = []
    for turn in range(int(per_second * seconds)):
        due = began + turn / per_second
        await asyncio.sleep(max(0, due - time.perf_counter()))
        number = next(numbers) if turn % 10 else 0  # a tenth are duplicates
        sent.append(asyncio.create_task(send(due, number)))
    await asyncio.gather(*sent)
    load.seconds = time.perf_counter() - began
    return load


def _body(number: int) -> bytes:
    return event(number, product(number))


# Databases


@contextmanager
def databases(server: str, folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a fresh database for the site and one for the floor; empty is SQLite's default file."""
    if not server:
        yield "", str(folder / "floor.sqlite3")
        return
    with (
        fresh_postgres(server, f"bench_{name}_{os.getpid()}") as ours,
        fresh_postgres(server, f"floor_{name}_{os.getpid()}") as floor,
    ):
        yield ours, floor


# ack, steady


def ack(asked: argparse.Namespace, kind: str) -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        databases(asked.database, Path(folder), "ack") as (ours, floor),
    ):
        site = Site(Path(folder), database_url=ours, FLOOR_SECRET=SECRET, FLOOR_DATABASE=floor)
        try:
            site._run(sys.executable, "-c", "from bench import floor; floor.make_table()")
            servers = {
                "floor": site.serve("bench.floor:application", workers=asked.workers, threads=asked.threads),
                "ours": site.serve(workers=asked.workers, threads=asked.threads),
            }
            for server in servers.values():  # every thread has a connection and has loaded what there is to load
                asyncio.run(_flood(server.port, asked.workers * asked.threads, 1, count(10_000_000)))
            return _ack(asked, servers) if kind == "ack" else _steady(asked, servers["ours"])
        finally:
            site.close()


def _ack(asked: argparse.Namespace, servers: dict[str, Server]) -> bool:
    numbers, reached = count(1), True
    for connections in CONNECTIONS:
        best = dict.fromkeys(servers, 0.0)
        other: Counter[int] = Counter()
        for _ in range(asked.repeat):
            for name, server in servers.items():
                load = asyncio.run(_flood(server.port, connections, asked.seconds, numbers))
                best[name] = max(best[name], load.per_second)
                other.update({status: n for status, n in load.answers.items() if status != 200})
        ratio = best["ours"] / best["floor"]
        reached = reached and ratio >= ACK_TARGET and not other
        print(
            f"  {connections:2} connections: {best['ours']:6.0f} events/s, floor {best['floor']:6.0f}, "
            f"ratio {ratio:.2f} {_verdict(ratio >= ACK_TARGET)}; other answers {dict(other) or 'none'}"
        )
    return reached


def _steady(asked: argparse.Namespace, server: Server) -> bool:
    numbers, reached = count(1), True
    for rate in RATES:
        load = asyncio.run(_pace(server.port, rate, asked.steady_seconds, numbers))
        p99 = load.milliseconds(0.99)
        good = p99 < P99_MAX_MS[rate] and set(load.answers) == {200}
        reached = reached and good
        print(
            f"  {rate:3} events/s: p50 {load.milliseconds(0.5):.0f} ms, p99 {p99:.0f} ms, worst "
            f"{load.milliseconds(1):.0f} ms {_verdict(good)}; answers {dict(load.answers)}"
        )
    return reached


# apply


class _Stub(asyncio.Protocol):
    """Answers any path with a product of that id, at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while b"\r\n\r\n" in self.held:
            request, _, self.held = self.held.partition(b"\r\n\r\n")
            stripe_id = request.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            body = json.dumps(product(int(stripe_id.rpartition("_")[2]))).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + body)


def _serve_stub(tell: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def stub() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_serve_stub, args=(tell,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{hear.recv()}"
    finally:
        process.terminate()
        process.join()


_FILL = """
import django; django.setup()
from django.utils import timezone
from bench.site import event, product
from financial import webhooks
from financial.models import StripeCredential, StripeWebhookEvent
credential = StripeCredential.objects.get(name="bench")
for start in range(0, {count}, 500):
    bodies = [event(n, product(n)) for n in range(start, min(start + 500, {count}))]
    webhooks.file(credential, bodies, source=StripeWebhookEvent.Source.CATCH_UP, now=timezone.now())
"""


def apply(asked: argparse.Namespace) -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        databases(asked.database, Path(folder), "apply") as (ours, floor),
        stub() as base,
    ):
        best_floor = max(_floor_applied(floor, base, asked.events) for _ in range(asked.repeat))
        site = Site(Path(folder), database_url=ours, FINANCIAL_STRIPE_BASE_URL=base, **UNLIMITED)
        try:
            site._run(sys.executable, "-c", _FILL.format(count=asked.events))
            per_second = _applied(site, asked.events)
        finally:
            site.close()
    ratio = per_second / best_floor
    good = ratio >= APPLY_TARGET and (not asked.database or per_second >= 8 * DJSTRIPE_PER_SECOND)
    print(f"  applied {per_second:.0f} events/s, floor {best_floor:.0f}, ratio {ratio:.2f} {_verdict(good)}")
    return good


def _applied(site: Site, events: int) -> float:
    """Start two workers and return events a second between the first tenth and the last event."""
    for _ in range(PROCESSES):
        site.worker()
    done = 0
    while done < events // 10:
        time.sleep(0.005)
        done = site.states().get("done", 0)
    began, first = time.perf_counter(), done
    while done < events:
        time.sleep(0.02)
        done = site.states().get("done", 0)
        if set(site.states()) - {"done", "waiting"}:
            raise RuntimeError(f"not all could be applied: {site.states()}")
    return (events - first) / (time.perf_counter() - began)


def _floor_applied(database: str, base: str, events: int) -> float:
    """Fill a bare table, let two processes bring it up to date, and return events a second."""
    environment = {**os.environ, "FLOOR_SECRET": SECRET, "FLOOR_DATABASE": database}
    command = [sys.executable, "-m", "bench.floor_worker", base, str(events)]
    subprocess.run([*command, "fill"], check=True, env=environment)  # noqa: S603
    workers = [
        subprocess.Popen([*command, str(number)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        for number in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()  # ready
    began = time.perf_counter()
    for worker in workers:
        worker.communicate(b"go\n")
    return events / (time.perf_counter() - began)


# kill


@dataclass
class _Sender:
    """Threads that deliver until told to stop, and remember what was acknowledged."""

    port: int
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    acknowledged: list[int] = field(default_factory=list)
    answers: Counter[Any] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        pool = urllib3.HTTPConnectionPool("127.0.0.1", self.port, timeout=20)
        while not self.stop.is_set():
            number = next(self.numbers)
            try:
                status = deliver(pool, _body(number))
            except urllib3.exceptions.HTTPError:
                self.answers["no answer"] += 1
                time.sleep(0.02)
                continue
            self.answers[status] += 1
            if status == 200:
                self.acknowledged.append(number)
            time.sleep(0.05)


def kills(asked: argparse.Namespace) -> bool:
    with (
        tempfile.TemporaryDirectory() as folder,
        databases(asked.database, Path(folder), "kill") as (ours, _),
        stub() as base,
    ):
        site = Site(
            Path(folder),
            database_url=ours,
            FINANCIAL_STRIPE_BASE_URL=base,
            FINANCIAL_WEBHOOK_LEASE_SECONDS="3",
            **UNLIMITED,
        )
        try:
            return _kills(site, asked.kill, random.Random(asked.seed))
        finally:
            site.close()


def _kills(site: Site, times: int, chance: random.Random) -> bool:
    server, worker = site.serve(workers=2), site.worker()
    sender = _Sender(server.port)
    threads = [threading.Thread(target=sender.run, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(times):
        so_far = len(sender.acknowledged)
        until(lambda before=so_far: len(sender.acknowledged) >= before + ACKNOWLEDGED_BETWEEN, seconds=20)
        time.sleep(chance.uniform(0, 0.5))
        if chance.random() < 0.5:
            kill(worker)
            worker = site.worker()
        else:
            kill(server.process)
            server = site.serve(workers=2, port=server.port)
    sender.stop.set()
    for thread in threads:
        thread.join()
    stored = {row[0] for row in site.rows("SELECT event_id FROM financial_stripewebhookevent")}
    lost = [number for number in sender.acknowledged if f"evt_{number:024d}" not in stored]
    ended = until(lambda: set(site.states()) == {"done"}, seconds=120)
    mirrored = site.rows("SELECT count(*) FROM financial_stripeproduct")[0][0]
    bad = [status for status in sender.answers if status not in (200, 503, "no answer")]
    good = not lost and ended and mirrored == len(stored) and not bad
    print(
        f"  {times} kills, {len(sender.acknowledged)} acknowledged, {len(lost)} lost, {len(stored)} stored, "
        f"{mirrored} mirrored, states {site.states()}, answers {dict(sender.answers)} {_verdict(good)}"
    )
    return good


def _verdict(reached: bool) -> str:
    return "(reached)" if reached else "(NOT reached)"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["ack", "steady", "apply", []], help="default: ack and apply")
    parser.add_argument("--database", default="", help="any database on a PostgreSQL server; default: SQLite")
    parser.add_argument("--seconds", type=float, default=3, help="of each flood")
    parser.add_argument("--steady-seconds", type=float, default=15)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--events", type=int, default=2000, help="to apply")
    parser.add_argument("--workers", type=int, default=2, help="gunicorn's processes")
    parser.add_argument("--threads", type=int, default=8, help="of each")
    parser.add_argument("--kill", type=int, default=0, metavar="TIMES")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    what = asked.what or ([] if asked.kill else ["ack", "apply"])
    print("PostgreSQL" if asked.database else "SQLite")
    results = []
    for name in what:
        print(name)
        results.append(apply(asked) if name == "apply" else ack(asked, name))
    if asked.kill:
        results.append(kills(asked))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
