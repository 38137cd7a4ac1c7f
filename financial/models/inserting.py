"""Inserting many new rows at once, with primary keys known beforehand, so that rows can name each other.

Rows are tuples of Python values in the order of `columns(model)`. The primary key is given: `next_ids` reserves numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection, models


@lru_cache(maxsize=64)
def columns(model: type[models.Model]) -> tuple[str, ...]:
    """Return the attribute names of a model's columns (`id`, `credential_id`, …), the primary key among them."""
    return tuple(field.attname for field in model._meta.concrete_fields)


def next_ids(model: type[models.Model], count: int) -> list[int]:
    """Reserve primary keys. Callers hold a lock that keeps others from inserting, except on PostgreSQL."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return [row[0] for row in cursor.fetchall()]
        if connection.vendor == "sqlite":  # numbers of deleted rows are not given out again
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            found = cursor.fetchone()
            last = found[0] if found else 0
        else:
            last = model._default_manager.aggregate(last=models.Max("pk"))["last"] or 0
    return list(range(last + 1, last + count + 1))


def insert(model: type[models.Model], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows; any violation of a constraint raises and nothing of them stays."""
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(model, rows)
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany(_statement(model), _as_stored(model, rows))
    else:
        names = columns(model)
        model._default_manager.bulk_create([model(**dict(zip(names, row, strict=True))) for row in rows])


def _copy(model: type[models.Model], rows: Iterable[Sequence[Any]]) -> None:
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in model._meta.concrete_fields)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN") as copy,  # noqa: S608
    ):
        for row in rows:
            copy.write_row(row)


@lru_cache(maxsize=64)
def _statement(model: type[models.Model]) -> str:
    quote = connection.ops.quote_name
    names = [quote(str(field.column)) for field in model._meta.concrete_fields]
    marks = ", ".join(["%s"] * len(names))
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608


def _as_stored(model: type[models.Model], rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Turn dates and instants into what SQLite's driver takes; they come in runs, so each is turned once."""
    places = [
        (place, lru_cache(maxsize=1024)(adapt))
        for place, field in enumerate(model._meta.concrete_fields)
        if (adapt := _adapter(field)) is not None
    ]
    if not places:
        return rows
    stored = [list(row) for row in rows]
    for row in stored:
        for place, adapt in places:
            row[place] = adapt(row[place])
    return stored


def _adapter(field: models.Field[Any, Any]) -> Any:
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    return connection.ops.adapt_datefield_value if isinstance(field, models.DateField) else None
