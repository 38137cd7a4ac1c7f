"""Books for beancount: one transaction per row, linked by Stripe's ids, and what every account must hold in the end. Pure.

The amounts asserted for Stripe's balances are Stripe's own. `~ 0.00` is part of each: without a tolerance of its own
beancount lets a difference of a cent pass.

Beancount: https://beancount.github.io/docs/beancount_language_syntax.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from financial.ledger.exports.canonical import DAY, Balance, Book, Booked, Closing
from financial.ledger.exports.wording import Names, decimal_text, facts, identifier, one_line


def render(book: Book, rows: Iterable[Booked]) -> Iterator[str]:
    """Yield the journal; accounts are opened on the day they are first used."""
    names, opened = Names(book.accounts), set[str]()
    closing = Closing(book.opening)
    yield f'option "title" {_quoted(book.title)}\n'
    for row in chain(book.brought_forward(), closing.watch(rows)):
        for posting in row.postings:
            name = names.of(posting.account)
            if name not in opened:
                opened.add(name)
                yield f"\n{row.booked_on} open {name}"
        yield _transaction(row, names)
    yield from _assertions(book, closing, names)


def _transaction(row: Booked, names: Names) -> str:
    links = "".join(f" ^{identifier(link)}" for link in (row.reference, row.payout_id) if link)
    lines = [f"\n{row.booked_on} * {_quoted(row.description or row.category)}{links}"]
    lines += [f"  {key}: {_quoted(value)}" for key, value in facts(row) if value]
    lines += [
        f"  {names.of(posting.account)}  {decimal_text(posting.amount_minor, row.currency)} {row.currency.upper()}"
        for posting in row.postings
    ]
    return "\n".join(lines) + "\n"


def _assertions(book: Book, closing: Closing, names: Names) -> Iterator[str]:
    """What must hold on the morning after the last day. Beancount counts what is below an account to it."""
    last = book.end or closing.last
    if last is None:
        return
    balances = closing.balances()
    for balance in balances:
        name = names.of(balance.account)
        held = sum(row.amount_minor for row in balances if _is_within(names.of(row.account), name, row, balance))
        zero = decimal_text(0, balance.currency)
        amount = decimal_text(held, balance.currency)
        yield f"\n{last + DAY} balance {name}  {amount} ~ {zero} {balance.currency.upper()}"
    yield "\n"


def _is_within(name: str, parent: str, row: Balance, of: Balance) -> bool:
    return row.currency == of.currency and (name == parent or name.startswith(f"{parent}:"))


def _quoted(text: str) -> str:
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
