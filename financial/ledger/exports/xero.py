"""Manual journals as Xero imports them, in a ZIP: files of at most 300 lines, none with two currencies. Pure.

Xero takes no other currency than the organisation's in a manual journal, so each has its own files. Lines with the same
narration and date make one journal; the reference in the narration keeps journals of one day apart.

Xero: https://help.xero.com/uk/ManualJournalsImport
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from financial.ledger.exports.canonical import Book, Booked, Posting
from financial.ledger.exports.wording import decimal_text, one_line
from financial.spreadsheets import line_writer, text_cell

HEADER = ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount")
LINES_MAX = 300
# The same books give the same bytes: no clock goes into the archive (ZIP knows no earlier year), and nothing is
# compressed, as compressors differ from machine to machine.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def render(book: Book, rows: Iterable[Booked]) -> Iterator[bytes]:
    """Yield a ZIP of CSV files, `journals-usd-0001.csv` and so on; a journal is never cut in two."""
    archive = _Archive()
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        lines = list(_lines(book, row))
        if len(waiting[row.currency]) + len(lines) > LINES_MAX and waiting[row.currency]:
            archive.add(row.currency, waiting.pop(row.currency))
            yield archive.taken()
        waiting[row.currency] += lines
    for currency, left in sorted(waiting.items()):
        archive.add(currency, left)
    archive.close()
    yield archive.taken()


def _lines(book: Book, row: Booked) -> Iterator[str]:
    line = line_writer()
    narration = text_cell(one_line(f"{row.description or row.category} ({row.reference})"))
    for posting in row.postings:
        yield line(_cells(book, row, posting, narration))


def _cells(book: Book, row: Booked, posting: Posting, narration: str) -> list[Any]:
    account = posting.account
    return [
        narration,
        f"{row.booked_on:%d/%m/%Y}",
        text_cell(one_line(account.path)),
        text_cell(one_line(account.code or account.path)),
        text_cell(book.xero_tax_rate),
        decimal_text(posting.amount_minor, row.currency),
    ]


class _Archive:
    """A ZIP that is handed out while it is made."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._numbers: Counter[str] = Counter()

    def add(self, currency: str, lines: list[str]) -> None:
        self._numbers[currency] += 1
        name = zipfile.ZipInfo(f"journals-{currency}-{self._numbers[currency]:04}.csv", _NO_TIME)
        text = line_writer()(HEADER) + "".join(lines)
        self._zip.writestr(name, text.encode(errors="replace"))

    def close(self) -> None:
        self._zip.close()

    def taken(self) -> bytes:
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """Takes bytes until somebody fetches them. It cannot go back, which ZIP accepts."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        return found
