"""Any text and any amounts: the verifiers accept them, parsers read the same back, spreadsheets run nothing."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ofxtools.Parser import OFXTree

from financial.ledger.exports import By, write
from financial.ledger.exports.canonical import Account, Book, Booked, Kind, Posting
from financial.ledger.exports.wording import Names, identifier, one_line
from financial.money import exponent
from financial.spreadsheets import FORMULA_STARTS
from tests.ledger.exports.conftest import Verify

NASTY = (
    "", " ", "=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", 'a "b" \\', "a\\", "a|b", "a;b", "a  b",
    "line\nline", "line\r\nline", "\u2028", "\x1b[31m", "\u202e", "\ud800", "<b>&amp;</b>", "</STMTTRN>", "[2026-01-01]",
    "date:2020-01-01", "(code)", "* x", "! x", "; x", "' x", "Ärger", "收入", "🦊", "a:b", ":", "::", "a -1.00 USD",
)  # fmt: skip
TEXT = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
CURRENCIES = st.sampled_from(["usd", "eur", "jpy", "kwd"])
AMOUNTS = st.integers(-(10**14), 10**14).filter(bool)
ACCOUNTS = st.builds(Account, path=TEXT, kind=st.sampled_from(Kind), code=TEXT, is_stripe_balance=st.booleans())
DAYS = st.dates(dt.date(2011, 1, 1), dt.date(2037, 12, 31))
BOUNDED = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def bookings(draw: st.DrawFn) -> Booked:
    amounts = draw(st.lists(AMOUNTS, min_size=1, max_size=3))
    rest = -sum(amounts)
    accounts = draw(st.lists(ACCOUNTS, min_size=len(amounts) + 1, max_size=len(amounts) + 1))
    day = draw(DAYS)
    return Booked(
        reference=f"txn{draw(TEXT)}",
        booked_on=day,
        occurred_at=dt.datetime.combine(day, dt.time(), dt.UTC),
        category=draw(TEXT),
        description=draw(TEXT),
        currency=draw(CURRENCIES),
        postings=tuple(Posting(*pair) for pair in zip(accounts, [*amounts, rest], strict=True) if pair[1]),
        source_id=draw(TEXT),
        payout_id=draw(TEXT),
        customer_id=draw(TEXT),
        payment_id=draw(TEXT),
        presentment_amount_minor=draw(st.none() | AMOUNTS),
        presentment_currency=draw(CURRENCIES | TEXT),
        exchange_rate=draw(TEXT),
    )


ROWS = st.lists(bookings(), min_size=1, max_size=12).map(lambda rows: sorted(rows, key=lambda row: row.key))


def written(name: str, rows: list[Booked], by: By = By.TRANSACTION) -> bytes:
    chart = {posting.account for row in rows for posting in row.postings}
    return b"".join(write(name, Book('Böse; "Buch"\n\\', "test", tuple(chart)), rows, by))


@BOUNDED
@given(rows=ROWS, by=st.sampled_from(By))
def test_beancount_accepts_any_text(bean_check: Verify, rows: list[Booked], by: By) -> None:
    ran = bean_check(written("beancount", rows, by))
    assert (ran.returncode, ran.stderr) == (0, "")


@settings(BOUNDED, max_examples=40)
@given(rows=ROWS, by=st.sampled_from(By))
def test_hledger_accepts_any_text(hledger_check: Verify, rows: list[Booked], by: By) -> None:
    ran = hledger_check(written("hledger", rows, by))
    assert (ran.returncode, ran.stderr) == (0, "")


@given(rows=ROWS)
def test_csv_reads_back_to_the_same_amounts_and_runs_nothing(rows: list[Booked]) -> None:
    lines = list(csv.DictReader(io.StringIO(written("csv", rows).decode(), newline="")))
    postings = [(row, posting) for row in rows for posting in row.postings]
    assert len(lines) == len(postings)
    for line, (row, posting) in zip(lines, postings, strict=True):
        assert int(line["amount_minor"]) == posting.amount_minor
        assert Decimal(line["amount"]).scaleb(exponent(row.currency)) == posting.amount_minor
        assert None not in line and not any(runs(value) for value in line.values())


@pytest.mark.parametrize("name", ["quickbooks", "xero"])
@given(rows=ROWS)
def test_journals_run_nothing_and_balance(name: str, rows: list[Booked]) -> None:
    data = written(name, rows)
    sums: Counter[str] = Counter()
    for text in files_of(name, data):
        for line in csv.DictReader(io.StringIO(text, newline="")):
            assert None not in line and not any(runs(value) for value in line.values())
            debit = Decimal(line.get("*Amount") or line.get("Debits") or 0)
            sums["all"] += int((debit - Decimal(line.get("Credits") or 0)) * 1000)
    assert sums["all"] == 0


def files_of(name: str, data: bytes) -> list[str]:
    if name != "xero":
        return [data.decode()]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(file).decode() for file in archive.namelist()]


def runs(cell: str) -> bool:
    """Whether a spreadsheet would run it: begins like a formula and is no plain number."""
    try:
        Decimal(cell)
    except ArithmeticError:
        return cell.lstrip(" ").startswith(FORMULA_STARTS)
    return False


@given(rows=ROWS)
def test_ofx_reads_back_to_the_same_amounts(rows: list[Booked]) -> None:
    tree = OFXTree()
    tree.parse(io.BytesIO(written("ofx", rows)))
    read: Counter[str] = Counter()
    for statement in getattr(tree.convert(), "statements", None) or []:
        assert sum(line.trnamt for line in statement.transactions) == statement.ledgerbal.balamt
        read[statement.curdef] += statement.ledgerbal.balamt
    booked: Counter[str] = Counter()
    for row in rows:
        for posting in row.postings:
            if posting.account.is_stripe_balance:
                booked[row.currency.upper()] += Decimal(posting.amount_minor).scaleb(-exponent(row.currency))
    assert +read == +booked and -read == -booked


def test_names_that_become_the_same_stay_apart() -> None:
    accounts = [Account(path, Kind.INCOME) for path in ("Income:Sales 1", "Income:Sales-1", "Income:sales;1")]
    names = Names(accounts)
    assert [names.of(account) for account in accounts] == ["Income:Sales-1-2", "Income:Sales-1", "Income:Sales-1-3"]


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("Assets:Stripe:payments", Kind.ASSET, "Assets:Stripe:Payments"),
        ("Suspense", Kind.EQUITY, "Equity:Suspense"),
        ("Assets", Kind.ASSET, "Assets:Assets"),
        ("Erlöse 19 % (voll)", Kind.INCOME, "Income:Erlöse-19-voll"),
        ("8400", Kind.INCOME, "Income:8400"),
        ("收入", Kind.INCOME, "Income:X收入"),
        ("", Kind.EXPENSE, "Expenses:Unnamed"),
        ("a::b", Kind.LIABILITY, "Liabilities:A:Unnamed:B"),
    ],
)
def test_account_names_are_made_fit_and_stay_if_they_are(path: str, kind: Kind, name: str) -> None:
    assert Names([]).of(Account(path, kind)) == name


def test_text_becomes_one_line_without_control_characters() -> None:
    assert one_line(" a\r\n b\x00\u202ec\t ") == "a b c"


def test_an_id_keeps_nothing_a_format_gives_a_meaning_to() -> None:
    assert identifier("txn_1A^b c;d") == "txn_1A-b-c-d"
