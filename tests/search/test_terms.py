from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from financial import money
from financial.search.terms import LENGTH_MAX, read


def amount_of(text: str) -> tuple[Decimal, frozenset[str]] | None:
    search = read(text)
    if len(search.numbers) != 1 or search.words or search.numbers[0].amount is None:
        return None
    return search.numbers[0].amount.value, search.numbers[0].amount.currencies


@pytest.mark.parametrize(
    ("text", "value", "currencies"),
    [
        ("49", "49", set()),
        ("49.00", "49", set()),
        ("€49", "49", {"eur"}),
        ("€49.00", "49", {"eur"}),
        ("49€", "49", {"eur"}),
        ("1,234.50", "1234.5", set()),
        ("1.234,50", "1234.5", set()),
        ("1'234.50", "1234.5", set()),
        ("1,234", "1234", set()),
        ("49,5", "49.5", set()),
        ("4900 jpy", "4900", {"jpy"}),
        ("EUR 49", "49", {"eur"}),
        ("¥500", "500", {"jpy", "cny"}),
        ("-49", "49", set()),
        ("5.120 kwd", "5.12", {"kwd"}),
    ],
)
def test_amount_is_read_as_people_write_it(text: str, value: str, currencies: set[str]) -> None:
    assert amount_of(text) == (Decimal(value), currencies)


@pytest.mark.parametrize("text", ["49.0000", "1,23,4", "0049", "49xyz", "€$49", "eur", "4-9", "1234567890123456", "٤٩"])
def test_other_digits_are_no_amount(text: str) -> None:
    assert amount_of(text) is None


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("49", "usd", 4900), ("49", "jpy", 49), ("49", "kwd", 49000), ("49.5", "jpy", None), ("€49", "usd", None)],
)
def test_amount_is_that_of_each_currency(text: str, currency: str, minor: int | None) -> None:
    amount = read(text).numbers[0].amount
    assert amount is not None
    assert amount.minor_in(currency) == minor


def test_four_digits_may_be_the_end_of_a_card_and_an_amount() -> None:
    number = read("4242").numbers[0]
    assert (number.last4, number.amount and number.amount.value) == ("4242", Decimal(4242))
    assert (read("0042").numbers[0].last4, read("0042").numbers[0].amount) == ("0042", None)


@pytest.mark.parametrize(
    "text",
    [
        " pi_3Nabc ",
        '"pi_3Nabc"',
        "pi_3Nabc_secret_doNotShow",
        "https://dashboard.stripe.com/test/payments/pi_3Nabc",
        "https://dashboard.stripe.com/acct_1A/test/customers/cus_9/pi_3Nabc?tab=logs#x",
    ],
)
def test_id_is_found_in_what_was_pasted(text: str) -> None:
    search = read(text)
    assert (search.stripe_id, search.kind, search.text) == ("pi_3Nabc", "payment_intent", "pi_3Nabc")


@pytest.mark.parametrize("text", ["pi_", "xyz_123", "my pi_3Nabc please", "https://example.com/", "topi_3"])
def test_other_text_is_no_id(text: str) -> None:
    assert read(text).stripe_id == ""


def test_parts_are_words_numbers_and_operators() -> None:
    search = read('ada "del mar" 49 status:Failed currency:EUR amount>=100 customer:"grace hopper"')
    assert search.words == ("ada", "del mar")
    assert [number.text for number in search.numbers] == ["49"]
    assert (search.status, search.currency, search.customer) == ("failed", "eur", "grace hopper")
    assert [(bound.lookup, bound.amount.value) for bound in search.bounds] == [("gte", 100)]
    assert search.operators == {"status", "currency", "amount", "customer"}
    assert search.single == ""


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("date:2026", dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
        ("date:2024-02", dt.date(2024, 2, 1), dt.date(2024, 2, 29)),
        ("date:2026-10-05", dt.date(2026, 10, 5), dt.date(2026, 10, 5)),
        ("date:2026-10-01..2026-11", dt.date(2026, 10, 1), dt.date(2026, 11, 30)),
    ],
)
def test_date_names_whole_days(text: str, first: dt.date, last: dt.date) -> None:
    assert (read(text).first, read(text).last) == (first, last)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date:2026-13", "is not a day"),
        ("date:1815", "is not a day"),
        ("date:2026-11..2026-10", "is not a day"),
        ("currency:xxx", "is not a currency"),
        ("amount>much", "is not an amount"),
        ("amount> 100", "without a space"),
        ("status>failed", "takes a colon"),
        ("last4:42", "four last digits"),
    ],
)
def test_what_is_not_understood_is_said(text: str, said: str) -> None:
    assert said in " ".join(read(text).problems)


def test_word_of_an_event_type_is_known() -> None:
    assert read("charge.failed").event_type == "charge.failed"
    assert read("ada@example.com").event_type == ""


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    search = read(text)
    assert len(search.text) <= LENGTH_MAX
    for number in search.numbers:
        assert all(abs(number.amount.minor_in(code) or 0) < 2**63 for code in money.CURRENCIES if number.amount)


@pytest.mark.parametrize(
    "text", ["a" * 50_000, "status:" * 9_000, '"' * 50_000, "1," * 25_000, "pi_" * 17_000, "a:" * 25_000]
)
def test_long_texts_are_read_at_once(text: str) -> None:
    start = time.perf_counter()
    read(text)
    assert time.perf_counter() - start < 0.05
