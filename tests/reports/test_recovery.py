"""Renewals that failed at first, and what became of them."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest

from financial.models import StripeInvoice
from financial.reports.recovery import Bucket, recovery
from tests.views import factory

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 10, 10, 12, tzinfo=dt.UTC)
OCTOBER = (dt.date(2026, 10, 1), dt.date(2026, 11, 1))


def renewal(shop, minor, *, subscription=None, **values):
    values = {
        "status": "paid", "attempt_count": 1, "currency": "usd", "created_at": AT, "billing_reason": "subscription_cycle",
        **values,
    }  # fmt: skip
    number = StripeInvoice.objects.count()
    return StripeInvoice.objects.create(
        credential=shop, stripe_id=f"in_{number}", amount_due_minor=minor, subscription=subscription, **values
    )


def test_failure_and_recovery_are_shares_by_volume_with_a_third_bucket():
    shop = factory.credential()
    renewal(shop, 10000)
    renewal(shop, 3000, attempt_count=3)
    renewal(shop, 1000, status="open", attempt_count=2, next_payment_attempt_at=AT + dt.timedelta(days=3))
    renewal(shop, 500, status="open", attempt_count=4)
    renewal(shop, 1500, status="uncollectible", attempt_count=4)

    found = recovery(shop, "usd", *OCTOBER)

    assert (found.due, found.failed) == (Bucket(5, 16000), Bucket(4, 6000))
    assert (found.recovered, found.open, found.lost) == (Bucket(1, 3000), Bucket(1, 1000), Bucket(2, 2000))
    assert (found.failure_share, found.recovery_share) == (Fraction(3, 8), Fraction(1, 2))


def test_an_invoice_paid_by_hand_after_a_failed_charge_is_recovered():
    shop = factory.credential()
    paid = factory.payment(shop, stripe_id="pi_hand")
    factory.charge(shop, paid, status="failed")
    renewal(shop, 700, payment_intent_stripe_id="pi_hand")

    assert recovery(shop, "usd", *OCTOBER).recovered == Bucket(1, 700)


def test_first_invoices_trials_other_currencies_months_and_drafts_are_left_out():
    shop = factory.credential()
    tried = factory.subscription(shop, trial_end_at=AT - dt.timedelta(hours=1))
    long_ago = factory.subscription(shop, trial_end_at=AT - dt.timedelta(days=31))
    renewal(shop, 100, subscription=tried, status="open")
    renewal(shop, 100, billing_reason="subscription_create", status="open")
    renewal(shop, 100, currency="eur", status="open")
    renewal(shop, 100, created_at=AT - dt.timedelta(days=30), status="open")
    renewal(shop, 100, status="draft", attempt_count=0)
    renewal(shop, 100, status="void", attempt_count=0)
    renewal(shop, 900, subscription=long_ago)

    found = recovery(shop, "usd", *OCTOBER)

    assert (found.due, found.failed) == (Bucket(1, 900), Bucket())
    assert found.recovery_share is None


def test_it_takes_one_query_and_that_for_the_state_of_the_data(django_assert_num_queries):
    shop = factory.credential()
    for minor in (100, 200, 300):
        renewal(shop, minor, attempt_count=2)

    with django_assert_num_queries(2):
        assert recovery(shop, "usd", *OCTOBER).recovered == Bucket(3, 600)
