"""The table of what a search looks through, and the one bounded query each kind of row is found by.

A kind of row gives branches that an index narrows, and what is left to check. Of each branch the newest rows are taken, and
of all of them together the newest again. Where something is left to check, the newest `LOOKED_THROUGH` rows are looked at
and no more, so that no search reads a table. Rows never belong to another credential.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from financial.models import StripeCredential
from financial.search import sources
from financial.search.hits import Hit
from financial.search.scope import Scope
from financial.search.sources import OWNER, Branch, Narrowed, Source
from financial.search.terms import Search

SHOWN = 5
PAGE_SIZE = 50
LOOKED_THROUGH = 1_000
GROUPS: tuple[Source, ...] = sources.SOURCES


@dataclass(frozen=True)
class Found:
    """The newest hits of one kind; `after` is the position of the last one where there are more."""

    source: Source
    hits: tuple[Hit, ...]
    after: str = ""


def find(credential: StripeCredential, search: Search, groups: Iterable[Source], *, shown: int = SHOWN) -> list[Found]:
    """Return the newest hits of each kind, without those that have none; a constant number of queries."""
    scope = Scope(credential, search)
    found = (_page(scope, source, shown, "") for source in groups)
    return [group for group in found if group.hits]


def find_more(credential: StripeCredential, search: Search, source: Source, after: str = "") -> Found:
    """Return a page of hits of one kind, those behind the position `after`; from the first if it is not valid."""
    return _page(Scope(credential, search), source, PAGE_SIZE, after)


def _page(scope: Scope, source: Source, size: int, after: str) -> Found:
    if scope.search.problems or not scope.search.operators <= source.understands:
        return Found(source, ())
    position = _read(source, after)
    rows = _newest(source, source.narrowed(scope), size + 1, position)
    more, rows = len(rows) > size, rows[:size]
    return Found(source, tuple(source.hits(scope.credential, rows)), _write(source, rows[-1]) if more else "")


def _newest(source: Source, asked: Narrowed, limit: int, position: tuple[dt.datetime, int] | None) -> list[Any]:
    """Read the newest rows of all branches together, in one query."""
    parts: list[tuple[str, Sequence[Any]]] = []
    count = sum(1 if branch.owners is None else len(branch.owners) for branch in asked.branches)
    each = LOOKED_THROUGH // max(count, 1) if asked.rest else limit
    for branch in asked.branches:
        parts += _compiled(branch, _sliced(source, branch, each, position))
    if not parts:
        return []
    listed = " UNION ALL ".join(f"SELECT id FROM ({sql}) AS branch_{n}" for n, (sql, _) in enumerate(parts))  # noqa: S608
    chosen = RawSQL(listed, [value for _, values in parts for value in values])  # noqa: S611  (compiled by the ORM)
    rows = source.model._default_manager.filter(asked.rest, pk__in=chosen)
    return list(source.light(rows).order_by(f"-{source.moment}", "-pk")[:limit])


def _sliced(source: Source, branch: Branch, limit: int, position: tuple[dt.datetime, int] | None) -> QuerySet[Any, Any]:
    moment = source.moment
    rows = branch.rows.filter(**{f"{moment}__isnull": False})
    if position is not None:
        at, pk = position
        rows = rows.filter(**{f"{moment}__lte": at}).exclude(Q(**{moment: at}) & Q(pk__gte=pk))
    # The same moment, in a form that no index has.
    newest = F(moment).desc() if branch.in_order else Coalesce(F(moment), F(moment)).desc()
    return rows.order_by(newest, "-pk").values("id")[:limit]


def _compiled(branch: Branch, rows: QuerySet[Any, Any]) -> list[tuple[str, Sequence[Any]]]:
    """Return the query and its values, once for each owner; compiling is dear, and on PostgreSQL planning is, too."""
    connection = connections[rows.db]
    try:
        sql, values = rows.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return []
    if branch.owners is None:
        return [(sql, values)]
    if connection.vendor == "postgresql":
        return [_of_each(sql, values, branch.owners)]
    return [(sql, [owner if value == OWNER else value for value in values]) for owner in branch.owners]


def _of_each(sql: str, values: Sequence[Any], owners: Sequence[int]) -> tuple[str, Sequence[Any]]:
    """Return one query that is planned once and runs for each owner."""
    first, *others = sql.split("%s")
    marks = ("owner.pk" if value == OWNER else "%s" for value in values)
    inner = first + "".join(mark + text for mark, text in zip(marks, others, strict=True))
    each = f"SELECT found.id FROM unnest(%s::bigint[]) AS owner(pk) CROSS JOIN LATERAL ({inner}) AS found"  # noqa: S608
    return each, [list(owners), *(value for value in values if value != OWNER)]


def _salt(source: Source) -> str:
    return f"financial.search:{source.name}"


def _write(source: Source, row: Any) -> str:
    return signing.dumps([getattr(row, source.moment).isoformat(), row.pk], salt=_salt(source))


def _read(source: Source, token: str) -> tuple[dt.datetime, int] | None:
    try:
        moment, pk = signing.loads(token, salt=_salt(source)) if token else ("", 0)
    except signing.BadSignature:
        return None
    return (dt.datetime.fromisoformat(moment), int(pk)) if moment else None


def permitted(may: Callable[[str], bool]) -> tuple[Source, ...]:
    """Return the kinds of rows somebody may look for; `may` says whether they have a permission."""
    return tuple(source for source in GROUPS if may(source.permission))
