"""How fast the books become files, and that memory does not grow: `python -m bench.bench_exports [--rows N]`.

The floor is a cursor over the same entries and transactions in their order, written by the csv module; no names, no ids of
Stripe's objects, no sums. The books are made by the journal out of balance transactions, on SQLite in a folder of its own.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator

FIRST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
FLOOR = """
SELECT t.source_stripe_id, t.booked_on, t.occurred_at, t.description, t.currency, a.name, e.amount_minor
FROM financial_entry e
JOIN financial_transaction t ON t.id = e.transaction_id
JOIN financial_account a ON a.id = e.account_id
ORDER BY t.booked_on, t.occurred_at, t.id, e.id
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="balance transactions; three entries each")
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="bench-exports-") as folder:
        os.environ |= {"STUDIO_VAR": folder, "DATABASE_URL": f"sqlite:///{folder}/books.sqlite3"}
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "FINANCIAL_ENGINE": "none"}
        measure(count)


def measure(count: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from financial import exporting
    from financial.models import StripeCredential

    call_command("migrate", verbosity=0)
    shop = StripeCredential.objects.create(name="bench", secret_key="sk_test_" + "b" * 24, is_active=True)
    fill(shop, count)
    print(f"{count:,} balance transactions, {3 * count:,} entries; peak memory so far {peak():.1f} MiB")
    floor = timed(floor_lines)
    print(f"{'floor':<24}{count / floor:>10,.0f} transactions/s")
    for name in exporting.FORMAT_NAMES:
        for by in exporting.By:
            wanted = exporting.Wanted(shop, name, by)
            seconds = timed(lambda wanted=wanted: exporting.export(wanted))
            rate, ratio = count / seconds, floor / seconds
            print(f"{name + ' by ' + by:<24}{rate:>10,.0f} transactions/s  {ratio:.2f} of the floor  {peak():.1f} MiB")
    started = time.perf_counter()
    for verdict in exporting.prove(exporting.Wanted(shop, "csv")):
        print(verdict)
    print(f"verified in {time.perf_counter() - started:.1f} s")


def fill(shop: object, count: int) -> None:
    """Put charges into the mirror, five minutes apart, and book them."""
    from financial.ledger import journal
    from financial.models import StripeBalanceTransaction as Movement

    for first in range(0, count, 2000):
        numbers = range(first, min(first + 2000, count))
        Movement.objects.bulk_create(
            Movement(
                credential=shop, stripe_id=f"txn_{n * 7919 % 1_000_003:024}", created_at=FIRST + dt.timedelta(minutes=5 * n),
                currency="usd", type="charge", reporting_category="charge", balance_type="payments",
                amount_minor=1000 + n % 7000, fee_minor=59, net_minor=941 + n % 7000, fee_parts="stripe_fee:59",
                source_stripe_id=f"ch_{n:024}", description=f"Novel {n}",
            )
            for n in numbers
        )  # fmt: skip
    journal.book_all(shop, now=FIRST + dt.timedelta(days=3650))


def floor_lines() -> Iterator[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(FLOOR)
        while rows := cursor.fetchmany(2000):
            out = io.StringIO()
            csv.writer(out).writerows(rows)
            yield out.getvalue()


def timed(parts: Callable[[], Iterator[object]]) -> float:
    started = time.perf_counter()
    for _ in parts():
        pass
    return time.perf_counter() - started


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
