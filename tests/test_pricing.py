from __future__ import annotations

import pytest

from financial.models import StripePrice
from financial.pricing import cycle_words, price_words


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
