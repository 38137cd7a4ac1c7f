"""OFX 1.02: each of Stripe's balances as if it were a bank account, for software that reads bank statements. Pure.

A statement names its last day before its first line, and one follows the other. So statements wait in temporary files
while the rows pass once; memory holds a megabyte of each at most.

OFX: https://financialdataexchange.org/ofx
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

from financial.ledger.exports.canonical import Account, Balance, Book, Booked, Closing
from financial.ledger.exports.wording import decimal_text, identifier, one_line

ENCODING = "cp1252"  # what `CHARSET:1252` promises; other characters become question marks
MEMORY_MAX = 1024 * 1024
_HEADER = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

"""
_SIGN_ON = """<OFX>
<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>{at}<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1>
"""
_STATEMENT = """<STMTTRNRS><TRNUID>{number}<STATUS><CODE>0<SEVERITY>INFO</STATUS>
<STMTRS><CURDEF>{currency}
<BANKACCTFROM><BANKID>STRIPE<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>{start}<DTEND>{end}
"""
_LINE = "<STMTTRN><TRNTYPE>{type}<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{reference}<NAME>{name}<MEMO>{memo}</STMTTRN>\n"
_BALANCE = """</BANKTRANLIST>
<LEDGERBAL><BALAMT>{amount}<DTASOF>{end}</LEDGERBAL>
</STMTRS></STMTTRNRS>
"""
_END = "</BANKMSGSRSV1>\n</OFX>\n"
# Words of OFX for what it has a word for; the others are credit or debit by their sign.
_TYPES = {"payout": "XFER", "payout_reversal": "XFER", "topup": "XFER", "topup_reversal": "XFER", "fee": "SRVCHG"}
NAME_LENGTH_MAX, MEMO_LENGTH_MAX, ACCOUNT_LENGTH_MAX = 32, 255, 22


def render(book: Book, rows: Iterable[Booked]) -> Iterator[str]:
    """Yield one file with a statement per balance and currency."""
    closing = Closing(book.opening)
    with ExitStack() as stack:
        lines: dict[tuple[Account, str], IO[str]] = {}
        first: dt.date | None = book.start
        for row in closing.watch(rows):
            first = first or row.booked_on
            for account, amount_minor in _moved(row).items():
                key = account, row.currency
                if key not in lines:
                    lines[key] = stack.enter_context(_spool())
                lines[key].write(_line(row, amount_minor))
        last = book.end or closing.last or book.start or dt.date(1970, 1, 1)
        yield _HEADER + _SIGN_ON.format(at=_day(last))
        balances = [row for row in closing.balances() if row.account.is_stripe_balance]
        for number, balance in enumerate(balances, start=1):
            yield from _statement(number, balance, first or last, last, lines.get((balance.account, balance.currency)))
        yield _END


def _spool() -> IO[str]:
    return tempfile.SpooledTemporaryFile(MEMORY_MAX, "w+", encoding="utf-8", errors="replace", newline="")


def _moved(row: Booked) -> dict[Account, int]:
    sums: dict[Account, int] = {}
    for posting in row.postings:
        if posting.account.is_stripe_balance:
            sums[posting.account] = sums.get(posting.account, 0) + posting.amount_minor
    return sums


def _statement(number: int, balance: Balance, first: dt.date, last: dt.date, lines: IO[str] | None) -> Iterator[str]:
    account = identifier(balance.account.path.removeprefix("Assets:"))
    yield _STATEMENT.format(
        number=number,
        currency=balance.currency.upper(),
        account=f"{account[: ACCOUNT_LENGTH_MAX - 5]}-{balance.currency.upper()}",
        start=_day(first),
        end=_day(last),
    )
    if lines is not None:
        lines.seek(0)
        yield from iter(lambda: lines.read(64 * 1024), "")
    yield _BALANCE.format(amount=decimal_text(balance.amount_minor, balance.currency), end=_day(last))


def _line(row: Booked, amount_minor: int) -> str:
    return _LINE.format(
        type=_TYPES.get(row.category, "CREDIT" if amount_minor > 0 else "DEBIT"),
        day=_day(row.booked_on),
        amount=decimal_text(amount_minor, row.currency),
        reference=identifier(row.reference),
        name=_text(row.category.replace("_", " ").capitalize(), NAME_LENGTH_MAX),
        memo=_text(row.description or row.category, MEMO_LENGTH_MAX),
    )


def _day(day: dt.date) -> str:
    return f"{day:%Y%m%d}"


def _text(text: str, length_max: int) -> str:
    """Text between tags; cut before it is escaped, so that no escape is cut in two."""
    line = one_line(text.encode(ENCODING, "replace").decode(ENCODING), length_max) or "-"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
