"""Rows counted once and then only what came since: always what a count of all of them would say."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

import pytest
from django.core.cache import cache

from financial.models import StripeCredential, StripeCustomer
from financial.reports.created import OVERLAP, SINCE_MAX, created
from tests.views import factory

pytestmark = pytest.mark.django_db
FIRST = dt.date(2026, 1, 1)
DAYS = [(FIRST + dt.timedelta(days=n), FIRST + dt.timedelta(days=n + 1)) for n in range(5)]
WHOLE = (FIRST, FIRST + dt.timedelta(days=5))
_numbers = count()


def come(shop: StripeCredential, number: int, day: int = 0) -> None:
    at = dt.datetime(2026, 1, 1 + day, 12, tzinfo=dt.UTC)
    rows = (StripeCustomer(credential=shop, stripe_id=f"cus_{next(_numbers)}", created_at=at) for _ in range(number))
    StripeCustomer.objects.bulk_create(rows, batch_size=2000)


def counted(shop: StripeCredential) -> tuple[int, ...]:
    return created(shop, StripeCustomer, [*DAYS, WHOLE])


def test_few_and_many_rows_late_ones_and_those_taken_away_are_counted(connection_queries: Any) -> None:
    shop, other = factory.credential(), factory.credential(name="Other", is_active=False)
    come(other, 3)
    come(shop, 2, day=1)
    assert counted(shop) == (0, 2, 0, 0, 0, 2)

    come(shop, SINCE_MAX + OVERLAP, day=2)
    assert counted(shop) == (0, 2, SINCE_MAX + OVERLAP, 0, 0, SINCE_MAX + OVERLAP + 2)

    come(shop, 7, day=0)  # made at Stripe long ago, and known here only now
    StripeCustomer.objects.create(credential=shop, stripe_id="cus_grave", created_at=None)
    assert counted(shop) == (7, 2, SINCE_MAX + OVERLAP, 0, 0, SINCE_MAX + OVERLAP + 9)
    assert connection_queries(lambda: counted(shop)) == 1
    assert created(other, StripeCustomer, [WHOLE]) == (3,)

    StripeCustomer.objects.filter(credential=shop).delete()
    come(shop, 1, day=4)
    assert counted(shop) == (0, 0, 0, 0, 1, 1)


def test_days_are_cut_in_the_accounts_zone(settings: Any) -> None:
    shop = factory.credential()
    StripeCustomer.objects.create(
        credential=shop, stripe_id="cus_1", created_at=dt.datetime(2026, 1, 2, 23, 30, tzinfo=dt.UTC)
    )
    assert counted(shop) == (0, 1, 0, 0, 0, 1)

    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"
    assert counted(shop) == (0, 0, 1, 0, 0, 1)


def test_an_empty_cache_changes_nothing() -> None:
    shop = factory.credential()
    come(shop, SINCE_MAX + OVERLAP, day=3)
    before = counted(shop)
    cache.clear()

    assert counted(shop) == before == (0, 0, 0, SINCE_MAX + OVERLAP, 0, SINCE_MAX + OVERLAP)
