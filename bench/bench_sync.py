"""How fast is a first sync, measured against the barest code that could do it, and against Stripe's own limits?

    python -m bench.bench_sync                                      # instant, one and six, shortly
    python -m bench.bench_sync instant --objects 10000 --repeat 3
    python -m bench.bench_sync one six --database postgres://postgres@127.0.0.1:5432/postgres
    python -m bench.bench_sync six --latency-ms 400 --per-endpoint 25 --per-account 50
    python -m bench.bench_sync memory --sizes 10000,300000,1000000

instant: a stub that answers at once. The floor fetches pages with urllib3, parses them with orjson and upserts rows of the
same columns by `executemany`, 500 to a transaction, without Django, encryption, links, versions or digests. It is measured
twice: into the mirror's own tables, whose indexes and constraints are needed by the lists, and into bare ones. The goal is
against the first. A second sync of the unchanged account follows, which must write nothing. The best of `--repeat` counts.

one, six: one or six collections from a stub that takes 250 ms a call and refuses what is over 25 requests a second and
endpoint or 100 in all, with the budgets set to the same. The goal is objects a second.

memory: the peak of a process that syncs so many customers, each size in a process of its own.

The sync is the real one, into a freshly migrated database, with the studio's settings. A PostgreSQL server is given by any
database on it; the one that is measured is created beside it and dropped at the end.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson
import urllib3

from bench.stub import KINDS, PAGE, serving

Payload = dict[str, Any]
ROWS_PER_TRANSACTION = 500
PATHS = ("/v1/customers", "/v1/payment_intents")
SCENARIOS = ("instant", "one", "six", "memory")
TARGET = 0.5  # of the floor that writes the same rows into the same indexed tables
TARGETS_PER_SECOND = {"one": 2150, "six": 5000}
CALLS_MAX = 115  # per 10,000 objects
GROWTH_MAX_MIB = 50
COLLECTIONS = {"one": ("customer",), "six": tuple(KINDS)}


@dataclass
class Watch:
    """Wall and CPU seconds of this process."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


@dataclass(frozen=True)
class Result:
    name: str
    rows: int
    watch: Watch

    @property
    def per_second(self) -> float:
        return self.rows / self.watch.wall

    @property
    def per_cpu_second(self) -> float:
        return self.rows / self.watch.cpu

    def __str__(self) -> str:
        return (
            f"{self.name:<28}{self.per_second:>10,.0f} rows/s{self.per_cpu_second:>10,.0f} rows/CPU-s"
            f"{self.watch.wall:>8.2f} s"
        )


# The floor


class Floor:
    """The same rows by the shortest way: columns as the mirror has them, the payload beside them as JSON, one index."""

    text: ClassVar = "TEXT NOT NULL"
    common: ClassVar = (
        ("credential_id", "BIGINT NOT NULL"), ("stripe_id", text), ("livemode", "BOOLEAN NOT NULL"),
        ("created_at", "BIGINT"), ("payload", "JSON"), ("private", text), ("digest", text), ("api_version", text),
        ("version", "BIGINT NOT NULL"), ("deleted_at", "BIGINT"),
    )  # fmt: skip
    own: ClassVar = {
        "/v1/customers": (
            ("email", text), ("name", text), ("description", text), ("currency", text), ("balance_minor", "BIGINT"),
            ("delinquent", "BOOLEAN"), ("default_payment_method_stripe_id", text),
        ),
        "/v1/payment_intents": (
            ("customer_id", "BIGINT"), ("customer_stripe_id", text), ("amount_minor", "BIGINT"),
            ("amount_received_minor", "BIGINT"), ("currency", text), ("status", text), ("description", text),
            ("latest_charge_stripe_id", text), ("capture_method", text), ("canceled_at", "BIGINT"), ("error_code", text),
            ("error_decline_code", text), ("error_message", text),
        ),
    }  # fmt: skip

    def __init__(self, connection: Any, mark: str) -> None:
        self.connection = connection
        self.mark = mark
        self.pool = urllib3.PoolManager()

    def make_tables(self) -> None:
        cursor = self.connection.cursor()
        for path in PATHS:
            table, columns = self._table(path)
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            spelled = ", ".join(f"{name} {kind.replace('JSON', self._json())}" for name, kind in columns)
            cursor.execute(f"CREATE TABLE {table} (id {self._serial()}, {spelled}, UNIQUE (credential_id, stripe_id))")
        self.connection.commit()

    def pull(self, base: str) -> int:
        return sum(self._pull_list(base, path) for path in PATHS)

    def _pull_list(self, base: str, path: str) -> int:
        table, columns = self._table(path)
        names = [name for name, _ in columns]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
        upsert = (
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join([self.mark] * len(names))}) "
            f"ON CONFLICT (credential_id, stripe_id) DO UPDATE SET {changes}"
        )
        row = _customer_row if path == "/v1/customers" else _payment_row
        after, count, rows = "", 0, []
        while True:
            url = f"{base}{path}?limit={PAGE}" + (f"&starting_after={after}" if after else "")
            answer = orjson.loads(self.pool.request("GET", url).data)
            rows += [row(item, self._created(item["created"])) for item in answer["data"]]
            if len(rows) >= ROWS_PER_TRANSACTION or not answer["has_more"]:
                self.connection.cursor().executemany(upsert, rows)
                self.connection.commit()
                count, rows = count + len(rows), []
            if not answer["has_more"]:
                return count
            after = answer["data"][-1]["id"]

    def _table(self, path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        return "floor_" + path.rpartition("/")[2], (*self.common, *self.own[path])

    def _created(self, seconds: int) -> Any:
        return seconds

    def _json(self) -> str:
        return "TEXT" if self.mark == "?" else "JSONB"

    def _serial(self) -> str:
        return "INTEGER PRIMARY KEY" if self.mark == "?" else "BIGSERIAL PRIMARY KEY"


class MirrorFloor(Floor):
    """The same into the tables as they were migrated, empty and with a credential numbered 1."""

    tables: ClassVar = {
        "/v1/customers": "financial_stripecustomer",
        "/v1/payment_intents": "financial_stripepaymentintent",
    }

    def make_tables(self) -> None:
        from financial.models import StripeCredential

        StripeCredential.objects.create(pk=1, name="Floor")

    def _table(self, path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.tables[path], (*self.common, *self.own[path])

    def _created(self, seconds: int) -> Any:
        instant = datetime.fromtimestamp(seconds, UTC)
        return instant.isoformat(" ") if self.mark == "?" else instant


def _common(item: Payload, created: Any) -> tuple[Any, ...]:
    kept = orjson.dumps(item).decode()
    return (1, item["id"], item["livemode"], created, kept, "", "", "2026", 1, None)


def _customer_row(item: Payload, created: Any) -> tuple[Any, ...]:
    return (
        *_common(item, created), item["email"] or "", item["name"] or "", item["description"] or "", item["currency"] or "",
        item["balance"], item["delinquent"], item["invoice_settings"]["default_payment_method"] or "",
    )  # fmt: skip


def _payment_row(item: Payload, created: Any) -> tuple[Any, ...]:
    return (
        *_common(item, created), None, item["customer"] or "", item["amount"], item["amount_received"], item["currency"],
        item["status"], item["description"] or "", item["latest_charge"] or "", item["capture_method"],
        item["canceled_at"], "", "", "",
    )  # fmt: skip


# The databases


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


# The real one


def sync(
    resources: Sequence[str] = ("customer", "payment_intent"), profile: cProfile.Profile | None = None
) -> tuple[Result, Result, int]:
    """Sync once; return the pull, what follows it (links and booking), and the rows written."""
    from financial.models import StripeCredential
    from financial.stripe_services import sync_now

    credential, _ = StripeCredential.objects.get_or_create(
        name="Bench", defaults={"secret_key": "sk_test_bench_0000", "is_active": True}
    )
    pull, rest = Watch(), Watch()
    began = ended = (time.perf_counter(), time.process_time())

    def listen(step: Any) -> None:
        nonlocal ended
        ended = (time.perf_counter(), time.process_time())

    if profile:
        profile.enable()
    run = sync_now(credential, requested_by="bench", resources=resources, listener=listen)
    if profile:
        profile.disable()
    now = (time.perf_counter(), time.process_time())
    pull.wall, pull.cpu = ended[0] - began[0], ended[1] - began[1]
    rest.wall, rest.cpu = now[0] - ended[0], now[1] - ended[1]
    if run.error:
        raise SystemExit(run.error)
    steps = list(run.steps.values_list("read", "written"))
    read = sum(read for read, _ in steps)
    return Result("pull", read, pull), Result("links and booking", run.booked, rest), sum(done for _, done in steps)


def best(results: list[Result], name: str) -> Result:
    fastest = min(results, key=lambda result: result.watch.wall)
    leanest = min(result.watch.cpu for result in results)
    return Result(name, fastest.rows, Watch(fastest.watch.wall, leanest))


def run_floor(database: SQLite | Postgres, kind: type[Floor], base: str) -> tuple[Result, Result]:
    """Pull twice by the shortest way: into empty tables, and the same again."""
    database.empty()
    floor = database.floor(kind)
    floor.make_tables()
    results = []
    for _ in range(2):
        watch = Watch()
        with watch.running():
            rows = floor.pull(base)
        results.append(Result("floor", rows, watch))
    floor.connection.close()
    return results[0], results[1]


def measure(database: SQLite | Postgres, base: str, repeat: int, profile: cProfile.Profile | None) -> dict[str, Result]:
    found: dict[str, list[Result]] = {}
    for _ in range(repeat):
        bare, bare_again = run_floor(database, Floor, base)
        mirror, mirror_again = run_floor(database, MirrorFloor, base)
        database.empty()
        first, booking, written = sync(profile=profile)
        again, _, rewritten = sync()
        if written != first.rows or rewritten:
            raise SystemExit(f"Of {first.rows} rows the first sync wrote {written}, the second {rewritten}.")
        for name, result in (
            ("floor, bare tables", bare),
            ("floor, the mirror's tables", mirror),
            ("sync, first: pull", first),
            ("sync, first: links, booking", booking),
            ("floor again, bare tables", bare_again),
            ("floor again, mirror's tables", mirror_again),
            ("sync, nothing changed", again),
        ):
            found.setdefault(name, []).append(result)
    return {name: best(results, name) for name, results in found.items()}


def report(results: dict[str, Result]) -> bool:
    """Print the figures and whether the goal was reached."""
    for result in results.values():
        print(result)
    bare, mirror, first, booking, bare_again, mirror_again, again = results.values()
    whole = Watch(first.watch.wall + booking.watch.wall, first.watch.cpu + booking.watch.cpu)
    for name, one, other in (
        ("first pull / floor, mirror's tables: GOAL", first, mirror),
        ("first pull / floor, bare tables", first, bare),
        ("with links and booking / mirror's", Result("", first.rows, whole), mirror),
        ("nothing changed / floor again, mirror's", again, mirror_again),
        ("nothing changed / floor again, bare", again, bare_again),
    ):
        wall, cpu = one.per_second / other.per_second, one.per_cpu_second / other.per_cpu_second
        print(f"ratio  {name:<42}{wall:>6.2f} of the wall clock{cpu:>8.2f} of the CPU")
    print(f"peak memory of this process: {_peak_mib():,.0f} MiB")
    ratio, to_bare = first.per_second / mirror.per_second, first.per_second / bare.per_second
    reached = ratio >= TARGET
    print(
        f"goal: at least {TARGET} of the floor that writes the same rows into the same indexed tables: "
        f"{ratio:.2f}, {_verdict(reached)} (bare tables, no goal: {to_bare:.2f})"
    )
    return reached


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def _peak_mib() -> float:
    """The high-water mark of this program, without that of whoever started it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# The scenarios


def instant(database: SQLite | Postgres, asked: argparse.Namespace) -> bool:
    profile = cProfile.Profile() if asked.profile else None
    counts = {"customer": asked.objects, "payment_intent": asked.objects}
    print(f"-- instant: {asked.objects:,} customers, {asked.objects:,} payments, best of {asked.repeat}")
    with serving(counts) as base, _speaking_to(base, 1_000_000, 1_000_000):
        reached = report(measure(database, base, asked.repeat, profile))
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    return reached


def paced(name: str, database: SQLite | Postgres, asked: argparse.Namespace) -> bool:
    """Sync from a Stripe that takes its time and refuses what is too much."""
    resources = COLLECTIONS[name]
    endpoint, account = asked.per_endpoint, asked.per_account
    print(
        f"-- {name}: {asked.objects:,} objects in each of {len(resources)} collection(s), {asked.latency_ms} ms a call, "
        f"{endpoint} requests/s an endpoint, {account} in all"
    )
    counts = dict.fromkeys(resources, asked.objects)
    stub = serving(counts, latency=asked.latency_ms / 1000, per_endpoint=endpoint, per_account=account)
    database.empty()
    with stub as base, _speaking_to(base, endpoint, account):
        pull, _, written = sync(resources)
        said = orjson.loads(urllib3.request("GET", f"{base}/calls").data)
    print(Result("sync, pull", pull.rows, pull.watch))
    ceiling = min(endpoint * len(resources), account) * PAGE
    calls = said["calls"] * 10_000 / pull.rows
    target = TARGETS_PER_SECOND[name]
    print(f"{pull.per_second / ceiling:.2f} of the {ceiling:,.0f} objects/s that are allowed")
    print(
        f"{calls:.0f} calls per 10,000 objects, {said['refused']} of {said['calls']} refused; {written:,} rows written"
    )
    fast, lean = pull.per_second >= target, calls <= CALLS_MAX
    print(f"goal: at least {target:,} objects/s: {_verdict(fast)}; at most {CALLS_MAX} calls: {_verdict(lean)}")
    return fast and lean


def memory(database: SQLite | Postgres, asked: argparse.Namespace) -> bool:
    """Compare the peaks of processes that sync little and much."""
    print("-- memory: customers, stub without latency, each size in a process of its own")
    peaks = []
    for size in asked.sizes.split(","):
        command = [
            sys.executable,
            "-m",
            "bench.bench_sync",
            "one-size",
            "--objects",
            size,
            "--database",
            asked.database,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        print(done.stdout, end="")
        peaks.append(float(done.stdout.rsplit(maxsplit=2)[-2]))
    growth = peaks[-1] - peaks[0]
    print(f"goal: less than {GROWTH_MAX_MIB} MiB more: {growth:+.1f} MiB, {_verdict(growth < GROWTH_MAX_MIB)}")
    return growth < GROWTH_MAX_MIB


def one_size(database: SQLite | Postgres, asked: argparse.Namespace) -> None:
    database.empty()
    with serving({"customer": asked.objects}) as base, _speaking_to(base, 1_000_000, 1_000_000):
        pull, _, _ = sync(("customer",))
    print(
        f"{pull.rows:>12,} objects{pull.per_second:>10,.0f} rows/s{pull.watch.wall:>8.1f} s   peak {_peak_mib():.1f} MiB"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all but memory")
    parser.add_argument("--objects", type=int, default=10_000, help="in each collection")
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, or the URL of any database on a PostgreSQL server"
    )
    parser.add_argument("--repeat", type=int, default=2, help="of instant")
    parser.add_argument("--latency-ms", type=float, default=250, help="of one and six")
    parser.add_argument("--per-endpoint", type=float, default=25, help="requests a second of one and six")
    parser.add_argument("--per-account", type=float, default=100, help="requests a second of one and six")
    parser.add_argument("--sizes", default="10000,300000", help="of memory")
    parser.add_argument("--profile", action="store_true", help="also print where the first sync of instant spends time")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = SQLite(Path(folder)) if asked.database == "sqlite" else Postgres(asked.database)
        try:
            _set_up(database.url, Path(folder))
            print(asked.database.partition(":")[0])
            for name in asked.scenarios or SCENARIOS[:3]:
                _scenario(name, database, asked)
        finally:
            database.drop()
    return 0


def _scenario(name: str, database: SQLite | Postgres, asked: argparse.Namespace) -> None:
    others: Mapping[str, Any] = {"instant": instant, "memory": memory, "one-size": one_size}
    if name in COLLECTIONS:
        paced(name, database, asked)
    else:
        others[name](database, asked)


@contextmanager
def _speaking_to(base: str, per_endpoint: float, per_account: float) -> Iterator[None]:
    from django.test import override_settings

    with override_settings(
        FINANCIAL_STRIPE_BASE_URL=base,
        FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND=per_account,
        FINANCIAL_STRIPE_ENDPOINT_REQUESTS_PER_SECOND=per_endpoint,
    ):
        yield


def _set_up(url: str, folder: Path) -> None:
    """The studio as it runs, with this database."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "DATABASE_URL": url,
        "STUDIO_VAR": str(folder),
        "STUDIO_LOG_LEVEL": "ERROR",
        "FINANCIAL_ENGINE": "none",
        "FINANCIAL_ENCRYPTION_KEYS": "only-for-benchmarks",
    }
    import django

    django.setup()


if __name__ == "__main__":
    sys.exit(main())
