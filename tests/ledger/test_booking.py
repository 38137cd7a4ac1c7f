from __future__ import annotations

import pytest

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
