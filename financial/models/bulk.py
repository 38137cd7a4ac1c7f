"""Writing many rows at once, at a tenth of the cost of building model instances and statements for them.

On PostgreSQL rows go by COPY into a temporary table and from there, in the order of the key, into their own: a third of
the time of one statement a row, and writers that meet lock rows in the same order. A few rows go by plain statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models, transaction

WORTH_COPYING_ROWS = 20
Values = Sequence[Any]


def merge(
    model: type[models.Model],
    fields: Sequence[models.Field[Any, Any]],
    rows: Sequence[Values],
    *,
    on_conflict: str,
    order_by: Sequence[str] = (),
) -> int:
    """Insert rows of driver values with an `ON CONFLICT …` clause and return how many were inserted or changed.

    SQLite and PostgreSQL. With `DO UPDATE` no two rows may have the same key. `order_by` names columns.
    """
    if not rows:
        return 0
    copied = connection.vendor == "postgresql" and len(rows) >= WORTH_COPYING_ROWS
    with transaction.atomic(), connection.cursor() as cursor:
        if copied:
            return _copy(cursor, model, fields, rows, on_conflict, order_by)
        marks = ", ".join("%s::jsonb" if _is_jsonb(field) else "%s" for field in fields)
        cursor.executemany(_insert(model, fields, f"VALUES ({marks})", on_conflict), rows)
        return max(int(cursor.rowcount), 0)


def _copy(
    cursor: Any,
    model: type[models.Model],
    fields: Sequence[models.Field[Any, Any]],
    rows: Sequence[Values],
    on_conflict: str,
    order_by: Sequence[str],
) -> int:
    quote = connection.ops.quote_name
    waiting = quote(f"{model._meta.db_table}_waiting"[:63])
    columns = ", ".join(quote(str(field.column)) for field in fields)
    order = f" ORDER BY {', '.join(map(quote, order_by))}" if order_by else ""
    shape = f"SELECT {columns} FROM {quote(model._meta.db_table)} WITH NO DATA"  # noqa: S608
    cursor.execute(f"CREATE TEMPORARY TABLE {waiting} ON COMMIT DROP AS {shape}")
    with cursor.copy(f"COPY {waiting} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(_insert(model, fields, f"SELECT {columns} FROM {waiting}{order}", on_conflict))  # noqa: S608
    changed = max(int(cursor.rowcount), 0)
    cursor.execute(f"DROP TABLE {waiting}")
    return changed


def _insert(model: type[models.Model], fields: Sequence[models.Field[Any, Any]], source: str, on_conflict: str) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {source} ON CONFLICT {on_conflict}"  # noqa: S608


def _is_jsonb(field: models.Field[Any, Any]) -> bool:
    return connection.vendor == "postgresql" and isinstance(field, models.JSONField)
