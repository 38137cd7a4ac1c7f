"""Ranges of local days and how they are cut into buckets. Pure: today and the zone are arguments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

MOST_BUCKETS = 400
DAY = dt.timedelta(days=1)


class Group(StrEnum):
    """What one row of a report spans."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


GROUPS = tuple(Group)


@dataclass(frozen=True)
class Period:
    """Days from `start` up to, not including, `end`. `start` is None for everything there is."""

    key: str
    label: str
    start: dt.date | None
    end: dt.date

    @property
    def last(self) -> dt.date:
        return self.end - DAY

    def before(self) -> Period | None:
        """Return the days just before, as many as these; None for everything there is."""
        if self.start is None:
            return None
        return Period(self.key, "before", self.start - (self.end - self.start), self.start)

    def has(self, day: dt.date) -> bool:
        return (self.start is None or self.start <= day) and day < self.end

    def bounds(self, zone: ZoneInfo) -> tuple[dt.datetime | None, dt.datetime]:
        """Return the instants between which the local days lie, the second exclusive."""
        return midnight(self.start, zone) if self.start else None, midnight(self.end, zone)


# key, label, days back from today; None stands for the calendar or for everything.
PERIODS: tuple[tuple[str, str], ...] = (
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("12m", "12 months"),
    ("all", "All time"),
)
DEFAULT_PERIOD = "30d"
_DAYS = {"7d": 7, "30d": 30, "90d": 90}
_USUAL_GROUP = {"7d": Group.DAY, "30d": Group.DAY, "90d": Group.WEEK, "12m": Group.MONTH, "all": Group.MONTH}


def period_of(key: str, today: dt.date) -> Period:
    """Return the period a page's address names, ending with today; an unknown name means 30 days."""
    labels = dict(PERIODS)
    key = key if key in labels else DEFAULT_PERIOD
    end = today + DAY
    if key == "all":
        return Period(key, labels[key], None, end)
    if key == "12m":
        return Period(key, labels[key], _a_year_before(end), end)
    return Period(key, labels[key], end - dt.timedelta(days=_DAYS[key]), end)


def _a_year_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 1, day=28)


def usual_group(period: Period) -> Group:
    return _USUAL_GROUP[period.key]


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, tzinfo=zone)


def bucket_start(day: dt.date, group: Group) -> dt.date:
    """Return the first day of the bucket `day` falls in; weeks start on Monday."""
    if group is Group.MONTH:
        return day.replace(day=1)
    return day - dt.timedelta(days=day.weekday()) if group is Group.WEEK else day


def buckets(start: dt.date, end: dt.date, group: Group) -> Iterator[tuple[dt.date, dt.date]]:
    """Yield (first day, day after the last) of every bucket between two days, the outer ones cut to them."""
    day = start
    while day < end:
        after = min(_next_bucket(day, group), end)
        yield day, after
        day = after


def _next_bucket(day: dt.date, group: Group) -> dt.date:
    first = bucket_start(day, group)
    if group is Group.MONTH:
        return (first + dt.timedelta(days=32)).replace(day=1)
    return first + dt.timedelta(days=7 if group is Group.WEEK else 1)


def fitting_group(start: dt.date, end: dt.date, wanted: Group) -> Group:
    """Return `wanted`, or the finest coarser group that keeps a report within 400 rows."""
    sizes = {Group.DAY: 1, Group.WEEK: 7, Group.MONTH: 30}
    days = (end - start).days
    coarse_enough = [g for g in GROUPS if sizes[g] >= sizes[wanted] and days / sizes[g] <= MOST_BUCKETS]
    return coarse_enough[0] if coarse_enough else Group.MONTH
