"""Text of strangers and account names, made fit for files that other programs read line by line. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from financial import money
from financial.ledger.exports.canonical import OPENING, Account, Booked, Kind

# Control characters, halves of surrogate pairs, line separators, and what turns the reading direction of a line around.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_ROOTS = {
    Kind.ASSET: "Assets",
    Kind.LIABILITY: "Liabilities",
    Kind.EQUITY: "Equity",
    Kind.INCOME: "Income",
    Kind.EXPENSE: "Expenses",
}


def one_line(text: str, length_max: int = 500) -> str:
    """Return text as one line of printable characters, single spaces between words."""
    words = _UNFIT.sub(" ", text).split()
    return " ".join(words)[:length_max].rstrip()


def identifier(text: str) -> str:
    """Return an id with nothing in it that a format gives a meaning to."""
    return _NOT_IN_ID.sub("-", text)[:255]


def decimal_text(amount_minor: int, currency: str) -> str:
    """Return minor units as a decimal number with all its digits: -5450 usd -> -54.50, 500 jpy -> 500.

    Raises:
        UnknownCurrency: nobody knows where the point belongs.
    """
    return f"{money.to_major(amount_minor, currency):f}"


def presented(amount_minor: int | None, currency: str) -> str:
    """Return what the customer paid as text, `EUR 50.00`; nothing if it is unknown."""
    if amount_minor is None or currency.lower() not in money.CURRENCIES:
        return ""
    return f"{currency.upper()} {decimal_text(amount_minor, currency)}"


def facts(row: Booked) -> tuple[tuple[str, str], ...]:
    """Return what is known beside the amounts, as (name, value)."""
    return (
        ("category", identifier(row.category)),
        ("source", identifier(row.source_id)),
        ("customer", identifier(row.customer_id)),
        ("payment", identifier(row.payment_id)),
        ("presentment", presented(row.presentment_amount_minor, row.presentment_currency)),
        ("rate", one_line(row.exchange_rate, 40)),
    )


class Names:
    """Account names for beancount and hledger: one of five roots, colons, letters, digits and hyphens.

    Names that are fit already stay as they are. Two accounts whose names become the same get a number each, in the order
    of the chart, so nothing is ever added up by accident.
    """

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._names: dict[Account, str] = {}
        self._taken: set[str] = set()
        chart = sorted({*accounts, OPENING})
        for account in sorted(chart, key=lambda account: _fit_path(account) != account.path):  # the fit ones first
            self.of(account)

    def of(self, account: Account) -> str:
        if account not in self._names:
            wanted = name = _fit_path(account)
            number = 1
            while name in self._taken:
                number += 1
                name = f"{wanted}-{number}"
            self._taken.add(name)
            self._names[account] = name
        return self._names[account]


def _fit_path(account: Account) -> str:
    root = _ROOTS[account.kind]
    parts = [_fit_part(part) for part in account.path.split(":")]
    if parts[0] == root and len(parts) > 1:
        parts = parts[1:]
    return ":".join([root, *parts])


def _fit_part(part: str) -> str:
    kept = "".join(sign if _is_letter_or_digit(sign) else " " for sign in unicodedata.normalize("NFC", part))
    name = "-".join(kept.split())[:80] or "Unnamed"
    name = name[0].upper() + name[1:] if _is_letter_or_digit(name[0].upper()) else name
    return name if unicodedata.category(name[0]) in ("Lu", "Nd") else f"X{name}"


def _is_letter_or_digit(text: str) -> bool:
    return all(unicodedata.category(sign) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd") or sign == "-" for sign in text)
