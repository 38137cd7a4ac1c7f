"""The books as files for other programs: one renderer per format, all from one list of plain rows. Pure, streaming.

`write` takes a `Book` and its rows in their order and yields bytes. The same rows give the same bytes, whenever and
wherever; no clock and no database is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from financial.ledger.exports import beancount, entries, hledger, ofx, quickbooks, xero
from financial.ledger.exports.canonical import Book, Booked
from financial.ledger.exports.grouping import By, grouped

BLOCK_BYTES = 64 * 1024
Render = Callable[[Book, Iterable[Booked]], Iterator[str]] | Callable[[Book, Iterable[Booked]], Iterator[bytes]]


@dataclass(frozen=True)
class Format:
    """One format: what it is called, the end of its file's name, and who writes it."""

    name: str
    label: str
    extension: str
    content_type: str
    render: Render
    encoding: str = "utf-8"


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("csv", "CSV, one line per entry", "csv", "text/csv; charset=utf-8", entries.render),
        Format("beancount", "beancount", "beancount", "text/plain; charset=utf-8", beancount.render),
        Format("hledger", "hledger", "journal", "text/plain; charset=utf-8", hledger.render),
        Format("quickbooks", "QuickBooks Online journal", "csv", "text/csv; charset=utf-8", quickbooks.render),
        Format("xero", "Xero manual journals", "zip", "application/zip", xero.render),
        Format("ofx", "OFX bank statement", "ofx", "application/x-ofx", ofx.render, ofx.ENCODING),
    )
}


def write(format_name: str, book: Book, rows: Iterable[Booked], by: By = By.TRANSACTION) -> Iterator[bytes]:
    """Yield the books in one format, in blocks of about 64 KB.

    Raises:
        UnknownCurrency: a row is in a currency whose decimals are unknown.
        ValueError: the rows are not in their order.
    """
    chosen = FORMATS[format_name]
    block = bytearray()
    for part in chosen.render(book, grouped(rows, by)):
        block += part if isinstance(part, bytes) else part.encode(chosen.encoding, "replace")
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


__all__ = ["FORMATS", "Book", "Booked", "By", "Format", "write"]
