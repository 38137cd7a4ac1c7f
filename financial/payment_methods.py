"""What people call the ways to pay that Stripe names by a word: `sepa_debit` is SEPA Direct Debit. Pure.

Source: `payment_method_details.type` and `.card.brand` of https://docs.stripe.com/api/charges/object.
"""

from __future__ import annotations

METHODS = {
    "card": "Card",
    "card_present": "Card in person",
    "link": "Link",
    "sepa_debit": "SEPA Direct Debit",
    "us_bank_account": "ACH Direct Debit",
    "bacs_debit": "Bacs Direct Debit",
    "customer_balance": "Bank transfer",
    "paypal": "PayPal",
    "klarna": "Klarna",
    "ideal": "iDEAL",
    "bancontact": "Bancontact",
    "amazon_pay": "Amazon Pay",
    "cashapp": "Cash App Pay",
}
_BRANDS = {
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "eftpos_au": "eftpos Australia",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}
_NAMES = METHODS | _BRANDS


def named(word: str) -> str:
    """Return the name of a method or of a card's brand; a bank's name stays as it is, a new word is made readable."""
    if word in _NAMES:
        return _NAMES[word]
    return word if word != word.lower() else word.replace("_", " ").capitalize()


def described(brand: str, method: str, last4: str) -> str:
    """Return how was paid, as people know it: `Visa ••••4242`, `SEPA Direct Debit`."""
    return f"{named(brand or method)} ••••{last4}".strip() if last4 else named(brand or method)
