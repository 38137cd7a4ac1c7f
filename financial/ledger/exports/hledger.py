"""Books for hledger: accounts and commodities declared, so that `hledger check -s` refuses what it does not know. Pure.

Two spaces stand between account and amount: after one, hledger takes the amount for a part of the name.

hledger: https://hledger.org/1.25/hledger.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from financial.ledger.exports.canonical import Book, Booked, Closing
from financial.ledger.exports.wording import Names, decimal_text, facts, identifier, one_line
from financial.money import exponent


def render(book: Book, rows: Iterable[Booked]) -> Iterator[str]:
    """Yield the journal; what a transaction needs is declared before it."""
    names, declared = Names(book.accounts), set[str]()
    closing = Closing(book.opening)
    yield f"; {one_line(book.title)}\n"
    for row in chain(book.brought_forward(), closing.watch(rows)):
        for line in _declarations(row, names):
            if line not in declared:
                declared.add(line)
                yield f"\n{line}"
        yield _transaction(row, names)
    yield _assertions(book, closing, names)


def _declarations(row: Booked, names: Names) -> Iterator[str]:
    point = "." + "0" * exponent(row.currency)
    yield f"commodity 1000{point} {row.currency.upper()}"
    for posting in row.postings:
        yield f"account {names.of(posting.account)}"


def _transaction(row: Booked, names: Names) -> str:
    lines = [f"\n{row.booked_on} * ({identifier(row.reference)}) {_described(row.description or row.category)}"]
    lines += [f"    ; {key}: {_described(value)}" for key, value in _facts(row) if value]
    lines += [
        f"    {names.of(posting.account)}  {decimal_text(posting.amount_minor, row.currency)} {row.currency.upper()}"
        for posting in row.postings
    ]
    return "\n".join(lines) + "\n"


def _facts(row: Booked) -> tuple[tuple[str, str], ...]:
    return (*facts(row), ("payout", identifier(row.payout_id)))


def _assertions(book: Book, closing: Closing, names: Names) -> str:
    """What must hold at the end of the last day, as postings of nothing: `=` compares the balance reached so far."""
    last, balances = book.end or closing.last, closing.balances()
    if last is None or not balances:
        return ""
    lines = [f"\n{last} * Closing balances"]
    for row in balances:
        code, zero = row.currency.upper(), decimal_text(0, row.currency)
        amount = decimal_text(row.amount_minor, row.currency)
        lines.append(f"    {names.of(row.account)}  {zero} {code} = {amount} {code}")
    return "\n".join(lines) + "\n"


def _described(text: str) -> str:
    """A semicolon would begin a comment; a bar would make what is before it the payee; brackets can hold a date."""
    return one_line(text).translate(str.maketrans(";|[]", ",/()"))
