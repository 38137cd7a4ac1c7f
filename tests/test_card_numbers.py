from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from financial.card_numbers import has_card_number, passes_luhn


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "card 4242 4242 4242 4242 exp 12/30",
        "4242-4242-4242-4242 12 2030",
        "4242.4242.4242.4242",
        "378282246310005",
        "3782 822463 10005",
        "4222222222222",
        "x6011111111111117y",
    ],
)
def test_a_card_number_is_found_in_any_writing(text: str) -> None:
    assert has_card_number(text)


@pytest.mark.parametrize(
    "text", ["", "4242424242424241", "+49 170 1234567", "Order 20260504-1200", "0000000000000000", "pi_3PqR7xJ2"]
)
def test_other_digits_are_left_alone(text: str) -> None:
    assert not has_card_number(text)


@given(st.text("0123456789", min_size=12, max_size=18), st.integers(1, 5))
def test_whatever_passes_the_check_is_found_in_groups_too(body: str, width: int) -> None:
    digits = next(body + check for check in "0123456789" if passes_luhn(body + check) or set(body + check) == {"0"})
    grouped = " ".join(digits[n : n + width] for n in range(0, len(digits), width))
    assert has_card_number(f"paid with {grouped}.") is (digits.strip("0") != "")


def test_a_long_text_is_read_in_linear_time() -> None:
    start = time.process_time()  # the wall clock of a shared machine proves nothing
    for text in ("1" * 50_000, "1 " * 2_500, "4242-" * 1_000, "." * 50_000):
        has_card_number(text)
    assert time.process_time() - start < 0.5
