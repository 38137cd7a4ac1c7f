"""What was booked, refunded and disputed, per currency and local day; the source of every figure of money on pages."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet, Sum

from financial import conf
from financial.models import StripeCredential, StripeDispute, StripeRefund, Transaction
from financial.reports.cached import cached
from financial.reports.periods import Group, Period, bucket_start, buckets, fitting_group

REFUNDS_WITHOUT_MONEY = ("failed", "canceled")
# Won or prevented: the money is back. Inquiries (`warning_…`) never took any.
DISPUTES_WITH_MONEY = ("needs_response", "under_review", "lost")


class Basis(StrEnum):
    """Whose currency counts: that of the books (what reached the account), or what customers paid in."""

    SETTLED = "settled"
    PAID = "paid"


@dataclass(frozen=True)
class Figures:
    """What moved in one currency over some days; minor units. With `Basis.PAID` fees and net are 0: they are unknown."""

    count: int = 0
    estimated: int = 0
    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0
    refunds: int = 0
    refunded_minor: int = 0
    disputes: int = 0
    disputed_minor: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Figures)))

    @property
    def revenue_minor(self) -> int:
        """Gross less refunds and disputes; only meaningful in the currency customers paid in."""
        return self.gross_minor - self.refunded_minor - self.disputed_minor

    @property
    def is_empty(self) -> bool:
        return not (self.count or self.refunds or self.disputes)


NOTHING = Figures()


@dataclass(frozen=True)
class Delta:
    """How a figure compares with the days before. `percent` is None where there is nothing to compare with."""

    percent: Decimal | None
    is_good: bool | None

    @property
    def direction(self) -> str:
        return "same" if not self.percent else "up" if self.percent > 0 else "down"

    @property
    def text(self) -> str:
        return "" if self.percent is None else f"{self.percent:+.1f}\u202f%".replace("-", "−").replace("+0.0", "±0.0")


def delta(now: int, before: int, *, more_is_good: bool = True) -> Delta:
    """Compare two figures of one currency, in percent with one decimal."""
    if before <= 0:
        return Delta(None, None)
    percent = (Decimal(100) * (now - before) / before).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return Delta(percent, None if not percent else (percent > 0) == more_is_good)


@dataclass(frozen=True)
class ReportRow:
    """One row per bucket: `start` up to, not including, `end`."""

    start: dt.date
    end: dt.date
    figures: Figures

    @property
    def last(self) -> dt.date:
        return self.end - dt.timedelta(days=1)


@dataclass(frozen=True)
class Books:
    """All figures of a credential by (currency, local day), and the sums a page asks for."""

    days: Mapping[tuple[str, dt.date], Figures] = field(repr=False)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency there is, the one with most payments first; amounts cannot be compared."""
        counts: defaultdict[str, int] = defaultdict(int)
        for (currency, _), figures in self.days.items():
            counts[currency] += figures.count
        return tuple(sorted(counts, key=lambda currency: (-counts[currency], currency)))

    def total(self, currency: str, period: Period | None = None) -> Figures:
        """Return the sum over a period's days, over all days without one."""
        chosen = (f for (c, day), f in self.days.items() if c == currency and (period is None or period.has(day)))
        return sum(chosen, NOTHING)

    def first_day(self, currency: str) -> dt.date | None:
        return min((day for c, day in self.days if c == currency), default=None)

    def rows(self, currency: str, period: Period, group: Group) -> tuple[ReportRow, ...]:
        """Return one row per bucket of the period, oldest first, empty ones too; they sum to `total`."""
        start = period.start or self.first_day(currency) or period.last
        group = fitting_group(start, period.end, group)
        sums: defaultdict[dt.date, Figures] = defaultdict(Figures)
        for (c, day), figures in self.days.items():
            if c == currency and period.has(day):
                first = max(bucket_start(day, group), start)
                sums[first] = sums[first] + figures
        return tuple(ReportRow(first, after, sums[first]) for first, after in buckets(start, period.end, group))


def books(credential: StripeCredential, basis: Basis = Basis.SETTLED) -> Books:
    """Return every figure of a credential, by currency and local day.

    Payments count on the day they were booked for, refunds and disputes on their own day and in the currency the
    customer paid in. At most four queries, none when the answer is kept.

    Stripe: https://docs.stripe.com/reports/reporting-categories
    """
    sums: defaultdict[tuple[str, dt.date], Figures] = defaultdict(Figures)
    for row in cached("books", credential, lambda: tuple(_moved(credential))):
        currency = row.paid_currency if basis is Basis.PAID else row.currency
        sums[currency, row.day] = sums[currency, row.day] + _figures(row, basis)
    return Books(dict(sums))


class _Moved(NamedTuple):
    """One row per kind, day, settlement currency and currency paid in."""

    kind: str
    day: dt.date
    currency: str
    paid_currency: str
    number: int
    estimated: int
    amount: int
    fee: int
    net: int
    paid: int


def _figures(row: _Moved, basis: Basis) -> Figures:
    if row.kind == "refund":
        return Figures(refunds=row.number, refunded_minor=row.amount)
    if row.kind == "dispute":
        return Figures(disputes=row.number, disputed_minor=row.amount)
    if basis is Basis.PAID:
        return Figures(count=row.number, estimated=row.estimated, gross_minor=row.paid)
    return Figures(row.number, row.estimated, row.amount, row.fee, row.net)


def _moved(credential: StripeCredential) -> Iterator[_Moved]:
    """Sum the ledger by its stored day in the database; refunds and disputes are few and cut here."""
    ledger = (
        Transaction.objects.of(credential)
        .filter(kind=Transaction.Kind.PAYMENT)
        .order_by()
        .values_list("booked_on", "currency", "presentment_currency")
        .annotate(
            number=Count("id"),
            estimated=Count("id", filter=Q(status=Transaction.Status.ESTIMATED)),
            gross=Sum("amount_minor"),
            fees=Sum("fee_minor"),
            net=Sum("net_minor"),
            paid=Sum("presentment_amount_minor"),
        )
    )
    for row in ledger:
        yield _Moved("payment", *row)
    refunds = StripeRefund.objects.of(credential).exclude(status__in=REFUNDS_WITHOUT_MONEY)
    disputes = StripeDispute.objects.of(credential).filter(status__in=DISPUTES_WITH_MONEY)
    zone = conf.time_zone()
    yield from _by_day("refund", _dated(refunds), zone)
    yield from _by_day("dispute", _dated(disputes), zone)


def _dated(rows: QuerySet[Any]) -> Iterable[tuple[dt.datetime, str, int]]:
    dated = rows.filter(deleted_at=None, created_at__isnull=False).order_by()
    return dated.values_list("created_at", "currency", "amount_minor").iterator(chunk_size=5000)


def _by_day(kind: str, rows: Iterable[tuple[dt.datetime, str, int]], zone: ZoneInfo) -> Iterator[_Moved]:
    sums: defaultdict[tuple[dt.date, str], list[int]] = defaultdict(lambda: [0, 0])
    for at, currency, amount_minor in rows:
        cell = sums[at.astimezone(zone).date(), currency]
        cell[0] += 1
        cell[1] += amount_minor
    for (day, currency), (count, amount) in sums.items():
        yield _Moved(kind, day, currency, currency, count, 0, amount, 0, 0, amount)
