"""What a database knows of how values are spread: without it SQLite takes the index of an account for one of few rows.

PostgreSQL gathers it by itself. SQLite does only when told, and until then guesses ten rows for whatever equals something:
with one account, whose rows are all rows, it would read an account's whole table rather than one charge.

SQLite: https://www.sqlite.org/lang_analyze.html, https://www.sqlite.org/fileformat2.html#stat1tab
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections, transaction

ROWS_LOOKED_AT = 1000  # of each index; so it takes a tenth of a second, whatever the size
_CREDENTIALS = "financial_stripecredential"


def refresh(using: str = "default") -> None:
    """Let SQLite look at a part of every index, and every connection plan with what was found; elsewhere do nothing."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        with transaction.atomic(using=using):
            look(cursor)
        cursor.execute("ANALYZE sqlite_schema")  # this connection; others do by themselves, as the schema has changed


def look(cursor: Any) -> None:
    """Gather the statistics anew; the caller holds the transaction.

    Where a value has more rows than are looked at, SQLite takes it for one with just so many. Of an account that is far
    too few: an account would seem to have no more rows than a customer with many payments.
    """
    cursor.execute(f"PRAGMA analysis_limit = {ROWS_LOOKED_AT}")
    cursor.execute("ANALYZE")
    for index, stat in list(_of_accounts(cursor)):
        cursor.execute("UPDATE sqlite_stat1 SET stat = %s WHERE idx = %s", (stat, index))
    cursor.execute("CREATE VIEW financial_looked_at AS SELECT 1")
    cursor.execute("DROP VIEW financial_looked_at")


def _of_accounts(cursor: Any) -> Iterator[tuple[str, str]]:
    """Yield the indexes that begin with an account, and their statistics with as many rows for one as it has on average.

    A statistic is the number of rows, then for each column how many rows have the same values up to that one.
    """
    accounts: dict[str, int] = {}
    cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1 WHERE idx IS NOT NULL")
    for table, index, stat in list(cursor.fetchall()):
        cursor.execute(f'PRAGMA index_info("{index}")')
        rows, same, *rest = stat.split()
        if cursor.fetchone()[2] != "credential_id":
            continue
        if table not in accounts:
            some = f'EXISTS (SELECT 1 FROM "{table}" WHERE credential_id = account.id)'  # noqa: S608
            cursor.execute(f'SELECT COUNT(*) FROM "{_CREDENTIALS}" account WHERE {some}')  # noqa: S608
            (accounts[table],) = cursor.fetchone()
        yield index, " ".join((rows, str(max(int(same), int(rows) // max(1, accounts[table]))), *rest))
