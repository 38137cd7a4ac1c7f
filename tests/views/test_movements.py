"""The rows behind the metrics page: their sums, their links, their file."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from django.urls import reverse

from financial.models import StripeCredential
from financial.views import movements
from tests.views import factory
from tests.views.test_metrics import day, page, shop, span, text

__all__ = ["page", "shop"]
pytestmark = pytest.mark.django_db
METRICS, MOVEMENTS = reverse("financial:metrics"), reverse("financial:movements")
SUM = re.compile(r'<th scope="row">Sum of (\d+)</th>.*?data-label="Change"><strong>(.*?)</strong>', re.S)


def plain(markup: str) -> str:
    return re.sub(r"<[^>]+>", "", markup).strip()


def sums(markup: str) -> tuple[str, str]:
    number, amount = SUM.search(markup).groups()  # type: ignore[union-attr]
    return number, plain(amount)


def rows(client: Any, query: str) -> list[dict[str, str]]:
    answer = client.get(MOVEMENTS + query)
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_without_history_it_says_what_will_be_here(page: Any) -> None:
    assert "No recurring revenue yet" in page(name="movements")


def test_the_newest_month_is_listed_with_customers_before_after_and_change(
    client: Any, page: Any, shop: StripeCredential
) -> None:
    factory.customer(shop, stripe_id="cus_ada", name="Ada Lovelace")
    span(shop, "cus_ada", day(1), day(3))
    span(shop, "cus_gone", day(3, 12), numerator=250)

    shown = text(page(name="movements"))

    assert "All movements, USD" in shown and "March 2026" in shown
    assert "Ada Lovelace" in shown and "cus_gone" in shown
    assert "/customers/cus_ada/" not in shown  # who may not see customers is led to none
    client.force_login(factory.staff("view_stripesubscription", "view_stripecustomer"))
    shown = page(name="movements")
    assert 'href="/studio/financial/stripe/customers/cus_ada/"' in shown
    assert "/customers/cus_gone/" not in shown  # nor to one that is not mirrored
    assert sums(shown) == ("2", "−$7.50 USD")


def test_every_cell_of_the_metrics_page_leads_to_rows_with_its_sum(page: Any, shop: StripeCredential) -> None:
    for n in range(3):
        span(shop, f"cus_{n}", day(1), day(2), numerator=1000, denominator=3)
        span(shop, f"cus_{n}", day(2), day(3), numerator=1000 + n, denominator=7, subscription_stripe_id=f"sub_{n}_b")
        span(shop, f"cus_{n}", day(3), numerator=2000, denominator=3, subscription_stripe_id=f"sub_{n}_c")
    span(shop, "cus_9", day(1), day(2))
    span(shop, "cus_9", day(3), subscription_stripe_id="sub_9b")
    cells = re.findall(rf'<td class="end" data-label="\w+"><a href="{MOVEMENTS}([^"]+)">(.*?)</a></td>', page())

    assert len(cells) == 5
    for query, amount in cells:
        assert sums(page(html.unescape(query), "movements"))[1] == plain(amount)


def test_mrr_is_the_sum_of_all_movements_before(page: Any, shop: StripeCredential) -> None:
    for n in range(3):
        span(shop, f"cus_{n}", day(1), numerator=1000, denominator=3)  # three thirds of ten dollars
    of_mrr = page()[page().index('id="mrr"') :].split("</dl>")[0]
    link = re.search(r'href="([^"]+)">See the rows', of_mrr)
    assert link

    shown = page(html.unescape(link[1]).removeprefix(MOVEMENTS), "movements")

    assert sums(shown) == ("3", "+$10.00 USD")
    assert "Rounding" in shown and "+$0.01" in plain(shown)


def test_a_product_and_a_kind_are_kept_from_page_to_page(page: Any, shop: StripeCredential) -> None:
    for name, stripe_id in (("Book", "prod_a"), ("Cup", "prod_b")):
        factory.product(shop, name=name, stripe_id=stripe_id)
    span(shop, "cus_1", day(3))
    span(shop, "cus_2", day(3), product_stripe_id="prod_b", numerator=700)

    shown = page("?product=prod_b&kind=new&from=2026-03&to=2026-03", "movements")

    assert sums(shown) == ("1", "+$7.00 USD")
    assert "March 2026, Cup" in text(shown)
    assert 'name="kind" value="new"' in shown
    assert "currency=usd&amp;product=prod_b&amp;from=2026-03&amp;to=2026-03" in shown


def test_a_list_that_is_cut_says_so_and_the_sum_and_the_file_do_not_lack_a_row(
    client: Any, page: Any, shop: StripeCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movements, "ROWS_MAX", 2)
    for n in range(5):
        span(shop, f"cus_{n}", day(3))

    shown = page(name="movements")

    assert shown.count('data-label="Movement"') == 2
    assert "The newest 2 of 5 movements are listed" in shown
    assert sums(shown) == ("5", "+$50.00 USD")
    assert len(rows(client, "?format=csv")) == 5


def test_the_file_names_days_zone_mode_and_product(client: Any, page: Any, shop: StripeCredential) -> None:
    factory.product(shop, name="Cup", stripe_id="prod_b")
    factory.customer(shop, stripe_id="cus_1", name="=Ada")
    span(shop, "cus_1", day(1), day(3), product_stripe_id="prod_b")

    answer = client.get(f"{MOVEMENTS}?format=csv&product=prod_b&kind=losses")
    (row,) = rows(client, "?format=csv&product=prod_b&kind=losses")

    assert "movements-prod_b-test-2026-03-20.csv" in answer.headers["Content-Disposition"]
    assert list(row.values())[:-1] == ["2026-03-10", "cus_1", "'=Ada", "churn", "USD", "10.00", "0.00", "-10.00"]
    assert list(row)[-1] == "movements of MRR, test; March 2026 to March 2026; product Cup; days in UTC"


@pytest.mark.parametrize("query", ["?kind=x", "?from=2099-01&to=2099-01", "?from=9999-13&product=%00&currency=zzz"])
def test_any_address_gets_an_answer(page: Any, shop: StripeCredential, query: str) -> None:
    span(shop, "cus_1", day(3))

    assert "All movements, USD" in page(query, "movements")


def test_a_month_without_movements_says_so(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1))

    assert "No such movement in February 2026" in text(page("?from=2026-02&to=2026-02", "movements"))


def test_the_size_of_a_cohort_leads_to_who_began_then(page: Any, shop: StripeCredential) -> None:
    span(shop, "cus_1", day(1))

    assert f'<a href="{MOVEMENTS}?currency=usd&amp;from=2026-01&amp;to=2026-01&amp;kind=new">1</a>' in page()


def test_the_number_of_queries_does_not_grow(page: Any, shop: StripeCredential, connection_queries: Any) -> None:
    span(shop, "cus_0", day(3))
    page(name="movements")
    span(shop, "cus_1", day(3))
    few = connection_queries(lambda: page(name="movements"))
    for n in range(2, 40):
        span(shop, f"cus_{n}", day(3))

    assert connection_queries(lambda: page(name="movements")) == few < 20
