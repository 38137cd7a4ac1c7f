"""Bank statements: what is read, what is refused, and that nothing is read half."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from ofxtools import OFXTree

from financial.bank.statements import BYTES_MAX, Columns, Statement, amount_of, only, read_csv, read_ofx
from financial.errors import StatementRefused

CSV = "Buchungstag;Betrag;Text;Ref\n08.04.2026;1.104,37;STRIPE PAYOUT;TR1\n10.04.2026;-22,88;STRIPE;\n"
GERMAN = Columns("Buchungstag", "Betrag", "eur", "Text", "Ref", date_format="%d.%m.%Y", decimal=",")
HEADER = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

"""
OFX_1 = """<OFX>
<BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>42<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260401<DTEND>20260430
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260408120000[-5:EST]<TRNAMT>104.37<FITID>F1<NAME>STRIPE<MEMO>TR1 &amp; more</STMTTRN>
<STMTTRN>
<TRNTYPE>DEBIT
<DTPOSTED>20260410
<TRNAMT>-22.88
<FITID>F2
<NAME>STRIPE
</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""
OFX_2 = """<?xml version="1.0" encoding="UTF-8"?><?OFX OFXHEADER="200" VERSION="211"?>
<OFX><STMTRS><CURDEF>EUR</CURDEF><BANKACCTFROM><ACCTID>42</ACCTID></BANKACCTFROM><BANKTRANLIST>
<STMTTRN><TRNTYPE>CREDIT</TRNTYPE><DTPOSTED>20260408</DTPOSTED><TRNAMT>1,50</TRNAMT><FITID>F1</FITID></STMTTRN>
</BANKTRANLIST></STMTRS></OFX>"""


def told(statement: Statement) -> list[tuple[dt.date, int, str]]:
    return [(line.booked_on, line.amount_minor, line.currency) for line in statement.lines]


@pytest.mark.parametrize(
    ("text", "decimal", "amount"),
    [
        ("1,234.56", ".", "1234.56"), ("1234.56", ".", "1234.56"), ("1.234,56", ",", "1234.56"), ("5", ",", "5"),
        ("-5", ".", "-5"), ("5.00-", ".", "-5"), ("(5.00)", ".", "-5"), ("+5.10", ".", "5.10"), ("\u22125,5", ",", "-5.5"),
        ("1 234,5", ",", "1234.5"), ("1'234.50", ".", "1234.50"),
    ],
)  # fmt: skip
def test_amounts_are_read_as_they_are_written(text: str, decimal: str, amount: str) -> None:
    assert amount_of(text, decimal) == Decimal(amount)


@pytest.mark.parametrize(("text", "decimal"), [
    ("1.234,56", "."), ("1,234.56", ","), ("1,23.45", "."), ("=1+1", "."), ("", "."), ("abc", "."), ("1e5", "."), ("٥", "."),
    ("1.2345", ","),
])  # fmt: skip
def test_what_is_no_such_amount_is_refused(text: str, decimal: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        amount_of(text, decimal)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_csv_file_is_read_in_any_encoding(encoding: str) -> None:
    said = read_csv(CSV.replace("STRIPE PAYOUT", "Zürich").encode(encoding), GERMAN)

    assert told(said) == [(dt.date(2026, 4, 8), 110_437, "eur"), (dt.date(2026, 4, 10), -2288, "eur")]
    assert (said.lines[0].description, said.lines[0].reference) == ("Zürich", "TR1")


def test_quotes_may_hold_delimiters_and_line_breaks() -> None:
    data = b'Date,Amount,Text\n2026-04-08,"1,104.37","STRIPE, ""Inc""\nsecond"\n2026-04-09,5,b\n'

    said = read_csv(data, Columns("Date", "Amount", "usd", "Text"))

    assert [(line.number, line.amount_minor) for line in said.lines] == [(3, 110_437), (4, 500)]
    assert said.lines[0].description == 'STRIPE, "Inc"\nsecond'


def test_bad_lines_are_listed_with_their_numbers() -> None:
    data = b"Date,Amount\n2026-04-08,5\nyesterday,5\n2026-04-09,=SUM(A1)\n2026-04-10,5.001\n"

    said = read_csv(data, Columns("Date", "Amount", "usd"))

    assert [number for number, _ in said.problems] == [3, 4, 5]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"), (b" \n", "empty"), (b"x" * (BYTES_MAX + 1), "larger than 5 MB"), (b"a\0b", "no text"),
        (b"Day,Sum\n1,2\n", "No column is called"),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(StatementRefused, match=why):
        read_csv(data, Columns("Date", "Amount", "usd"))


@pytest.mark.parametrize("line", ["0001-01-01,5", "2026-13-01,5", f"2026-04-08,{'9' * 30}", "2026-04-08,1000000000000"])
def test_days_and_amounts_that_no_database_holds_are_listed(line: str) -> None:
    said = read_csv(f"Date,Amount\n{line}\n".encode(), Columns("Date", "Amount", "usd"))

    assert [number for number, _ in said.problems] == [2]


def test_a_field_without_an_end_is_refused() -> None:
    with pytest.raises(StatementRefused, match="is no CSV"):
        read_csv(b'"' + b"x" * 200_000, Columns("Date", "Amount", "usd"))


def test_a_wrong_delimiter_finds_no_columns() -> None:
    with pytest.raises(StatementRefused, match="No column is called"):
        read_csv(CSV.encode(), Columns("Buchungstag", "Betrag", "eur", delimiter=","))


@pytest.mark.parametrize(("data", "found"), [
    (HEADER + OFX_1, [(dt.date(2026, 4, 8), 10437, "usd"), (dt.date(2026, 4, 10), -2288, "usd")]),
    (OFX_2, [(dt.date(2026, 4, 8), 150, "eur")]),
])  # fmt: skip
def test_ofx_is_read_with_tags_left_open_and_closed(data: str, found: list[Any]) -> None:
    assert told(read_ofx(data.encode())) == found


def test_ofx_is_read_as_ofxtools_reads_it() -> None:
    tree = OFXTree()
    tree.parse(BytesIO((HEADER + OFX_1).encode()))

    theirs = [(row.find("FITID").text, Decimal(row.find("TRNAMT").text)) for row in tree.iter("STMTTRN")]

    ours = [
        (line.name.partition(":")[2], Decimal(line.amount_minor) / 100)
        for line in read_ofx((HEADER + OFX_1).encode()).lines
    ]
    assert ours == theirs


def test_ofx_without_an_amount_is_listed() -> None:
    said = read_ofx(OFX_1.replace("<TRNAMT>-22.88\n", "").encode())

    assert said.problems == ((5, "has no TRNAMT."),)


@pytest.mark.parametrize("bomb", ['<!DOCTYPE x [<!ENTITY a "aaaa">]>', '<!ENTITY x SYSTEM "file:///etc/passwd">'])
def test_ofx_with_entities_is_refused(bomb: str) -> None:
    with pytest.raises(StatementRefused, match="entities"):
        read_ofx((bomb + OFX_2).encode())


def test_lines_that_say_the_same_are_told_apart_and_found_again() -> None:
    data = b"Date,Amount\n2026-04-08,5\n2026-04-08,5\n"

    first, again = (read_csv(data + more, Columns("Date", "Amount", "usd")) for more in (b"", b"2026-04-09,7\n"))

    assert len(set(first.identities())) == 2
    assert again.identities()[:2] == first.identities()


def test_only_lines_with_one_of_the_words_are_taken() -> None:
    said = only(read_csv(CSV.encode(), GERMAN), ["payout"])

    assert (len(said.lines), said.left_out) == (1, 1)
