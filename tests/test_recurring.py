"""The rules of MRR. Whole worked examples are in tests/test_worked_examples.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from financial.recurring import (
    Discount,
    DiscountPolicy,
    Item,
    Price,
    Sight,
    Subscription,
    Tier,
    monthly,
    rounded,
    spans,
)

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
FOREVER, RECURRING, ALL = DiscountPolicy
GRADUATED = (Tier(5, Fraction(700)), Tier(10, Fraction(650)), Tier(None, Fraction(600)))


def price(unit_minor: int | str | None, interval: str = "month", count: int = 1, **more: Any) -> Price:
    unit = None if unit_minor is None else Fraction(unit_minor)
    return Price("prod_1", unit, interval, count, **more)


def plan(unit_minor: int | str | None, interval: str = "month", count: int = 1, **more: Any) -> Subscription:
    quantity = more.pop("quantity", 1)
    names = ("tiers", "is_volume", "is_metered", "divide_by", "rounds_up")
    priced = {name: more.pop(name) for name in names if name in more}
    item = Item(price(unit_minor, interval, count, **priced), quantity, more.pop("item_discounts", ()))
    return Subscription(more.pop("status", "active"), items=(item,), **more)


def off(
    percent: int | None = None, amount_minor: int | None = None, duration: str = "forever", **more: Any
) -> Discount:
    share = None if percent is None else Fraction(percent)
    return Discount(duration, share, None if amount_minor is None else Fraction(amount_minor), **more)


def mrr(subscription: Subscription, policy: DiscountPolicy = FOREVER, at: datetime = MARCH) -> Fraction:
    return sum(monthly(subscription, policy, at).values(), Fraction(0))


@pytest.mark.parametrize(
    ("subscription", "expected"),
    [
        (plan(120_000, "year"), 10_000),
        (plan(9000, "month", 3), 3000),
        (plan(24_000, "year", 2), 1000),
        (plan(1200, "week"), 5200),
        (plan(100, "day"), Fraction(36_500, 12)),
        (plan(1000, quantity=5), 5000),
        (plan("0.5", quantity=3), Fraction(3, 2)),
        (plan(1000, quantity=12, divide_by=5, rounds_up=True), 3000),
        (plan(1000, quantity=12, divide_by=5), 2000),
        (plan(None, tiers=GRADUATED, quantity=12), 7950),
        (plan(None, tiers=GRADUATED, quantity=5), 3500),
        (plan(None, tiers=GRADUATED, is_volume=True, quantity=12), 7200),
        (plan(None, tiers=(Tier(5, Fraction(100), Fraction(900)), Tier(None, Fraction(0), Fraction(50))), quantity=7), 1450),
        (plan(None, tiers=(Tier(5, Fraction(100), Fraction(900)),), quantity=0), 900),
        (plan(None, is_metered=True, quantity=9), 0),
        (plan(None), 0),
        (plan(2000, collection="keep_as_draft"), 2000),
        (plan(2000, collection="mark_uncollectible"), 0),
        (plan(2000, status="incomplete"), 0),
        (plan(2000, status="paused"), 0),
        (plan(2000, status="something new"), 0),
        (plan(5000, discounts=(off(100),)), 0),
        (plan(5000, discounts=(off(amount_minor=9000),)), 0),
        (plan(5000, discounts=(off(20), off(amount_minor=1000))), 3000),
        (plan(5000, item_discounts=(off(50),), discounts=(off(20),)), 2000),
        (plan(12_000, "year", discounts=(off(amount_minor=2400),)), 800),
        (plan(5000, discounts=(off(20, products=frozenset({"prod_2"})),)), 5000),
    ],
)  # fmt: skip
def test_each_case_of_the_table_brings_what_it_says(subscription: Subscription, expected: int | Fraction) -> None:
    assert mrr(subscription) == expected


@pytest.mark.parametrize(
    ("duration", "policy", "expected"),
    [
        ("forever", FOREVER, 4000),
        ("repeating", FOREVER, 5000),
        ("once", FOREVER, 5000),
        ("repeating", RECURRING, 4000),
        ("once", RECURRING, 5000),
        ("repeating", ALL, 4000),
        ("once", ALL, 4000),
    ],
)
def test_the_setting_says_which_discounts_count(duration: str, policy: DiscountPolicy, expected: int) -> None:
    assert mrr(plan(5000, discounts=(off(20, duration=duration),)), policy) == expected


def test_tax_inside_a_price_is_no_revenue() -> None:
    taxed = Subscription("active", items=(Item(price(11_900), tax_percent=Fraction(19)),))

    assert mrr(taxed) == 10_000


def test_each_product_of_a_subscription_has_its_own_line() -> None:
    items = (Item(Price("book", Fraction(1000))), Item(Price("cup", Fraction(500))), Item(Price("book", Fraction(1))))

    assert monthly(Subscription("active", items=items), FOREVER, MARCH) == {"book": 1001, "cup": 500}


def test_an_amount_off_is_shared_by_the_products_in_proportion() -> None:
    items = (Item(Price("book", Fraction(3000))), Item(Price("cup", Fraction(1000))))
    subscription = Subscription("active", items=items, discounts=(off(amount_minor=400),))

    assert monthly(subscription, FOREVER, MARCH) == {"book": 2700, "cup": 900}


def history(*sights: Sight, policy: DiscountPolicy = FOREVER) -> list[tuple[datetime, datetime | None, int]]:
    return [(span.starts_at, span.ends_at, rounded(span.monthly_minor)) for span in spans(sights, policy)]


def test_a_trial_counts_from_its_end_however_late_that_was_seen() -> None:
    trial = plan(1500, status="trialing", trial_end_at=APRIL)
    paying = plan(1500, trial_end_at=APRIL)

    assert history(Sight(MARCH, trial), Sight(APRIL + timedelta(days=2), paying)) == [(APRIL, None, 1500)]


def test_a_change_is_dated_by_the_sight_that_shows_it() -> None:
    assert history(Sight(MARCH, plan(1000)), Sight(APRIL, plan(1000, quantity=2))) == [
        (MARCH, APRIL, 1000),
        (APRIL, None, 2000),
    ]


def test_a_pause_ends_one_span_and_a_later_one_begins() -> None:
    may = APRIL + timedelta(days=30)

    found = history(Sight(MARCH, plan(1000)), Sight(APRIL, plan(1000, status="paused")), Sight(may, plan(1000)))

    assert found == [(MARCH, APRIL, 1000), (may, None, 1000)]


def test_what_came_before_the_first_sight_is_marked_reconstructed() -> None:
    before = Sight(MARCH, plan(1000), is_reconstructed=True)

    found = spans([before, Sight(APRIL, plan(2000))], FOREVER)

    assert [span.is_reconstructed for span in found] == [True, False]


QUANTITIES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=12)


@given(QUANTITIES, st.data())
def test_repeated_sights_leave_no_trace(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    sights = [Sight(MARCH + timedelta(days=day), plan(700, quantity=units)) for day, units in sorted(changes)]
    again = data.draw(st.lists(st.sampled_from(range(len(sights))), max_size=6))
    doubled = [sight for n, sight in enumerate(sights) for _ in range(1 + again.count(n))]

    assert spans(doubled, FOREVER) == spans(sights, FOREVER)


@given(QUANTITIES)
def test_spans_of_a_product_never_overlap_and_never_last_no_time(changes: list[tuple[int, int]]) -> None:
    found = spans([Sight(MARCH + timedelta(days=day), plan(7, quantity=n)) for day, n in sorted(changes)], FOREVER)

    assert all(span.ends_at is not None and span.starts_at < span.ends_at for span in found[:-1])
    assert all(one.ends_at <= next.starts_at for one, next in zip(found, found[1:], strict=False))  # type: ignore[operator]
