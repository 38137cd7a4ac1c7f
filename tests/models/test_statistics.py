from __future__ import annotations

import pytest
from django.db import connection

from financial.models import StripeCredential, StripeCustomer, statistics

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases look by themselves"),
]


def test_sqlite_learns_that_an_account_has_all_rows() -> None:
    shop = StripeCredential.objects.create(name="Shop")
    StripeCustomer.objects.bulk_create(StripeCustomer(credential=shop, stripe_id=f"cus_{n}") for n in range(50))

    statistics.refresh()

    with connection.cursor() as cursor:
        cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'stripecustomer_new'")
        assert cursor.fetchone()[0].split()[:2] == ["50", "50"]  # rows, and how many of them have one credential
