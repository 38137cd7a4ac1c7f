"""Journal entries as QuickBooks Online imports them: one line per entry, debit or credit, months before days. Pure.

Account numbers must be switched off while importing; accounts are named `Parent:Sub`, and must exist. Lines with one
journal number make one journal, so a number is never used twice.

QuickBooks: https://quickbooks.intuit.com/learn-support/en-au/help-article/import-export-files/import-journal-entries-quickbooks-online/L4tQBwbs7_AU_en_AU
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from financial.ledger.exports.canonical import Book, Booked, Posting
from financial.ledger.exports.wording import decimal_text, one_line
from financial.spreadsheets import line_writer, text_cell

HEADER = ("Journal No.", "Journal Date", "Account Name", "Debits", "Credits", "Description", "Name", "Currency")
NUMBER_LENGTH_MAX = 21
_NOT_IN_NAMES = str.maketrans({'"': "'", "\t": " ", "\n": " "})


def render(book: Book, rows: Iterable[Booked]) -> Iterator[str]:
    """Yield a header and one line per entry."""
    line = line_writer()
    yield line(HEADER)
    for row in rows:
        for posting in row.postings:
            yield line(_cells(row, posting))


def journal_number(reference: str) -> str:
    """Return the end of a reference: the part of Stripe's ids that differs from one to the next."""
    return reference[-NUMBER_LENGTH_MAX:]


def _cells(row: Booked, posting: Posting) -> list[Any]:
    amount = decimal_text(abs(posting.amount_minor), row.currency)
    is_debit = posting.amount_minor > 0
    return [
        text_cell(journal_number(row.reference)),
        f"{row.booked_on:%m/%d/%Y}",
        text_cell(one_line(posting.account.path.translate(_NOT_IN_NAMES))),
        amount if is_debit else "",
        "" if is_debit else amount,
        text_cell(one_line(f"{row.description or row.category} ({row.reference})")),
        "",
        row.currency.upper(),
    ]
