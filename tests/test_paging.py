from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import signing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from financial.models import StripeCustomer, StripePaymentIntent
from financial.paging import InvalidPosition, bounded_count, paginate
from tests.views import rows as make

pytestmark = pytest.mark.django_db

MOMENTS = [None, *(dt.datetime(2026, 5, day, tzinfo=dt.UTC) for day in (1, 2, 3))]
_many = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def forwards(rows: Any, **order: Any) -> list[list[int]]:
    pages, position = [], ""
    while True:
        page = paginate(rows, after=position, **order)
        pages.append([row.pk for row in page.rows])
        if not page.after:
            return pages
        position = page.after


def backwards(rows: Any, position: str, **order: Any) -> list[list[int]]:
    pages = []
    while position:
        page = paginate(rows, before=position, **order)
        pages.insert(0, [row.pk for row in page.rows])
        position = page.before
    return pages


@_many
@given(
    moments=st.lists(st.sampled_from(MOMENTS), max_size=14),
    size=st.integers(1, 5),
    descending=st.booleans(),
)
def test_every_row_is_visited_once_in_both_directions(moments: list[Any], size: int, descending: bool) -> None:
    StripePaymentIntent.objects.all().delete()
    credential = make.credential()
    for moment in moments:
        make.payment(credential, created_at=moment)
    rows = StripePaymentIntent.objects.of(credential)
    order = {"size": size, "descending": descending}
    known = sorted((r for r in rows if r.created_at), key=lambda r: (r.created_at, r.pk), reverse=descending)
    unknown = sorted((r for r in rows if not r.created_at), key=lambda r: r.pk, reverse=descending)

    pages = forwards(rows, **order)

    assert [pk for page in pages for pk in page] == [row.pk for row in (*known, *unknown)]
    last = paginate(rows, **order)
    while last.after:
        last = paginate(rows, after=last.after, **order)
    # Walking back, pages are full from the end of the list on; they hold the same rows in the same order.
    back = [pk for page in backwards(rows, last.before, **order) for pk in page]
    assert back + [row.pk for row in last.rows] == [pk for page in pages for pk in page]


def test_sorting_by_a_column_without_gaps_needs_one_query(django_assert_num_queries: Any) -> None:
    credential = make.credential()
    for amount in (300, 100, 300, 200):
        make.payment(credential, amount_minor=amount)
    rows = StripePaymentIntent.objects.of(credential)
    with django_assert_num_queries(1):
        first = paginate(rows, size=2, field="amount_minor", descending=False)
    second = paginate(rows, size=2, field="amount_minor", descending=False, after=first.after)
    assert [row.amount_minor for row in (*first.rows, *second.rows)] == [100, 200, 300, 300]
    assert (first.before, second.after) == ("", "")


def test_a_forged_or_foreign_position_is_refused() -> None:
    credential = make.credential()
    for _ in range(3):
        make.payment(credential)
    rows = StripePaymentIntent.objects.of(credential)
    by_amount = paginate(rows, size=1, field="amount_minor").after
    assert by_amount
    for token in ("x", by_amount[:-2], signing.dumps([1, 1]), by_amount):
        with pytest.raises(InvalidPosition):
            paginate(rows, size=1, after=token)


def test_page_size_is_capped() -> None:
    credential = make.credential()
    StripeCustomer.objects.bulk_create(StripeCustomer(credential=credential, stripe_id=f"cus_{n}") for n in range(210))
    assert len(paginate(StripeCustomer.objects.of(credential), size=5000).rows) == 200


def test_an_empty_list_is_an_empty_page() -> None:
    page = paginate(StripePaymentIntent.objects.of(make.credential()), size=5)
    assert (page.rows, page.after, page.before) == ([], "", "")


def test_counting_stops_at_the_limit() -> None:
    credential = make.credential()
    for _ in range(4):
        make.customer(credential)
    rows = StripeCustomer.objects.of(credential)
    assert str(bounded_count(rows, limit=3)) == "more than 3"
    assert str(bounded_count(rows, limit=4)) == "4"


@pytest.mark.parametrize("descending", [True, False])
def test_pages_of_keys_hold_the_same_rows_as_pages_of_rows(descending: bool) -> None:
    credential = make.credential()
    for number in range(7):
        make.payment(credential, make.customer(credential), created_at=MOMENTS[number % len(MOMENTS)])
    rows, whole = StripePaymentIntent.objects.all(), StripePaymentIntent.objects.select_related("customer")
    order = {"size": 3, "descending": descending}

    assert forwards(rows, whole=whole, **order) == forwards(rows, **order)

    (last,) = paginate(rows, size=1, whole=whole).rows
    assert "customer" in last._state.fields_cache


def test_a_row_that_went_meanwhile_leaves_its_place() -> None:
    credential = make.credential()
    first, second = (make.payment(credential, None, created_at=at) for at in MOMENTS[1:3])
    whole = StripePaymentIntent.objects.exclude(pk=second.pk)
    assert [row.pk for row in paginate(StripePaymentIntent.objects.all(), size=5, whole=whole).rows] == [first.pk]
