"""CSV with one line per entry: signed amounts twice, as a decimal number and in minor units, beside Stripe's ids. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from financial.ledger.exports.canonical import Book, Booked, Posting
from financial.ledger.exports.wording import decimal_text
from financial.money import CURRENCIES
from financial.spreadsheets import line_writer, text_cell

HEADER = (
    "transaction,date,time_utc,mode,category,description,account,account_code,amount,amount_minor,currency,source,payout,"
    "customer,payment,presentment_amount,presentment_amount_minor,presentment_currency,exchange_rate,rows"
).split(",")


def render(book: Book, rows: Iterable[Booked]) -> Iterator[str]:
    """Yield a header and one line per entry."""
    line = line_writer()
    yield line(HEADER)
    for row in rows:
        for posting in row.postings:
            yield line(_cells(row, posting))


def _cells(row: Booked, posting: Posting) -> list[Any]:
    return [
        text_cell(row.reference),
        row.booked_on.isoformat(),
        row.occurred_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "live" if row.livemode else "test",
        text_cell(row.category),
        text_cell(row.description),
        text_cell(posting.account.path),
        text_cell(posting.account.code),
        decimal_text(posting.amount_minor, row.currency),
        posting.amount_minor,
        row.currency.upper(),
        *map(text_cell, (row.source_id, row.payout_id, row.customer_id, row.payment_id)),
        *_presentment(row),
        text_cell(row.exchange_rate),
        row.count,
    ]


def _presentment(row: Booked) -> tuple[Any, ...]:
    amount_minor, currency = row.presentment_amount_minor, row.presentment_currency
    if amount_minor is None:
        return "", "", ""
    known = currency.lower() in CURRENCIES
    return decimal_text(amount_minor, currency) if known else "", amount_minor, text_cell(currency.upper())
