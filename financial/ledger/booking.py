"""The estimate a payment is booked with until Stripe says the exact figures. Pure: no Django, no models, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from financial.money import percent_and_fixed_minor

FeeRules = Mapping[str, tuple[str, int]]
ANY_CURRENCY = "*"


@dataclass(frozen=True, slots=True)
class Fee:
    """An estimated fee; `is_rough` where no rule covers the currency and only the percentage is known."""

    fee_minor: int
    is_rough: bool


def estimate_fee(amount_minor: int, currency: str, rules: FeeRules) -> Fee:
    """Return 2.9 % + 30¢, or whatever the rules say, rounded half up on the exact total.

    Minor units in and out: 500 usd -> 45.
    """
    rate, fixed_minor = rules.get(currency) or rules.get(ANY_CURRENCY) or ("0", 0)
    fee_minor = percent_and_fixed_minor(amount_minor, Decimal(rate), fixed_minor)
    return Fee(min(fee_minor, amount_minor), is_rough=currency not in rules)
