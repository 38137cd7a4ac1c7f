"""Which entries a movement of a Stripe balance must have. Pure: facts in, entries out; no Django, no models, no clock.

The rule for every row: the clearing account of its balance type gets `net`, its fee goes by kind to expenses, and the rest,
`-amount`, to the contra account of its category, less the customer's sales tax where it is known. So the entries of a row
sum to zero exactly if Stripe's own figures add up; a row whose figures do not is refused.

Nothing is inferred from the state of an object, and nothing is computed from an exchange rate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from financial import accounts
from financial.accounts import CATEGORIES, CONTRA_OF_TYPE, FEE_ACCOUNT, UNKNOWN, Category
from financial.errors import BookingError

NOT_ITEMISED = ""
Entries = tuple[tuple[str, int], ...]
NO_MAPPING: Mapping[str, str] = {}


class Movement(NamedTuple):
    """A balance transaction; minor units of the settlement `currency`. `fee_parts` as the mirror writes them."""

    stripe_id: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    type: str
    reporting_category: str
    balance_type: str
    fee_parts: str
    created_at: dt.datetime

    @property
    def category(self) -> str:
        return accounts.category_of(self.reporting_category, self.type)

    @property
    def meaning(self) -> Category:
        return CATEGORIES.get(self.category, UNKNOWN)


class Tax(NamedTuple):
    """How much of an invoice's total is sales tax; minor units of the currency customers paid in."""

    tax_minor: int
    total_minor: int


NO_TAX = Tax(0, 1)


def fee_parts(text: str) -> list[tuple[str, int]]:
    """Return (kind, minor units) of `stripe_fee:320 tax:12`.

    Raises:
        BookingError: it is not such a text.
    """
    try:
        pairs = (part.rpartition(":") for part in text.split() if part != "none")
        return [(kind, int(amount)) for kind, _, amount in pairs]
    except ValueError as error:
        raise BookingError(f"“{text}” does not say what a fee is made of.") from error


def refusal(movement: Movement) -> str:
    """Return why a row contradicts itself and must not be booked; an empty text for one that adds up."""
    return _refusal(movement, fee_parts(movement.fee_parts))


def _refusal(movement: Movement, parts: list[tuple[str, int]]) -> str:
    if movement.net_minor != movement.amount_minor - movement.fee_minor:
        return (
            f"{movement.stripe_id}: net {movement.net_minor} is not amount {movement.amount_minor} "
            f"less fee {movement.fee_minor}; it was not booked."
        )
    if movement.fee_parts != NOT_ITEMISED:
        itemised = sum(amount for _, amount in parts)
        if itemised != movement.fee_minor:
            return (
                f"{movement.stripe_id}: the parts of its fee sum to {itemised}, not to {movement.fee_minor}; "
                "it was not booked."
            )
    return ""


def tax_share(amount_minor: int, tax: Tax) -> int:
    """Return which part of an amount is sales tax, pro rata, half up, signed as the amount: 10000 at 800/10000 -> 800."""
    if tax.tax_minor <= 0 or tax.total_minor <= 0:
        return 0
    share = (2 * abs(amount_minor) * tax.tax_minor + tax.total_minor) // (2 * tax.total_minor)
    return share if amount_minor >= 0 else -share


def entries(movement: Movement, *, tax_minor: int = 0, mapping: Mapping[str, str] = NO_MAPPING) -> Entries:
    """Return (account code, minor units) pairs, one per account, that sum to zero; debits are positive.

    `tax_minor` is the sales tax inside the amount, signed as it. `mapping` says which account somebody chose for a
    category.

    Raises:
        BookingError: the row contradicts itself.
    """
    parts = fee_parts(movement.fee_parts)
    if why := _refusal(movement, parts):
        raise BookingError(why)
    meaning = movement.meaning
    contra = mapping.get(movement.category) or CONTRA_OF_TYPE.get(movement.type) or meaning.contra
    sums = {accounts.clearing(movement.balance_type): movement.net_minor}
    if movement.fee_parts == NOT_ITEMISED:
        parts = [("stripe_fee", movement.fee_minor)]
    for kind, part in parts:
        account = _fee_account(kind, meaning)
        sums[account] = sums.get(account, 0) + part
    sums[contra] = sums.get(contra, 0) - movement.amount_minor + tax_minor
    if tax_minor:
        sums[accounts.SALES_TAX] = sums.get(accounts.SALES_TAX, 0) - tax_minor
    return tuple((account, amount) for account, amount in sums.items() if amount)


def _fee_account(kind: str, meaning: Category) -> str:
    if kind == "stripe_fee" and meaning.kind == "dispute":
        return accounts.DISPUTE_FEES
    return FEE_ACCOUNT.get(kind, accounts.SUSPENSE)


def tax_entries(contra: str, tax_minor: int) -> Entries:
    """Return the entries that move sales tax, known only after its payment was booked, out of the contra account."""
    return ((contra, tax_minor), (accounts.SALES_TAX, -tax_minor))
