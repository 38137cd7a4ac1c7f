"""The pages of payouts: what the list says of each, and how one payout adds up."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from financial.ledger import journal
from financial.models import (
    BankDeposit,
    PayoutDestination,
    PayoutReading,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCredential,
    StripePayout,
    Transaction,
)
from tests import books
from tests.views import factory

pytestmark = pytest.mark.django_db
ARRIVAL = dt.datetime(2026, 10, 19, tzinfo=dt.UTC)


@pytest.fixture
def shop(client: Any) -> StripeCredential:
    client.force_login(factory.staff(*factory.VIEW_ALL))
    return factory.credential()


def payout(of: StripeCredential, *nets: int, read: bool = True, **values: Any) -> StripePayout:
    """A payout of these rows; `amount_minor` says what it is, else their sum."""
    number = StripePayout.objects.count() + 1
    own = f"txn_own_{number}"
    values = {
        "stripe_id": f"po_{number}",
        "amount_minor": sum(nets),
        "currency": "usd",
        "status": "paid",
        "reconciliation_status": "completed",
        "balance_transaction_stripe_id": own,
        "created_at": factory.NOW,
        "arrival_at": ARRIVAL,
        **values,
    }
    made = StripePayout.objects.create(credential=of, livemode=of.livemode, **values)
    rows = [books.movement(of, amount_minor=net + 30, fee_minor=30) for net in nets]
    rows.append(
        books.movement(of, "payout", stripe_id=own, amount_minor=-made.amount_minor, source_stripe_id=made.stripe_id)
    )
    if read:
        PayoutRow.objects.bulk_create(PayoutRow(payout=made, balance_transaction=row) for row in rows)
        PayoutReading.objects.create(
            payout=made, is_complete=True, rows=len(nets), net_minor=sum(nets), own_minor=-made.amount_minor
        )
    return made


def page(client: Any, query: str = "") -> str:
    return str(client.get(reverse("financial:payouts") + query).text)


def detail(client: Any, made: StripePayout, query: str = "") -> str:
    return str(client.get(reverse("financial:payout", args=[made.stripe_id]) + query).text)


def test_a_payout_that_sums_up_says_so(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 9680, 757)

    assert "Sums up" in page(client)
    text = detail(client, made)
    assert "Nothing is missing" in text
    assert "$104.37" in text


def test_a_remainder_is_shown_with_its_amount_and_in_words(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 9680, amount_minor=10437)

    assert "$7.57" in page(client)
    text = detail(client, made)
    assert "Unexplained" in text
    assert "missing from Stripe’s list" in text


def test_the_remainder_of_a_payout_explains_itself(client: Any, shop: StripeCredential) -> None:
    text = detail(client, payout(shop, 2288))

    assert '<summary>Explain<span class="sr"> Remainder</span></summary>' in text
    assert "Payout − Σ net of its rows" in text


def test_a_manual_payout_is_not_itemisable(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, read=False, amount_minor=500, automatic=False, reconciliation_status="not_applicable")

    text = detail(client, made)

    assert "Not itemisable" in text
    assert "covered by the running balance" in text
    assert "Unexplained" not in text


def test_a_failed_payout_says_that_its_money_came_back(client: Any, shop: StripeCredential) -> None:
    made = payout(
        shop, 2288, status="failed", failure_code="account_closed", failure_balance_transaction_stripe_id="txn_back"
    )

    text = detail(client, made)

    assert "account closed" in text
    assert "txn_back" in text


def test_a_canceled_payout_is_no_error(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, read=False, amount_minor=500, automatic=False, status="canceled")

    assert "canceled before it left" in detail(client, made)


def test_a_negative_payout_adds_up_below_zero(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, -5450)

    text = detail(client, made)

    assert "$54.50" in text
    assert "Nothing is missing" in text


def test_entries_of_the_payout_and_of_its_arrival_are_shown(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 9680)
    journal.book_all(shop, now=ARRIVAL + dt.timedelta(days=1))

    text = detail(client, made)

    assert "Arrival at the bank" in text
    assert "Assets:PayoutsInTransit" in text
    assert "Assets:Bank" in text


def test_the_timeline_of_a_payout_tells_its_life_and_leads_to_the_books(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 9680)
    journal.book_all(shop, now=ARRIVAL + dt.timedelta(days=1))
    PayoutReading.objects.update(read_at=ARRIVAL)
    BankDeposit.objects.create(
        credential=shop, payout=made, amount_minor=9680, currency="usd", booked_on=ARRIVAL.date(), identity="1",
        match=BankDeposit.Match.TRACE,
    )  # fmt: skip

    text = detail(client, made)

    for told in ("Payout of $96.80 USD made by schedule", "Arrived at the bank", "Deposit of 19 Oct 2026 matched",
                 "1 row read, they sum up to it"):  # fmt: skip
        assert told in text
    for kind, said in (("payout", "Payout of −$96.80 USD"), ("arrival", "Arrival at the bank of $96.80 USD")):
        row = Transaction.objects.get(kind=kind)
        address = reverse("financial:transaction", args=[row.pk])
        assert f'<a href="{address}">{said} booked on {row.booked_on:%d %b %Y}</a>' in text


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("pending", "Waits to be sent, expected at the bank"),
        ("in_transit", "In transit, expected at the bank"),
        ("failed", "Was to arrive at the bank, and failed"),
        ("canceled", "Was to arrive at the bank, and was canceled"),
    ],
)
def test_a_payout_that_is_not_at_the_bank_says_how_far_it_came(
    client: Any, shop: StripeCredential, status: str, told: str
) -> None:
    made = payout(shop, 500, status=status, amount_minor=700)
    PayoutReading.objects.update(read_at=ARRIVAL)

    text = detail(client, made)

    assert told in text and "Arrived at the bank" not in text
    assert "1 row read, they do not sum up to it" in text


def test_the_day_of_arrival_is_stripes_whatever_the_zone(client: Any, shop: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    payout(shop, 100)

    assert "19 Oct 2026" in page(client)


def test_rows_are_paged_and_a_stale_link_shows_the_first_page(
    client: Any, shop: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_PAGE_SIZE = 2
    made = payout(shop, 100, 200, 300)

    assert detail(client, made).count('data-label="Fee"') == 2
    assert "not valid any more" in detail(client, made, "?after=forged")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=failed", ["po_2"]),
        ("?status=open", ["po_3"]),
        ("?reconciled=agrees", ["po_1", "po_2"]),
        ("?reconciled=differs", ["po_3"]),
        ("?reconciled=manual", ["po_4"]),
        ("?currency=eur", ["po_4"]),
        ("?date_from=2026-10-20", ["po_2"]),
        ("?date_to=2026-10-19", ["po_1", "po_3", "po_4"]),
        ("?q=po_1", ["po_1"]),
        ("?q=TRACE9", ["po_4"]),
        ("?q=txn_own_3", ["po_3"]),
    ],
)
def test_filters_find(client: Any, shop: StripeCredential, query: str, found: list[str]) -> None:
    payout(shop, 100)
    payout(shop, 200, status="failed", arrival_at=ARRIVAL + dt.timedelta(days=1))
    payout(shop, 300, amount_minor=400)
    payout(shop, read=False, amount_minor=5, currency="eur", automatic=False, trace_id="TRACE9")

    text = page(client, query)

    assert sorted(name for name in ("po_1", "po_2", "po_3", "po_4") if f"/{name}/" in text) == found


def test_a_list_costs_the_same_number_of_queries_whatever_its_length(
    client: Any, shop: StripeCredential, connection_queries: Any
) -> None:
    payout(shop, 100)
    page(client)  # the shell's figures are kept now
    few = connection_queries(lambda: page(client))
    for _ in range(8):
        payout(shop, 100, 200)

    assert connection_queries(lambda: page(client)) == few


def test_a_payout_costs_the_same_number_of_queries_whatever_its_rows(
    client: Any, shop: StripeCredential, connection_queries: Any
) -> None:
    small, large = payout(shop, 100), payout(shop, *range(1, 20))
    detail(client, small), detail(client, large)  # what is kept is kept now

    few = connection_queries(lambda: detail(client, small))

    assert connection_queries(lambda: detail(client, large)) == few


def test_the_list_is_exported(client: Any, shop: StripeCredential) -> None:
    payout(shop, 9680, amount_minor=10437)

    answer = client.get(reverse("financial:payouts") + "?format=csv")

    line = b"".join(answer.streaming_content).decode().splitlines()[1]
    assert line.startswith("po_1,2026-10-19,paid,10437,104.37,usd,yes,1,differs,757,")


def test_each_row_leads_to_its_transaction_and_its_payment(client: Any, shop: StripeCredential) -> None:
    paid = factory.payment(shop)
    charge = factory.charge(shop, paid, stripe_id="ch_1")
    factory.refund(shop, stripe_id="re_1", charge=charge, charge_stripe_id="ch_1")
    StripePayout.objects.create(credential=shop, stripe_id="po_before")
    made = payout(shop)
    moved = [
        books.movement(shop, amount_minor=2900, source_stripe_id="ch_1"),
        books.movement(shop, "refund", amount_minor=-500, source_stripe_id="re_1"),
        books.movement(shop, "payout_reversal", amount_minor=100, source_stripe_id="po_before"),
    ]
    PayoutRow.objects.bulk_create(PayoutRow(payout=made, balance_transaction=row) for row in moved)
    journal.book_all(shop, now=ARRIVAL)

    text = detail(client, made)

    for row in moved:
        assert f'href="{reverse("financial:transaction", args=[row.transaction.pk])}">{row.stripe_id}</a>' in text
    payment = reverse("financial:payment", args=[paid.stripe_id])
    assert f'href="{payment}">ch_1</a>' in text and f'href="{payment}">re_1</a>' in text
    assert f'href="{reverse("financial:payout", args=["po_before"])}">po_before</a>' in text


def test_who_may_not_see_the_books_gets_no_links_there(client: Any, shop: StripeCredential) -> None:
    client.force_login(factory.staff("view_stripepayout"))
    made = payout(shop, 100)
    journal.book_all(shop, now=ARRIVAL)

    text = detail(client, made)

    assert "/transactions/" not in text and "txn_own_1" in text


def test_a_sum_leads_to_the_rows_it_is_the_sum_of(client: Any, shop: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_PAGE_SIZE = 2
    made = payout(shop, 100, 200, 300)
    odd = books.movement(shop, "", amount_minor=-70)
    PayoutRow.objects.create(payout=made, balance_transaction=odd)

    text = detail(client, made, "?category=charge")
    assert 'href="?category=charge#rows"' in text and 'href="?category=none#rows"' in text
    assert text.count('data-label="Category"') == 2
    (following,) = re.findall(r'rel="next" href="([^"]+)"', text)
    assert detail(client, made, unescape(following)).count('data-label="Category"') == 1

    for category, nets in (("charge", [100, 200, 300]), ("none", [-70]), ("payout", [])):
        answer = client.get(f"{reverse('financial:payout', args=['po_1'])}?format=csv&category={category}")
        lines = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
        assert [int(line["net_minor"]) for line in lines] == nets
    assert "It has none of this category" in detail(client, made, "?category=payout")


def test_a_payout_of_another_account_is_not_found(client: Any, shop: StripeCredential) -> None:
    payout(factory.credential(is_active=False), 100)

    assert client.get(reverse("financial:payout", args=["po_1"])).status_code == 404


def test_nothing_yet_leads_to_the_sync(client: Any, shop: StripeCredential) -> None:
    assert "No payouts yet" in page(client)
    assert not StripeBalanceTransaction.objects.exists()


def test_its_entries_are_exported_by_its_id(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 9680, created_at=ARRIVAL, arrival_at=ARRIVAL)
    journal.book_all(shop, now=ARRIVAL + dt.timedelta(days=1))
    (address,) = re.findall(r'href="([^"]*exports/[?][^"]*)"', detail(client, made))

    form = client.get(address).text
    answer = client.post(reverse("financial:exports"), {"format": "csv", "payout": made.stripe_id})

    assert f'name="payout" value="{made.stripe_id}"' in form
    lines = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert {line["transaction"] for line in lines} == {
        row.balance_transaction.stripe_id for row in made.rows.select_related("balance_transaction")
    }


def test_what_cannot_be_itemised_is_not_offered_for_export(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, read=False, amount_minor=500, automatic=False, reconciliation_status="not_applicable")

    assert "exports/?" not in detail(client, made)


def test_the_rows_of_a_payout_are_a_file(client: Any, shop: StripeCredential) -> None:
    made = payout(shop, 700, 300)
    answer = client.get(reverse("financial:payout", args=[made.stripe_id]) + "?format=csv")
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(lines) == 3  # its own row, too
    assert sum(int(line["net_minor"]) for line in lines) == 0
    assert {line["payout"] for line in lines} == {made.stripe_id}
    assert "payout-" in answer["Content-Disposition"] and "-test-" in answer["Content-Disposition"]


def test_the_bank_account_stands_in_list_detail_and_file(client: Any, shop: StripeCredential) -> None:
    made, other = payout(shop, 2288, destination_stripe_id="ba_1"), payout(shop, 100, destination_stripe_id="ba_2")
    PayoutDestination.objects.create(credential=shop, stripe_id="ba_1", name="Berliner Bank", last4="6789")
    foreign = factory.credential(is_active=False)
    PayoutDestination.objects.create(credential=foreign, stripe_id="ba_2", name="Somebody’s bank", last4="1111")

    answer = client.get(reverse("financial:payouts") + "?format=csv")
    file = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    text = page(client)

    assert 'data-label="Bank account">Berliner Bank ••••6789<' in text and "Somebody" not in text
    assert "Berliner Bank ••••6789" in detail(client, made)
    assert "ba_2" in detail(client, other) and "Somebody" not in detail(client, other)
    assert {line["id"]: line["bank account"] for line in file} == {
        made.stripe_id: "Berliner Bank ••••6789",
        other.stripe_id: "",
    }
