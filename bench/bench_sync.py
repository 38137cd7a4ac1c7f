"""How fast is a first sync, measured against the barest code that could do it?

    python -m bench.bench_sync --customers 10000 --payments 10000 --repeat 3
    python -m bench.bench_sync --database postgres://postgres@127.0.0.1:5432/some_empty_database

The floor fetches pages with urllib3, parses them with orjson and upserts rows of the same columns by `executemany`, 500
to a transaction, without Django, encryption, links, versions or digests. It is measured twice: into bare tables, and into
the mirror's own tables, whose indexes and constraints cost more than all of our Python. The sync is the real one, into a
freshly migrated database with the studio's settings. All speak to the same stub in the same run; the best of `--repeat`
counts. A second sync of the unchanged account follows, which must write nothing.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import orjson
import urllib3

from bench.stub import PAGE, serving

Payload = dict[str, Any]
ROWS_PER_TRANSACTION = 500
PATHS = ("/v1/customers", "/v1/payment_intents")
TARGET = 0.5


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


class Postgres:
    """A database the caller made for this and drops afterwards."""

    def __init__(self, url: str) -> None:
        self.url = url

    def floor(self, kind: type[Floor]) -> Floor:
        import psycopg

        return kind(psycopg.connect(self.url), "%s")

    def empty(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        _migrate()


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


# The real one


def sync(profile: cProfile.Profile | None = None) -> tuple[Result, Result, int]:
    """Sync customers and payments once; return the pull, what follows it (links and booking), and the rows written."""
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
    run = sync_now(credential, requested_by="bench", resources=("customer", "payment_intent"), listener=listen)
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
        first, booking, written = sync(profile)
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


def report(results: dict[str, Result]) -> float:
    for result in results.values():
        print(result)
    bare, mirror, first, booking, bare_again, mirror_again, again = results.values()
    whole = Watch(first.watch.wall + booking.watch.wall, first.watch.cpu + booking.watch.cpu)
    for name, one, other in (
        ("first pull / floor, bare tables", first, bare),
        ("first pull / floor, mirror's tables", first, mirror),
        ("with links and booking / bare", Result("", first.rows, whole), bare),
        ("nothing changed / floor again, bare", again, bare_again),
        ("nothing changed / floor again, mirror's", again, mirror_again),
    ):
        wall, cpu = one.per_second / other.per_second, one.per_cpu_second / other.per_cpu_second
        print(f"ratio  {name:<42}{wall:>6.2f} of the wall clock{cpu:>8.2f} of the CPU")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
    return first.per_second / bare.per_second


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--payments", type=int, default=10_000)
    parser.add_argument("--database", default="sqlite", help="sqlite, or the URL of an empty PostgreSQL database")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="also print where the first sync spends its time")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, serving(asked.customers, asked.payments) as base:
        database = SQLite(Path(folder)) if asked.database == "sqlite" else Postgres(asked.database)
        _set_up(database.url, Path(folder), base)
        profile = cProfile.Profile() if asked.profile else None
        kind = asked.database.partition(":")[0]
        print(f"{asked.customers:,} customers, {asked.payments:,} payments, {kind}, best of {asked.repeat}")
        ratio = report(measure(database, base, asked.repeat, profile))
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    print(f"target: at least {TARGET} of the bare floor: {'reached' if ratio >= TARGET else 'MISSED'}")
    return 0


def _set_up(url: str, folder: Path, base: str) -> None:
    """The studio as it runs, with this database and this Stripe."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "DATABASE_URL": url,
        "STUDIO_VAR": str(folder),
        "STUDIO_LOG_LEVEL": "ERROR",
        "FINANCIAL_STRIPE_BASE_URL": base,
        "FINANCIAL_ENGINE": "none",
        "FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND": "1000000",
        "FINANCIAL_STRIPE_ENDPOINT_REQUESTS_PER_SECOND": "1000000",
        "FINANCIAL_ENCRYPTION_KEYS": "only-for-benchmarks",
    }
    import django

    django.setup()


if __name__ == "__main__":
    sys.exit(main())
