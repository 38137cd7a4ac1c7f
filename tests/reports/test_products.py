"""What products brought over a period."""

from __future__ import annotations

import datetime as dt

import pytest

from financial import reports
from financial.models import StripeInvoice
from tests.views import factory

pytestmark = pytest.mark.django_db
OCTOBER = reports.Period("30d", "October", dt.date(2026, 10, 1), dt.date(2026, 11, 1))
NOVEMBER = reports.Period("30d", "November", dt.date(2026, 11, 1), dt.date(2026, 12, 1))


def on(month, day):
    return dt.datetime(2026, month, day, 12, tzinfo=dt.UTC)


def billed(shop, product, at, minor, *, currency="usd", payment="", **values):
    price = factory.price(shop, product=product, currency=currency)
    return StripeInvoice.objects.create(
        credential=shop, stripe_id=f"in_{StripeInvoice.objects.count()}", created_at=at, currency=currency,
        subscription=factory.subscription(shop, price=price), payment_intent_stripe_id=payment,
        **{"status": "paid", "amount_paid_minor": minor, **values},
    )  # fmt: skip


def test_paid_invoices_less_refunds_and_disputes_each_on_its_own_day_and_per_currency():
    shop = factory.credential()
    club = factory.product(shop)
    billed(shop, club, on(10, 3), 5000, payment="pi_a")
    billed(shop, club, on(10, 9), 2000, payment="pi_b")
    billed(shop, club, on(10, 9), 700, currency="jpy")
    billed(shop, club, on(10, 9), 9900, status="open", amount_paid_minor=0)
    billed(shop, club, on(9, 30), 1000)
    factory.refund(shop, payment_intent_stripe_id="pi_a", amount_minor=1500, created_at=on(10, 20))
    factory.refund(shop, payment_intent_stripe_id="pi_a", amount_minor=800, created_at=on(11, 2))
    factory.refund(shop, payment_intent_stripe_id="pi_b", amount_minor=300, status="failed", created_at=on(10, 20))
    factory.dispute(shop, payment_intent_stripe_id="pi_b", amount_minor=2000, status="lost", created_at=on(11, 5))

    october, november = (reports.product_revenue(shop, month)[club.pk] for month in (OCTOBER, NOVEMBER))

    assert [(row.currency, row.minor) for row in october] == [("jpy", 700), ("usd", 5500)]
    assert [(row.currency, row.minor) for row in november] == [("usd", -2800)]


def test_a_product_nobody_was_billed_for_has_no_revenue():
    shop = factory.credential()
    factory.product(shop)

    assert reports.product_revenue(shop, OCTOBER) == {}
