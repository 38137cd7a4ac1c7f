from __future__ import annotations

import csv
import datetime as dt
import io
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from financial.models import StripeCredential
from tests import books
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
REVENUE = reverse("financial:revenue")
MARCH = {"from": "2026-03-01", "to": "2026-03-31", "currency": "usd", "group": "month"}


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(rows.staff())
    return client


def on(month: int, day: int, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


def file(page: Client, **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.get(REVENUE, {**query, "csv": "1"}).text)))


def test_march_of_book_a_is_as_in_the_definitions(shop: StripeCredential, page: Client) -> None:
    for amount, fee, day in ((10000, 320, 28), (5406, 322, 29), (3000, 117, 30)):
        books.booked(shop, amount_minor=amount, fee_minor=fee, created_at=on(3, day))

    (row,) = file(page, **MARCH)

    assert (row["gross"], row["fees"], row["total revenue"], row["net volume"]) == (
        "184.06",
        "7.59",
        "184.06",
        "176.47",
    )


def test_a_closed_month_never_changes(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=10000, fee_minor=320, created_at=on(3, 28))
    closed = file(page, **MARCH)
    shown = page.get(REVENUE, MARCH).text

    for category, amount, fee in (
        ("refund", -2500, 0),
        ("dispute", -3000, 1500),
        ("refund_failure", 10, 0),
        ("fee", -9, 0),
    ):
        books.booked(shop, category, amount_minor=amount, fee_minor=fee, created_at=on(4, 2))

    assert file(page, **MARCH) == closed
    table = re.compile(r"<tbody>.*?</tbody>", re.S)
    assert table.findall(page.get(REVENUE, MARCH).text) == table.findall(shown)


def test_days_are_cut_in_the_accounts_zone_which_is_named(shop: StripeCredential, page: Client, settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    books.booked(shop, amount_minor=500, created_at=dt.datetime(2026, 4, 1, 3, 59, 59, tzinfo=dt.UTC))
    books.booked(shop, amount_minor=600, created_at=dt.datetime(2026, 4, 1, 4, 0, 0, tzinfo=dt.UTC))

    (row,) = file(page, **MARCH)

    assert row["gross"] == "5.00"
    assert "from (America/New_York)" in row
    assert "America/New_York" in page.get(REVENUE, MARCH).text


def test_the_days_before_are_as_many_and_compared(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=10000, created_at=on(3, 10))
    books.booked(shop, amount_minor=8000, created_at=on(2, 10))
    books.booked(shop, amount_minor=9999, created_at=on(1, 10))  # before the 31 days before

    text = page.get(REVENUE, MARCH).text

    assert "29 Jan – 28 Feb 2026</th>" in text and "$80.00" in text and "+25.0" in text


def test_the_file_is_what_is_on_the_screen(shop: StripeCredential, page: Client) -> None:
    for day in (1, 9, 20):
        books.booked(shop, amount_minor=1000, created_at=on(3, day))
    query = {**MARCH, "group": "week"}
    link = re.search(r'href="\?([^"]*csv=1[^"]*)"', page.get(REVENUE, query).text)
    assert link

    found = list(csv.DictReader(io.StringIO(page.get(f"{REVENUE}?{link[1].replace('&amp;', '&')}").text)))

    assert found == file(page, **query)
    assert sum(float(row["gross"]) for row in found) == 30


@pytest.mark.parametrize(
    "query", [{"from": "x", "to": "y"}, {"from": "2026-03-02", "to": "2026-03-01"}, {"group": "age"}]
)
def test_any_address_gets_an_answer(query: dict[str, str], shop: StripeCredential, page: Client) -> None:
    books.booked(shop)

    assert page.get(REVENUE, query).status_code == 200


def test_nothing_booked_says_so(shop: StripeCredential, page: Client) -> None:
    assert "Nothing booked yet" in page.get(REVENUE).text


def test_the_number_of_queries_does_not_grow(shop: StripeCredential, page: Client, connection_queries: Any) -> None:
    def asked() -> int:
        cache.clear()
        return int(connection_queries(lambda: page.get(REVENUE, {"period": "all", "group": "day"})))

    books.booked(shop, created_at=on(3, 1))
    asked()
    few = asked()
    for day in range(1, 25):
        books.booked(shop, currency="eur", created_at=on(4, day))

    assert asked() == few < 20


def test_months_are_closed_from_balance_to_balance(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=5000, fee_minor=150, created_at=on(2, 10))
    books.booked(shop, amount_minor=10000, fee_minor=320, created_at=on(3, 28))
    books.booked(shop, "payout", amount_minor=-4850, created_at=on(3, 1, 0))
    books.booked(shop, "refund", amount_minor=-1000, created_at=on(4, 1, 0))
    query = {**MARCH, "from": "2026-02-01", "to": "2026-04-30"}

    found = file(page, **query)
    text = page.get(REVENUE, MARCH).text

    columns = ("opening balance", "balance change", "closing balance")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("0.00", "48.50", "48.50"),
        ("48.50", "48.30", "96.80"),
        ("96.80", "-10.00", "86.80"),
    ]
    shown = re.findall(r'data-label="(?:Opening balance|Closing balance|Balance change)">(.*?)</td>', text)
    assert [re.sub("<[^>]+>", "", cell) for cell in shown[-4:]][:3] == ["$48.30 USD", "$48.50 USD", "$96.80 USD"]
    assert "figure=change&amp;currency=usd&amp;date_from=2026-03-01&amp;date_to=2026-03-31" in text


def test_without_a_first_day_the_balance_opens_with_nothing(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=5000, fee_minor=150, created_at=on(2, 10))

    text = page.get(REVENUE, {"period": "all"}).text

    assert 'data-label="Opening balance"><span class="money">$0.00' in text
    assert 'data-label="Closing balance"><span class="money">$48.50' in text


def test_every_column_says_how_it_is_computed(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=10000, fee_minor=320, created_at=on(3, 28))

    text = page.get(REVENUE, MARCH).text

    for heading in ("Gross", "Refunds", "Disputes", "Total revenue", "Fees", "Net volume", "Funding", "Balance change"):
        assert f'<summary>Explain<span class="sr"> {heading}</span></summary>' in text
