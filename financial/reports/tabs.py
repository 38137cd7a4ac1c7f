"""How many rows are behind each tab of a list; never counted beyond the limit of `financial.paging`.

Without other filters the figures are read from indexes and kept until something is written. With filters in force the rows
found are counted, where there are no more than a thousand of them. Beyond a thousand nobody counts: the first case says so,
the second says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from financial.models import StripeCredential
from financial.paging import BoundedCount, CountUpTo
from financial.reports.cached import cached

ALL = ""
TABS_MAX = 1_000  # rows looked at one by one
LOOKED_AT = TABS_MAX * 3 // 2  # rows that lead to others


@dataclass(frozen=True)
class Behind:
    """The rows behind a tab. Of a rare state also `some` of them: those that the first of rows elsewhere lead to."""

    rows: QuerySet[Any]
    some: QuerySet[Any] | None = None
    leading: QuerySet[Any] | None = None


def tab_counts(name: str, credential: StripeCredential, tabs: Mapping[str, Behind]) -> Mapping[str, BoundedCount]:
    """Return the number of rows behind each tab of the whole list `name`; a query or two, the state's when kept."""
    return cached(f"tabs:{name}", credential, lambda: _counted(credential, tabs))


def _counted(credential: StripeCredential, tabs: Mapping[str, Behind]) -> Mapping[str, BoundedCount]:
    """Count some rows where these are enough to know that there are more than anybody counts, or are all."""
    some = {
        key: (tab.some, tab.leading) for key, tab in tabs.items() if tab.some is not None and tab.leading is not None
    }
    rows = {key: some[key][0] if key in some else tab.rows for key, tab in tabs.items()}
    counts = [CountUpTo(found, TABS_MAX) for found in rows.values()]
    looked = [CountUpTo(leading, LOOKED_AT) for _, leading in some.values()]
    numbers = _numbers(credential, [*counts, *looked])
    known = dict(zip(tabs, numbers, strict=False))
    is_more = dict(zip(some, (number > LOOKED_AT for number in numbers[len(tabs) :]), strict=True))
    unsure = [key for key in some if is_more[key] and known[key] <= TABS_MAX]
    if unsure:
        known |= zip(unsure, _numbers(credential, [CountUpTo(tabs[key].rows, TABS_MAX) for key in unsure]), strict=True)
    return {key: BoundedCount(number, TABS_MAX) for key, number in known.items()}


def _numbers(credential: StripeCredential, counts: Sequence[CountUpTo]) -> Sequence[int]:
    found = StripeCredential.objects.filter(pk=credential.pk).order_by().values_list(*counts).first()
    return found or [0] * len(counts)


def tab_counts_of(found: QuerySet[Any], states: Mapping[str, Q]) -> Mapping[str, BoundedCount]:
    """Return how many of the rows found, looked for in their order, are behind each tab; nothing of too many. One query."""
    few = found.select_related(None).prefetch_related(None).defer(None).values("pk")[: TABS_MAX + 1]
    rows = found.model._default_manager.filter(pk__in=few)
    parts = {f"tab_{key}": Count("pk", filter=state) for key, state in states.items()}
    sums = rows.aggregate(found=Count("pk"), **parts)
    if sums["found"] > TABS_MAX:
        return {}
    return {ALL: BoundedCount(sums["found"]), **{key: BoundedCount(sums[f"tab_{key}"]) for key in states}}
