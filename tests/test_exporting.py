"""What is asked for, what its file is called, what is refused, and what the verifiers say of a whole account."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from financial import exporting, reports
from financial.errors import ExportRefused
from financial.exporting import By, Wanted
from financial.ledger import journal
from financial.models import Entry, StripeCredential, StripePayout
from financial.sample_data import load
from tests import books, mirrored_book_a
from tests.ledger.exports import book_a
from tests.ledger.exports.conftest import program

pytestmark = pytest.mark.django_db
MARCH, APRIL = dt.date(2026, 3, 1), dt.date(2026, 4, 30)


@pytest.fixture
def verifiers() -> None:
    for name in ("bean-check", "hledger"):
        program(name)


@pytest.fixture
def account(db: None) -> StripeCredential:
    sample = load.credential()
    for _ in load.load(sample):
        pass
    load.book(sample, now=timezone.now())
    return sample


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"format_name": "csv"}, "books-test-mode.csv"),
        ({"format_name": "quickbooks", "by": By.PAYOUT}, "books-test-mode-by-payout-quickbooks.csv"),
        (
            {"format_name": "xero", "by": By.DAY, "start": MARCH, "end": APRIL, "currency": "USD"},
            "books-test-mode-usd-by-day-from-2026-03-01-to-2026-04-30-xero.zip",
        ),
        ({"format_name": "beancount"}, "books-test-mode.beancount"),
        ({"format_name": "csv", "payout": "po_1"}, "books-test-mode-po_1.csv"),
    ],
)
def test_test_mode_is_in_the_name_of_the_file(credential: StripeCredential, wanted: dict, name: str) -> None:
    assert Wanted(credential, **wanted).file_name == name


def test_live_books_are_called_just_that() -> None:
    assert Wanted(StripeCredential(livemode=True), "csv").file_name == "books.csv"


def test_sample_data_and_the_house_say_so() -> None:
    assert Wanted(StripeCredential(is_sample=True), "ofx").file_name == "books-sample-mode.ofx"
    assert Wanted(None, "ofx").file_name == "books-house.ofx"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (
            {"format_name": "pdf"},
            "There is no format “pdf”; choose from csv, beancount, hledger, quickbooks, xero, ofx.",
        ),
        ({"format_name": "csv", "start": APRIL, "end": MARCH}, "The first day (2026-04-30) is after the last one"),
        ({"format_name": "csv", "currency": "chf"}, "Nothing is booked in CHF. Booked currencies: USD."),
        ({"format_name": "csv", "payout": "po_9"}, "There is no payout po_9 here."),
    ],
)
def test_what_cannot_be_exported_is_refused_before_the_first_byte(
    credential: StripeCredential, wanted: dict, why: str
) -> None:
    books.booked(credential)
    with pytest.raises(ExportRefused) as refused:
        exporting.export(Wanted(credential, **wanted))
    assert why in str(refused.value)


def test_a_currency_of_unknown_decimals_is_refused_by_name_and_the_others_are_not(credential: StripeCredential) -> None:
    books.booked(credential, currency="zzz")
    books.booked(credential, currency="usd")

    with pytest.raises(ExportRefused, match="ZZZ"):
        exporting.export(Wanted(credential, "csv"))
    assert b"USD" in b"".join(exporting.export(Wanted(credential, "csv", currency="usd")))


@pytest.mark.parametrize("by", By)
def test_a_whole_account_is_verified_by_both_programs(account: StripeCredential, verifiers: None, by: By) -> None:
    verdicts = exporting.prove(Wanted(account, "csv", by))

    assert [str(verdict) for verdict in verdicts] == [
        f"verified by {name}, {Entry.objects.count():,} entries, 0 differences" for name in ("beancount", "hledger")
    ]


def test_the_last_month_alone_is_verified_too(account: StripeCredential, verifiers: None) -> None:
    start = account.created_at.date() - dt.timedelta(days=30)
    assert [verdict.agrees for verdict in exporting.prove(Wanted(account, "csv", start=start))] == [True, True]


def test_one_cent_in_one_entry_is_found_by_both(account: StripeCredential, verifiers: None) -> None:
    """Balanced or not: the triggers that forbid it are gone for this test, Stripe's own figure is not."""
    sale = Entry.objects.filter(account__code="Income:Sales").order_by("pk")[0]
    clearing = Entry.objects.get(transaction=sale.transaction, account__code="Assets:Stripe:Payments")
    without_triggers()
    Entry.objects.filter(pk=sale.pk).update(amount_minor=sale.amount_minor - 1)
    Entry.objects.filter(pk=clearing.pk).update(amount_minor=clearing.amount_minor + 1)

    verdicts = exporting.prove(Wanted(account, "csv"))

    assert [len(verdict.differences) > 0 for verdict in verdicts] == [True, True]
    assert "refused by beancount" in str(verdicts[0])


def without_triggers() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE financial_entry DISABLE TRIGGER USER")
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'financial_entry'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


def test_book_a_of_the_mirror_is_book_a_and_verified_by_both(credential: StripeCredential, verifiers: None) -> None:
    mirrored_book_a.mirror(credential)
    journal.book_all(credential, now=mirrored_book_a.at("05-01"))
    wanted = Wanted(credential, "csv", end=APRIL)

    sums: Counter[str] = Counter()
    for line in csv.DictReader(io.StringIO(b"".join(exporting.export(wanted)).decode(), newline="")):
        sums[line["account"].replace("Reserve", "RiskReserved")] += int(line["amount_minor"])

    assert dict(sums) == {account.path: amount for account, amount in book_a.CLOSING.items()}
    assert [verdict.agrees for verdict in exporting.prove(wanted)] == [True, True]
    text = b"".join(exporting.export(replace(wanted, format_name="beancount"))).decode()
    assert "2026-05-01 balance Assets:Stripe:Payments  62.88 ~ 0.00 USD" in text


@pytest.mark.parametrize(("payout", "numbers"), [("po_1", (1, 2, 3, 4, 5, 6, 7)), ("po_2", (8, 9, 10))])
def test_a_payout_of_book_a_is_exported_as_just_its_rows(
    credential: StripeCredential, payout: str, numbers: tuple[int, ...]
) -> None:
    mirrored_book_a.mirror(credential)
    mirrored_book_a.itemise(credential)
    journal.book_all(credential, now=mirrored_book_a.at("05-01"))
    wanted = Wanted(credential, "csv", payout=payout)

    lines = list(csv.DictReader(io.StringIO(b"".join(exporting.export(wanted)).decode(), newline="")))

    assert {line["transaction"] for line in lines} == {f"txn_t{number:02}" for number in numbers}
    clearing = [int(line["amount_minor"]) for line in lines if line["account"] == "Assets:Stripe:Payments"]
    assert sum(clearing) == 0  # all rows with the payout's own


def test_a_payout_alone_is_verified_too(credential: StripeCredential, verifiers: None) -> None:
    mirrored_book_a.mirror(credential)
    mirrored_book_a.itemise(credential)
    journal.book_all(credential, now=mirrored_book_a.at("05-01"))

    verdicts = exporting.prove(Wanted(credential, "csv", payout="po_1"))

    assert [verdict.agrees for verdict in verdicts] == [True, True]


def test_a_payout_is_exported_whole_or_not_at_all(credential: StripeCredential) -> None:
    mirrored_book_a.mirror(credential)
    journal.book_all(credential, now=mirrored_book_a.at("05-01"))
    with pytest.raises(ExportRefused, match="Which rows payout po_1 consists of is not known"):
        exporting.export(Wanted(credential, "csv", payout="po_1"))
    mirrored_book_a.itemise(credential)
    with pytest.raises(ExportRefused, match="leave the days out"):
        exporting.export(Wanted(credential, "csv", payout="po_1", start=APRIL))
    with pytest.raises(ExportRefused, match="There is no payout po_1 here"):
        exporting.export(Wanted(None, "csv", payout="po_1"))


def test_book_a_booked_backwards_and_three_times_is_the_same_file(credential: StripeCredential) -> None:
    movements = mirrored_book_a.mirror(credential)
    now = mirrored_book_a.at("05-01")
    for moved in movements[::-1] * 3:
        journal.book(credential, objects={moved.stripe_id, moved.source_stripe_id}, now=now)
    journal.book_all(credential, now=now)
    backwards = b"".join(exporting.export(Wanted(credential, "beancount")))

    again = StripeCredential.objects.create(name=credential.name + "!")
    mirrored_book_a.mirror(again)
    journal.book_all(again, now=now)

    assert backwards == b"".join(exporting.export(Wanted(again, "beancount"))).replace(b"account!", b"account")


def test_what_programs_say_of_all_the_books_is_kept_and_of_a_part_is_not(
    account: StripeCredential, verifiers: None
) -> None:
    exporting.prove(Wanted(account, "csv", currency="usd"))
    payout = StripePayout.objects.filter(credential=account, reading__is_complete=True)[0]
    exporting.prove(Wanted(account, "csv", payout=payout.stripe_id))
    assert reports.proofs(account) == ()
    exporting.prove(Wanted(account, "csv"))
    exporting.prove(Wanted(account, "csv"))
    number = f"{Entry.objects.count():,}"
    assert [str(proof) for proof in reports.proofs(account)] == [
        f"Verified by {name}, {number} entries, 0 differences" for name in ("beancount", "hledger")
    ]
