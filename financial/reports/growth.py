"""How many objects were created over a period, bucket by bucket, beside the days before; counted once (`created`).

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
from financial.reports.books import Delta, delta
from financial.reports.cached import cached
from financial.reports.created import created
from financial.reports.periods import Period, buckets, fitting_group, usual_group

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
    """Return the growth of every kind by its name in `KINDS`; thirteen queries at most, none but the state's when kept."""
    return cached("growth", credential, lambda: _growth(credential, period), period)


def _growth(credential: StripeCredential, period: Period) -> Mapping[str, Growth]:
    first = period.start or _first_day(credential) or period.last
    group = fitting_group(first, period.end, usual_group(period))
    ranges = [*buckets(first, period.end, group)][-BUCKETS_MAX:]
    before = period.before()
    if before is not None and before.start is not None:
        ranges.append((before.start, before.end))
    found = {name: created(credential, model, ranges) for name, model in KINDS.items()}
    if before is None:
        return {name: Growth(numbers, None) for name, numbers in found.items()}
    return {name: Growth(numbers[:-1], numbers[-1]) for name, numbers in found.items()}


def _first_day(credential: StripeCredential) -> dt.date | None:
    first = StripeCustomer.objects.of(credential).aggregate(first=Min("created_at"))["first"]
    return first.astimezone(conf.time_zone()).date() if first else None
