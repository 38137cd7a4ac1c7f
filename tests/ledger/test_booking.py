from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from financial.errors import BookingError
from financial.ledger import booking

RULES = {"usd": ("0.029", 30), "*": ("0.029", 0)}


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"),
    [(50, 31), (500, 45), (999, 59), (1000, 59), (1500, 74), (2500, 103), (4999, 175), (10000, 320), (33333, 997)],
)
def test_fee_is_estimated_half_up_on_the_exact_total(amount_minor: int, fee_minor: int) -> None:
    assert booking.estimate_fee(amount_minor, "usd", RULES) == booking.Fee(fee_minor, is_rough=False)


def test_fee_of_a_currency_without_a_rule_is_the_percentage_and_rough() -> None:
    assert booking.estimate_fee(10_000, "jpy", RULES) == booking.Fee(290, is_rough=True)


def test_fee_without_any_rule_is_nothing_and_rough() -> None:
    assert booking.estimate_fee(10_000, "jpy", {}) == booking.Fee(0, is_rough=True)


def test_fee_never_exceeds_the_payment() -> None:
    assert booking.estimate_fee(10, "usd", RULES).fee_minor == 10


def test_estimate_is_dated_by_the_day_of_the_account() -> None:
    late = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
    facts = booking.PaymentFacts("pi_1", 1000, "usd", late)

    figures = booking.estimated(facts, booking.Fee(59, is_rough=False), ZoneInfo("America/New_York"))

    assert (figures.status, figures.net_minor, figures.booked_on) == ("estimated", 941, date(2026, 3, 31))


def balance(**changes: int) -> booking.BalanceFacts:
    amounts = {"amount_minor": 5406, "fee_minor": 322, "net_minor": 5084, **changes}
    return booking.BalanceFacts(
        stripe_id="txn_1",
        currency="usd",
        created_at=datetime(2026, 3, 29, tzinfo=UTC),
        exchange_rate="1.0812",
        **amounts,
    )


def test_settled_figures_are_those_of_the_balance_transaction() -> None:
    figures = booking.settled(balance(), ZoneInfo("UTC"))

    assert (figures.status, figures.amount_minor, figures.fee_minor, figures.net_minor) == ("settled", 5406, 322, 5084)
    assert figures.exchange_rate == "1.0812"


def test_a_balance_transaction_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(BookingError, match="txn_1: net 5085 is not amount 5406 less fee 322"):
        booking.settled(balance(net_minor=5085), ZoneInfo("UTC"))
