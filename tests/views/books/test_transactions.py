from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from functools import partial
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from financial import conf, handwriting, reports
from financial.filters import ledger
from financial.models import Account, PayoutRow, StripeCredential, StripePayout, Transaction
from financial.paging import COUNT_MAX
from financial.reports.periods import Group, Period
from tests import books
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
LIST = reverse("financial:transactions")


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(rows.staff())
    return client


def shown(client: Client, query: str = "", address: str = LIST) -> str:
    answer = client.get(f"{address}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def numbers(text: str) -> list[int]:
    """The primary keys of the transactions in the table, in the order of the rows."""
    return [int(pk) for pk in re.findall(r'main-link" href="/studio/financial/transactions/(\d+)/"', text)]


def a_life(of: StripeCredential) -> None:
    """Every kind of category, with fees where Stripe takes some, in two currencies and over a month's end."""
    story = (
        ("charge", 10000, 320, 28), ("charge", 5406, 322, 29), ("charge_failure", -2000, 35, 30),
        ("refund", -2500, 0, 33), ("refund_failure", 700, 0, 34), ("dispute", -3000, 1500, 34),
        ("dispute_reversal", 900, 0, 36), ("fee", -210, 0, 36), ("network_cost", -11, 0, 36), ("tax", -4, 0, 37),
        ("payout", -4000, 25, 38), ("payout_reversal", 600, 0, 39), ("topup", 5000, 0, 40),
        ("risk_reserved_funds", -1000, 0, 41), ("platform_earning", 130, 0, 42), ("other_adjustment", -77, 0, 43),
        ("brand_new_category", 55, 3, 44),
    )  # fmt: skip
    start = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    for category, amount, fee, day in story:
        at = start + dt.timedelta(days=day - 1)
        books.booked(of, category, amount_minor=amount, fee_minor=fee, created_at=at)
    books.booked(of, amount_minor=700, fee_minor=9, currency="eur", created_at=start)


# What every figure of the report leads to


@pytest.mark.parametrize("figure", reports.FIGURES)
@pytest.mark.parametrize("group", list(Group))
def test_the_rows_behind_every_figure_add_up_to_it(figure: str, group: Group, shop: StripeCredential) -> None:
    a_life(shop)
    name = reports.FIGURES[figure][1]
    period = Period("all", "", None, dt.date(2026, 5, 1))
    for currency in ("usd", "eur"):
        for row in reports.books(shop).rows(currency, period, group):
            found = Transaction.objects.of(shop).filter(
                reports.FIGURES[figure][2], status="settled", currency=currency,
                booked_on__gte=row.start, booked_on__lt=row.end,
            )  # fmt: skip
            from_rows = sum(getattr(line.figures, name) for line in reports.sums_of(found))
            from_totals = reports.sums_from_totals(
                shop, figure=figure, currency=currency, first=row.start, last=row.last
            )
            expected = getattr(row.figures, name)
            assert from_rows == expected
            assert sum(getattr(line.figures, name) for line in from_totals) == expected


@pytest.mark.parametrize("figure", reports.FIGURES)
def test_a_figure_of_the_report_links_to_a_list_that_shows_the_same_figure(
    figure: str, shop: StripeCredential, page: Client
) -> None:
    a_life(shop)
    report = page.get(reverse("financial:revenue"), {"period": "all", "currency": "usd"}).text
    found = re.findall(rf'href="({LIST}\?figure={figure}&amp;[^"]+)"><span class="money">([^<]+) ?<', report)
    assert found or figure in ("change",)
    for address, amount in found:
        listed = shown(page, address.replace("&amp;", "&").partition("?")[2])
        sums = re.search(r'<dl class="sums">(.*?)</dl>', listed, re.S)
        assert sums and amount.strip() in sums[1]


def test_funding_that_carries_a_fee_is_among_the_rows_of_the_fees(shop: StripeCredential, page: Client) -> None:
    payout = books.booked(shop, "payout", amount_minor=-4000, fee_minor=25)
    free = books.booked(shop, "payout", amount_minor=-4000)

    assert numbers(shown(page, "figure=fees")) == [payout.pk]
    assert numbers(shown(page, "figure=funding")) == [free.pk, payout.pk]


# The list


def test_nothing_booked_says_so_and_leads_on(shop: StripeCredential, page: Client) -> None:
    assert "Nothing booked yet" in shown(page)


def test_books_without_differences_are_said_to_have_none(shop: StripeCredential, page: Client) -> None:
    books.booked(shop)
    text = shown(page, "status=differences")
    assert "No differences" in text and "Nothing matches" not in text
    assert "Nothing matches" in shown(page, "status=differences&kind=payout")  # of others there may be some


def test_an_estimate_is_marked_and_in_no_sum(shop: StripeCredential, page: Client) -> None:
    factory.booked(shop, status="estimated", amount_minor=123456)
    factory.booked(shop, amount_minor=1000, fee_minor=100)

    text = shown(page)

    assert "≈" in text and "Estimated" in text
    assert "$9.00" in text and "$1,234.56" in text
    sums = re.search(r'<dl class="sums">(.*?)</dl>', text, re.S)
    assert sums and "$9.00" in sums[1] and "1,23" not in sums[1]


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=refund", ["refund"]),
        ("account=Expenses:Disputes", ["dispute"]),
        ("currency=eur", ["payment"]),
        ("status=estimated", ["payment"]),
        ("date_from=2026-03-02&date_to=2026-03-02", ["dispute"]),
        ("status=differences", ["other"]),
        ("kind=payout", []),
    ],
)
def test_a_filter_shows_what_fits_it(query: str, kinds: list[str], shop: StripeCredential, page: Client) -> None:
    day = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    books.booked(shop, "refund", amount_minor=-100, created_at=day)
    books.booked(shop, "dispute", amount_minor=-100, created_at=day + dt.timedelta(days=1))
    books.booked(shop, "other_adjustment", amount_minor=-5, created_at=day)
    books.booked(shop, "charge", currency="eur", created_at=day)
    factory.booked(shop, status="estimated", occurred_at=dt.datetime.now(dt.UTC))

    found = numbers(shown(page, query))

    assert [Transaction.objects.get(pk=pk).kind for pk in found] == kinds


def test_a_customer_finds_payments_and_their_refunds(shop: StripeCredential, page: Client) -> None:
    ada, eve = factory.customer(shop), factory.customer(shop, name="Eve", email="eve@example.com")
    paid, other = factory.payment(shop, customer=ada), factory.payment(shop, customer=eve)
    first = books.settled(shop, paid, charge_stripe_id=factory.charge(shop, paid, customer=ada).stripe_id)
    books.settled(shop, other)
    back = books.settled(shop, charge_stripe_id=first.stripe_transaction.charge_stripe_id, kind="refund")

    assert set(numbers(shown(page, f"customer={ada.stripe_id}"))) == {first.pk, back.pk}
    assert set(numbers(shown(page, "customer=ada@example.com"))) == {first.pk, back.pk}


@pytest.mark.parametrize("name", ["balance_transaction.stripe_id", "source_stripe_id"])
def test_an_id_finds_its_transaction(name: str, shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop, "fee", amount_minor=-5, source_stripe_id="fee_7")
    books.booked(shop)
    wanted: Any = row
    for part in name.split("."):
        wanted = getattr(wanted, part)

    assert numbers(shown(page, f"q={wanted}")) == [row.pk]


def test_days_are_those_of_the_accounts_zone(shop: StripeCredential, page: Client, settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    row = books.booked(shop, created_at=dt.datetime(2026, 4, 1, 3, 59, 59, tzinfo=dt.UTC))

    assert numbers(shown(page, "date_from=2026-03-31&date_to=2026-03-31")) == [row.pk]
    assert numbers(shown(page, "date_from=2026-04-01")) == []


def test_an_invalid_filter_shows_nothing_and_says_why(shop: StripeCredential, page: Client) -> None:
    books.booked(shop)
    for query in ("currency=xyz", "account=Assets:Nowhere", "figure=luck", "date_from=x"):
        text = shown(page, query)
        assert "a filter is not valid" in text and numbers(text) == []


def test_counts_and_sums_stay_exact_beyond_what_can_be_counted(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=4000)
    day = dt.date(2026, 10, 15)
    estimate = {
        "credential": shop, "kind": "payment", "occurred_at": factory.NOW, "booked_on": day, "currency": "usd",
        "amount_minor": 100, "fee_minor": 0, "net_minor": 100, "presentment_amount_minor": 100,
    }  # fmt: skip
    Transaction.objects.bulk_create(Transaction(source_stripe_id=f"pi_{n}", **estimate) for n in range(COUNT_MAX + 1))

    text, by_kind = shown(page), shown(page, "kind=payment")

    assert f"{COUNT_MAX + 2:,} transactions" in text and "$40.00" in text
    assert f"more than {COUNT_MAX:,}" in by_kind and "Too many to add up" in by_kind


def test_counts_and_sums_are_kept_until_something_is_booked(
    shop: StripeCredential, page: Client, connection_queries: Any
) -> None:
    books.booked(shop, amount_minor=1000)
    for query in ("", "kind=payment", "account=Income:Sales", "status=settled"):
        anew, kept = (connection_queries(partial(shown, page, query)) for _ in range(2))
        assert kept < anew, query
    books.booked(shop, amount_minor=250)
    for query in ("", "kind=payment", "account=Income:Sales", "status=settled"):
        assert "2 transactions" in shown(page, query), query
        assert "$12.50" in shown(page, query), query


def test_an_account_says_by_how_much_the_rows_changed_it(shop: StripeCredential, page: Client) -> None:
    day = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    books.booked(shop, amount_minor=1000, created_at=day)
    books.booked(shop, amount_minor=250, created_at=day + dt.timedelta(days=1))

    assert "credit" in shown(page, "account=Income:Sales")
    assert "$12.50" in shown(page, "account=Income:Sales")
    assert "$10.00" in shown(page, "account=Income:Sales&date_to=2026-03-01")
    assert "$12.50" in shown(page, "account=Income:Sales&kind=payment")


def test_what_is_not_booked_stands_on_top_with_its_cause(shop: StripeCredential, page: Client) -> None:
    books.movement(shop, amount_minor=1000, net_minor=999, stripe_id="txn_broken")

    text = shown(page)

    assert "Not booked" in text and "txn_broken" in text
    assert re.search(r'data-label="Why"[^>]*>[^<]*txn_broken', text)


def test_suspense_stands_on_top_until_it_is_mapped(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    assert "in suspense" in shown(page)

    handwriting.map_category(None, "contribution", Account.objects.get(code="Expenses:Other"))

    assert "in suspense" not in shown(page)


def test_a_customer_with_too_many_to_name_finds_the_same_rows_uncounted(
    shop: StripeCredential, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, eve = factory.customer(shop), factory.customer(shop, name="Eve", email="eve@example.com")
    own = []
    for customer in (ada, ada, eve):
        paid = factory.payment(shop, customer=customer)
        charge = factory.charge(shop, paid, customer=customer)
        own.append(books.settled(shop, paid, charge_stripe_id=charge.stripe_id))
    own.append(books.settled(shop, kind="refund", charge_stripe_id=charge.stripe_id))
    monkeypatch.setattr(ledger, "FEW", 1)

    text = shown(page, f"customer={ada.stripe_id}")

    assert set(numbers(text)) == {own[0].pk, own[1].pk}
    assert "more than 1" in text
    assert set(numbers(shown(page, f"customer={eve.stripe_id}"))) == {own[2].pk, own[3].pk}


@pytest.mark.parametrize("named", [20_000, 1, 0], ids=["by keys", "charges are too many", "payments are too many"])
def test_a_customer_with_many_payments_finds_the_same_rows_beside_another_filter(
    named: int, shop: StripeCredential, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, eve = factory.customer(shop), factory.customer(shop, name="Eve", email="eve@example.com")
    own = {ada: [], eve: []}
    for customer in (ada, eve, ada):
        paid = factory.payment(shop, customer=customer)
        charge = factory.charge(shop, paid, customer=customer)
        books.settled(shop, paid, charge_stripe_id=charge.stripe_id)
        own[customer].append(books.settled(shop, kind="refund", charge_stripe_id=charge.stripe_id).pk)
    monkeypatch.setattr(ledger, "FEW", 0)
    monkeypatch.setattr(ledger, "NAMED", named)

    for customer, refunds in own.items():
        text = shown(page, f"customer={customer.stripe_id}&kind=refund")
        assert sorted(numbers(text)) == sorted(refunds)


def test_the_number_of_queries_does_not_grow(
    shop: StripeCredential, page: Client, connection_queries: Any, settings: Any
) -> None:
    def more(count: int) -> None:
        for _ in range(count):
            paid = factory.payment(shop, customer=factory.customer(shop))
            charge = factory.charge(shop, paid, customer=paid.customer)
            books.settled(shop, paid, charge_stripe_id=charge.stripe_id)
            books.settled(shop, charge_stripe_id=charge.stripe_id, kind="refund")

    settings.FINANCIAL_PAGE_SIZE = 200
    settings.FINANCIAL_CACHE_SECONDS = 0
    more(2)
    shown(page)
    few = connection_queries(lambda: shown(page))
    more(20)

    assert connection_queries(lambda: shown(page)) == few < 30


def test_what_is_not_booked_is_looked_for_again_and_what_was_booked_since_is_left_out(
    shop: StripeCredential, page: Client
) -> None:
    def pinned() -> list[bool]:
        text = shown(page)
        return [moved.stripe_id in text for moved in (broken, waiting, late) if moved]

    late = None
    with time_machine.travel(dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC), tick=False) as clock:
        broken = books.movement(shop, amount_minor=100, net_minor=1)
        waiting = books.movement(shop, amount_minor=200)
        assert pinned() == [True, True]

        books.journal.book(shop, objects={waiting.stripe_id}, now=waiting.created_at)
        late = books.movement(shop, amount_minor=300, net_minor=2)
        assert pinned() == [True, False, False]

        clock.shift(conf.get("CACHE_SECONDS"))
        assert pinned() == [True, False, True]


def test_the_file_has_the_rows_of_the_filters_and_names_the_zone(
    shop: StripeCredential, page: Client, settings: Any
) -> None:
    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"
    books.booked(shop, "refund", amount_minor=-100)
    books.booked(shop, amount_minor=1234, fee_minor=66)

    answer = page.get(f"{LIST}?kind=payment&format=csv")
    found = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))  # type: ignore[call-overload]

    assert [(row["amount"], row["fee"], row["net"], row["mode"]) for row in found] == [
        ("12.34", "0.66", "11.68", "test")
    ]
    assert "booked on (Europe/Berlin)" in found[0]


def test_text_from_stripe_is_escaped(shop: StripeCredential, page: Client) -> None:
    hostile = "<script>alert('x')</script>"
    row = books.booked(shop, description=hostile, amount_minor=1)

    assert hostile not in shown(page)
    assert hostile not in page.get(reverse("financial:transaction", args=[row.pk])).text


def export_address(text: str) -> str:
    found = re.search(r'id="export-books" href="([^"]+)"', text)
    assert found
    return html.unescape(found[1])


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_the_export_of_the_books_keeps_days_and_currency(
    shop: StripeCredential, page: Client, headers: dict[str, str]
) -> None:
    books.booked(shop, currency="eur")
    asked = {"date_from": "2026-10-01", "date_to": "2026-10-31", "currency": "EUR", "kind": "payment"}

    text = page.get(LIST, asked, headers=headers).text

    assert export_address(text) == reverse("financial:exports") + "?start=2026-10-01&end=2026-10-31&currency=eur"
    assert ('hx-swap-oob="true"' in text) == bool(headers)
    form = page.get(export_address(text)).text
    assert 'name="start" value="2026-10-01"' in form and '<option value="eur" selected>' in form


def test_filters_that_are_not_valid_reach_no_export(shop: StripeCredential, page: Client) -> None:
    text = page.get(LIST, {"date_from": "soon"}).text

    assert export_address(text) == reverse("financial:exports")


# The books of the house


def test_own_books_lead_to_their_own_export(shop: StripeCredential, page: Client) -> None:
    books.by_hand()

    address = export_address(page.get(reverse("financial:house")).text)

    assert address == reverse("financial:exports") + "?books=house"


def test_own_books_are_apart_from_those_of_a_stripe_account(shop: StripeCredential, page: Client) -> None:
    stripe, own = books.booked(shop), books.by_hand()

    assert numbers(shown(page)) == [stripe.pk]
    assert numbers(shown(page, address=reverse("financial:house"))) == [own.pk]


def test_own_books_are_never_shown_as_test_money(shop: StripeCredential, page: Client) -> None:
    stripe, own = books.booked(shop), books.by_hand()
    house = (
        reverse("financial:house"),
        reverse("financial:transaction", args=[own.pk]),
        reverse("financial:transaction-new"),
    )

    for address in house:
        text = page.get(address).text
        assert "<strong>Own books</strong> – real money" in text and "(own books)</title>" in text
        assert "Test mode" not in text
    for address in (LIST, reverse("financial:transaction", args=[stripe.pk])):
        assert "<strong>Test mode</strong>" in page.get(address).text


def test_own_books_need_no_stripe_account(page: Client) -> None:
    own = books.by_hand()

    assert numbers(shown(page, address=reverse("financial:house"))) == [own.pk]
    assert b"".join(page.get(reverse("financial:house") + "?format=csv")).count(b"income") == 1  # type: ignore[call-overload]


def test_the_payout_a_movement_went_out_with_is_named(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop)
    payout = StripePayout.objects.create(credential=shop, stripe_id="po_42", created_at=row.occurred_at)
    PayoutRow.objects.create(payout=payout, balance_transaction=row.balance_transaction)

    for text in (shown(page), page.get(reverse("financial:transaction", args=[row.pk])).text):
        assert f'href="{reverse("financial:payout", args=["po_42"])}"' in text
