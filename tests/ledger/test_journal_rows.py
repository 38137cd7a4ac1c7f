"""The books out of the database: one query, one order, the same rows however they came to be booked."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections import Counter
from typing import Any

import pytest

from financial.ledger import journal, journal_rows
from financial.ledger.exports import By, write
from financial.ledger.exports.canonical import Booked
from financial.ledger.journal_rows import Scope
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import (
    Account,
    PayoutRow,
    StripeCharge,
    StripeCredential,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    Transaction,
)
from financial.sample_data import load, shapes, story
from tests import books
from tests.views import factory

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 4, 8, 12, tzinfo=dt.UTC)
TOLD = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(days=60)


def rows(scope: Scope | StripeCredential) -> list[Booked]:
    return list(journal_rows.rows(scope if isinstance(scope, Scope) else Scope(scope)))


def file(of: StripeCredential, name: str = "beancount", **days: Any) -> bytes:
    scope = Scope(of, **days)
    return b"".join(write(name, journal_rows.book(scope, xero_tax_rate=""), journal_rows.rows(scope)))


def legs(row: Booked) -> dict[str, int]:
    return {posting.account.path: posting.amount_minor for posting in row.postings}


def payment(of: StripeCredential, **values: Any) -> StripeCharge:
    paid = StripePaymentIntent.objects.create(
        credential=of, stripe_id="pi_1", status="succeeded", amount_minor=10000, currency="usd", **values
    )
    return StripeCharge.objects.create(
        credential=of, stripe_id="ch_1", payment_intent=paid, payment_intent_stripe_id="pi_1", status="succeeded",
        paid=True, amount_minor=10000, currency="usd", balance_transaction_stripe_id="txn_1", created_at=NOON,
    )  # fmt: skip


def test_a_row_is_a_balance_transaction_with_its_entries_and_stripes_own_net(credential: StripeCredential) -> None:
    books.booked(credential, stripe_id="txn_1", amount_minor=10000, fee_minor=320, created_at=NOON)

    (row,) = rows(credential)

    assert (row.reference, row.booked_on, row.category, row.livemode) == ("txn_1", NOON.date(), "charge", False)
    assert legs(row) == {"Assets:Stripe:Payments": 9680, "Expenses:StripeFees": 320, "Income:Sales": -10000}
    assert [(net.account.path, net.amount_minor) for net in row.stripe_net] == [("Assets:Stripe:Payments", 9680)]


def test_rows_come_by_day_time_and_reference_whatever_they_were_booked_in(credential: StripeCredential) -> None:
    for stripe_id, hours in (("txn_b", 0), ("txn_a", 0), ("txn_B", 0), ("txn_c", -30), ("txn_d", 1)):
        books.booked(credential, stripe_id=stripe_id, created_at=NOON + dt.timedelta(hours=hours))

    assert [row.reference for row in rows(credential)] == ["txn_c", "txn_B", "txn_a", "txn_b", "txn_d"]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    credential: StripeCredential, connection_queries: Any
) -> None:
    books.booked(credential)
    one = connection_queries(lambda: rows(credential))
    for _ in range(20):
        books.booked(credential)

    assert connection_queries(lambda: rows(credential)) == one == 2


def test_a_row_names_the_payout_it_went_out_with_even_if_it_is_of_an_earlier_one(credential: StripeCredential) -> None:
    StripePayout.objects.create(credential=credential, stripe_id="po_2")
    following = StripePayout.objects.create(credential=credential, stripe_id="po_3")
    sold = books.booked(credential, stripe_id="txn_1", created_at=NOON)
    back = books.booked(credential, "payout_reversal", stripe_id="txn_2", source_stripe_id="po_2", created_at=LATER)
    for row in (sold, back):
        PayoutRow.objects.create(payout=following, balance_transaction=row.balance_transaction)

    assert [row.payout_id for row in rows(credential)] == ["po_3", "po_3"]


def test_estimates_are_left_out(credential: StripeCredential) -> None:
    factory.booked(credential, factory.payment(credential), status="estimated")

    assert Transaction.objects.get().is_estimated
    assert rows(credential) == []


def test_books_of_another_credential_are_left_out(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_obviously_fake_0000000001")
    books.booked(other, stripe_id="txn_other")
    books.booked(credential, stripe_id="txn_1")

    assert [row.reference for row in rows(credential)] == ["txn_1"]


def test_days_and_currency_choose_and_both_days_count(credential: StripeCredential) -> None:
    for day in (1, 2, 3, 4):
        books.booked(credential, stripe_id=f"txn_{day}", created_at=dt.datetime(2026, 4, day, 12, tzinfo=dt.UTC))
    books.booked(credential, stripe_id="txn_eur", currency="eur", created_at=dt.datetime(2026, 4, 2, tzinfo=dt.UTC))

    found = rows(Scope(credential, dt.date(2026, 4, 2), dt.date(2026, 4, 3), "usd"))

    assert [row.reference for row in found] == ["txn_2", "txn_3"]


def test_what_was_before_the_first_day_is_brought_forward_but_income_and_expenses(credential: StripeCredential) -> None:
    books.booked(credential, amount_minor=10000, fee_minor=320, created_at=NOON)
    books.booked(credential, "payout", amount_minor=-5000, created_at=NOON)

    book = journal_rows.book(Scope(credential, NOON.date() + dt.timedelta(days=1)), xero_tax_rate="")

    assert {(row.account.path, row.currency): row.amount_minor for row in book.opening} == {
        ("Assets:PayoutsInTransit", "usd"): 5000,
        ("Assets:Stripe:Payments", "usd"): 4680,
    }


def test_accounts_are_called_what_the_accountant_calls_them(credential: StripeCredential) -> None:
    books.booked(credential)
    Account.objects.filter(code="Income:Sales").update(name="Income:200 Book sales")
    Account.objects.filter(code="Assets:Stripe:Payments").update(name="Assets:Bank:Stripe")

    (row,) = rows(credential)

    assert {posting.account.path: posting.account.code for posting in row.postings} == {
        "Assets:Bank:Stripe": "", "Income:200 Book sales": "200",
    }  # fmt: skip
    assert row.stripe_net[0].account in {posting.account for posting in row.postings}


def test_a_payout_chooses_its_rows_with_the_tax_of_them_that_came_late(credential: StripeCredential) -> None:
    charge = payment(credential)
    sold = books.booked(credential, stripe_id="txn_1", source_stripe_id=charge.stripe_id, created_at=NOON)
    books.booked(credential, stripe_id="txn_2", created_at=NOON)
    StripeInvoice.objects.create(
        credential=credential, stripe_id="in_1", payment_intent_stripe_id="pi_1", tax_minor=300, total_minor=1000
    )
    journal.book(credential, objects={"in_1"}, now=LATER)
    other = StripeCredential.objects.create(name="Other")
    for of in (other, credential):
        payout = StripePayout.objects.create(credential=of, stripe_id="po_1")
    PayoutRow.objects.create(payout=payout, balance_transaction=sold.balance_transaction)

    (row,) = rows(Scope(credential, payout="po_1"))

    assert (row.reference, legs(row)["Liabilities:SalesTax"]) == ("txn_1", -300)
    assert rows(Scope(other, payout="po_1")) == []


@pytest.mark.parametrize("tax_is_late", [False, True])
def test_tax_that_became_known_late_belongs_to_its_payment(credential: StripeCredential, tax_is_late: bool) -> None:
    payment(credential)
    moved = {"stripe_id": "txn_1", "source_stripe_id": "ch_1", "amount_minor": 10000, "created_at": NOON}
    if tax_is_late:
        books.booked(credential, **moved)
    StripeInvoice.objects.create(
        credential=credential, stripe_id="in_1", payment_intent_stripe_id="pi_1", tax_minor=800, total_minor=10000
    )
    if tax_is_late:
        journal.book(credential, objects={"in_1"}, now=LATER)
    else:
        books.booked(credential, **moved)

    (row,) = rows(credential)

    assert Transaction.objects.settled().count() == 1 + tax_is_late
    assert (row.reference, legs(row)) == (
        "txn_1", {"Assets:Stripe:Payments": 10000, "Income:Sales": -9200, "Liabilities:SalesTax": -800},
    )  # fmt: skip


def test_an_arrival_that_was_undone_vanishes(credential: StripeCredential) -> None:
    payout = StripePayout.objects.create(
        credential=credential, stripe_id="po_1", status="paid", amount_minor=5000, currency="usd", arrival_at=NOON
    )
    journal.book(credential, objects={"po_1"}, now=LATER)
    assert [row.payout_id for row in rows(credential)] == ["po_1"]

    StripePayout.objects.filter(pk=payout.pk).update(status="failed")
    journal.book(credential, objects={"po_1"}, now=LATER)

    assert Transaction.objects.count() == 2
    assert rows(credential) == []


def tell(of: StripeCredential, rng: random.Random | None = None) -> None:
    """Put the sample account into the mirror and the books: in order, or shuffled, in parts, and everything twice."""
    for name, payloads in list(story.tell(TOLD)) * (2 if rng else 1):
        told = list(payloads)
        if rng:
            rng.shuffle(told)
        for first in range(0, len(told), 600):
            page = told[first : first + 600]
            store.save_many(of, BY_NAME[name], page, seen=store.draw(), api_version=shapes.API_VERSION)
            if rng:
                journal.book_all(of, now=TOLD + dt.timedelta(days=30))
    journal.book_all(of, now=TOLD + dt.timedelta(days=30))


@pytest.fixture
def account(db: None) -> StripeCredential:
    found = load.credential()
    tell(found)
    return found


def test_months_put_together_are_the_whole(account: StripeCredential) -> None:
    days = [row.booked_on for row in rows(account)]
    middle = days[len(days) // 2].replace(day=1)
    before, after = file(account, "csv", end=middle - dt.timedelta(days=1)), file(account, "csv", start=middle)

    header, _, rest = after.partition(b"\r\n")
    assert before.startswith(header) and rest
    assert before + rest == file(account, "csv")


def test_shuffled_and_repeated_booking_gives_the_same_bytes(account: StripeCredential) -> None:
    again = StripeCredential.objects.create(name="Again")
    tell(again, random.Random(4))

    assert len(rows(account)) > 1600
    for name in ("csv", "ofx", "quickbooks"):
        assert file(again, name) == file(account, name)


def test_every_grouping_has_the_same_sums_in_fewer_lines(account: StripeCredential) -> None:
    found, book = rows(account), journal_rows.book(Scope(account), xero_tax_rate="")
    sums: dict[By, Counter[tuple[str, str]]] = {by: Counter() for by in By}
    count: Counter[By] = Counter()
    for by in By:
        text = b"".join(write("csv", book, found, by)).decode()
        for line in csv.DictReader(io.StringIO(text, newline="")):
            sums[by][line["account"], line["currency"]] += int(line["amount_minor"])
            count[by] += 1

    assert +sums[By.PAYOUT] == +sums[By.DAY] == +sums[By.TRANSACTION]
    assert -sums[By.PAYOUT] == -sums[By.DAY] == -sums[By.TRANSACTION]
    assert count[By.PAYOUT] < count[By.DAY] < count[By.TRANSACTION]
