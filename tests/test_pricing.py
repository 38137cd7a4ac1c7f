from __future__ import annotations

from fractions import Fraction

import pytest

from financial.models import StripePrice
from financial.pricing import cycle_words, price_words, tier_words
from financial.recurring import Tier


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"unit_amount_minor": 2999, "currency": "usd"}, "$29.99 USD once"),
        ({"unit_amount_minor": 500, "currency": "jpy"}, "¥500 JPY once"),
        ({"unit_amount_minor": 2999, "currency": "usd", "interval": "month"}, "$29.99 USD per month"),
        (
            {"unit_amount_minor": 5120, "currency": "kwd", "interval": "month", "interval_count": 3},
            "KWD\u00a05.120 every 3 months",
        ),
        ({"currency": "usd", "interval": "year", "billing_scheme": "tiered"}, "tiered, per year"),
        (
            {"currency": "usd", "interval": "month", "unit_amount_decimal": "0.5", "usage_type": "metered"},
            "0.005 USD per month, metered",
        ),
        ({"currency": "usd"}, "once"),
        ({"currency": "zzz", "unit_amount_decimal": "0.5", "interval": "day"}, "any amount, per day"),
    ],
)
def test_a_price_is_said_in_words(values: dict[str, object], words: str) -> None:
    price = StripePrice(type="recurring" if "interval" in values else "one_time", **values)
    assert price_words(price) == words


def test_a_cycle_of_several_intervals_is_counted() -> None:
    assert cycle_words(StripePrice(type="recurring", interval="week", interval_count=2)) == "every 2 weeks"


def test_tiers_are_said_step_by_step_with_what_is_below_a_cent() -> None:
    tiers = (Tier(5, Fraction(700)), Tier(10, Fraction(650), Fraction(500)), Tier(None, Fraction(1, 2)))

    assert tier_words(tiers, "usd", is_volume=False) == [
        "Each unit at its own step.",
        "1 to 5: $7.00 USD each",
        "6 to 10: $6.50 USD each, and $5.00 USD flat",
        "from 11: 0.005 USD each",
    ]
    assert tier_words(tiers[:1], "jpy", is_volume=True)[0] == "All units at the step reached."
    assert tier_words((), "usd", is_volume=False) == []
