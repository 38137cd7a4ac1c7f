"""Telling a card number from other digits, so that none is ever stored or sent. Pure: no Django, no Stripe."""

from __future__ import annotations

import re

SHORTEST, LONGEST = 13, 19
# Digits with at most one space, dot or dash between them; linear in the length of the text.
_RUN = re.compile(r"[0-9](?:[ .\-\u00a0]?[0-9])+")
_GROUP = re.compile(r"[0-9]+")


def has_card_number(text: str) -> bool:
    """Say whether `text` contains 13 to 19 digits, in groups or not, that pass the Luhn check."""
    return any(_run_has_one(_GROUP.findall(run.group())) for run in _RUN.finditer(text))


def _run_has_one(groups: list[str]) -> bool:
    """Look at every stretch of neighbouring groups, so that an expiry date behind a number does not hide it."""
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) > LONGEST:
                break
            if len(digits) >= SHORTEST and passes_luhn(digits):
                return True
    return False


def passes_luhn(digits: str) -> bool:
    """Say whether a text of digits ends in the check digit that payment cards carry."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0 and digits.strip("0") != ""
