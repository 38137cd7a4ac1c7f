from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from financial import reports
from financial.models import StripeCredential, Transaction
from financial.reports.periods import Period
from tests import books
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
FEES = reverse("financial:fees")
YEAR = Period("all", "All time", dt.date(2026, 1, 1), dt.date(2027, 1, 1))
MARCH = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


def sold(of: StripeCredential, amount: int, fee: int, **charge: Any) -> Transaction:
    """A payment with its charge, settled; `estimated` and `at` are its own."""
    values = {"estimated_fee_minor": charge.pop("estimated", fee), "occurred_at": charge.pop("at", MARCH)}
    currency = charge.pop("currency", "usd")
    paid = factory.payment(of, amount_minor=amount, currency=currency)
    made = factory.charge(of, paid, **charge)
    return books.settled(
        of, paid, amount_minor=amount, fee_minor=fee, currency=currency, charge_stripe_id=made.stripe_id, **values
    )


def table(audit: reports.FeeAudit, title: str) -> dict[str, tuple[int, Decimal | None]]:
    return {row.label: (row.fee_minor, row.rate) for row in dict(audit.tables)[title]}


def test_the_rate_is_the_fee_of_the_amount_by_country_brand_size_and_month(shop: StripeCredential) -> None:
    sold(shop, 10000, 320, card_country="US", card_brand="visa")
    sold(shop, 500, 45, card_country="US", card_brand="amex")
    sold(shop, 20000, 910, card_country="DE", card_brand="visa", at=MARCH + dt.timedelta(days=40))

    audit = reports.fee_audit(shop, "usd", YEAR)

    assert (audit.total.count, audit.total.fee_minor, audit.total.rate) == (3, 1275, Decimal("4.18"))
    assert table(audit, "Card country") == {"DE": (910, Decimal("4.55")), "US": (365, Decimal("3.48"))}
    assert table(audit, "Card brand") == {"Visa": (1230, Decimal("4.10")), "Amex": (45, Decimal("9.00"))}
    assert list(table(audit, "Size")) == ["below $10.00", "$100.00 – $500.00"]
    assert list(table(audit, "Month")) == ["March 2026", "April 2026"]


def test_every_table_sums_to_the_total(shop: StripeCredential) -> None:
    for number in range(12):
        sold(shop, 300 * 3**number, 30 + number, card_country="DEUSFR"[number % 3 * 2 :][:2], card_brand="visa")
    audit = reports.fee_audit(shop, "usd", YEAR)

    for title, lines in audit.tables:
        assert sum(line.fee_minor for line in lines) == audit.total.fee_minor, title
        assert sum(line.amount_minor for line in lines) == audit.total.amount_minor, title


@pytest.mark.parametrize(
    ("currency", "amount", "words"),
    [("usd", 999, "below $10.00"), ("usd", 1000, "$10.00 – $50.00"), ("jpy", 999, "¥500 – ¥1,000"),
     ("kwd", 1000000, "KWD 1,000.000 and more")],
)  # fmt: skip
def test_bands_are_of_major_units(currency: str, amount: int, words: str, shop: StripeCredential) -> None:
    sold(shop, amount, 1, currency=currency)

    (band,) = table(reports.fee_audit(shop, currency, YEAR), "Size")

    assert band.replace("\xa0", " ") == words


def test_the_drift_is_of_payments_in_one_currency(shop: StripeCredential) -> None:
    sold(shop, 10000, 350, estimated=320)
    converted = sold(shop, 5406, 322, estimated=187)
    Transaction.objects.filter(pk=converted.pk)  # settled rows stay; another one is booked converted below
    paid = factory.payment(shop, amount_minor=5000, currency="eur")
    books.settled(shop, paid, amount_minor=5406, fee_minor=322, estimated_fee_minor=175, presentment_currency="eur")

    drift = reports.fee_audit(shop, "usd", YEAR).drift

    assert (drift.count, drift.estimated_minor, drift.exact_minor, drift.drift_minor) == (2, 507, 672, 165)


def test_what_refunds_and_disputes_cost_is_told(shop: StripeCredential) -> None:
    sold(shop, 10000, 320, refunded=True, amount_refunded_minor=10000)
    sold(shop, 8000, 262, amount_refunded_minor=1000)
    sold(shop, 3000, 117)
    books.booked(shop, "refund", amount_minor=-100, fee_minor=7, created_at=MARCH)
    books.booked(shop, "dispute", amount_minor=-3000, fee_minor=1500, created_at=MARCH)

    lost = reports.fee_audit(shop, "usd", YEAR).lost

    assert (lost.refunded, lost.kept_minor) == (1, 320)
    assert (lost.partly_refunded, lost.partly_kept_minor) == (1, 262)
    assert (lost.refund_fees_minor, lost.dispute_fees_minor) == (7, 1500)


def test_days_outside_the_period_do_not_count(shop: StripeCredential) -> None:
    sold(shop, 10000, 320, at=MARCH - dt.timedelta(days=365))
    sold(shop, 500, 45)

    assert reports.fee_audit(shop, "usd", YEAR).total.fee_minor == 45


def test_the_page_shows_the_rates_and_asks_as_often_for_many_payments(
    client: Client, shop: StripeCredential, connection_queries: Any
) -> None:
    client.force_login(rows.staff())
    sold(shop, 10000, 320, card_country="US")
    address = f"{FEES}?period=all"
    client.get(address)

    def asked() -> int:
        cache.clear()
        return int(connection_queries(lambda: client.get(address)))

    assert "3.20 %" in client.get(address).text
    few = asked()
    for _ in range(20):
        sold(shop, 700, 50, card_country="FR")
    assert asked() == few < 25


def test_nothing_booked_says_so(client: Client, shop: StripeCredential) -> None:
    client.force_login(rows.staff())

    assert "Nothing booked yet" in client.get(FEES).text


def test_the_tables_on_the_screen_are_a_file_that_says_of_which_days(shop: StripeCredential, client: Any) -> None:
    sold(shop, 10000, 320, card_country="US")
    client.force_login(factory.staff(*factory.VIEW_ALL))
    answer = client.get(reverse("financial:fees"), {"period": "all", "csv": "1"})
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    country = next(line for line in lines if line["by"] == "Card country")
    assert (country["label"], country["fee_minor"], country["rate in percent"]) == ("US", "320", "3.20")
    assert list(country)[-1].startswith("fees, test; USD; the beginning to ")


def test_every_headline_of_the_audit_explains_itself(shop: StripeCredential, client: Client) -> None:
    sold(shop, 10000, 320, card_country="US", card_brand="visa")
    client.force_login(rows.staff())

    text = client.get(FEES, {"period": "all"}).text

    for figure in ("Effective rate of payments", "All fees", "Estimates against exact fees", "Lost to disputes"):
        assert f'<summary>Explain<span class="sr"> {figure}</span></summary>' in text
