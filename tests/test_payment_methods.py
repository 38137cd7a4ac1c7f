"""What people call the ways to pay."""

from __future__ import annotations

import pytest

from financial.payment_methods import described, named


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("visa", "Visa"),
        ("amex", "Amex"),
        ("jcb", "JCB"),
        ("cartes_bancaires", "Cartes Bancaires"),
        ("sepa_debit", "SEPA Direct Debit"),
        ("paypal", "PayPal"),
        ("STRIPE TEST BANK", "STRIPE TEST BANK"),
        ("a_method_of_next_year", "A method of next year"),
        ("", ""),
    ],
)
def test_words_of_stripe_get_the_names_people_know(word: str, name: str) -> None:
    assert named(word) == name


def test_a_card_is_named_by_its_brand_and_last_four_and_what_has_neither_by_its_method() -> None:
    assert described("unionpay", "card", "0005") == "UnionPay ••••0005"
    assert described("", "sepa_debit", "3000") == "SEPA Direct Debit ••••3000"
    assert described("", "klarna", "") == "Klarna"
    assert described("", "", "4242") == "••••4242"
