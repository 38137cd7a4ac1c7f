"""The month table and the rates of docs/recurring.md, and what must hold for any history."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from financial.reports.movements import Kind, Month, Piece, cohorts, months, movements
from financial.reports.recurring import fitted

UTC = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
NOW = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
MARCH_END = dt.date(2026, 3, 31)


def day(month: int, number: int = 15, year: int = 2026) -> dt.datetime:
    return dt.datetime(year, month, number, 12, tzinfo=dt.UTC)


def piece(customer: str, starts_at: dt.datetime, ends_at: dt.datetime | None, major: int, parts: int = 1) -> Piece:
    return Piece(customer, starts_at, ends_at, major * 100, parts)


# Month-end MRR of Dec / Jan / Feb / Mar: Ada 0/50/50/80 · Ben 100/100/60/0 · Cy 0/0/40/40 · Dee 30/0/0/30
# · Eve 20/20/20/20 · Fay 0/25/0/0; Dee was a customer before.
TABLE = [
    piece("Ada", day(1), day(3), 50),
    piece("Ada", day(3), None, 80),
    piece("Ben", day(12, year=2025), day(2), 100),
    piece("Ben", day(2), day(3), 60),
    piece("Cy", day(2), None, 40),
    piece("Dee", day(12, year=2025), day(1), 30),
    piece("Dee", day(3), None, 30),
    piece("Eve", day(12, year=2025), None, 20),
    piece("Fay", day(1), day(2), 25),
]


def table() -> dict[str, Month]:
    _, january, february, march = months(movements(TABLE, UTC, NOW), MARCH_END)
    return {"Jan": january, "Feb": february, "Mar": march}


@pytest.mark.parametrize(
    ("name", "january", "february", "march"),
    [
        ("start_minor", 150_00, 195_00, 170_00),
        ("end_minor", 195_00, 170_00, 170_00),
        ("arr_minor", 2340_00, 2040_00, 2040_00),
        ("customers_start", 3, 4, 4),
        ("customers_end", 4, 4, 4),
        ("customer_churn", Fraction(1, 3), Fraction(1, 4), Fraction(1, 4)),
        ("gross_churn", Fraction(20, 100), Fraction(65, 195), Fraction(60, 170)),
        ("net_churn", Fraction(20, 100), Fraction(65, 195), 0),
        ("retention", Fraction(80, 100), Fraction(130, 195), Fraction(140, 170)),
        ("arpu_minor", 48_75, 42_50, 42_50),
        ("lifetime_value_minor", 146_25, 170_00, 170_00),
        ("quick_ratio", Fraction(75, 30), Fraction(40, 65), 1),
    ],
)
def test_the_month_table_holds_figure_by_figure(name: str, january: object, february: object, march: object) -> None:
    assert [getattr(month, name) for month in table().values()] == [january, february, march]


@pytest.mark.parametrize(
    ("kind", "january", "february", "march"),
    [
        (Kind.NEW, 75_00, 40_00, 0),
        (Kind.REACTIVATION, 0, 0, 30_00),
        (Kind.EXPANSION, 0, 0, 30_00),
        (Kind.CONTRACTION, 0, 40_00, 0),
        (Kind.CHURN, 30_00, 25_00, 60_00),
    ],
)
def test_the_month_table_holds_movement_by_movement(kind: Kind, january: int, february: int, march: int) -> None:
    assert [month.minor(kind) for month in table().values()] == [january, february, march]


def test_a_second_subscription_is_an_expansion_and_losing_one_of_two_a_contraction() -> None:
    pieces = [piece("Ada", day(1), None, 10), piece("Ada", day(2), day(3), 5)]

    assert [row.kind for row in movements(pieces, UTC, NOW).rows] == [Kind.NEW, Kind.EXPANSION, Kind.CONTRACTION]


def test_movements_of_one_day_are_netted() -> None:
    noon = day(3)
    pieces = [piece("Ada", day(1), noon, 10), piece("Ada", noon + dt.timedelta(hours=2), None, 10)]

    assert [row.kind for row in movements(pieces, UTC, NOW).rows] == [Kind.NEW]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (dt.datetime(2026, 3, 8, 4, 59, 59, tzinfo=dt.UTC), dt.date(2026, 3, 7)),
        (dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC), dt.date(2026, 3, 8)),
        (dt.datetime(2026, 3, 9, 3, 59, 59, tzinfo=dt.UTC), dt.date(2026, 3, 8)),
        (dt.datetime(2026, 3, 9, 4, tzinfo=dt.UTC), dt.date(2026, 3, 9)),
    ],
)
def test_days_are_cut_in_the_zone_also_on_the_day_the_clocks_change(moment: dt.datetime, expected: dt.date) -> None:
    [row] = movements([piece("Ada", moment, None, 10)], NEW_YORK, NOW).rows

    assert row.day == expected


def test_a_month_ends_at_local_midnight() -> None:
    first_of_april = dt.datetime(2026, 4, 1, 3, 59, 59, tzinfo=dt.UTC)  # still March in New York
    later = NOW + dt.timedelta(days=2)
    [march, _] = months(movements([piece("Ada", first_of_april, None, 10)], NEW_YORK, later), dt.date(2026, 4, 3))

    assert march.end_minor == 1000


def test_what_lies_ahead_has_not_happened() -> None:
    pieces = [piece("Ada", day(1), NOW + dt.timedelta(days=3), 10), piece("Ben", NOW + dt.timedelta(days=3), None, 10)]

    assert [(row.customer, row.after) for row in movements(pieces, UTC, NOW).rows] == [("Ada", 1000)]


def test_thirds_of_a_cent_add_up_exactly() -> None:
    pieces = [piece(f"customer {n}", day(1), None, 1, parts=12) for n in range(12)]

    assert months(movements(pieces, UTC, NOW), MARCH_END)[-1].end_minor == 100


def test_who_came_and_went_inside_a_month_is_no_loss_of_those_at_its_start() -> None:
    pieces = [piece("Ada", day(1), None, 10), piece("Ben", day(2, 3), day(2, 20), 5)]
    february = months(movements(pieces, UTC, NOW), MARCH_END)[1]

    assert (february.lost, february.passing, february.customer_churn) == (0, 1, 0)


def test_a_lifetime_without_a_loss_is_capped_at_sixty_months() -> None:
    month = months(movements([piece("Ada", day(1), None, 10)], UTC, NOW), MARCH_END)[-1]

    assert (month.lifetime_value_minor, month.is_lifetime_capped) == (60 * 1000, True)


def test_without_losses_there_is_no_quick_ratio() -> None:
    assert months(movements([piece("Ada", day(1), None, 10)], UTC, NOW), MARCH_END)[0].quick_ratio is None


def test_an_account_without_history_has_one_empty_month() -> None:
    [month] = months(movements([], UTC, NOW), MARCH_END)

    assert (month.start, month.end_minor, month.customer_churn) == (dt.date(2026, 3, 1), 0, None)


def test_a_cohort_keeps_its_share_of_customers_and_mrr() -> None:
    january = next(c for c in cohorts(movements(TABLE, UTC, NOW), MARCH_END) if c.start == dt.date(2026, 1, 1))

    assert [cell.customers for cell in january.cells] == [2, 1, 1]
    assert [cell.minor_share for cell in january.cells] == [1, Fraction(50, 75), Fraction(80, 75)]


def test_who_comes_back_counts_in_their_cohort_again() -> None:
    december = cohorts(movements(TABLE, UTC, NOW), MARCH_END)[0]

    assert [cell.customers for cell in december.cells] == [3, 2, 2, 2]


PIECES = st.lists(
    st.builds(
        lambda customer, start, length, units, parts: Piece(
            customer,
            day(1, 1) + dt.timedelta(hours=start),
            None if length is None else day(1, 1) + dt.timedelta(hours=start + length),
            units,
            parts,
        ),
        st.sampled_from("ABC"),
        st.integers(0, 2000),
        st.none() | st.integers(1, 1500),
        st.integers(1, 10_000),
        st.sampled_from([1, 3, 7, 12]),
    ),
    max_size=12,
)


@given(PIECES)
def test_start_and_movements_make_the_end_of_every_month(pieces: list[Piece]) -> None:
    found = months(movements(pieces, UTC, NOW), MARCH_END)
    lasting = [p for p in pieces if p.starts_at <= NOW and (p.ends_at is None or p.ends_at > NOW)]

    assert all(one.end_minor == following.start_minor for one, following in pairwise(found))
    assert found[-1].end_minor == sum((Fraction(p.numerator, p.denominator) for p in lasting), Fraction(0))
    assert found[-1].customers_end == len({p.customer for p in lasting})


@given(PIECES, st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(pieces: list[Piece], chance: object) -> None:
    shuffled = list(pieces)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert movements(shuffled, NEW_YORK, NOW) == movements(pieces, NEW_YORK, NOW)


@given(PIECES)
def test_the_amounts_shown_add_up_too(pieces: list[Piece]) -> None:
    for month in months(movements(pieces, UTC, NOW), MARCH_END):
        shown = fitted(month)
        gains = sum(shown.get(kind, 0) for kind in (Kind.NEW, Kind.REACTIVATION, Kind.EXPANSION))
        losses = sum(shown.get(kind, 0) for kind in (Kind.CONTRACTION, Kind.CHURN))
        assert shown["start"] + gains - losses == shown["end"]


@given(PIECES)
def test_every_cohort_begins_with_a_customer_and_none_keeps_more_than_it_had(pieces: list[Piece]) -> None:
    for cohort in cohorts(movements(pieces, UTC, NOW), MARCH_END):
        assert (
            cohort.size >= max(cell.customers for cell in cohort.cells) >= min(c.customers for c in cohort.cells) >= 0
        )
