"""A list as CSV: every row of the filters in force, in the order on screen, streamed page by page.

Times are of the account's zone, with their offset. Amounts are given in minor and in major units beside their currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

from financial import conf, money
from financial.spreadsheets import line_writer, text_cell

ROWS_MAX = 100_000


def stream(name: str, mode: str, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """Answer with a file named after the list, the mode and the day."""
    day = timezone.now().astimezone(conf.time_zone()).date()
    return StreamingHttpResponse(
        _written(header, lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{mode}-{day}.csv"'},
    )


def _written(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> Iterator[str]:
    line_of = line_writer()
    yield line_of(header)
    for number, line in enumerate(lines):
        if number == ROWS_MAX:
            yield line_of([f"Cut after {ROWS_MAX} rows: narrow the filters."])
            return
        yield line_of([cell(value) for value in line])


def cell(value: Any) -> Any:
    """Return a value as a cell: numbers stay numbers, text cannot become a formula."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.astimezone(conf.time_zone()).isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, Decimal)):
        return value
    return text_cell(str(value))


def amounts(amount_minor: int | None, currency: str) -> tuple[int | str, Decimal | str]:
    """Return the minor and the major units of an amount as two cells."""
    if amount_minor is None:
        return "", ""
    known = currency.lower() in money.CURRENCIES
    return amount_minor, money.to_major(amount_minor, currency) if known else ""


def by_currency(sums: Iterable[tuple[int, str]]) -> str:
    """Return amounts of several currencies as one cell, in major units: `12.50 EUR; 900 JPY`."""
    return "; ".join(f"{amounts(minor, currency)[1]} {currency.upper()}" for minor, currency in sums)
