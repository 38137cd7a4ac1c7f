"""What a database knows of how values are spread: without it SQLite takes the index of an account for one of few rows.

PostgreSQL gathers it by itself. SQLite does only when told, and until then guesses ten rows for whatever equals something:
with one account, whose rows are all rows, it would read an account's whole table rather than one charge.

SQLite: https://www.sqlite.org/lang_analyze.html, https://www.sqlite.org/fileformat2.html#stat1tab
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

ROWS_LOOKED_AT = 1000  # of each index; so it takes a tenth of a second, whatever the size
VALUES_COUNTED = 100
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

    Where a value has more rows than are looked at, SQLite takes it for one with just so many. Of an account, or of a state
    most rows are in, that is far too few: it would seem to have no more rows than a customer with many payments.
    """
    cursor.execute(f"PRAGMA analysis_limit = {ROWS_LOOKED_AT}")
    cursor.execute("ANALYZE")
    cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1 WHERE idx IS NOT NULL")
    for table, index, stat in cursor.fetchall():
        cursor.execute("SELECT partial FROM pragma_index_list(%s) WHERE name = %s", (table, index))
        found = cursor.fetchone()
        if found is not None:  # tables that are indexes themselves are those of the search
            right = _put_right(cursor, table, index, stat.split(), is_partial=bool(found[0]))
            cursor.execute("UPDATE sqlite_stat1 SET stat = %s WHERE idx = %s", (" ".join(right), index))
    cursor.execute("CREATE VIEW financial_looked_at AS SELECT 1")
    cursor.execute("DROP VIEW financial_looked_at")


def _put_right(cursor: Any, table: str, index: str, stat: list[str], *, is_partial: bool) -> list[str]:
    """Return a statistic with as many rows for a value as there are on average, where only few values share the rows.

    It is the number of rows, then for each column how many rows have the same values up to that one.
    """
    cursor.execute("SELECT name FROM pragma_index_info(%s)", (index,))
    columns = [name for (name,) in cursor.fetchall()]
    if int(stat[1]) > ROWS_LOOKED_AT and columns[0] == "credential_id":
        accounts = _accounts(cursor, table)
        stat[1] = str(max(int(stat[1]), int(stat[0]) // max(1, len(accounts))))
        if (
            len(columns) > 1 and int(stat[2]) > ROWS_LOOKED_AT and not is_partial
        ):  # of a part of the rows one does not know
            values = [_values(cursor, table, index, columns[1], account) for account in accounts]
            if values and all(values):
                stat[2] = str(max(int(stat[2]), int(stat[0]) // sum(values)))
    return stat


def _accounts(cursor: Any, table: str) -> list[int]:
    some = f'EXISTS (SELECT 1 FROM "{table}" WHERE credential_id = account.id)'  # noqa: S608
    cursor.execute(f'SELECT id FROM "{_CREDENTIALS}" account WHERE {some}')  # noqa: S608
    return [pk for (pk,) in cursor.fetchall()]


def _values(cursor: Any, table: str, index: str, column: str, account: int) -> int:
    """Count how many values a column has in an account, going from one to the next; 0 where they are too many."""
    rows = f'SELECT "{column}" FROM "{table}" INDEXED BY "{index}" WHERE credential_id = %s'  # noqa: S608
    cursor.execute(f'{rows} AND "{column}" IS NOT NULL ORDER BY "{column}" LIMIT 1', (account,))
    count = 0
    while (last := cursor.fetchone()) is not None:
        count += 1
        if count > VALUES_COUNTED:
            return 0
        cursor.execute(f'{rows} AND "{column}" > %s ORDER BY "{column}" LIMIT 1', (account, *last))
    return count
