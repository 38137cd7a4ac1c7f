from __future__ import annotations

import pytest

from financial.sample_data import catalog
from financial.views.decline_words import DECLINES, UNKNOWN, decline_words
from sandbox.core import cards


@pytest.mark.parametrize("code", ["pickup_card", "restricted_card", "lost_card", "stolen_card", "fraudulent"])
def test_what_smells_of_theft_is_not_told_to_the_customer(code: str) -> None:
    assert "do not tell the customer why" in decline_words(code)


def test_a_code_without_words_has_a_next_step_and_no_code_has_none() -> None:
    assert decline_words("brand_new_decline") == UNKNOWN
    assert decline_words("brand_new_decline", "Said by Stripe.") == "Said by Stripe."
    assert decline_words("expired_card", "Said by Stripe.") == DECLINES["expired_card"]
    assert decline_words("") == ""


def test_every_code_that_the_sandbox_and_the_sample_data_fail_with_has_words() -> None:
    codes = {decline for _, _, decline, _ in catalog.DECLINES} | {code for code, *_ in catalog.DECLINES}
    for card in cards.TOKENS.values():
        codes |= {card.decline, card.error_code} if card.decline else set()
    assert {"insufficient_funds", "lost_card"} <= codes <= DECLINES.keys()


@pytest.mark.parametrize("words", [*DECLINES.values(), UNKNOWN])
def test_words_are_a_reason_and_a_next_step(words: str) -> None:
    assert words.endswith(".") and words[0].isupper() and "_" not in words
