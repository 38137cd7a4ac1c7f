"""Keyset pages: constant time at any depth, both directions, no COUNT(*) of everything.

A position is the sort value and primary key of a row, signed, so that a link can neither be forged nor used with
another sort. Rows without a value stand last whatever the direction. Knows querysets, not what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.core import signing
from django.db.models import Field, Model, Q, QuerySet, Subquery

PAGE_SIZE_MAX = 200
COUNT_MAX = 10_000
NO_LIMIT = 10**9  # where an index is counted, not a table
FEW = 1_000  # keys that fit into one query

_Row = TypeVar("_Row", bound=Model)


class InvalidPosition(Exception):
    """The link was cut, forged, or made for another order."""


@dataclass(frozen=True)
class Page(Generic[_Row]):
    """Rows in reading order; `after` and `before` are the positions of the next and the previous page, if any."""

    rows: list[_Row]
    after: str = ""
    before: str = ""


@dataclass(frozen=True)
class BoundedCount:
    """How many rows there are, counted no further than `limit`."""

    value: int
    limit: int = COUNT_MAX

    @property
    def is_more(self) -> bool:
        return self.value > self.limit

    def __str__(self) -> str:
        return f"more than {self.limit:,}" if self.is_more else f"{self.value:,}"

    @property
    def short(self) -> str:
        return f"{self.limit:,}+" if self.is_more else f"{self.value:,}"


class CountUpTo(Subquery):
    """How many rows a query finds, counted no further than a limit, as a part of another query."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    empty_result_set_value = 0  # of rows that Django knows not to exist without asking

    def __init__(self, rows: QuerySet[Any], limit: int = COUNT_MAX) -> None:
        super().__init__(plain(rows).values("pk")[: limit + 1])


def plain(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same rows without order and without what was to be brought along."""
    return rows.select_related(None).prefetch_related(None).defer(None).order_by()


def keys_up_to(limit: int, rows: QuerySet[Any], column: str = "pk") -> list[Any] | None:
    """Return a column of rows where they are no more than `limit`, else None.

    Beside the order of a list, databases walk the list from its beginning: what is rare is found sooner by its keys.
    """
    keys = list(rows.values_list(column, flat=True)[: limit + 1])
    return keys if len(keys) <= limit else None


def more_than(limit: int) -> BoundedCount:
    """Return the count of rows that are known to be more than `limit`."""
    return BoundedCount(limit + 1, limit)


def bounded_count(rows: QuerySet[Any], limit: int = COUNT_MAX) -> BoundedCount:
    """Count rows, but stop behind `limit`."""
    return BoundedCount(rows.order_by()[: limit + 1].count(), limit)


def paginate(
    rows: QuerySet[_Row],
    *,
    size: int,
    field: str = "created_at",
    descending: bool = True,
    after: str = "",
    before: str = "",
    whole: QuerySet[_Row] | None = None,
) -> Page[_Row]:
    """Return one page of `rows` in the order of `field`, ties broken by primary key.

    With `whole` only the keys of the page are looked for among `rows`, and its rows are read from there: where no index has
    the order, databases sort keys, not whole rows with all that is joined to them.

    Raises:
        InvalidPosition: `after` or `before` is not a position of this order.
    """
    size = max(1, min(size, PAGE_SIZE_MAX))
    backwards = bool(before)
    position = _read(before or after, rows.model, field) if before or after else None
    found = _walk(rows, field, descending, backwards, position, size + 1, whole)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    if not found:
        return Page([])
    has_after, has_before = (True, more) if backwards else (more, position is not None)
    return Page(
        found,
        after=_write(found[-1], field) if has_after else "",
        before=_write(found[0], field) if has_before else "",
    )


def _walk(
    rows: QuerySet[_Row],
    field: str,
    descending: bool,
    backwards: bool,
    position: tuple[Any, int] | None,
    limit: int,
    whole: QuerySet[_Row] | None,
) -> list[_Row]:
    """Read up to `limit` rows on from `position`: those with a value in order, those without behind them."""
    down = descending != backwards
    parts = [(field, rows.filter(**{f"{field}__isnull": False}))] if _nullable(rows, field) else [(field, rows)]
    if _nullable(rows, field):
        parts.append(("", rows.filter(**{f"{field}__isnull": True})))
    if backwards:
        parts.reverse()
    if position is not None:
        parts = _from(parts, position, down)
    found: list[_Row] = []
    for name, part in parts:
        if len(found) < limit:
            found += _first(part, _order(name, down), limit - len(found), whole)
    return found


def _first(rows: QuerySet[_Row], order: tuple[str, ...], limit: int, whole: QuerySet[_Row] | None) -> Iterable[_Row]:
    if whole is None:
        return rows.order_by(*order)[:limit]
    keys = list(plain(rows).order_by(*order).values_list("pk", flat=True)[:limit])
    known = whole.in_bulk(keys)
    return [known[key] for key in keys if key in known]  # one may be gone by now


def _from(parts: list[tuple[str, QuerySet[_Row]]], position: tuple[Any, int], down: bool) -> list[Any]:
    """Drop the parts already read and begin the current one behind `position`."""
    value, pk = position
    while parts and bool(parts[0][0]) != (value is not None):
        parts = parts[1:]
    (name, part), *rest = parts
    past = {"pk__gte" if down else "pk__lte": pk}
    if not name:
        return [(name, part.exclude(**past)), *rest]
    # "a <= x AND NOT (a = x AND id >= y)": the one form for which SQLite and PostgreSQL both walk the index.
    bound = part.filter(**{f"{name}__{'lte' if down else 'gte'}": value})
    return [(name, bound.exclude(Q(**{name: value}) & Q(**past))), *rest]


def _order(name: str, down: bool) -> tuple[str, ...]:
    sign = "-" if down else ""
    return (f"{sign}{name}", f"{sign}pk") if name else (f"{sign}pk",)


def _nullable(rows: QuerySet[_Row], field: str) -> bool:
    return bool(_column(rows.model, field).null)


def _column(model: type[Model], name: str) -> Field[Any, Any]:
    return cast("Field[Any, Any]", model._meta.get_field(name))


def _salt(model: type[Model], field: str) -> str:
    return f"financial.paging:{model._meta.label_lower}:{field}"


def _write(row: _Row, field: str) -> str:
    value = getattr(row, field)
    return signing.dumps(
        [value.isoformat() if hasattr(value, "isoformat") else value, row.pk], salt=_salt(type(row), field)
    )


def _read(token: str, model: type[Model], field: str) -> tuple[Any, int]:
    try:
        value, pk = signing.loads(token, salt=_salt(model, field))
    except (signing.BadSignature, ValueError) as error:
        raise InvalidPosition("This page link is not valid for this list.") from error
    return _column(model, field).to_python(value), int(pk)
