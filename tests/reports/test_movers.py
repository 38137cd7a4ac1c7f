"""The rows behind the movements of recurring revenue."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from financial.models import MrrSpan, StripeCredential
from financial.reports import recurring
from financial.reports.movements import LOSSES, Kind
from financial.reports.movers import Mover, Which, movers, newest_movers
from tests.views import factory

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
MARCH = Which("usd", dt.date(2026, 3, 1), dt.date(2026, 4, 1))


@pytest.fixture
def shop(time_machine: Any) -> StripeCredential:
    time_machine.move_to(NOW, tick=False)
    return factory.credential()


def span(of: StripeCredential, customer: str, start: str, end: str = "", minor: int = 1000, **more: Any) -> MrrSpan:
    values = {"product_stripe_id": "prod_a", "currency": "usd", "numerator": minor, **more}
    return MrrSpan.objects.create(
        credential=of,
        customer_stripe_id=customer,
        subscription_stripe_id=f"sub_{customer}_{start}",
        starts_at=at(start),
        ends_at=at(end) if end else None,
        **values,
    )


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_the_history_before_tells_what_kind_a_movement_is(shop: StripeCredential) -> None:
    span(shop, "cus_back", "2025-01-01", "2025-02-01")
    span(shop, "cus_back", "2026-03-05", minor=700)
    span(shop, "cus_left", "2026-01-01", "2026-03-05")
    span(shop, "cus_new", "2026-03-07")
    span(shop, "cus_stays", "2026-01-01")

    assert movers(shop, MARCH) == (
        Mover(dt.date(2026, 3, 7), "cus_new", Kind.NEW, 0, 1000),
        Mover(dt.date(2026, 3, 5), "cus_back", Kind.REACTIVATION, 0, 700),
        Mover(dt.date(2026, 3, 5), "cus_left", Kind.CHURN, 1000, 0),
    )


def test_days_currency_product_and_kind_are_those_asked_for(shop: StripeCredential) -> None:
    span(shop, "cus_1", "2026-02-28T23:59:59", "2026-04-01")
    span(shop, "cus_2", "2026-03-01", currency="eur")
    span(shop, "cus_3", "2026-03-02", product_stripe_id="prod_b")
    span(factory.credential(), "cus_4", "2026-03-03")

    assert [row.customer for row in movers(shop, MARCH)] == ["cus_3"]
    assert movers(shop, Which("usd", MARCH.first, MARCH.end, product="prod_a")) == ()
    assert movers(shop, Which("usd", MARCH.first, MARCH.end, kinds=LOSSES)) == ()
    assert [row.customer for row in movers(shop, Which("eur", MARCH.first, MARCH.end))] == ["cus_2"]


def test_days_are_those_of_the_accounts_zone(shop: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    span(shop, "cus_1", "2026-03-01T04:59:59")  # the last second of February there
    span(shop, "cus_2", "2026-03-01T05:00:00")

    assert [row.customer for row in movers(shop, MARCH)] == ["cus_2"]


def test_every_month_of_the_report_has_as_many_rows_and_their_sum(shop: StripeCredential) -> None:
    for n, months in enumerate(((1, 3), (1, 2), (2, 3), (3, None))):
        start, end = months
        span(shop, f"cus_{n}", f"2026-0{start}-10", f"2026-0{end}-15" if end else "", minor=1000 + n)
        span(shop, f"cus_{n}", f"2026-0{start}-12", minor=100)

    for month in recurring.recurring(shop, "usd").months:
        for kind in Kind:
            rows = movers(shop, Which("usd", month.start, month.end, kinds=(kind,)))
            assert len(rows) == month.counts.get(kind, 0)
            assert abs(sum(row.change_minor for row in rows)) == month.minor(kind)


def test_the_newest_take_two_queries_whatever_their_number(
    shop: StripeCredential, connection_queries: Any, settings: Any
) -> None:
    settings.FINANCIAL_CACHE_SECONDS = 0
    for n in range(30):
        span(shop, f"cus_{n:02}", f"2026-03-{1 + n % 15:02}")

    assert connection_queries(lambda: newest_movers(shop, MARCH, 10)) == 2
    assert newest_movers(shop, MARCH, 10) == movers(shop, MARCH)[:10]
