"""Book A in every format, read back by programs that are not ours."""

from __future__ import annotations

import csv
import io
import random
import tracemalloc
import zipfile
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from ofxtools.Parser import OFXTree

from financial.errors import UnknownCurrency
from financial.ledger.exports import FORMATS, By, write
from financial.ledger.exports.canonical import Balance
from tests.ledger.exports import book_a
from tests.ledger.exports.book_a import CLOSING, PAYMENTS, RESERVE, ROWS
from tests.ledger.exports.conftest import Verify


def written(name: str, by: By = By.TRANSACTION, rows=ROWS, **changes: object) -> bytes:
    return b"".join(write(name, book_a.book(**changes), rows, by))


def lines_of(name: str, by: By = By.TRANSACTION) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(name, by).decode(), newline="")))


def statements(data: bytes):
    tree = OFXTree()
    tree.parse(io.BytesIO(data))
    return {statement.account.acctid: statement for statement in tree.convert().statements}


def test_book_a_is_the_book_computed_by_hand() -> None:
    sums: Counter[object] = Counter()
    for row in ROWS:
        sums.update({posting.account: 0 for posting in row.postings})
        for posting in row.postings:
            sums[posting.account] += posting.amount_minor
    assert dict(sums) == CLOSING
    assert sum(CLOSING.values()) == 0


@pytest.mark.parametrize("by", By)
def test_beancount_accepts_book_a(bean_check: Verify, by: By) -> None:
    ran = bean_check(written("beancount", by))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("by", By)
def test_hledger_accepts_book_a(hledger_check: Verify, by: By) -> None:
    ran = hledger_check(written("hledger", by))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


CHANGED = [
    pytest.param([("62.88", "62.89")], id="the balance in the end"),
    pytest.param([("Payments  96.80", "Payments  96.81")], id="one entry"),
    pytest.param(
        [("Payments  96.80", "Payments  96.81"), ("Sales  -92.00", "Sales  -92.01")], id="a whole transaction"
    ),
    pytest.param(
        [("StripeFees  3.20", "StripeFees  3.21"), ("Sales  -92.00", "Sales  -92.01")], id="fees against sales"
    ),
]


def changed(text: str, changes: list[tuple[str, str]]) -> bytes:
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    return text.encode()


@pytest.mark.parametrize("changes", CHANGED)
def test_beancount_finds_one_cent(bean_check: Verify, changes: list[tuple[str, str]]) -> None:
    assert bean_check(changed(written("beancount").decode(), changes)).returncode == 1


@pytest.mark.parametrize("changes", CHANGED)
def test_hledger_finds_one_cent(hledger_check: Verify, changes: list[tuple[str, str]]) -> None:
    assert hledger_check(changed(written("hledger").decode(), changes)).returncode == 1


def test_books_that_differ_from_stripe_by_a_cent_are_found_by_both(bean_check: Verify, hledger_check: Verify) -> None:
    """Our entries balance, but Stripe's own net says otherwise."""
    wrong = book_a.row(3, "03-30", "charge", 2884, (book_a.STRIPE_FEES, 116), (book_a.SALES, -3000))
    rows = (*ROWS[:2], replace(wrong, stripe_net=ROWS[2].stripe_net), *ROWS[3:])
    assert "62.89" in bean_check(written("beancount", rows=rows)).stderr
    assert "62.89" in hledger_check(written("hledger", rows=rows)).stderr


def test_beancount_transaction_reads_as_documented() -> None:
    assert (
        '2026-04-08 * "Refund re_2 (€50.00)" ^txn_t08 ^po_2\n'
        '  category: "refund"\n'
        '  presentment: "EUR -50.00"\n'
        '  rate: "1.0900"\n'
        "  Assets:Stripe:Payments  -54.50 USD\n"
        "  Income:Refunds  54.50 USD\n"
    ) in written("beancount").decode()
    assert "2026-05-01 balance Assets:Stripe:Payments  62.88 ~ 0.00 USD\n" in written("beancount").decode()


def test_april_alone_begins_with_what_march_left(bean_check: Verify, hledger_check: Verify) -> None:
    start = ROWS[3].booked_on.replace(day=1)
    march = (
        Balance(PAYMENTS, "usd", 17647),
        Balance(book_a.SALES_TAX, "usd", -800),
        Balance(book_a.IN_TRANSIT, "usd", 0),
    )
    april = {"start": start, "opening": march, "rows": ROWS[3:]}
    text = written("beancount", **april).decode()

    assert bean_check(text.encode()).returncode == 0
    assert hledger_check(written("hledger", **april)).returncode == 0
    assert "2026-03-31 *" in text and "Assets:Stripe:Payments  62.88 ~" in text
    assert statements(written("ofx", **april))["Stripe-Payments-USD"].ledgerbal.balamt == Decimal("62.88")


@pytest.mark.parametrize("by", By)
def test_entries_read_back_to_the_same_books(by: By) -> None:
    sums: Counter[str] = Counter()
    for line in lines_of("csv", by):
        assert Decimal(line["amount"]) * 100 == int(line["amount_minor"])
        sums[line["account"]] += int(line["amount_minor"])
    assert {path: amount for path, amount in sums.items() if amount} == {
        account.path: amount for account, amount in CLOSING.items() if amount
    }


def test_an_entry_names_what_it_answers_at_stripe() -> None:
    line = next(line for line in lines_of("csv") if line["account"] == "Income:Sales")
    assert line == {
        "transaction": "txn_t01", "date": "2026-03-28", "time_utc": "2026-03-28T16:00:00Z", "mode": "test",
        "category": "charge", "description": "Charge of t01", "account": "Income:Sales", "account_code": "200",
        "amount": "-92.00", "amount_minor": "-9200", "currency": "USD", "source": "ch_1", "payout": "po_1",
        "customer": "cus_1", "payment": "pi_1", "presentment_amount": "", "presentment_amount_minor": "",
        "presentment_currency": "", "exchange_rate": "", "rows": "1",
    }  # fmt: skip


@pytest.mark.parametrize("by", By)
def test_quickbooks_journals_balance_one_by_one(by: By) -> None:
    journals: Counter[str] = Counter()
    for line in lines_of("quickbooks", by):
        assert bool(line["Debits"]) != bool(line["Credits"])
        assert not line["Debits"].startswith("-") and not line["Credits"].startswith("-")
        assert len(line["Journal No."]) <= 21
        journals[line["Journal No."]] += int(Decimal(line["Debits"] or 0) * 100) - int(
            Decimal(line["Credits"] or 0) * 100
        )
    assert len(journals) >= 4
    assert set(journals.values()) == {0}


def test_quickbooks_gets_months_before_days() -> None:
    assert lines_of("quickbooks")[0]["Journal Date"] == "03/28/2026"


def test_long_references_stay_apart_in_quickbooks() -> None:
    ids = ("txn_1MiN3gLkdIwHu7ixxapQrznl", "txn_1MiN3gLkdIwHu7ixxapQrznm")
    rows = [book_a.row(1, "03-28", "charge", 5, (book_a.SALES, -5), reference=stripe_id) for stripe_id in ids]
    numbers = {line.split(",")[0] for line in written("quickbooks", rows=rows).decode().splitlines()[1:]}
    assert len(numbers) == 2


def xero_files(rows=ROWS, **changes: object) -> dict[str, list[dict[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(written("xero", rows=rows, **changes))) as archive:
        assert archive.testzip() is None
        return {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))
            for name in archive.namelist()
        }


def test_xero_journals_balance_one_by_one() -> None:
    journals: Counter[tuple[str, str]] = Counter()
    for line in xero_files()["journals-usd-0001.csv"]:
        journals[line["*Narration"], line["*Date"]] += int(Decimal(line["*Amount"]) * 100)
        assert line["*TaxRate"] == "Tax Exempt"
    assert len(journals) == len(ROWS)
    assert set(journals.values()) == {0}


def test_xero_gets_days_before_months_and_the_accountants_number() -> None:
    line = next(line for line in xero_files()["journals-usd-0001.csv"] if line["Description"] == "Income:Sales")
    assert (line["*Date"], line["*AccountCode"]) == ("28/03/2026", "200")


def test_xero_files_stay_under_300_lines_and_cut_no_journal() -> None:
    rows = [book_a.row(n, "03-28", "charge", 2, (book_a.SALES, -1), (book_a.REFUNDS, -1)) for n in range(250)]
    rows += [book_a.row(900, "03-29", "charge", 500, (book_a.SALES, -500), currency="jpy")]
    files = xero_files(sorted(rows, key=lambda row: row.key))

    assert sorted(files) == ["journals-jpy-0001.csv", *(f"journals-usd-{n:04}.csv" for n in (1, 2, 3))]
    assert [len(files[name]) for name in sorted(files)] == [2, 300, 300, 150]
    assert [line["*Amount"] for line in files["journals-jpy-0001.csv"]] == ["500", "-500"]


def test_ofx_is_a_statement_per_balance_that_ends_where_the_books_do() -> None:
    found = statements(written("ofx"))
    assert {name: statement.ledgerbal.balamt for name, statement in found.items()} == {
        "Stripe-Payments-USD": Decimal("62.88"),
        "Stripe-RiskReserv-USD": Decimal("10.00"),
    }
    assert all(sum(line.trnamt for line in one.transactions) == one.ledgerbal.balamt for one in found.values())


def test_ofx_lines_are_stripes_balance_transactions() -> None:
    lines = statements(written("ofx"))["Stripe-Payments-USD"].transactions
    assert [line.fitid for line in lines] == [f"txn_t{n:02}" for n in range(1, 16)]
    assert (lines[6].trntype, lines[6].trnamt) == ("XFER", Decimal("-104.37"))


@pytest.mark.parametrize("by", By)
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_books_are_the_same_bytes(name: str, by: By) -> None:
    """Whatever order rows and entries were written in."""
    shuffled = list(ROWS)
    random.Random(3).shuffle(shuffled)
    again = [replace(row, postings=row.postings[::-1]) for row in shuffled]
    assert written(name, by, sorted(again, key=lambda row: row.key)) == written(name, by)


@pytest.mark.parametrize("name", FORMATS)
def test_no_rows_make_a_file_without_rows(name: str, bean_check: Verify, hledger_check: Verify) -> None:
    data = written(name, rows=())
    assert data
    if name in ("beancount", "hledger"):
        assert {"beancount": bean_check, "hledger": hledger_check}[name](data).returncode == 0
    if name == "ofx":
        assert data.endswith(b"</OFX>\n")


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="comes after"):
        written("csv", rows=ROWS[::-1])


def test_a_currency_whose_decimals_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        written("csv", rows=[book_a.row(1, "03-28", "charge", 5, (book_a.SALES, -5), currency="zzz")])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("currency", "amount"), [("jpy", "5450"), ("kwd", "5.450"), ("isk", "54.50")])
def test_decimals_are_stripes(name: str, currency: str, amount: str) -> None:
    rows = [book_a.row(1, "03-28", "charge", 5450, (book_a.SALES, -5450), currency=currency)]
    data = written(name, rows=rows)
    if name == "xero":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(f"journals-{currency}-0001.csv")
    assert amount in data.decode()
    assert amount + "0" not in data.decode()


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_rows(name: str) -> None:
    def peak(count: int) -> int:
        rows = (book_a.row(n, "03-28", "charge", 5, (book_a.SALES, -5), reference=f"txn_{n:09}") for n in range(count))
        tracemalloc.start()
        for _ in write(name, book_a.book(), rows):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12_000) < peak(6_000) + 300_000


def test_reserve_is_asserted_although_stripe_gives_no_figure_for_it() -> None:
    assert f"balance {RESERVE.path}  10.00 ~ 0.00 USD" in written("beancount").decode()
