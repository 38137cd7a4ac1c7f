"""The page of recurring revenue: what it shows, filters, hides and explains."""

from __future__ import annotations

import csv
import datetime as dt
import io
from fractions import Fraction
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from financial.models import MrrSpan, StripeCredential
from financial.views.metric_words import percent
from tests.views import factory

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def shop(time_machine: Any) -> StripeCredential:
    time_machine.move_to(NOW, tick=False)
    return factory.credential()


@pytest.fixture
def page(client: Any, shop: StripeCredential) -> Any:
    client.force_login(factory.staff("view_stripesubscription"))

    def get(query: str = "", name: str = "metrics") -> str:
        answer = client.get(reverse(f"financial:{name}") + query)
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def span(
    of: StripeCredential, customer: str, starts_at: dt.datetime, ends_at: dt.datetime | None = None, **more: Any
) -> MrrSpan:
    values = {"product_stripe_id": "prod_a", "currency": "usd", "numerator": 1000, "denominator": 1, **more}
    values.setdefault("subscription_stripe_id", f"sub_{customer}_{values['product_stripe_id']}")
    return MrrSpan.objects.create(
        credential=of, customer_stripe_id=customer, starts_at=starts_at, ends_at=ends_at, **values
    )


def day(month: int, number: int = 10) -> dt.datetime:
    return dt.datetime(2026, month, number, tzinfo=dt.UTC)


def text(html: str) -> str:
    return " ".join(html.split())


def test_without_history_it_says_what_will_be_here(page: Any) -> None:
    assert "No recurring revenue yet" in page()


def test_it_shows_mrr_and_arr_rounded_once(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(2), numerator=176_075, denominator=3)  # 586.91⅔

    html = page()

    assert "$586.92 USD" in html
    assert "$7,043.00 USD" in html


def test_the_table_is_the_twin_of_the_chart(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1), day(3))
    span(shop, "cus_2", day(2), numerator=500)

    html = page()

    assert "<figcaption>Movements of MRR, Jan 2026 to Mar 2026: new $15.00, churn $10.00.</figcaption>" in html
    assert "March 2026" in html and "−<span" in html


def test_shares_of_fewer_than_twenty_customers_are_hidden(page: Any, shop: StripeCredential) -> None:
    for n in range(19):
        span(shop, f"cus_{n}", day(1), day(3) if n == 0 else None)

    html = page()

    assert "1 of 19" in html
    assert "5.3" not in html


def test_shares_of_twenty_customers_are_shown(page: Any, shop: StripeCredential) -> None:
    for n in range(20):
        span(shop, f"cus_{n}", day(1), day(3) if n == 0 else None)

    html = page()

    assert "5.0\u202f%" in html
    assert "Net revenue retention" in html


def test_every_figure_says_how_it_is_computed(page: Any, shop: StripeCredential) -> None:
    for n in range(20):
        span(shop, f"cus_{n}", day(1))

    html = page()

    figures = html.count('<div class="kpi" id=')
    assert figures == 15
    assert html.count("<summary>Explain<span") == figures


def test_currencies_are_kept_apart(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1))
    span(shop, "cus_2", day(1), currency="eur", numerator=4000)

    assert "€40.00 EUR" in page("?currency=eur")
    assert "€" not in page("?currency=usd")


def test_a_product_has_its_own_movements(page: Any, shop: StripeCredential) -> None:
    for name, stripe_id in (("Book", "prod_a"), ("Cup", "prod_b")):
        factory.product(shop, name=name, stripe_id=stripe_id)
    span(shop, "cus_1", day(1))
    span(shop, "cus_1", day(2), product_stripe_id="prod_b", numerator=700)

    assert "$7.00 USD" in page("?product=prod_b")


def test_the_range_of_months_is_as_asked_for(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1), numerator=100)
    span(shop, "cus_2", day(3), numerator=900)

    html = page("?from=2026-01&to=2026-02")

    assert "USD, February 2026" in html
    assert "Jan 2026 to Feb 2026" in html


@pytest.mark.parametrize("query", ["?from=x&to=2026-99", "?from=2026-03&to=2026-01", "?currency=xxx&product=nope"])
def test_an_address_that_makes_no_sense_shows_the_newest_months(page: Any, shop: StripeCredential, query: str) -> None:
    span(shop, "cus_1", day(1))

    assert "USD, March 2026" in page(query)


def test_what_is_scheduled_to_churn_still_counts_and_is_told(page: Any, shop: StripeCredential) -> None:
    leaving = factory.subscription(shop, cancel_at_period_end=True)
    span(shop, "cus_1", day(1), subscription_stripe_id=leaving.stripe_id, numerator=1500)

    html = text(page())

    assert "<dt>Scheduled to churn</dt><dd>$15.00 USD</dd>" in html
    assert "<dt>MRR</dt><dd>$15.00 USD</dd>" in html


def test_a_trial_converts_by_a_paid_invoice_within_fourteen_days(page: Any, shop: StripeCredential) -> None:
    from financial.models import StripeInvoice

    span(shop, "cus_1", day(1))
    for n, paid_on in enumerate([1, 15, None]):
        trial = factory.subscription(shop, trial_end_at=day(3, 1))
        if paid_on:
            StripeInvoice.objects.create(
                credential=shop,
                stripe_id=f"in_{n}",
                subscription_stripe_id=trial.stripe_id,
                status="paid",
                amount_paid_minor=1000,
                created_at=day(3, 1) + dt.timedelta(days=paid_on),
            )

    assert "1 converted, 2 lost, 0 open" in page()


def test_the_file_holds_the_months_on_the_screen(client: Any, page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1), day(3))

    answer = client.get(reverse("financial:metrics") + "?format=csv&from=2026-02")

    lines = answer.content.decode().splitlines()
    assert lines[1:] == [
        "2026-02,test,USD,all,10.00,0.00,0.00,0.00,0.00,0.00,10.00,120.00,1,1,0",
        "2026-03,test,USD,all,10.00,0.00,0.00,0.00,0.00,10.00,0.00,0.00,1,0,1",
    ]


def test_the_file_of_a_product_names_it(client: Any, page: Any, shop: StripeCredential) -> None:
    factory.product(shop, name="=Cup", stripe_id='cup"1')
    span(shop, "cus_1", day(3), product_stripe_id='cup"1')

    answer = client.get(reverse("financial:metrics"), {"format": "csv", "product": 'cup"1'})

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["product"] == "'=Cup (cup\"1)"
    assert 'filename="mrr-cup-1-test-usd.csv"' in answer.headers["Content-Disposition"]


def test_figures_that_are_not_of_a_product_are_told_to_be_missing(page: Any, shop: StripeCredential) -> None:
    factory.product(shop, name="Cup", stripe_id="prod_a")
    span(shop, "cus_1", day(3))

    assert 'id="trials"' in page() and "for all products only" not in page()
    assert 'id="trials"' not in page("?product=prod_a") and "for all products only" in page("?product=prod_a")


def test_the_cohort_grid_shows_numbers_of_few_customers(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1), day(2))
    span(shop, "cus_2", day(1))

    assert 'title="1 of 2 customers">1</td>' in page()


def test_the_number_of_queries_does_not_grow_with_the_history(
    page: Any, shop: StripeCredential, connection_queries: Any
) -> None:
    span(shop, "cus_0", day(1))
    page()
    span(shop, "cus_1", day(1))
    few = connection_queries(page)
    for n in range(2, 40):
        span(shop, f"cus_{n}", day(1), day(2))

    assert connection_queries(page) == few


def test_the_history_is_kept_until_a_span_changes(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1))
    page()
    span(shop, "cus_2", day(1))

    assert "$20.00 USD" in page()


@pytest.mark.parametrize(
    ("name", "kind"), [("subscriptions", "subscription"), ("customers", "customer"), ("products", "product")]
)
def test_lists_show_mrr_as_it_is_now(client: Any, shop: StripeCredential, name: str, kind: str) -> None:
    client.force_login(factory.staff(*factory.VIEW_ALL))
    row = getattr(factory, kind)(shop)
    ids = {"subscription": "sub_x", "product": "prod_x", "customer": "cus_x"} | {kind: row.stripe_id}
    values = {"subscription_stripe_id": ids["subscription"], "product_stripe_id": ids["product"], "numerator": 1234}
    span(shop, ids["customer"], day(1), **values)
    span(shop, ids["customer"], day(1, 1), day(1), **values)

    html = client.get(reverse(f"financial:{name}")).content.decode()

    assert "$12.34" in html


def test_the_stripe_dashboard_shows_mrr_and_arr(client: Any, shop: StripeCredential) -> None:
    client.force_login(factory.staff(*factory.VIEW_ALL))
    factory.subscription(shop)
    span(shop, "cus_1", timezone.now() - dt.timedelta(days=1), numerator=1000, denominator=3)

    html = client.get(reverse("financial:stripe")).content.decode()

    assert "$3.33" in html and "$40.00" in html


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (Fraction(1, 3), "33.3\u202f%"),
        (Fraction(-1, 8), "−12.5\u202f%"),
        (Fraction(-1, 10_000), "0.0\u202f%"),
        (Fraction(5), "500.0\u202f%"),
        (None, "—"),
    ],
)
def test_shares_are_written_in_percent(share: Fraction | None, expected: str) -> None:
    assert percent(share) == expected
