"""The fee audit: what Stripe really took of payments, by what makes them cost more, and what refunds and disputes cost.

Read from what is kept per day with each booking (`FeeDay`), whatever the number of payments. Amounts are minor units of the
settlement currency.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import CharField, Count, Q, QuerySet, Sum
from django.db.models.functions import Cast, Substr

from financial import payment_methods
from financial.accounts import CATEGORIES, DISPUTE_FEES, Metric
from financial.bands import band_words
from financial.models import AccountDay, DayTotal, FeeDay, StripeCharge, StripeCredential, Transaction
from financial.models.mirror import IS_PARTLY_REFUNDED
from financial.reports.cached import cached, kept
from financial.reports.periods import Period


@dataclass(frozen=True)
class FeeRow:
    """One line of a table: the payments that have `label` in common."""

    label: str
    count: int
    amount_minor: int
    fee_minor: int

    @property
    def rate(self) -> Decimal | None:
        """The effective rate in percent, two decimals, half up; None of nothing."""
        if self.amount_minor <= 0:
            return None
        return (Decimal(100) * self.fee_minor / self.amount_minor).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Drift:
    """Estimates against the exact fees, of payments settled in the currency they were paid in."""

    count: int
    estimated_minor: int
    exact_minor: int
    rough: int

    @property
    def drift_minor(self) -> int:
        return self.exact_minor - self.estimated_minor


@dataclass(frozen=True)
class Lost:
    """What refunds and disputes cost in fees; `kept_minor` is what Stripe took of payments that were refunded in full."""

    refund_fees_minor: int
    dispute_fees_minor: int
    refunded: int
    kept_minor: int
    partly_refunded: int
    partly_kept_minor: int


@dataclass(frozen=True)
class FeeAudit:
    """One currency's payments of some days, cut five ways; every table sums to `total`."""

    currency: str
    total: FeeRow
    tables: tuple[tuple[str, tuple[FeeRow, ...]], ...]
    drift: Drift
    lost: Lost


def fee_audit(credential: StripeCredential, currency: str, period: Period) -> FeeAudit:
    """Return the audit of one settlement currency; seven queries, none but that for the data's state when it is kept."""
    return cached("fees", credential, lambda: _audit(credential, currency, period), currency, period)


def _audit(credential: StripeCredential, currency: str, period: Period) -> FeeAudit:
    days = FeeDay.objects.filter(credential=credential, currency=currency, **_within("day", period))
    cuts = _cut(days.exclude(cut=FeeDay.Cut.ALL))
    sizes = sorted(cuts[FeeDay.Cut.SIZE], key=lambda line: int(line.label))
    whole = days.filter(cut=FeeDay.Cut.ALL).order_by()
    months = whole.annotate(month=Substr(Cast("day", CharField()), 1, 7)).values_list("month").annotate(*_SUMS)
    lines = [FeeRow(_month_words(month), *figures) for month, *figures in sorted(months)]
    return FeeAudit(
        currency=currency,
        total=FeeRow(
            "Total", *(sum(getattr(line, name) for line in lines) for name in ("count", "amount_minor", "fee_minor"))
        ),
        tables=(
            ("Card country", _named(cuts[FeeDay.Cut.COUNTRY], lambda label: label or "not a card")),
            (
                "Card brand",
                _named(cuts[FeeDay.Cut.BRAND], lambda label: payment_methods.named(label or "other")),
            ),
            ("Size", tuple(replace(line, label=band_words(int(line.label), currency)) for line in sizes)),
            ("Month", tuple(lines)),
        ),
        drift=_drift(whole),
        lost=_lost(credential, currency, period),
    )


_SUMS = (Sum("count"), Sum("amount_minor"), Sum("fee_minor"))


def _cut(days: QuerySet[FeeDay]) -> Mapping[str, list[FeeRow]]:
    """Return the lines of each cut, labels as they are stored."""
    found: defaultdict[str, list[FeeRow]] = defaultdict(list)
    for cut, label, *figures in days.order_by().values_list("cut", "label").annotate(*_SUMS):
        found[cut].append(FeeRow(label, *figures))
    return found


def _named(lines: Iterable[FeeRow], words: Callable[[str], str]) -> tuple[FeeRow, ...]:
    """Return the lines with words for people, the most money first; what has the same words is one line."""
    sums: dict[str, FeeRow] = {}
    for line in lines:
        name = words(line.label)
        held = sums.get(name, FeeRow(name, 0, 0, 0))
        sums[name] = FeeRow(
            name, held.count + line.count, held.amount_minor + line.amount_minor, held.fee_minor + line.fee_minor
        )
    return tuple(sorted(sums.values(), key=lambda line: (-line.amount_minor, line.label)))


def _drift(days: QuerySet[FeeDay]) -> Drift:
    sums = days.aggregate(*(Sum(name) for name in ("compared", "estimated_minor", "exact_minor", "rough")))
    return Drift(*(number or 0 for number in sums.values()))


def _within(day: str, period: Period) -> dict[str, dt.date]:
    return {f"{day}__lt": period.end, **({f"{day}__gte": period.start} if period.start else {})}


def _month_words(month: str) -> str:
    return f"{dt.date.fromisoformat(month + '-01'):%B %Y}"


def _lost(credential: StripeCredential, currency: str, period: Period) -> Lost:
    days: dict[str, Any] = {"credential": credential, "currency": currency, **_within("day", period)}
    refunded = DayTotal.objects.filter(**days, reporting_category__in=_REFUNDS).aggregate(fee=Sum("fee_minor"))["fee"]
    disputed = AccountDay.objects.filter(**days, account__code=DISPUTE_FEES).aggregate(fee=Sum("amount_minor"))["fee"]
    kept_of = _refunded(credential, currency, period)
    return Lost(refunded or 0, disputed or 0, *kept_of[FULLY], *kept_of[PARTLY])


_REFUNDS = tuple(name for name, meaning in CATEGORIES.items() if meaning.metric is Metric.REFUNDS)
FULLY, PARTLY = "full", "part"
_STATES = {FULLY: Q(refunded=True), PARTLY: IS_PARTLY_REFUNDED}


def _refunded(credential: StripeCredential, currency: str, period: Period) -> Mapping[str, tuple[int, int]]:
    """Return how many payments were refunded, wholly or in part, and what Stripe took of them.

    Kept until a refund is booked: it looks at every refunded payment, and most writes are none.
    """
    booked = DayTotal.objects.filter(credential=credential, currency=currency, reporting_category__in=_REFUNDS)
    state = tuple(booked.aggregate(Sum("count"), Sum("amount_minor")).values())
    return kept("fees-kept", credential, lambda: _fees_kept(credential, currency, period), (state, currency, period))


def _fees_kept(credential: StripeCredential, currency: str, period: Period) -> Mapping[str, tuple[int, int]]:
    found = {}
    for name, state in _STATES.items():
        # Of any account, as no id is of two: by that of one, SQLite would read all its charges.
        charges = StripeCharge.objects.filter(state).order_by().values("stripe_id")
        rows = Transaction.objects.filter(
            credential=credential, currency=currency, status="settled", reporting_category="charge",
            stripe_transaction__charge_stripe_id__in=charges, **_within("booked_on", period),
        )  # fmt: skip
        sums = rows.aggregate(number=Count("pk"), fee=Sum("fee_minor"))
        found[name] = (sums["number"], sums["fee"] or 0)
    return found
