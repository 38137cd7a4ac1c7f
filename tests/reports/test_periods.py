"""Ranges of local days: where they begin and end, what they are compared with, and how they are stepped through."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from financial import reports
from financial.reports.periods import buckets, day_of, fitting_group, period_of

TODAY = dt.date(2026, 10, 15)
MONTH = period_of("30d", TODAY)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def days(period):
    return (str(period.start), str(period.last))


@pytest.mark.parametrize(
    ("key", "today", "last", "expected"),
    [
        ("today", "2026-11-15", None, ("2026-11-15", "2026-11-15")),
        ("month", "2026-11-15", None, ("2026-11-01", "2026-11-15")),
        ("last-month", "2026-03-15", None, ("2026-02-01", "2026-02-28")),
        ("last-month", "2028-03-31", None, ("2028-02-01", "2028-02-29")),
        ("last-month", "2026-01-01", None, ("2025-12-01", "2025-12-31")),
        ("year", "2026-11-15", None, ("2026-01-01", "2026-11-15")),
        ("7d", "2026-11-15", "2026-03-31", ("2026-03-25", "2026-03-31")),
        ("month", "2026-11-15", "2026-03-09", ("2026-03-01", "2026-03-31")),
        ("year", "2026-11-15", "2024-02-29", ("2024-01-01", "2024-12-31")),
        ("12m", "2026-11-15", "2024-02-29", ("2023-03-01", "2024-02-29")),
        ("30d", "2026-11-15", "2099-01-01", ("2026-10-17", "2026-11-15")),
    ],
)
def test_a_period_is_named_by_its_length_and_where_it_ends(key, today, last, expected):
    assert days(period_of(key, day(today), last and day(last))) == expected


@pytest.mark.parametrize(
    ("key", "today", "last", "previous", "year"),
    [
        # as many days as have begun, and no more than the month before has
        ("today", "2026-11-15", None, ("2026-11-14", "2026-11-14"), ("2025-11-15", "2025-11-15")),
        ("month", "2026-11-15", None, ("2026-10-01", "2026-10-15"), ("2025-11-01", "2025-11-15")),
        ("month", "2026-11-30", None, ("2026-10-01", "2026-10-30"), ("2025-11-01", "2025-11-30")),
        ("month", "2026-03-31", None, ("2026-02-01", "2026-02-28"), ("2025-03-01", "2025-03-31")),
        ("month", "2028-02-29", None, ("2028-01-01", "2028-01-29"), ("2027-02-01", "2027-02-28")),
        ("year", "2026-01-01", None, ("2025-01-01", "2025-01-01"), ("2025-01-01", "2025-01-01")),
        ("year", "2028-03-01", None, ("2027-01-01", "2027-03-02"), ("2027-01-01", "2027-03-02")),
        # what has ended, with all of what was before
        ("last-month", "2026-03-15", None, ("2026-01-01", "2026-01-31"), ("2025-02-01", "2025-02-28")),
        ("month", "2026-11-15", "2028-02-29", ("2026-10-01", "2026-10-15"), ("2025-11-01", "2025-11-15")),
        ("month", "2029-01-01", "2028-02-29", ("2028-01-01", "2028-01-31"), ("2027-02-01", "2027-02-28")),
        ("year", "2026-11-15", "2025-06-01", ("2024-01-01", "2024-12-31"), ("2024-01-01", "2024-12-31")),
        # so many days
        ("30d", "2026-03-30", None, ("2026-01-30", "2026-02-28"), ("2025-03-01", "2025-03-30")),
        ("7d", "2028-02-29", None, ("2028-02-16", "2028-02-22"), ("2027-02-22", "2027-02-28")),
        ("12m", "2026-11-15", None, ("2024-11-16", "2025-11-15"), ("2024-11-16", "2025-11-15")),
        ("12m", "2028-02-28", None, ("2026-02-28", "2027-02-27"), ("2026-02-28", "2027-02-27")),
    ],
)
def test_a_period_is_compared_with_the_same_days_elapsed(key, today, last, previous, year):
    asked = (key, day(today), last and day(last))

    assert days(period_of(*asked).before()) == previous
    assert days(period_of(*asked, "year").before()) == year
    assert period_of(*asked, "off").before() is None


@pytest.mark.parametrize("key", [key for key, _ in reports.PERIODS if key != "all"])
@pytest.mark.parametrize("today", ["2028-02-29", "2026-03-31", "2026-12-31", "2027-01-01", "2026-10-25"])
def test_stepping_leaves_no_day_out_and_counts_none_twice(key, today):
    now = period_of(key, day(today))

    before = now.earlier(day(today))
    further = before.earlier(day(today))

    assert before.end == now.start and further.end == before.start
    assert before.is_past and further.is_past
    assert days(further.later(day(today))) == days(before)
    assert now.later(day(today)) is None or key == "last-month"


def test_months_are_stepped_through_by_the_calendar():
    today = day("2026-04-30")
    march = period_of("month", today).earlier(today)

    assert days(march) == ("2026-03-01", "2026-03-31")
    assert days(march.earlier(today)) == ("2026-02-01", "2026-02-28")
    assert days(march.later(today)) == ("2026-04-01", "2026-04-30")
    assert not march.later(today).is_past


def test_later_ends_with_today_and_everything_cannot_be_stepped_through():
    today = day("2026-04-30")

    assert period_of("30d", today, day("2026-04-20")).later(today) == period_of("30d", today)
    assert period_of("all", today).earlier(today) is None
    assert period_of("all", today).later(today) is None
    assert period_of("all", today, compare="year").before() is None


def test_days_of_ones_own_are_stepped_through_too():
    period = reports.Period("custom", "x", day("2026-03-01"), day("2026-04-01"))

    assert days(period.earlier(TODAY)) == ("2026-01-29", "2026-02-28")
    assert days(period.later(TODAY)) == ("2026-04-01", "2026-05-01")


@pytest.mark.parametrize("text", ["", "x", "2026-02-30", "1999-12-31", "2100-01-02", "2026-03-31T00:00"])
def test_a_day_nobody_can_ask_for_is_none(text):
    assert day_of(text) is None


def test_thirty_days_end_with_today_and_compare_with_the_thirty_before():
    assert (MONTH.start, MONTH.last) == (dt.date(2026, 9, 16), TODAY)
    assert (MONTH.before().start, MONTH.before().end) == (dt.date(2026, 8, 17), MONTH.start)


def test_twelve_months_ending_on_a_leap_day_begin_a_year_before():
    period = period_of("12m", dt.date(2028, 2, 28))

    assert period.start == dt.date(2027, 2, 28)


def test_an_unknown_period_means_thirty_days():
    assert period_of("'; drop table", TODAY).key == "30d"


def test_a_local_day_of_23_hours_is_bounded_by_its_zone():
    period = reports.Period("x", "x", dt.date(2026, 3, 8), dt.date(2026, 3, 9))

    start, end = period.bounds(ZoneInfo("America/New_York"))

    assert (start, end) == (at("2026-03-08T05:00"), at("2026-03-09T04:00"))


def test_outer_weeks_and_months_are_cut_to_the_period():
    weeks = list(buckets(dt.date(2026, 9, 16), dt.date(2026, 9, 30), reports.Group.WEEK))
    months = list(buckets(dt.date(2026, 9, 16), dt.date(2026, 11, 1), reports.Group.MONTH))

    assert [start.day for start, _ in weeks] == [16, 21, 28]
    assert weeks[-1][1] == dt.date(2026, 9, 30)
    assert months == [(dt.date(2026, 9, 16), dt.date(2026, 10, 1)), (dt.date(2026, 10, 1), dt.date(2026, 11, 1))]


def test_years_of_days_become_weeks_so_that_a_report_stays_readable():
    assert fitting_group(dt.date(2020, 1, 1), dt.date(2026, 1, 1), reports.Group.DAY) is reports.Group.WEEK
