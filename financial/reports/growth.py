"""How many objects were created over a period, bucket by bucket, beside the days before; counted from indexes alone.

What was deleted at Stripe meanwhile counts too: it was created, and the lists keep it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Min

from financial import conf
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripeProduct,
    StripeSubscription,
)
from financial.paging import NO_LIMIT, CountUpTo
from financial.reports.books import Delta, delta
from financial.reports.cached import cached
from financial.reports.periods import Period, buckets, fitting_group, midnight, usual_group

BUCKETS_MAX = 60
KINDS: Mapping[str, type[MirrorRow]] = {
    "products": StripeProduct,
    "customers": StripeCustomer,
    "payments": StripePaymentIntent,
    "subscriptions": StripeSubscription,
}


@dataclass(frozen=True)
class Growth:
    """One kind of object: how many are new, per bucket, oldest first; `before` of as many days just before, if any."""

    parts: tuple[int, ...]
    before: int | None

    @property
    def new(self) -> int:
        return sum(self.parts)

    @property
    def delta(self) -> Delta | None:
        return None if self.before is None else delta(self.new, self.before)


def growth(credential: StripeCredential, period: Period) -> Mapping[str, Growth]:
    """Return the growth of every kind by its name in `KINDS`; two queries at most, none but the state's when kept."""
    return cached("growth", credential, lambda: _growth(credential, period), period)


def _growth(credential: StripeCredential, period: Period) -> Mapping[str, Growth]:
    first = period.start or _first_day(credential) or period.last
    group = fitting_group(first, period.end, usual_group(period))
    ranges = [*buckets(first, period.end, group)][-BUCKETS_MAX:]
    before = period.before()
    if before is not None and before.start is not None:
        ranges.append((before.start, before.end))
    found = _counted(credential, ranges)
    if before is None:
        return {name: Growth(numbers, None) for name, numbers in found.items()}
    return {name: Growth(numbers[:-1], numbers[-1]) for name, numbers in found.items()}


def _first_day(credential: StripeCredential) -> dt.date | None:
    first = StripeCustomer.objects.of(credential).aggregate(first=Min("created_at"))["first"]
    return first.astimezone(conf.time_zone()).date() if first else None


def _counted(credential: StripeCredential, ranges: list[tuple[dt.date, dt.date]]) -> dict[str, tuple[int, ...]]:
    zone = conf.time_zone()
    counts = [
        CountUpTo(rows.filter(created_at__gte=midnight(start, zone), created_at__lt=midnight(end, zone)), NO_LIMIT)
        for rows in (model.objects.of(credential) for model in KINDS.values())
        for start, end in ranges
    ]
    numbers: tuple[int, ...] = StripeCredential.objects.filter(pk=credential.pk).values_list(*counts).get()
    each = len(ranges)
    return {name: numbers[each * k : each * (k + 1)] for k, name in enumerate(KINDS)}
