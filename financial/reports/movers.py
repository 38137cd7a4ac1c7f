"""Whose movements of recurring revenue some days had: one row per customer and local day, newest first; from `MrrSpan`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils import timezone

from financial import conf
from financial.models import MrrSpan, StripeCredential
from financial.recurring import rounded
from financial.reports.movements import Kind, Piece, movements
from financial.reports.periods import midnight
from financial.reports.recurring import kept_with_spans

_PIECE = ("customer_stripe_id", "starts_at", "ends_at", "numerator", "denominator")


@dataclass(frozen=True)
class Mover:
    """A customer's MRR before and after a day, in minor units, each rounded for itself."""

    day: dt.date
    customer: str
    kind: Kind
    before_minor: int
    after_minor: int

    @property
    def change_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass(frozen=True)
class Which:
    """Which movements are asked for: the local days from `first` up to, not including, `end`; of all products or one."""

    currency: str
    first: dt.date
    end: dt.date
    kinds: Collection[Kind] = tuple(Kind)
    product: str = ""


def newest_movers(credential: StripeCredential, which: Which, limit: int) -> tuple[Mover, ...]:
    """Return the newest of `movers`; two queries, one when kept, which is as long as the months are they belong to."""
    return kept_with_spans("movers", credential, lambda: movers(credential, which)[:limit], which, limit)


def movers(credential: StripeCredential, which: Which) -> tuple[Mover, ...]:
    """Return the movements asked for, newest first; one query, which reads the history of those who moved then."""
    zone, now = conf.time_zone(), timezone.now()
    spans = MrrSpan.objects.of(credential).filter(currency=which.currency)
    if which.product:
        spans = spans.filter(product_stripe_id=which.product)
    start_at, end_at = midnight(which.first, zone), midnight(which.end, zone)
    begun = Q(starts_at__gte=start_at, starts_at__lt=end_at)
    moved: Any = spans.filter(begun | Q(ends_at__gte=start_at, ends_at__lt=end_at)).order_by()
    of_them = spans.filter(customer_stripe_id__in=moved.values("customer_stripe_id")).order_by()
    moves = movements([Piece(*row) for row in of_them.values_list(*_PIECE)], zone, now)
    found = (
        Mover(row.day, row.customer, row.kind, *(rounded(moves.minor(units)) for units in (row.before, row.after)))
        for row in moves.rows
        if which.first <= row.day < which.end and row.kind in which.kinds
    )
    return tuple(sorted(found, key=lambda row: (-row.day.toordinal(), row.customer)))
