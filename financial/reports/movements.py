"""Movements of recurring revenue per customer and local day, and the months and cohorts they make. Pure.

Amounts are whole units of a common fraction of a minor unit (`Pieces.scale`), so that sums stay exact and fast.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from math import lcm
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Kind(StrEnum):
    """What happened to a customer's MRR between the ends of two days."""

    NEW = "new"
    REACTIVATION = "reactivation"
    EXPANSION = "expansion"
    CONTRACTION = "contraction"
    CHURN = "churn"


GAINS = (Kind.NEW, Kind.REACTIVATION, Kind.EXPANSION)
LOSSES = (Kind.CONTRACTION, Kind.CHURN)


class Piece(NamedTuple):
    """A customer's MRR from one subscription and product over a stretch of time; `ends_at` is None while it lasts."""

    customer: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    numerator: int
    denominator: int


class Movement(NamedTuple):
    """One row per customer and local day on which their MRR changed; `before` and `after` in units."""

    day: dt.date
    customer: str
    kind: Kind
    before: int
    after: int


@dataclass(frozen=True)
class Movements:
    """Every movement, oldest first; a unit is one `scale`-th of a minor unit."""

    scale: int
    rows: tuple[Movement, ...] = field(repr=False)

    def minor(self, units: int) -> Fraction:
        return Fraction(units, self.scale)


def movements(pieces: Sequence[Piece], zone: ZoneInfo, now: dt.datetime) -> Movements:
    """Return what the pieces did to each customer's MRR, net per local day; what lies after `now` has not happened yet."""
    scale = lcm(*{piece.denominator for piece in pieces}) if pieces else 1
    changes: defaultdict[str, defaultdict[dt.date, int]] = defaultdict(lambda: defaultdict(int))
    for piece in pieces:
        if piece.starts_at > now:
            continue
        units = piece.numerator * (scale // piece.denominator)
        of_customer = changes[piece.customer]
        of_customer[piece.starts_at.astimezone(zone).date()] += units
        if piece.ends_at is not None and piece.ends_at <= now:
            of_customer[piece.ends_at.astimezone(zone).date()] -= units
    rows = [row for customer, days in changes.items() for row in _of_customer(customer, days)]
    return Movements(scale, tuple(sorted(rows, key=lambda row: (row.day, row.customer))))


def _of_customer(customer: str, days: Mapping[dt.date, int]) -> Iterator[Movement]:
    level, was_customer = 0, False
    for day in sorted(days):
        after = level + days[day]
        if after != level:
            yield Movement(day, customer, _kind(level, after, was_customer), level, after)
        level, was_customer = after, was_customer or after > 0


def _kind(before: int, after: int, was_customer: bool) -> Kind:
    if before == 0:
        return Kind.REACTIVATION if was_customer else Kind.NEW
    if after == 0:
        return Kind.CHURN
    return Kind.EXPANSION if after > before else Kind.CONTRACTION


@dataclass(frozen=True)
class Month:
    """One row per local month: exact minor units, and customers. Rates are None where nothing can be divided by.

    `lost` are customers of the start who bring nothing at the end; `passing` came and went inside the month.
    """

    start: dt.date
    end: dt.date
    start_minor: Fraction = Fraction(0)
    moved: Mapping[Kind, Fraction] = field(default_factory=dict)
    customers_start: int = 0
    customers_end: int = 0
    lost: int = 0
    passing: int = 0
    counts: Mapping[Kind, int] = field(default_factory=dict)

    def minor(self, kind: Kind) -> Fraction:
        return self.moved.get(kind, Fraction(0))

    @property
    def gained_minor(self) -> Fraction:
        return sum((self.minor(kind) for kind in GAINS), Fraction(0))

    @property
    def lost_minor(self) -> Fraction:
        return sum((self.minor(kind) for kind in LOSSES), Fraction(0))

    @property
    def end_minor(self) -> Fraction:
        return self.start_minor + self.gained_minor - self.lost_minor

    @property
    def arr_minor(self) -> Fraction:
        return 12 * self.end_minor

    @property
    def arpu_minor(self) -> Fraction | None:
        return self.end_minor / self.customers_end if self.customers_end else None

    @property
    def customer_churn(self) -> Fraction | None:
        return Fraction(self.lost, self.customers_start) if self.customers_start else None

    @property
    def gross_churn(self) -> Fraction | None:
        return self.lost_minor / self.start_minor if self.start_minor else None

    @property
    def net_churn(self) -> Fraction | None:
        won = self.minor(Kind.EXPANSION) + self.minor(Kind.REACTIVATION)
        return (self.lost_minor - won) / self.start_minor if self.start_minor else None

    @property
    def retention(self) -> Fraction | None:
        """Net revenue retention: what the customers of the start bring at the end, as a share."""
        kept = self.start_minor + self.minor(Kind.EXPANSION) - self.lost_minor
        return kept / self.start_minor if self.start_minor else None

    @property
    def quick_ratio(self) -> Fraction | None:
        """Gains over losses; None without losses."""
        return self.gained_minor / self.lost_minor if self.lost_minor else None

    @property
    def lifetime_months(self) -> Fraction | None:
        """1 ÷ customer churn, at most `LIFETIME_MONTHS_MAX`; that, where nobody left."""
        if self.customer_churn is None:
            return None
        return min(1 / self.customer_churn, LIFETIME_MONTHS_MAX) if self.customer_churn else LIFETIME_MONTHS_MAX

    @property
    def lifetime_value_minor(self) -> Fraction | None:
        if self.arpu_minor is None or self.lifetime_months is None:
            return None
        return self.arpu_minor * self.lifetime_months

    @property
    def is_lifetime_capped(self) -> bool:
        return self.lifetime_months == LIFETIME_MONTHS_MAX


LIFETIME_MONTHS_MAX = Fraction(60)


def month_of(day: dt.date) -> dt.date:
    return day.replace(day=1)


def next_month(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=32)).replace(day=1)


def months(moves: Movements, until: dt.date) -> tuple[Month, ...]:
    """Return every month from the first movement to that of `until`, oldest first; at least that one."""
    by_month: defaultdict[dt.date, list[Movement]] = defaultdict(list)
    for row in moves.rows:
        by_month[month_of(row.day)].append(row)
    first = min(by_month, default=month_of(until))
    found: list[Month] = []
    level, customers = Fraction(0), 0
    while first <= until:
        month = _month(first, by_month.get(first, ()), moves, level, customers)
        found.append(month)
        level, customers, first = month.end_minor, month.customers_end, month.end
    return tuple(found)


def _month(first: dt.date, rows: Iterable[Movement], moves: Movements, level: Fraction, customers: int) -> Month:
    moved: defaultdict[Kind, int] = defaultdict(int)
    counts: defaultdict[Kind, int] = defaultdict(int)
    begun: dict[str, int] = {}
    ended: dict[str, int] = {}
    for row in rows:
        moved[row.kind] += abs(row.after - row.before)
        counts[row.kind] += 1
        begun.setdefault(row.customer, row.before)
        ended[row.customer] = row.after
    lost = sum(1 for customer, before in begun.items() if before and not ended[customer])
    came = sum(1 for customer, before in begun.items() if not before and ended[customer])
    passing = sum(1 for customer, before in begun.items() if not before and not ended[customer])
    return Month(
        start=first,
        end=next_month(first),
        start_minor=level,
        moved={kind: moves.minor(units) for kind, units in moved.items()},
        customers_start=customers,
        customers_end=customers + came - lost,
        lost=lost,
        passing=passing,
        counts=dict(counts),
    )


@dataclass(frozen=True)
class Cell:
    """What is left of a cohort at the end of a month."""

    customers: int
    minor: Fraction
    share: Fraction
    minor_share: Fraction


@dataclass(frozen=True)
class Cohort:
    """The customers whose first MRR came in one month; `cells[k]` is the end of the k-th month after it."""

    start: dt.date
    size: int
    first_minor: Fraction
    cells: tuple[Cell, ...]


def cohorts(moves: Movements, until: dt.date) -> tuple[Cohort, ...]:
    """Return one row per month in which customers began, oldest first. Who comes back counts again.

    Customers are shares of all who began; MRR is a share of what they began with, so it may exceed one.
    """
    born: dict[str, dt.date] = {}
    begun: defaultdict[dt.date, list[int]] = defaultdict(lambda: [0, 0])
    changes: defaultdict[dt.date, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in moves.rows:
        if row.kind is Kind.NEW:
            born[row.customer] = month_of(row.day)
            _add(begun[month_of(row.day)], 1, row.after)
        start = born[row.customer]
        came_or_went = (row.after > 0) - (row.before > 0)
        _add(changes[start][_months_between(start, row.day)], came_or_went, row.after - row.before)
    return tuple(
        Cohort(
            start,
            size,
            moves.minor(units),
            tuple(_cells(changes[start], size, units, moves, _months_between(start, until))),
        )
        for start, (size, units) in sorted(begun.items())
    )


def _add(cell: list[int], customers: int, units: int) -> None:
    cell[0] += customers
    cell[1] += units


def _cells(
    changes: Mapping[int, Sequence[int]], size: int, first_units: int, moves: Movements, last: int
) -> Iterator[Cell]:
    customers = units = 0
    for k in range(last + 1):
        more, more_units = changes.get(k, (0, 0))
        customers, units = customers + more, units + more_units
        yield Cell(customers, moves.minor(units), Fraction(customers, size), Fraction(units, first_units))


def _months_between(first: dt.date, day: dt.date) -> int:
    return (day.year - first.year) * 12 + day.month - first.month
