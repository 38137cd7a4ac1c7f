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
from pathlib import Path
from typing import Any

import orjson
import urllib3

from bench.databases import Postgres, SQLite
from bench.stub import KINDS, PAGE, serving
from bench.sync_floor import Floor, MirrorFloor
from bench.timing import Result, Watch, best, peak_mib

SCENARIOS = ("instant", "one", "six", "memory")
TARGET = 0.7  # of the floor that writes the same rows into the same indexed tables
TARGETS_PER_SECOND = {"one": 2150, "six": 5000}
CALLS_MAX = 115  # per 10,000 objects
GROWTH_MAX_MIB = 50
COLLECTIONS = {"one": ("customer",), "six": tuple(KINDS)}


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
    print(f"peak memory of this process: {peak_mib():,.0f} MiB")
    ratio, to_bare = first.per_second / mirror.per_second, first.per_second / bare.per_second
    reached = ratio >= TARGET
    print(
        f"goal: at least {TARGET} of the floor that writes the same rows into the same indexed tables: "
        f"{ratio:.2f}, {_verdict(reached)} (bare tables, no goal: {to_bare:.2f})"
    )
    return reached


def _verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


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
    limits = {"latency": asked.latency_ms / 1000, "per_endpoint": endpoint, "per_account": account}
    runs = []
    for _ in range(asked.repeat):
        database.empty()
        with serving(counts, **limits) as base, _speaking_to(base, endpoint, account):
            pull, _, written = sync(resources)
            runs.append((pull, written, orjson.loads(urllib3.request("GET", f"{base}/calls").data)))
    pull, written, said = min(runs, key=lambda run: run[0].watch.wall)
    print(", ".join(f"{run[0].per_second:,.0f}" for run in runs), "objects/s; the best of them:")
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
        f"{pull.rows:>12,} objects{pull.per_second:>10,.0f} rows/s{pull.watch.wall:>8.1f} s   peak {peak_mib():.1f} MiB"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all but memory")
    parser.add_argument("--objects", type=int, default=10_000, help="in each collection")
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, or the URL of any database on a PostgreSQL server"
    )
    parser.add_argument("--repeat", type=int, default=2, help="the best counts; not of memory")
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
