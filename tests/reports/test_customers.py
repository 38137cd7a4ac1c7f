"""What customers paid and kept paid."""

from __future__ import annotations

import pytest

from financial import reports
from tests.views import factory

pytestmark = pytest.mark.django_db


def pay(shop, ada, amount, *, refunded=0, disputed=(), **values):
    paid = factory.payment(shop, customer=ada, amount_minor=amount, currency=values.get("currency", "usd"))
    charge = factory.charge(
        shop,
        paid,
        customer=ada,
        **{"captured": True, "amount_captured_minor": amount, "amount_refunded_minor": refunded, **values},
    )
    for minor, status in disputed:
        factory.dispute(shop, charge=charge, amount_minor=minor, status=status, currency=charge.currency)
    return charge


def test_paid_net_is_captured_less_refunds_and_disputes_not_won_per_currency():
    shop = factory.credential()
    ada = factory.customer(shop)
    pay(shop, ada, 10000, refunded=2500)
    pay(shop, ada, 3000, disputed=[(3000, "lost")])
    pay(shop, ada, 4000, disputed=[(4000, "won"), (4000, "warning_needs_response")])
    pay(shop, ada, 500, currency="jpy")
    pay(shop, ada, 9900, status="failed", captured=False)

    found = reports.paid_net(shop, [ada])[ada.pk]

    assert [(row.currency, row.net_minor) for row in found] == [("jpy", 500), ("usd", 11500)]
    assert (found[1].captured_minor, found[1].refunded_minor, found[1].disputed_minor) == (17000, 2500, 3000)


def test_a_reservation_that_was_not_captured_is_not_paid():
    shop = factory.credential()
    ada = factory.customer(shop)
    paid = factory.payment(shop, customer=ada, status="requires_capture")
    factory.charge(shop, paid, customer=ada, captured=False, amount_captured_minor=0)

    assert reports.paid_net(shop, [ada]) == {}


def test_all_customers_of_a_page_take_two_queries(django_assert_num_queries):
    shop = factory.credential()
    everybody = [factory.customer(shop) for _ in range(5)]
    for one in everybody:
        pay(shop, one, 100, disputed=[(100, "lost")])

    with django_assert_num_queries(2):
        assert len(reports.paid_net(shop, everybody)) == 5
