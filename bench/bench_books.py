"""How fast are movements booked, against a bare insert of the same rows, and how fast are they told and proved?

    python -m bench.bench_books                                   # 100,000 movements, SQLite
    python -m bench.bench_books 1000000 --database postgres://postgres@127.0.0.1:5432/postgres

A mirror of so many balance transactions (charges of payments, a tenth of them converted, refunds, disputes, fees and
payouts over three years) is written beforehand. Measured are:

book      `journal.book_all`: transaction, link, entries, totals, with all constraints and triggers
floor     the very same rows of transactions, links and entries into the same tables, with their indexes and constraints but
          without triggers, a thousand movements to a database transaction, from values at hand: `executemany` on SQLite,
          and on PostgreSQL both `COPY` and `executemany`
report    the revenue report of all days by month, and the strip of every page, each from the totals with a cold cache
verify    the full `verify_books`, and the peak memory of the process after it
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.bench_sync import Postgres, SQLite

NOW = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
DAYS = 3 * 365
BATCH = 1000
PAGE = 5000


def rows(model: Any, records: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Fill records up with the model's defaults, in the order of its columns."""
    fields = model._meta.concrete_fields
    defaults = {f.attname: f.get_default() for f in fields} | {"payload": "{}", "private": ""}
    names = [f.attname for f in fields]
    for record in records:
        yield tuple((defaults | record)[name] for name in names)


def fill(credential: Any, count: int) -> None:
    """Write a mirror with `count` movements."""
    from django.db import transaction

    from financial import models
    from financial.models.inserting import insert

    dice = random.Random(7)
    kinds = dice.choices(["charge", "refund", "dispute", "fee", "payout"], [88, 6, 1, 2, 3], k=count)
    for first in range(0, count, PAGE):
        made: dict[Any, list[dict[str, Any]]] = {}
        for number in range(first, min(first + PAGE, count)):
            at = NOW - dt.timedelta(days=DAYS * (1 - number / count))
            for model, record in _movement(models, credential.pk, number + 1, kinds[number], at, dice):
                made.setdefault(model, []).append(record)
        with transaction.atomic():
            for model, records in made.items():
                insert(model, list(rows(model, records)))


def _movement(models: Any, credential: int, n: int, kind: str, at: dt.datetime, dice: random.Random) -> Iterator[Any]:
    amount, converted = dice.randrange(500, 20000), n % 10 == 0
    common = {"id": n, "credential_id": credential, "created_at": at, "api_version": "bench", "version": 1}
    shown = {"currency": "eur" if converted else "usd", "amount_minor": amount}
    settled = amount * 108 // 100 if converted else amount
    fee, source, type_ = 0, "", kind
    if kind == "charge":
        payment = {**common, **shown, "stripe_id": f"pi_{n}", "status": "succeeded", "amount_received_minor": amount}
        yield models.StripePaymentIntent, {**payment, "latest_charge_stripe_id": f"ch_{n}"}
        charge = {**common, **shown, "stripe_id": f"ch_{n}", "amount_captured_minor": amount, "status": "succeeded"}
        yield models.StripeCharge, {**charge, "payment_intent_id": n, "payment_intent_stripe_id": f"pi_{n}"}
        fee, source = settled * 29 // 1000 + 30, f"ch_{n}"
    elif kind == "refund":
        yield models.StripeRefund, {**common, **shown, "stripe_id": f"re_{n}", "status": "succeeded"}
        settled, source = -settled, f"re_{n}"
    elif kind == "dispute":
        yield models.StripeDispute, {**common, **shown, "stripe_id": f"dp_{n}", "status": "lost"}
        settled, fee, source, type_ = -settled, 1500, f"dp_{n}", "adjustment"
    elif kind == "payout":
        payout = {"amount_minor": settled, "currency": "usd", "status": "paid", "arrival_at": at + dt.timedelta(days=2)}
        yield (
            models.StripePayout,
            {**common, **payout, "stripe_id": f"po_{n}", "balance_transaction_stripe_id": f"txn_{n}"},
        )
        settled, source = -settled, f"po_{n}"
    else:
        settled, type_ = -settled // 100, "stripe_fee"
    yield models.StripeBalanceTransaction, {
        **common, "stripe_id": f"txn_{n}", "amount_minor": settled, "fee_minor": fee, "net_minor": settled - fee,
        "currency": "usd", "type": type_, "reporting_category": kind, "balance_type": "payments",
        "fee_parts": f"stripe_fee:{fee}" if fee else "none", "source_stripe_id": source, "status": "available",
        "exchange_rate": "1.08" if converted else "",
    }  # fmt: skip


def timed(name: str, call: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = call()
    return time.perf_counter() - began, answer


def floor(copying: bool) -> float:
    """Take the booked rows out, and put the very same ones back in, bare."""
    from django.db import connection, transaction

    from financial.models import AccountDay, DayTotal, Entry, StripeTransaction, Transaction, inserting, rules

    held = {
        model: list(model._default_manager.order_by("pk").values_list(*inserting.columns(model)))
        for model in (Transaction, StripeTransaction, Entry)
    }
    with rules.clearing():
        for model in (Entry, StripeTransaction, Transaction, AccountDay, DayTotal):
            model._default_manager.all()._raw_delete("default")
    rules.remove()
    batches = max(1, len(held[Transaction]) // BATCH)
    began = time.perf_counter()
    for number in range(batches):
        with transaction.atomic():
            for model, found in held.items():
                size = -(-len(found) // batches)
                part = found[number * size : (number + 1) * size]
                if copying:
                    inserting.insert(model, part)
                elif part:
                    with connection.cursor() as cursor:
                        cursor.executemany(inserting._statement(model), inserting._as_stored(model, part))
    took = time.perf_counter() - began
    rules.install()
    return took


def measure(count: int, with_floor: bool) -> None:
    from django.core.cache import cache
    from django.db import connection

    from financial import reports
    from financial.ledger import journal, verification
    from financial.models import Entry, StripeCredential, Transaction

    credential = StripeCredential.objects.create(name="Bench", secret_key="sk_test_bench_0000", is_active=True)
    took, _ = timed("fill", lambda: fill(credential, count))
    print(f"{connection.vendor}: {count:,} movements mirrored in {took:.1f} s")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    booking, booked = timed("book", lambda: journal.book_all(credential, now=NOW))
    print(f"book              {booking:8.2f} s {count / booking:10,.0f}/s   {booked}")
    print(f"                  {Transaction.objects.count():,} transactions, {Entry.objects.count():,} entries")
    again, _ = timed("again", lambda: journal.book_all(credential, now=NOW))
    print(f"nothing to book   {again:8.2f} s")
    for name, call in (
        ("revenue report", lambda: reports.books(credential)),
        ("strip", lambda: reports.strip(credential)),
    ):
        cache.clear()
        call()
        best = min(_cold(cache, call) for _ in range(5))
        print(f"{name:<18}{best * 1000:8.1f} ms")
    took, checks = timed("verify", lambda: verification.verify(credential, now=NOW))
    broken = [check for check in checks if not check.holds]
    print(f"verify            {took:8.2f} s   {broken or 'all hold'}   peak {_peak_mib():.0f} MiB")
    if with_floor:
        ways = (True, False) if connection.vendor == "postgresql" else (False,)
        for copying in ways:
            bare = floor(copying)
            ratio, how = bare / booking, "COPY" if copying else "executemany"
            print(f"floor {how:<12}{bare:8.2f} s {count / bare:10,.0f}/s   book/floor {ratio:.2f}")


def _cold(cache: Any, call: Any) -> float:
    cache.clear()
    return timed("", call)[0]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("movements", nargs="?", type=int, default=100_000)
    parser.add_argument(
        "--database", default="sqlite", help="sqlite, or the URL of any database on a PostgreSQL server"
    )
    parser.add_argument("--no-floor", action="store_true", help="leave the floor out: it holds all rows in memory")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = SQLite(Path(folder)) if asked.database == "sqlite" else Postgres(asked.database)
        try:
            os.environ |= {
                "DJANGO_SETTINGS_MODULE": "studio.settings",
                "DATABASE_URL": database.url,
                "STUDIO_VAR": folder,
                "STUDIO_LOG_LEVEL": "ERROR",
                "FINANCIAL_ENGINE": "none",
                "FINANCIAL_ENCRYPTION_KEYS": "only-for-benchmarks",
            }
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            measure(asked.movements, with_floor=not asked.no_floor)
        finally:
            database.drop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
