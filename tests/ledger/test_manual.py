"""Transactions written by hand, corrections, and mapping a category by a click."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import Sum

from financial import bookkeeping
from financial.errors import BookingError
from financial.ledger import manual, writing
from financial.models import Account, Entry, StripeCredential, Transaction
from tests import books

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 5, 3, tzinfo=dt.UTC)
DAY = dt.date(2026, 10, 31)


def account(code: str) -> Account:
    writing.chart()
    return Account.objects.get(code=code)


def rent() -> Transaction:
    debit, credit = account("Expenses:Other"), account("Assets:Bank")
    return manual.record_manual(
        "expense", amount_minor=90000, currency="eur", debit=debit, credit=credit, on=DAY, now=NOW, description="Rent"
    )


def balance(code: str) -> int:
    return Entry.objects.filter(account__code=code).aggregate(sum=Sum("amount_minor"))["sum"] or 0


def test_an_expense_of_the_house_moves_money_from_the_bank() -> None:
    row = rent()

    assert (row.credential, row.livemode, row.status, row.booked_on) == (None, True, "settled", DAY)
    assert (balance("Expenses:Other"), balance("Assets:Bank")) == (90000, -90000)


def test_the_house_is_in_no_accounts_figures(credential: StripeCredential) -> None:
    rent()

    assert list(Transaction.objects.of_the_house()) == [Transaction.objects.get()]
    assert not Transaction.objects.of(credential).exists()
    assert all(check.holds for check in bookkeeping.verify_own_books())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "payment"}, "not an income"),
        ({"amount_minor": 0}, "greater than zero"),
        ({"amount_minor": -5}, "greater than zero"),
        ({"debit": "Assets:Bank"}, "to another one"),
        ({"credit": "Assets:Stripe:Payments"}, "is a balance at Stripe"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    values = {"kind": "expense", "amount_minor": 100, "debit": "Expenses:Other", "credit": "Assets:Bank", **changes}
    debit, credit = account(str(values["debit"])), account(str(values["credit"]))

    with pytest.raises(BookingError, match=words):
        manual.record_manual(
            str(values["kind"]), amount_minor=int(str(values["amount_minor"])), currency="eur", debit=debit,
            credit=credit, on=DAY, now=NOW,
        )  # fmt: skip
    assert not Transaction.objects.exists()


def test_taking_back_is_a_further_transaction_of_today(settings: object) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"  # type: ignore[attr-defined]
    row = rent()

    back = manual.reverse(row, now=NOW)

    assert (back.corrects, back.kind, back.booked_on) == (row, "correction", dt.date(2026, 11, 4))
    assert (balance("Expenses:Other"), balance("Assets:Bank")) == (0, 0)
    with pytest.raises(BookingError, match="taken back before"):
        manual.reverse(row, now=NOW)


def test_stripes_own_movements_are_not_taken_back(credential: StripeCredential) -> None:
    with pytest.raises(BookingError, match="Stripe moved this money"):
        manual.reverse(books.settled(credential), now=NOW)


def test_the_other_side_of_a_movement_can_be_moved(credential: StripeCredential) -> None:
    row = books.settled(credential, amount_minor=1000)

    manual.reclassify(row, source=account("Income:Sales"), target=account("Income:Other"), now=NOW)

    assert (balance("Income:Sales"), balance("Income:Other"), balance("Assets:Stripe:Payments")) == (0, -1000, 900)
    with pytest.raises(BookingError, match="Nothing of this transaction"):
        manual.reclassify(row, source=account("Income:Sales"), target=account("Income:Other"), now=NOW)


def test_a_new_kind_of_movement_waits_in_suspense_until_it_is_mapped(credential: StripeCredential) -> None:
    books.booked(credential, "brand_new", amount_minor=-700)
    books.booked(credential, "contribution", amount_minor=-50)
    assert balance("Suspense") == 750
    checks = {check.name: check for check in bookkeeping.verify_books(credential)}
    assert not checks["I6"].holds
    assert checks["I6"].rows == ("1 of “brand_new”", "1 of “contribution”")

    assert manual.map_category("brand_new", account("Expenses:Other"), now=NOW) == 1
    assert manual.map_category("brand_new", account("Expenses:Other"), now=NOW) == 0
    books.booked(credential, "brand_new", amount_minor=-300)

    assert (balance("Suspense"), balance("Expenses:Other")) == (50, 1000)
    checks = {check.name: check for check in bookkeeping.verify_books(credential)}
    assert {name for name, check in checks.items() if not check.holds} == {"I6"}


def converted(of: StripeCredential) -> list[Transaction]:
    """€100.00 exchanged for $108.12, and Stripe's fee of $1.08."""
    rate = {"type": "adjustment", "exchange_rate": "1.0812"}
    return [
        books.booked(of, "other_adjustment", amount_minor=-10000, currency="eur", **rate),
        books.booked(of, "other_adjustment", amount_minor=10812, currency="usd", **rate),
        books.booked(of, "fee", amount_minor=-108, currency="usd", type="stripe_fx_fee"),
    ]


def by_currency(code: str) -> dict[str, int]:
    rows = Entry.objects.filter(account__code=code).values_list("transaction__currency")
    return {currency: amount for currency, amount in rows.annotate(Sum("amount_minor")) if amount}


def test_a_conversion_waits_in_suspense_for_nothing_tells_it_from_other_adjustments(
    credential: StripeCredential,
) -> None:
    converted(credential)

    assert by_currency("Suspense") == {"eur": 10000, "usd": -10812}
    assert by_currency("Expenses:FX") == {"usd": 108}
    assert by_currency("Equity:Conversion") == {}


def test_a_conversion_is_mapped_by_one_click_each_leg_in_its_currency(credential: StripeCredential) -> None:
    converted(credential)

    assert manual.map_category("other_adjustment", account("Equity:Conversion"), now=NOW) == 2

    assert by_currency("Suspense") == {}
    assert by_currency("Equity:Conversion") == {"eur": 10000, "usd": -10812}
    assert by_currency("Assets:Stripe:Payments") == {"eur": -10000, "usd": 10704}
    assert all(check.holds for check in bookkeeping.verify_books(credential))


def test_a_conversion_is_moved_alone_where_other_adjustments_are_not_conversions(
    credential: StripeCredential,
) -> None:
    given = books.booked(credential, "other_adjustment", amount_minor=500)
    suspense, conversion = account("Suspense"), account("Equity:Conversion")

    for leg in converted(credential)[:2]:
        manual.reclassify(leg, source=suspense, target=conversion, now=NOW)

    assert by_currency("Suspense") == {"usd": -500}
    assert list(Transaction.objects.filter(corrects=given)) == []
    assert by_currency("Equity:Conversion") == {"eur": 10000, "usd": -10812}


def test_a_category_cannot_be_mapped_to_a_balance_at_stripe() -> None:
    with pytest.raises(BookingError, match="is a balance at Stripe"):
        manual.map_category("brand_new", account("Assets:Stripe:Payments"), now=NOW)
