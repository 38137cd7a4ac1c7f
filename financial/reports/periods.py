"""Ranges of local days and how they are cut into buckets. Pure: today and the zone are arguments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

MOST_BUCKETS = 400
DAY = dt.timedelta(days=1)


class Group(StrEnum):
    """What one row of a report spans."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


GROUPS = tuple(Group)


class Compare(StrEnum):
    """Which days a period is held against."""

    PREVIOUS = "previous"
    YEAR = "year"
    OFF = "off"


COMPARISONS: tuple[tuple[str, str], ...] = (
    (Compare.PREVIOUS, "Previous days"),
    (Compare.YEAR, "A year before"),
    (Compare.OFF, "Off"),
)


@dataclass(frozen=True)
class Period:
    """Days from `start` up to, not including, `end`. `start` is None for everything there is.

    `months` says how many calendar months it is long; 0 means that only its days are counted. One that `is_running` has
    not reached its last day yet; one that `is_past` was stepped back to, and its name does not say when it was.
    """

    key: str
    label: str
    start: dt.date | None
    end: dt.date
    compare: Compare = Compare.PREVIOUS
    months: int = 0
    is_running: bool = False
    is_past: bool = False

    @property
    def last(self) -> dt.date:
        return self.end - DAY

    @property
    def words(self) -> str:
        """When something happened, in a sentence: `in 30 days`, `this month`; `then` where only the days can tell."""
        if self.is_past or self.key not in _PRESETS:
            return "then"
        return f"in {self.label.lower()}" if self.label[0].isdigit() else self.label.lower()

    def before(self) -> Period | None:
        """Return the days to compare with; None for everything there is, and where nothing is to be compared.

        Months and years have those of the calendar before them; of one that is running as many days as have begun.
        """
        if self.start is None or self.compare is Compare.OFF:
            return None
        if self.compare is Compare.YEAR:
            return self._back(12)
        return self._back(self.months) if self.months else self._of(self.start - (self.end - self.start), self.start)

    def _back(self, months: int) -> Period | None:
        if self.start is None:
            return None
        days = self.end - self.start
        if not self.months:
            end = months_later(self.last, -months) + DAY
            return self._of(end - days, end)
        start = months_later(self.start, -months)
        if self.is_running:
            return self._of(start, min(start + days, months_later(start, self.months)))
        return self._of(start, months_later(self.end, -months))

    def _of(self, start: dt.date, end: dt.date) -> Period:
        return Period(self.key, "before", start, end)

    def earlier(self, today: dt.date) -> Period | None:
        """Return the period of the same length that ends where this one begins; None where there is no such day."""
        return self._ending(self.start - DAY, today) if self.start and self.start > EARLIEST else None

    def later(self, today: dt.date) -> Period | None:
        """Return the period of the same length that begins where this one ends, ending with today at the latest."""
        if self.start is None or self.end > today:
            return None
        last = months_later(self.end, self.months) - DAY if self.months else self.last + (self.end - self.start)
        return self._ending(min(last, today), today)

    def _ending(self, last: dt.date, today: dt.date) -> Period:
        if self.start is not None and self.key not in _PRESETS:
            return replace(self, start=last + DAY - (self.end - self.start), end=last + DAY)
        return period_of(_PRESETS[self.key].steps_as or self.key, today, last, self.compare)

    def bounds(self, zone: ZoneInfo) -> tuple[dt.datetime | None, dt.datetime]:
        """Return the instants between which the local days lie, the second exclusive."""
        return midnight(self.start, zone) if self.start else None, midnight(self.end, zone)


EARLIEST = dt.date(2000, 1, 1)  # older than any account
LATEST = dt.date(2100, 1, 1)


class _Preset(NamedTuple):
    """A length by its name: `days`, or `months`, which `is_calendar` ones begin with the first. Nothing: everything."""

    label: str
    length: str
    usual_group: Group
    days: int = 0
    months: int = 0
    is_calendar: bool = False
    steps_as: str = ""


_PRESETS = {
    "today": _Preset("Today", "1 day", Group.DAY, days=1),
    "7d": _Preset("7 days", "7 days", Group.DAY, days=7),
    "30d": _Preset("30 days", "30 days", Group.DAY, days=30),
    "90d": _Preset("90 days", "90 days", Group.WEEK, days=90),
    "month": _Preset("This month", "1 month", Group.DAY, months=1, is_calendar=True),
    "last-month": _Preset("Last month", "1 month", Group.DAY, months=1, is_calendar=True, steps_as="month"),
    "12m": _Preset("12 months", "12 months", Group.MONTH, months=12),
    "year": _Preset("This year", "1 year", Group.MONTH, months=12, is_calendar=True),
    "all": _Preset("All time", "All time", Group.MONTH),
}
PERIODS: tuple[tuple[str, str], ...] = tuple((key, preset.label) for key, preset in _PRESETS.items())
DEFAULT_PERIOD = "30d"


def period_of(key: str, today: dt.date, last: dt.date | None = None, compare: str = Compare.PREVIOUS) -> Period:
    """Return the period a page's address names, ending with `last`, or, of months and years, that has it; else with today.

    An unknown name means 30 days; days to come are left out.
    """
    key = key if key in _PRESETS else DEFAULT_PERIOD
    preset, newest = _PRESETS[key], today.replace(day=1) - DAY if key == "last-month" else today
    held_against = Compare(compare) if compare in list(Compare) else Compare.PREVIOUS
    if not (preset.days or preset.months):
        return Period(key, preset.label, None, today + DAY, held_against)
    last = newest if last is None else min(max(last, EARLIEST), today)
    start, end = _span(preset, last)
    is_past = (start, end) != _span(preset, newest)
    return Period(
        key,
        preset.length if is_past else preset.label,
        start,
        min(end, today + DAY),
        held_against,
        preset.months,
        is_running=preset.is_calendar and end > today,
        is_past=is_past,
    )


def _span(preset: _Preset, last: dt.date) -> tuple[dt.date, dt.date]:
    if preset.is_calendar:
        start = last.replace(day=1) if preset.months == 1 else last.replace(month=1, day=1)
        return start, months_later(start, preset.months)
    end = last + DAY
    return (months_later(end, -preset.months) if preset.months else end - dt.timedelta(days=preset.days)), end


def months_later(day: dt.date, months: int) -> dt.date:
    """Return the same day so many months later, the month's last where it has none; negative is earlier."""
    years, month = divmod(day.month - 1 + months, 12)
    first = dt.date(day.year + years, month + 1, 1)
    return first.replace(day=min(day.day, (_next_bucket(first, Group.MONTH) - first).days))


def usual_group(period: Period) -> Group:
    return _PRESETS[period.key].usual_group if period.key in _PRESETS else Group.MONTH


def day_of(text: str) -> dt.date | None:
    """Return the day an address names, `2026-03-31`; None where it names none one could ask for."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None


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
