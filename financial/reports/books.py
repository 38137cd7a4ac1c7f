"""What was booked per currency and local day, read from the totals kept with each booking; the source of every figure
of money on pages.

- *Gross volume* is what charges brought, less charges that failed later. *Total revenue* is gross less refunds and disputes.
- *Fees* are those of every row and Stripe's own bills. *Net volume* is total revenue less fees, and other movements that are
  shown beside it. *Funding* is money that only changed its place: payouts, top-ups, transfers, reserves, financing.
- Net volume and funding together are by how much the Stripe balance changed.

Each counts on its own day: a refund never changes the month of its payment. Estimates are beside the figures, not in them.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import accumulate
from operator import add, sub
from typing import NamedTuple

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from financial import conf
from financial.accounts import CATEGORIES, UNKNOWN, Metric
from financial.models import DayTotal, StripeCredential, Transaction
from financial.reports.cached import cached, kept
from financial.reports.periods import Group, Period, buckets, fitting_group


class Basis(StrEnum):
    """Whose currency counts: that of the books (what reached the account), or what customers paid in."""

    SETTLED = "settled"
    PAID = "paid"


@dataclass(frozen=True)
class Figures:
    """What moved in one currency over some days; minor units.

    With `Basis.PAID` there are only gross, refunds and disputes: Stripe takes its fees in the currency it settles in.
    """

    count: int = 0
    gross_minor: int = 0
    refunds: int = 0
    refunded_minor: int = 0
    disputes: int = 0
    disputed_minor: int = 0
    fee_minor: int = 0
    other_minor: int = 0
    funding_minor: int = 0
    estimated: int = 0
    estimated_gross_minor: int = 0
    estimated_net_minor: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    @property
    def revenue_minor(self) -> int:
        """Total revenue: gross less refunds and disputes."""
        return self.gross_minor - self.refunded_minor - self.disputed_minor

    @property
    def net_minor(self) -> int:
        """Net volume: total revenue less fees, with other movements."""
        return self.revenue_minor - self.fee_minor + self.other_minor

    @property
    def change_minor(self) -> int:
        """By how much the Stripe balance changed."""
        return self.net_minor + self.funding_minor

    @property
    def average_minor(self) -> int:
        """Gross per payment, half up; 0 without any."""
        return (2 * self.gross_minor + self.count) // (2 * self.count) if self.count else 0

    @property
    def is_empty(self) -> bool:
        return self == NOTHING


_NAMES = tuple(field.name for field in fields(Figures))
NOTHING = Figures()


@dataclass(frozen=True)
class Delta:
    """How a figure compares with that of other days. `percent` is None where that was 0 or less."""

    change: int
    percent: Decimal | None
    is_good: bool | None

    @property
    def direction(self) -> str:
        return "same" if self.is_good is None else "up" if self.change > 0 else "down"

    @property
    def text(self) -> str:
        return "" if self.percent is None else f"{self.percent:+.1f}\u202f%".replace("-", "−").replace("+0.0", "±0.0")


def delta(now: int, before: int, *, more_is_good: bool = True) -> Delta:
    """Compare two figures of one currency, in percent with one decimal; a change too small for that is none."""
    change = now - before
    if before <= 0:
        return Delta(change, None, None if not change else (change > 0) == more_is_good)
    percent = (Decimal(100) * change / before).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return Delta(change, percent, None if not percent else (percent > 0) == more_is_good)


@dataclass(frozen=True)
class ReportRow:
    """One row per bucket: `start` up to, not including, `end`."""

    start: dt.date
    end: dt.date
    figures: Figures

    @property
    def last(self) -> dt.date:
        return self.end - dt.timedelta(days=1)


Numbers = tuple[int, ...]
_ZERO: Numbers = (0,) * len(_NAMES)
_NO_ESTIMATES: Numbers = (0, 0, 0)  # the last of the figures, behind those of what settled
_NOTHING_SETTLED = _ZERO[: -len(_NO_ESTIMATES)]


class Running(NamedTuple):
    """One currency: its days with figures, oldest first, and the sums up to and including each; plain, to be kept small.

    `sums` begins with nothing, so that the days from one place up to another are the difference of two of them.
    """

    days: list[dt.date]
    sums: list[Numbers]

    def between(self, start: dt.date | None, end: dt.date | None) -> Figures:
        """Return the sum of the days from `start` up to, not including, `end`."""
        first = bisect_left(self.days, start) if start else 0
        last = bisect_left(self.days, end) if end else len(self.days)
        if first >= last:
            return NOTHING
        return Figures(*map(sub, self.sums[last], self.sums[first]))

    def plus(self, more: Mapping[dt.date, Numbers]) -> Running:
        """Return the same with figures added to these days, known ones or new ones; what is before them is taken over."""
        place = bisect_left(self.days, min(more, default=dt.date.max))
        steps = zip(self.sums[place:], self.sums[place + 1 :], strict=False)
        rest = {
            day: tuple(map(sub, after, before)) for day, (before, after) in zip(self.days[place:], steps, strict=True)
        }
        for day, numbers in more.items():
            rest[day] = tuple(map(add, rest[day], numbers)) if day in rest else numbers
        known = sorted((day, numbers) for day, numbers in rest.items() if any(numbers))
        of_known = (numbers for _, numbers in known)
        sums = accumulate(of_known, lambda held, added: tuple(map(add, held, added)), initial=self.sums[place])
        return Running([*self.days[:place], *(day for day, _ in known)], [*self.sums[:place], *sums])


EMPTY = Running([], [_ZERO])
Day = tuple[str, dt.date, Numbers]


@dataclass(frozen=True)
class Books:
    """All figures of a credential by currency and local day, and the sums a page asks for: each a look at two places."""

    running: Mapping[str, Running] = field(repr=False)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency there is, the one with most payments first; amounts cannot be compared."""
        totals = {currency: self.total(currency) for currency in self.running}
        counts = {currency: figures.count + figures.estimated for currency, figures in totals.items()}
        return tuple(sorted(counts, key=lambda currency: (-counts[currency], currency)))

    def total(self, currency: str, period: Period | None = None) -> Figures:
        """Return the sum over a period's days, over all days without one."""
        return self._between(currency, period.start if period else None, period.end if period else None)

    def on(self, currency: str, day: dt.date) -> Figures:
        """Return the figures of one day."""
        return self._between(currency, day, day + dt.timedelta(days=1))

    def balance(self, currency: str, day: dt.date | None) -> int:
        """Return what the Stripe balance was as a day began, in minor units: every change before it; without a day, 0."""
        return self._between(currency, None, day).change_minor if day else 0

    def first_day(self, currency: str) -> dt.date | None:
        return self.running[currency].days[0] if currency in self.running else None

    def rows(self, currency: str, period: Period, group: Group) -> tuple[ReportRow, ...]:
        """Return one row per bucket of the period, oldest first, empty ones too; they sum to `total`."""
        start = period.start or self.first_day(currency) or period.last
        group = fitting_group(start, period.end, group)
        return tuple(
            ReportRow(first, after, self._between(currency, first, after))
            for first, after in buckets(start, period.end, group)
        )

    def _between(self, currency: str, start: dt.date | None, end: dt.date | None) -> Figures:
        return self.running[currency].between(start, end) if currency in self.running else NOTHING


def books(credential: StripeCredential, basis: Basis = Basis.SETTLED) -> Books:
    """Return every figure of a credential, by currency and local day.

    At most five queries, none but that for the data's state when the answer is kept.

    Stripe: https://docs.stripe.com/reports/reporting-categories
    """
    return Books(cached("books", credential, lambda: _running(credential, basis), basis))


def _running(credential: StripeCredential, basis: Basis) -> dict[str, Running]:
    """Return the running sums; those up to days long past are kept until one of these changes."""
    today = timezone.now().astimezone(conf.time_zone()).date()
    recent = (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)  # the month before this one, and this one
    totals = DayTotal.objects.filter(credential=credential).order_by()
    past = totals.filter(day__lt=recent)
    state = (basis, recent, _state_of(past))
    held: dict[str, Running] = kept("days", credential, lambda: _plus({}, _settled(past, basis)), state)
    return _plus(held, (*_settled(totals.filter(day__gte=recent), basis), *_estimated(credential, basis)))


def _plus(held: Mapping[str, Running], more: Iterable[Day]) -> dict[str, Running]:
    days: defaultdict[str, dict[dt.date, Numbers]] = defaultdict(dict)
    for currency, day, numbers in more:
        known = days[currency].get(day)
        days[currency][day] = tuple(map(add, known, numbers)) if known else numbers
    found = {currency: held.get(currency, EMPTY).plus(of_days) for currency, of_days in days.items()}
    return {currency: running for currency, running in {**held, **found}.items() if running.days}


def _state_of(totals: QuerySet[DayTotal]) -> tuple[object, ...]:
    """What changes with every total: a booking adds to its count, a correction to its amounts, a rebuild makes new rows."""
    amounts = ("amount_minor", "fee_minor", "net_minor", "presentment_amount_minor")
    found = totals.aggregate(
        rows=Count("pk"), newest=Max("pk"), count=Sum("count"), **{name: Sum(name) for name in amounts}
    )
    return tuple(found.values())


_OF_CUSTOMERS = (Metric.GROSS, Metric.REFUNDS, Metric.DISPUTES)


def _of(*metrics: Metric, is_back: bool | None = None) -> Q:
    """The categories a figure is the sum of; of refunds and disputes only those that come back, or only the others."""
    named = (name for name, meaning in CATEGORIES.items() if meaning.metric in metrics)
    return Q(reporting_category__in=sorted(name for name in named if is_back in (None, _is_back(name))))


def _is_back(category: str) -> bool:
    """Whether it is of a refund or a dispute that counts no longer."""
    return category.endswith(("_failure", "_reversal"))


def _settled(totals: QuerySet[DayTotal], basis: Basis) -> Iterator[Day]:
    """Yield what settled, one row per currency and day: the database adds up what `figures_of_category` would.

    As plain numbers in the order of `Figures`: years of days are thousands of rows.
    """
    is_paid = basis is Basis.PAID
    prefix = "presentment_" if is_paid else ""
    rows = totals.exclude(reporting_category="")
    rows = rows.filter(_of(*_OF_CUSTOMERS)) if is_paid else rows
    amount = f"{prefix}amount_minor"
    sums = {
        "payments": Sum("count", filter=Q(reporting_category="charge"), default=0),
        "gross": Sum(amount, filter=_of(Metric.GROSS), default=0),
        "refunds": Sum("count", filter=_of(Metric.REFUNDS, is_back=False), default=0),
        "refunds_back": Sum("count", filter=_of(Metric.REFUNDS, is_back=True), default=0),
        "refunded": Sum(amount, filter=_of(Metric.REFUNDS), default=0),
        "disputes": Sum("count", filter=_of(Metric.DISPUTES, is_back=False), default=0),
        "disputes_back": Sum("count", filter=_of(Metric.DISPUTES, is_back=True), default=0),
        "disputed": Sum(amount, filter=_of(Metric.DISPUTES), default=0),
        "bills": Sum(amount, filter=_of(Metric.FEES), default=0),
        "funding": Sum(amount, filter=_of(Metric.FUNDING), default=0),
        "all": Sum(amount),
        "fees": Sum("fee_minor"),
    }
    for (
        currency, day, payments, gross, refunds, refunds_back, refunded, disputes, disputes_back, disputed, bills, funding,
        everything, fees,
    ) in rows.values_list(f"{prefix}currency", "day").annotate(**sums):  # fmt: skip
        other = everything - gross - refunded - disputed - bills - funding
        yield currency, day, (
            payments, gross, refunds - refunds_back, -refunded, disputes - disputes_back, -disputed,
            0 if is_paid else fees - bills, other, funding, *_NO_ESTIMATES,
        )  # fmt: skip


def _estimated(credential: StripeCredential, basis: Basis) -> Iterator[Day]:
    rows = Transaction.objects.estimated().filter(credential=credential).order_by()
    sums = rows.values_list("booked_on", "currency").annotate(Count("id"), Sum("amount_minor"), Sum("fee_minor"))
    for day, currency, number, amount, fee in sums:
        net = 0 if basis is Basis.PAID else amount - fee
        yield currency, day, (*_NOTHING_SETTLED, number, amount, net)


def figures_of_category(category: str, number: int, amount_minor: int, fee_minor: int) -> Figures:
    """Return what rows of a category add to the figures: how many there are, their amounts and their fees."""
    fewer = -number if _is_back(category) else number
    match CATEGORIES.get(category, UNKNOWN).metric:
        case Metric.GROSS:
            count = number if category == "charge" else 0
            return Figures(count=count, gross_minor=amount_minor, fee_minor=fee_minor)
        case Metric.REFUNDS:
            return Figures(refunds=fewer, refunded_minor=-amount_minor, fee_minor=fee_minor)
        case Metric.DISPUTES:
            return Figures(disputes=fewer, disputed_minor=-amount_minor, fee_minor=fee_minor)
        case Metric.FEES:
            return Figures(fee_minor=fee_minor - amount_minor)
        case Metric.FUNDING:
            return Figures(fee_minor=fee_minor, funding_minor=amount_minor)
        case _:
            return Figures(fee_minor=fee_minor, other_minor=amount_minor)
