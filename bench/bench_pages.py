"""How long does the server take for every page, and how does that grow with the account?

    python -m bench.bench_pages                                              # 10,000 and 100,000 payments, SQLite
    python -m bench.bench_pages --sizes 10000,1000000 --database postgres://postgres@127.0.0.1:5432/postgres
    python -m bench.bench_pages --sizes 1000,20000 --only payments --all     # smaller, one page, every line

An account of each size (`bench.account`) is built once and kept in `--folder`, or in databases `bench_pages_<size>` on the
server; `--drop` removes them. Every page of the app (`bench.addresses`) is asked for through Django's test client by a
superuser, in a process per size: once to warm up, some times with an empty cache, some times just after a write, then
`--repeat` times as visitors do.

The goals: p95 below 100 ms on PostgreSQL and 150 ms on SQLite, the middle of the times at the largest size not more than
1.5 times that at the smallest (5 ms more are let pass), and no more queries. An answer that is longer at the largest size,
having more rows to show there, may take longer in proportion. Exit 1 where a goal is missed.
On a machine that does other work besides, waiting for the processor is most of the time: `--judge cpu` holds the goals
against processor time, of the server and of its PostgreSQL backend together. Both are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.stub import serving

GOAL_MS = {"sqlite": 150, "postgresql": 100}
RATIO_MAX, RATIO_FROM_MS = 1.5, 5
COLD_REPEATS = 2
WRITTEN_REPEATS = 3
PAGE_SECONDS = 4  # no page is repeated for longer
ANSWER_SECONDS = 30  # no answer is waited for longer
WORST = 15
MISSES = ("p95", "ratio", "queries", "problem")


@dataclass
class Times:
    """One address at one size; milliseconds."""

    route: str
    label: str
    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    cold_cpu: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    written_cpu: list[float] = field(default_factory=list)
    database: float = 0
    queries: int = 0
    cold_queries: int = 0
    bytes: int = 0
    problem: str = ""

    def judged(self, by: str) -> list[float]:
        return (self.cpu if by == "cpu" else self.warm) or [0]

    def cold_middle(self, by: str) -> float:
        return statistics.median((self.cold_cpu if by == "cpu" else self.cold) or [0])

    def written_middle(self, by: str) -> float:
        return statistics.median((self.written_cpu if by == "cpu" else self.written) or [0])

    @property
    def name(self) -> str:
        return f"{self.route}: {self.label}" if self.label else self.route


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


# One size, in a process of its own


@dataclass
class _Asked:
    count: int = 0
    seconds: float = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.seconds += time.perf_counter() - began


def measure(payments: int, only: str, repeat: int) -> Iterator[Times]:
    from django.contrib.auth import get_user_model
    from django.core.cache import cache
    from django.test import Client

    from bench.addresses import Book
    from financial.models import MirrorClock, StripeCredential

    client = Client(SERVER_NAME="localhost")
    client.force_login(get_user_model().objects.get())
    for address in Book(payments, StripeCredential.objects.get()).addresses():
        found = Times(address.route, address.label)
        if only and not re.search(only, found.name):
            continue

        def ask(found: Times = found, address: Any = address) -> tuple[float, float, int]:
            return _ask(client, address, found)

        _repeat(found, ask, cache.clear, MirrorClock.draw, repeat)
        yield found


def _repeat(
    found: Times,
    ask: Callable[[], tuple[float, float, int]],
    empty: Callable[[], None],
    write: Callable[[], object],
    repeat: int,
) -> None:
    began = time.perf_counter()
    try:
        ask()
        for _ in range(COLD_REPEATS):
            empty()
            took, cpu, found.cold_queries = ask()
            found.cold.append(took)
            found.cold_cpu.append(cpu)
        for _ in range(WRITTEN_REPEATS):
            write()
            took, cpu, _ = ask()
            found.written.append(took)
            found.written_cpu.append(cpu)
        ask()
        for _ in range(repeat):
            took, cpu, found.queries = ask()
            found.warm.append(took)
            found.cpu.append(cpu)
            if time.perf_counter() - began > PAGE_SECONDS:
                break
    except Exception as error:  # an answer that was cut off, or a page that is broken: told with the others
        found.problem = f"{type(error).__name__}: {error}"[:200]
        found.warm, found.cpu = found.warm or [ANSWER_SECONDS * 1000], found.cpu or [ANSWER_SECONDS * 1000]


def _ask(client: Any, address: Any, found: Times) -> tuple[float, float, int]:
    """Return milliseconds on the wall and of the processors, and the number of queries."""
    from django.db import connection

    asked = _Asked()
    extra = {"HTTP_HX_REQUEST": "true"} if address.is_part else {}
    with connection.execute_wrapper(asked), _bounded(connection):
        cpu, began = _processors(connection), time.perf_counter()
        response = client.get(address.path, **extra)
        body = next(iter(response.streaming_content)) if response.streaming else response.content
        took = time.perf_counter() - began
        cpu = _processors(connection) - cpu
    found.database, found.bytes = asked.seconds * 1000, len(body)
    if response.status_code != 200:
        raise RuntimeError(f"answered {response.status_code}")
    if "no longer valid" in body.decode(errors="replace"):
        raise RuntimeError("the link to the page was not taken")
    return took * 1000, cpu * 1000, asked.count


def _processors(connection: Any) -> float:
    """Return the seconds this process was running, and with PostgreSQL on this machine its backend, too."""
    own = time.process_time()
    if connection.vendor != "postgresql":
        return own
    try:
        ran = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    except OSError:
        return own
    return own + int(ran.split()[0]) / 1e9


@contextmanager
def _bounded(connection: Any) -> Iterator[None]:
    """Cut off a statement that takes too long."""
    connection.ensure_connection()
    raw = connection.connection
    timer = threading.Timer(ANSWER_SECONDS, raw.interrupt if hasattr(raw, "interrupt") else raw.cancel)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def worker(payments: int, only: str, repeat: int, out: Path) -> None:
    """Build the account if it is not there, measure it, and write the times."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from financial.models import SyncRun

    call_command("migrate", verbosity=0)
    if not SyncRun.objects.exists():
        _build(connection, payments)
    connection.close()  # the next one is as the studio opens it
    import_module("studio.wsgi")  # as it is served
    with out.open("w") as file:
        for found in measure(payments, only, repeat):
            file.write(json.dumps(asdict(found)) + "\n")
            file.flush()


def _build(connection: Any, payments: int) -> None:
    from bench.account import Account

    print(f"{connection.vendor}: an account with {payments:,} payments", flush=True)
    fast = ("PRAGMA synchronous=OFF", "PRAGMA cache_size=-400000")
    with connection.cursor() as cursor:
        for statement in fast if connection.vendor == "sqlite" else ("SET synchronous_commit = off",):
            cursor.execute(statement)
    Account(payments).build(tell=lambda line: print(line, flush=True))


# All sizes, and what they tell


class Databases:
    """Where the account of a size is kept: a file in the folder, or a database on the server."""

    def __init__(self, server: str, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.vendor = "sqlite" if server == "sqlite" else "postgresql"

    def url(self, payments: int) -> str:
        if self.vendor == "sqlite":
            return f"sqlite:///{self.folder.resolve()}/bench_pages_{payments}.sqlite3"
        name = f"bench_pages_{payments}"
        if not self._say("SELECT 1 FROM pg_database WHERE datname = %s", name):
            self._say(f"CREATE DATABASE {name}")
        return urlsplit(self.server)._replace(path=f"/{name}").geturl()

    def drop(self, payments: int) -> None:
        if self.vendor == "sqlite":
            for file in self.folder.glob(f"bench_pages_{payments}.sqlite3*"):
                file.unlink()
        else:
            self._say(f"DROP DATABASE IF EXISTS bench_pages_{payments} WITH (FORCE)")

    def _say(self, statement: str, *params: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            cursor = connection.execute(statement, params or None)
            return cursor.fetchall() if cursor.description else []


def run(payments: int, databases: Databases, asked: argparse.Namespace) -> dict[str, Times]:
    out = asked.folder / f"times-{databases.vendor}-{payments}.jsonl"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "DATABASE_URL": databases.url(payments),
        "STUDIO_VAR": str(asked.folder / "var"),
        "STUDIO_LOG_LEVEL": "ERROR",
        "FINANCIAL_ENGINE": "none",
        "FINANCIAL_ENCRYPTION_KEYS": "only-for-benchmarks",
    }
    # One page asks Stripe which endpoints there are: a stub says none.
    environment["FINANCIAL_STRIPE_BASE_URL"] = asked.stripe
    command = [sys.executable, "-m", "bench.bench_pages", "--worker", str(out), "--sizes", str(payments)]
    command += ["--only", asked.only, "--repeat", str(asked.repeat)]
    subprocess.run(command, check=True, env=environment)
    times = [Times(**json.loads(line)) for line in out.read_text().splitlines()]
    return {found.name: found for found in times}


@dataclass(frozen=True)
class Pair:
    """One address at the smallest and the largest size."""

    small: Times
    large: Times
    goal_ms: int

    by: str

    @property
    def p95(self) -> float:
        return percentile(self.large.judged(self.by), 0.95)

    @property
    def middles(self) -> tuple[float, float]:
        return statistics.median(self.small.judged(self.by)), statistics.median(self.large.judged(self.by))

    @property
    def ratio(self) -> float:
        small, large = self.middles
        return large / max(small, 0.1)

    @property
    def longer(self) -> float:
        """How many times as long the answer is, at least one."""
        return max(1, self.large.bytes / max(self.small.bytes, 1))

    @property
    def misses(self) -> list[str]:
        small, large = self.middles
        found = [
            ("p95", self.p95 > self.goal_ms),
            ("ratio", large - small > RATIO_FROM_MS and self.ratio > RATIO_MAX * self.longer),
            ("queries", self.large.queries > self.small.queries),
            ("problem", bool(self.large.problem or self.small.problem)),
        ]
        return [name for name, is_missed in found if is_missed]

    def __str__(self) -> str:
        small, large = self.small, self.large
        wall = f"{statistics.median(large.warm):>8.1f}{percentile(large.warm, 0.95):>8.1f}"
        cpu = f"{statistics.median(large.cpu):>7.1f}{percentile(large.cpu, 0.95):>7.1f}{self.ratio:>6.2f}"
        cold = f"{large.written_middle('wall'):>9.1f}{large.cold_middle('wall'):>8.1f}"
        name = f"{large.name[:54]:<54}{self.middles[0]:>7.1f}"
        return (
            f"{name}{wall}{cpu}{cold}{small.queries:>4}{large.queries:>4}  {' '.join(self.misses)} {large.problem[:60]}"
        )


HEAD = (
    f"{'milliseconds at the largest size':<54}{'small':>7}{'wall':>8}{'p95':>8}{'cpu':>7}{'p95':>7}{'ratio':>6}"
    f"{'written':>9}{'cold':>8}{'queries':>8}"
)


def tell(pairs: list[Pair], everything: bool) -> bool:
    """Print what was found, and return whether the goals are met."""
    print(HEAD)
    missed = [pair for pair in pairs if pair.misses]
    for pair in pairs if everything else missed:
        print(pair)
    if not everything:
        print(f"\nWorst of each page ({len(pairs)} addresses)")
        routes: dict[str, list[Pair]] = {}
        for pair in pairs:
            routes.setdefault(pair.large.route, []).append(pair)
        for found in routes.values():
            print(max(found, key=lambda pair: pair.p95))
    by = pairs[0].by
    for title, middle in (("Just after a write", Times.written_middle), ("With an empty cache", Times.cold_middle)):
        print(f"\n{title}, the {WORST} worst")
        for pair in sorted(pairs, key=lambda pair: -middle(pair.large, by))[:WORST]:
            print(f"  {pair.large.name[:56]:<56}{middle(pair.small, by):>9.1f}{middle(pair.large, by):>9.1f} ms")
    after = [pair.large.written_middle(by) for pair in pairs]
    print(f"just after a write: {sum(value > pairs[0].goal_ms for value in after)} of {len(pairs)} above the goal")
    warm = [value for pair in pairs for value in pair.large.judged(by)]
    kinds = ", ".join(f"{sum(name in pair.misses for pair in pairs)} {name}" for name in MISSES)
    print(f"\n{len(pairs)} addresses; p50 of all {statistics.median(warm):.1f} ms, p95 {percentile(warm, 0.95):.1f} ms")
    print(f"missed: {len(missed)} ({kinds})" if missed else "all goals are met")
    return not missed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000", help="payments, the smallest first")
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, or the URL of any database on a PostgreSQL server"
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bench-pages"), help="where SQLite's files are kept")
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--only", default="", metavar="REGEX", help="addresses whose name matches")
    parser.add_argument("--all", action="store_true", help="print every address")
    parser.add_argument("--judge", choices=("wall", "cpu"), default="wall", help="what the goals are held against")
    parser.add_argument("--drop", action="store_true", help="remove the accounts and measure nothing")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    sizes = [int(size) for size in asked.sizes.split(",")]
    if asked.worker:
        worker(sizes[0], asked.only, asked.repeat, asked.worker)
        return 0
    asked.folder.mkdir(parents=True, exist_ok=True)
    databases = Databases(asked.database, asked.folder)
    if asked.drop:
        for size in sizes:
            databases.drop(size)
        return 0
    with serving({}) as asked.stripe:
        times = {size: run(size, databases, asked) for size in sizes}
    small, large = times[min(sizes)], times[max(sizes)]
    goal = GOAL_MS[databases.vendor]
    pairs = [Pair(small.get(name, found), found, goal, asked.judge) for name, found in large.items()]
    if not pairs:
        print(f"No address matches {asked.only!r}: the accounts are built, nothing was measured.")
        return 0
    return 0 if tell(pairs, asked.all) else 1


if __name__ == "__main__":
    sys.exit(main())
