from __future__ import annotations

from typing import Any

import pytest

from financial.models import StripeCustomer, StripePaymentIntent
from financial.models.among import Among
from tests.views import rows as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Any:
    ada, grace = (make.customer(make.credential(), name=name) for name in ("Ada", "Grace"))
    make.payment(make.credential(), ada)
    make.payment(make.credential(), grace)
    make.payment(make.credential(), None)
    return ada


def test_rows_of_any_number_of_keys_are_found(ada: Any) -> None:
    keys = [ada.pk, *range(10_000, 50_000)]
    assert [row.customer for row in StripePaymentIntent.objects.filter(Among("customer", keys))] == [ada]
    assert list(StripeCustomer.objects.filter(Among("pk", keys))) == [ada]
    assert StripePaymentIntent.objects.filter(Among("customer__pk", keys)).count() == 1


def test_of_no_keys_nothing_is_found(ada: Any) -> None:
    assert not StripePaymentIntent.objects.filter(Among("customer", [])).exists()


def test_it_is_joined_with_other_conditions(ada: Any) -> None:
    mine = Among("customer", [ada.pk])
    assert StripePaymentIntent.objects.exclude(mine).count() == 1  # as of any condition, not those without a customer
    assert StripePaymentIntent.objects.filter(mine, customer__name="Ada").count() == 1
