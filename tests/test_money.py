from __future__ import annotations

import ast
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import financial
from financial.errors import InexactAmount, InvalidAmount, UnknownCurrency
from financial.ledger.booking import Fee, estimate_fee
from financial.money import (
    CURRENCIES,
    MAXIMUM_CHARGE_MINOR,
    MINIMUM_CHARGE_MINOR,
    THREE_DECIMAL,
    TWO_DECIMAL,
    WHOLE_UNITS_ONLY,
    ZERO_DECIMAL,
    charge_minor,
    display,
    exponent,
    percent_and_fixed_minor,
    to_major,
    to_minor,
)

NBSP, MINUS = "\u00a0", "−"
RULES = {"usd": ("0.029", 30), "*": ("0.029", 0)}
any_currency = st.sampled_from(sorted(CURRENCIES))
any_count = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def step(currency: str) -> int:
    """The smallest number of minor units that can be typed in a currency."""
    return 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS_ONLY else 1


# The fee estimate


@given(st.integers(min_value=0, max_value=MAXIMUM_CHARGE_MINOR))
def test_fee_equals_integer_arithmetic_for_every_amount(amount_minor: int) -> None:
    assert percent_and_fixed_minor(amount_minor, Decimal("0.029"), 30) == (amount_minor * 29 + 30_000 + 500) // 1000


def test_fee_without_a_rule_for_the_currency_is_a_percentage_and_said_to_be_rough() -> None:
    assert estimate_fee(10_000, "eur", RULES) == Fee(290, is_rough=True)
    assert estimate_fee(10_000, "usd", RULES).is_rough is False


def test_fee_never_exceeds_what_was_paid() -> None:
    assert estimate_fee(10, "usd", RULES).fee_minor == 10


# Minor units, major units, display


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (0, "usd", "$0.00"),
        (-1050, "usd", f"{MINUS}$10.50"),
        (123456789, "eur", "€1,234,567.89"),
        (550, "isk", f"ISK{NBSP}5.50"),
        (1050, "twd", "NT$10.50"),
        (1050, "USD", "$10.50"),
    ],
)
def test_amounts_are_shown_with_the_decimals_of_their_currency(amount_minor: int, currency: str, shown: str) -> None:
    assert display(amount_minor, currency) == shown


@pytest.mark.parametrize("currency", ["", "xyz", "dollars"])
def test_amount_in_an_unknown_currency_is_shown_as_a_bare_count(currency: str) -> None:
    assert display(1050, currency) == f"1050 {currency.upper()} (minor units)"


def test_display_follows_the_locale() -> None:
    assert display(123456789, "eur", "de_DE") == f"1.234.567,89{NBSP}€"
    assert display(-123456789, "eur", "de_DE") == f"−1.234.567,89{NBSP}€"
    assert display(123456789, "inr", "en_IN") == "₹12,34,567.89"


@pytest.mark.parametrize(
    ("typed", "currency", "amount_minor"),
    [
        ("5.120", "kwd", 5120),
        ("5", "isk", 500),
        ("5.00", "ugx", 500),
        ("12.5", "eur", 1250),
        ("12.50", "EUR", 1250),
        ("1E+2", "usd", 10_000),
        ("0", "usd", 0),
        ("-3.99", "usd", -399),
        ("10.4500000", "huf", 1045),
        ("9999999999.99", "usd", 999_999_999_999),
    ],
)
def test_typed_amount_becomes_minor_units(typed: str, currency: str, amount_minor: int) -> None:
    assert to_minor(Decimal(typed), currency) == amount_minor


@given(any_currency, any_count)
def test_minor_units_survive_the_way_to_major_units_and_back(currency: str, count: int) -> None:
    amount_minor = count // 10**4 * step(currency)
    assert to_minor(to_major(amount_minor, currency), currency) == amount_minor


@given(any_currency, any_count)
def test_display_keeps_every_digit(currency: str, amount_minor: int) -> None:
    shown = display(amount_minor, currency)
    digits = int("".join(sign for sign in shown if sign.isdigit() and sign.isascii()))
    dropped = 100 if currency in WHOLE_UNITS_ONLY and amount_minor % 100 == 0 else 1
    assert digits * dropped == abs(amount_minor)
    assert (MINUS in shown) == (amount_minor < 0)


@given(any_currency, st.integers(min_value=0, max_value=10**15))
def test_to_major_is_exact_whatever_the_callers_precision(currency: str, amount_minor: int) -> None:
    with localcontext() as small:
        small.prec = 3
        major = to_major(amount_minor, currency)
    assert major.as_tuple().exponent == -exponent(currency)
    assert int(str(major).replace(".", "")) == amount_minor


def test_every_currency_has_one_exponent() -> None:
    assert not ZERO_DECIMAL & THREE_DECIMAL
    assert not (ZERO_DECIMAL | THREE_DECIMAL) & TWO_DECIMAL
    assert set(MINIMUM_CHARGE_MINOR) <= CURRENCIES
    assert WHOLE_UNITS_ONLY <= TWO_DECIMAL
    assert {exponent(code) for code in ZERO_DECIMAL} == {0}
    assert {exponent(code) for code in TWO_DECIMAL} == {2}
    assert {exponent(code) for code in THREE_DECIMAL} == {3}


# Refusals


@pytest.mark.parametrize(
    ("typed", "currency", "said"),
    [
        ("10.505", "usd", "two decimals"),
        ("0.1", "jpy", "no decimals"),
        ("5.1234", "kwd", "three decimals"),
        ("0.01", "ugx", "no decimals at Stripe"),
        ("NaN", "usd", "finite"),
        ("sNaN", "usd", "finite"),
        ("Infinity", "usd", "finite"),
        ("-Infinity", "jpy", "finite"),
        ("1E-30", "usd", "two decimals"),
        ("1E-99999999", "usd", "two decimals"),
        ("1E-999999999999999999", "jpy", "no decimals"),
        ("1." + "0" * 80 + "1", "usd", "two decimals"),
    ],
)
def test_amount_that_the_currency_cannot_hold_is_refused(typed: str, currency: str, said: str) -> None:
    with pytest.raises(InexactAmount, match=said) as refused:
        to_minor(Decimal(typed), currency)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("amount", [10.5, 10, "10.50", None, True])
def test_only_a_decimal_is_an_amount(amount: object) -> None:
    with pytest.raises(InexactAmount, match="finite Decimal"):
        to_minor(amount, "usd")  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["", "xyz", "usdollar", "us", "u$d", " usd", "€"])
def test_unknown_currency_is_refused_and_never_guessed(currency: str) -> None:
    for call in (lambda: to_minor(Decimal(1), currency), lambda: to_major(1, currency), lambda: exponent(currency)):
        with pytest.raises(UnknownCurrency):
            call()


@pytest.mark.parametrize("typed", ["1E+16", "1E+999999999", "9" * 30, "-1E+20"])
def test_huge_amount_is_refused_before_it_is_computed(typed: str) -> None:
    with pytest.raises(InvalidAmount) as refused:
        to_minor(Decimal(typed), "usd")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("typed", "currency", "said"),
    [
        ("0", "usd", "greater than zero"),
        ("-5", "usd", "greater than zero"),
        ("0.49", "usd", r"smallest charge in USD is \$0.50"),
        ("49", "jpy", "smallest charge in JPY is ¥50"),
        ("174.99", "huf", "smallest charge in HUF"),
        ("0.29", "gbp", "smallest charge in GBP is £0.30"),
        ("10000000000", "usd", "largest charge in USD"),
    ],
)
def test_charge_that_stripe_would_refuse_is_refused_here(typed: str, currency: str, said: str) -> None:
    with pytest.raises(InvalidAmount, match=said):
        charge_minor(Decimal(typed), currency)


@pytest.mark.parametrize(("currency", "least"), sorted(MINIMUM_CHARGE_MINOR.items()))
def test_smallest_charge_of_every_currency_is_accepted(currency: str, least: int) -> None:
    assert charge_minor(to_major(least, currency), currency) == least


# No floats


def _money_modules() -> list[Path]:
    root = Path(financial.__file__).parent
    named = [
        root / name
        for name in (
            "money.py",
            "pricing.py",
            "stripe_services/service.py",
            "stripe_services/payments.py",
            "mirror/translate.py",
        )
    ]
    rooms = ("forms", "ledger", "reports")
    return [*named, *(path for room in rooms for path in (root / room).rglob("*.py"))]


@pytest.mark.parametrize("path", _money_modules(), ids=lambda path: path.name)
def test_no_float_is_made_or_written_where_money_is_handled(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        written = isinstance(node, ast.Constant) and isinstance(node.value, float)
        assert not made and not written, f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]
