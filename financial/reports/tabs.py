"""How many rows are behind each tab of a list; never counted beyond the limit of `financial.paging`.

Without other filters the figures are read from indexes and kept until something is written. With filters in force the rows
found are counted, where there are no more than a thousand of them. Beyond a thousand nobody counts: the first case says so,
the second says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Q, QuerySet

from financial.models import StripeCredential
from financial.paging import BoundedCount, CountUpTo, plain
from financial.reports.cached import cached

ALL = ""
TABS_MAX = 1_000  # rows looked at one by one


def tab_counts(
    name: str, credential: StripeCredential, tabs: Mapping[str, QuerySet[Any]]
) -> Mapping[str, BoundedCount]:
    """Return the number of rows behind each tab of the whole list `name`; one query, none but the state's when kept."""
    return cached(f"tabs:{name}", credential, lambda: _counted(credential, tabs))


def _counted(credential: StripeCredential, tabs: Mapping[str, QuerySet[Any]]) -> Mapping[str, BoundedCount]:
    counts = [CountUpTo(rows, TABS_MAX) for rows in tabs.values()]
    numbers = StripeCredential.objects.filter(pk=credential.pk).values_list(*counts).first() or [0] * len(counts)
    return {key: BoundedCount(number, TABS_MAX) for key, number in zip(tabs, numbers, strict=True)}


def tab_counts_of(found: QuerySet[Any], states: Mapping[str, Q]) -> Mapping[str, BoundedCount]:
    """Return how many of the rows found are behind each tab; nothing where there are too many. One query."""
    few = plain(found).values("pk")[: TABS_MAX + 1]
    rows = found.model._default_manager.filter(pk__in=few)
    parts = {f"tab_{key}": Count("pk", filter=state) for key, state in states.items()}
    sums = rows.aggregate(found=Count("pk"), **parts)
    if sums["found"] > TABS_MAX:
        return {}
    return {ALL: BoundedCount(sums["found"]), **{key: BoundedCount(sums[f"tab_{key}"]) for key in states}}
