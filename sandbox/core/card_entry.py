"""A card as a customer types it: number, expiry, security code; checked, then forgotten but for its token.

Stripe: https://docs.stripe.com/testing
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from .cards import TOKENS, token_of_number
from .errors import StripeError

_EXPIRY = re.compile(r"\s*(\d{1,2})\s*/?\s*(\d{2}|\d{4})\s*")
NOT_A_TEST_CARD = (
    "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards,"
    " visit: https://stripe.com/docs/testing."
)


@dataclass(frozen=True)
class Entry:
    """What is left of a typed card: how it behaves, and when it expires."""

    token: str
    exp_month: int
    exp_year: int


def read(number: str, expiry: str, code: str, now: int) -> Entry:
    """Return the card that was typed.

    Raises:
        StripeError: 402 with `param` `number`, `exp_month`, `exp_year` or `cvc`, worded as Stripe does.
    """
    token = token_of(number)
    month, year = _expiry(expiry, datetime.fromtimestamp(now, UTC))
    digits = 4 if TOKENS[token].brand == "amex" else 3
    if not re.fullmatch(rf"\d{{3,{digits}}}", code.strip()):
        raise _wrong("Your card's security code is " + ("invalid." if code.strip() else "incomplete."),
                     "invalid_cvc", "cvc")  # fmt: skip
    return Entry(token, month, year)


def token_of(number: str) -> str:
    """Return the token of a typed test card number.

    Raises:
        StripeError: it is incomplete, mistyped, or no published test card.
    """
    digits = re.sub(r"[\s-]", "", number)
    token = token_of_number(digits)
    if token is not None:
        return token
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        raise _wrong("Your card number is invalid.", "invalid_number", "number")
    if len(digits) < 12:
        raise _wrong("Your card number is incomplete.", "incomplete_number", "number")
    if not _adds_up(digits):
        raise _wrong("Your card number is incorrect.", "incorrect_number", "number")
    raise StripeError(402, NOT_A_TEST_CARD, "card_declined", "number", type="card_error",
                      decline_code="test_mode_live_card")  # fmt: skip


def _adds_up(digits: str) -> bool:
    """Return whether the check digit fits (Luhn)."""
    odd = sum(int(d) for d in digits[-1::-2])
    even = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (odd + even) % 10 == 0


def _expiry(text: str, today: datetime) -> tuple[int, int]:
    found = _EXPIRY.fullmatch(text)
    if found is None:
        raise _wrong("Your card's expiration date is incomplete.", "incomplete_expiry", "exp_month")
    month, year = int(found[1]), int(found[2])
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        raise _wrong("Your card's expiration date is invalid.", "invalid_expiry_month", "exp_month")
    if year < today.year or year > today.year + 50:
        raise _wrong("Your card's expiration year is " + ("in the past." if year < today.year else "invalid."),
                     "invalid_expiry_year", "exp_year")  # fmt: skip
    if (year, month) < (today.year, today.month):
        raise _wrong("Your card's expiration date is in the past.", "invalid_expiry_month", "exp_month")
    return month, year


def _wrong(message: str, code: str, param: str) -> StripeError:
    return StripeError(402, message, code, param, type="card_error")
