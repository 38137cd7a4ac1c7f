"""The posting rule and its table: every category, every type, fees by kind, and what is refused."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import typing

import pytest
import stripe  # noqa: TID251  (the SDK's list of types, to hold ours against)
from hypothesis import given
from hypothesis import strategies as st

from financial import accounts
from financial.errors import BookingError
from financial.ledger import posting
from financial.ledger.posting import Movement, Tax

NOON = dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC)


def movement(category: str = "charge", amount: int = 10000, fee: int = 0, **changes: typing.Any) -> Movement:
    values = {"type": "", "reporting_category": category, "balance_type": "payments", "currency": "usd"}
    values |= {"fee_parts": f"stripe_fee:{fee}" if fee else "none", "created_at": NOON, "stripe_id": "txn_1", **changes}
    return Movement(amount_minor=amount, fee_minor=fee, **{"net_minor": amount - fee, **values})


def booked(moved: Movement, **options: typing.Any) -> dict[str, int]:
    return dict(posting.entries(moved, **options))


def test_a_charge_goes_to_clearing_fees_and_sales_less_its_tax() -> None:
    assert booked(movement(amount=10000, fee=320), tax_minor=800) == {
        "Assets:Stripe:Payments": 9680,
        "Expenses:StripeFees": 320,
        "Income:Sales": -9200,
        "Liabilities:SalesTax": -800,
    }


@pytest.mark.parametrize(
    ("category", "amount", "contra"),
    [
        ("charge_failure", -10000, "Income:Sales"),
        ("partial_capture_reversal", -500, "Income:Sales"),
        ("refund", -2500, "Income:Refunds"),
        ("refund_failure", 1000, "Income:Refunds"),
        ("dispute_reversal", 3000, "Expenses:Disputes"),
        ("payout", -10437, "Assets:PayoutsInTransit"),
        ("payout_reversal", 2288, "Assets:PayoutsInTransit"),
        ("topup", 5000, "Assets:PayoutsInTransit"),
        ("topup_reversal", -5000, "Assets:PayoutsInTransit"),
        ("fee", -210, "Expenses:StripeFees"),
        ("network_cost", -10, "Expenses:StripeFees"),
        ("tax", -40, "Expenses:TaxOnFees"),
        ("risk_reserved_funds", -1000, "Assets:Stripe:Reserve"),
        ("platform_earning", 300, "Income:PlatformFees"),
        ("transfer", -900, "Expenses:ConnectedPayouts"),
        ("advance", 100000, "Liabilities:Financing"),
        ("financing_paydown", -100, "Liabilities:Financing"),
        ("other_adjustment", 77, "Suspense"),
        ("something_new", 77, "Suspense"),
    ],
)
def test_the_rest_of_a_row_goes_to_the_account_of_its_category(category: str, amount: int, contra: str) -> None:
    assert booked(movement(category, amount)) == {"Assets:Stripe:Payments": amount, contra: -amount}


def test_a_disputes_fee_is_kept_apart_from_other_fees() -> None:
    assert booked(movement("dispute", -3000, 1500)) == {
        "Assets:Stripe:Payments": -4500,
        "Expenses:DisputeFees": 1500,
        "Expenses:Disputes": 3000,
    }


def test_a_fee_is_booked_by_its_kinds() -> None:
    parts = "stripe_fee:200 tax:38 application_fee:500 withheld_tax:2 payment_method_passthrough_fee:10 brand_new:7"
    found = booked(movement(amount=10000, fee=757, fee_parts=parts))
    assert found == {
        "Assets:Stripe:Payments": 9243,
        "Expenses:StripeFees": 210,
        "Expenses:TaxOnFees": 40,
        "Expenses:PlatformFees": 500,
        "Suspense": 7,
        "Income:Sales": -10000,
    }


def test_a_fee_stripe_does_not_itemise_is_a_stripe_fee() -> None:
    assert booked(movement(amount=1000, fee=59, fee_parts=""))["Expenses:StripeFees"] == 59


def test_a_conversion_fee_is_a_matter_of_exchange() -> None:
    assert booked(movement("fee", -50, type="stripe_fx_fee"))["Expenses:FX"] == 50


@pytest.mark.parametrize("held", ["reserve_hold", "reserve_release", "payout_minimum_balance_hold"])
def test_reserves_stay_ours_whatever_category_they_are_filed_under(held: str) -> None:
    assert booked(movement("other_adjustment", -1000, type=held))["Assets:Stripe:Reserve"] == 1000


def test_both_halves_of_a_reserve_leave_it_on_one_balance() -> None:
    out = booked(movement("risk_reserved_funds", -1000))
    into = booked(movement("risk_reserved_funds", 1000, balance_type="risk_reserved"))
    assert {code: out.get(code, 0) + into.get(code, 0) for code in {*out, *into}} == {
        "Assets:Stripe:Payments": -1000,
        "Assets:Stripe:RiskReserved": 1000,
        "Assets:Stripe:Reserve": 0,
    }


def test_a_chosen_account_wins_over_the_table() -> None:
    chosen = {"other_adjustment": "Expenses:Other"}
    assert booked(movement("other_adjustment", -77), mapping=chosen)["Expenses:Other"] == 77


def test_every_type_of_the_sdk_has_a_category() -> None:
    said = re.search(r"\n    type: (.*?)\n    \"{3}", inspect.getsource(stripe.BalanceTransaction), re.DOTALL)
    assert said
    types = set(re.findall(r'"(\w+)"', said[1]))
    assert types <= set(accounts.CATEGORY_OF_TYPE)  # older SDKs know fewer
    assert len(accounts.CATEGORY_OF_TYPE) == 52
    assert set(accounts.CATEGORY_OF_TYPE.values()) <= set(accounts.CATEGORIES)


def test_all_37_reporting_categories_are_in_the_table() -> None:
    assert len(accounts.CATEGORIES) == 37


def test_a_net_that_is_not_amount_less_fee_is_refused() -> None:
    with pytest.raises(BookingError, match="txn_1: net 5085 is not amount 5406 less fee 322"):
        posting.entries(movement(amount=5406, fee=322, net_minor=5085))


@pytest.mark.parametrize("parts", ["none", "stripe_fee:321", "stripe_fee:300 tax:23"])
def test_a_fee_that_is_not_the_sum_of_its_parts_is_refused(parts: str) -> None:
    with pytest.raises(BookingError, match="the parts of its fee"):
        posting.entries(movement(amount=5406, fee=322, fee_parts=parts))


@pytest.mark.parametrize(
    ("amount", "tax", "total", "share"),
    [
        (10000, 800, 10000, 800),
        (-2500, 800, 10000, -200),
        (5406, 800, 5000, 865),  # 864.96 in the settlement currency
        (125, 1, 10, 13),  # 12.5 half up
        (-125, 1, 10, -13),
        (10000, 0, 10000, 0),
        (10000, 800, 0, 0),
    ],
)
def test_tax_is_shared_pro_rata_half_up(amount: int, tax: int, total: int, share: int) -> None:
    assert posting.tax_share(amount, Tax(tax, total)) == share


AMOUNTS = st.integers(-(10**12), 10**12)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz_", max_size=20)


@given(
    amount=AMOUNTS,
    parts=st.lists(st.tuples(WORDS.filter(bool), AMOUNTS), max_size=4),
    category=st.one_of(st.sampled_from(sorted(accounts.CATEGORIES)), WORDS),
    type_=st.one_of(st.sampled_from(sorted(accounts.CATEGORY_OF_TYPE)), WORDS),
    balance_type=st.sampled_from(["payments", "issuing", "risk_reserved", "refund_and_dispute_prefunding", "new_one"]),
    tax=st.integers(0, 10**6),
)
def test_any_row_that_adds_up_balances_and_moves_its_clearing_account_by_net(
    amount: int, parts: list[tuple[str, int]], category: str, type_: str, balance_type: str, tax: int
) -> None:
    fee = sum(part for _, part in parts)
    text = " ".join(f"{kind}:{part}" for kind, part in parts) or "none"
    row = movement(category, amount, fee, type=type_, balance_type=balance_type, fee_parts=text)

    found = booked(row, tax_minor=posting.tax_share(amount, Tax(tax, 10**7)))

    assert sum(found.values()) == 0
    assert found.get(accounts.clearing(balance_type), 0) == amount - fee
