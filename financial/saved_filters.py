"""Saved filters: which ones somebody sees, and the rules of saving, renaming and deleting them. Knows no addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import QueryDict

from financial.errors import FinancialError
from financial.models import SavedFilter
from financial.models.saved import NAME_MAX, QUERY_MAX

VALUE_MAX = 200
PER_LIST_MAX = 50


@dataclass(frozen=True)
class Saved:
    """One filter as it is shown; `owner` is the name of somebody else whose it is."""

    pk: int
    section: str
    name: str
    query: str
    is_shared: bool
    owner: str = ""

    @property
    def is_mine(self) -> bool:
        return not self.owner


def kept(asked: QueryDict, names: Collection[str]) -> str:
    """Return the query of the parameters among `names` that have a value, in one order whatever theirs was."""
    rest = QueryDict(mutable=True)
    for name, value in _known(asked, names):
        rest[name] = value
    return rest.urlencode()


def _known(asked: QueryDict, names: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(names)):
        value = asked.get(name, "").strip()
        if value and len(value) <= VALUE_MAX and "\0" not in value:
            yield name, value


def shown(user: Any, section: str = "") -> list[Saved]:
    """Return one's own filters and everybody's, of one list or of all, one's own first; one query."""
    mine_or_shared = SavedFilter.objects.filter(Q(user=user) | Q(is_shared=True)).select_related("user")
    rows = mine_or_shared.filter(section=section) if section else mine_or_shared
    found = [
        Saved(
            row.pk, row.section, row.name, row.query, row.is_shared,
            "" if row.user_id == user.pk else row.user.get_username(),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(found, key=lambda saved: not saved.is_mine)


def save(user: Any, section: str, name: str, query: str, *, is_shared: bool) -> SavedFilter:
    """Keep a query by a name; the same name once more replaces what it stood for.

    Raises:
        FinancialError: there is nothing to keep, the name cannot be used, or there are too many.
    """
    if not query:
        raise FinancialError("There is no filter in force that could be saved.")
    if len(query) > QUERY_MAX:
        raise FinancialError("These filters are too long to be saved.")
    name, mine = _checked(name), SavedFilter.objects.filter(user=user, section=section)
    if not mine.filter(name=name).exists() and mine.count() >= PER_LIST_MAX:
        raise FinancialError(f"You have {PER_LIST_MAX} saved filters of this list; delete one first.")
    values = {"query": query, "is_shared": is_shared}
    return mine.update_or_create(user=user, section=section, name=name, defaults=values)[0]


def rename(user: Any, pk: int, name: str, *, is_shared: bool) -> SavedFilter:
    """Give one's own filter another name, and say whose it is to be.

    Raises:
        FinancialError: it is not one's own, or the name cannot be used.
    """
    row, name = _own(user, pk), _checked(name)
    if SavedFilter.objects.filter(user=user, section=row.section, name=name).exclude(pk=row.pk).exists():
        raise FinancialError(f"You have another filter of this list called “{name}”.")
    row.name, row.is_shared = name, is_shared
    row.save(update_fields=("name", "is_shared"))
    return row


def delete(user: Any, pk: int) -> SavedFilter:
    """Forget one's own filter, and return what it was.

    Raises:
        FinancialError: it is not one's own.
    """
    row = _own(user, pk)
    SavedFilter.objects.filter(pk=row.pk).delete()
    return row


def _own(user: Any, pk: int) -> SavedFilter:
    row = SavedFilter.objects.filter(user=user, pk=pk).first()
    if row is None:
        raise FinancialError("That is not a filter of yours; it may have been deleted.")
    return row


def _checked(name: str) -> str:
    name = " ".join(name.replace("\0", " ").split())
    if not 0 < len(name) <= NAME_MAX:
        raise FinancialError(f"A saved filter needs a name of at most {NAME_MAX} letters.")
    return name
