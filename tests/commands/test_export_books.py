from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from financial.ledger import journal
from financial.models import StripeCredential
from tests import books, mirrored_book_a
from tests.ledger.exports.conftest import program

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export_books", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_without_a_credential_it_fails_and_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="No active Stripe credential found"):
        said()


def test_it_writes_to_the_standard_output(
    credential: StripeCredential, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    books.booked(credential, stripe_id="txn_1")

    call_command("export_books")

    lines = capfdbinary.readouterr().out.split(b"\r\n")
    assert lines[0].startswith(b"transaction,date,")
    assert all(line.startswith(b"txn_1,2026-10-15,") for line in lines[1:-1])
    assert len(lines) == 4


def test_it_writes_a_file_and_says_how_large(credential: StripeCredential, tmp_path: Path) -> None:
    books.booked(credential)
    target = tmp_path / "books.zip"

    told = said("--format", "xero", "--by", "day", "--output", str(target))

    assert target.read_bytes().startswith(b"PK")
    assert told == f"{target}: {target.stat().st_size:,} bytes\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_was_there_stays_if_the_export_is_refused(credential: StripeCredential, tmp_path: Path) -> None:
    target = tmp_path / "books.csv"
    target.write_text("mine")

    with pytest.raises(CommandError, match="Nothing is booked in CHF"):
        said("--currency", "chf", "--output", str(target))
    assert target.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_named(credential: StripeCredential, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere/books.csv cannot be written: No such file or directory"):
        said("--output", str(tmp_path / "nowhere" / "books.csv"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--start", "31.12.2026"], "'31.12.2026' is not a day such as 2026-04-30"),
        (["--format", "pdf"], "invalid choice: 'pdf'"),
        (["--by", "week"], "invalid choice: 'week'"),
        (["--start", "2026-02-01", "--end", "2026-01-01"], "The first day .* is after the last one"),
        (["--credential-id", "999999"], "There is no credential 999999. Known: "),
    ],
)
def test_what_is_wrong_is_said(credential: StripeCredential, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*arguments)


def test_the_books_of_the_house_are_apart(credential: StripeCredential, tmp_path: Path) -> None:
    books.booked(credential)
    target = tmp_path / "house.csv"

    said("--house", "--output", str(target))

    assert len(target.read_bytes().splitlines()) == 1


def test_a_payout_is_a_file_of_its_rows(credential: StripeCredential, tmp_path: Path) -> None:
    mirrored_book_a.mirror(credential)
    mirrored_book_a.itemise(credential)
    journal.book_all(credential, now=mirrored_book_a.at("05-01"))
    target = tmp_path / "po_2.csv"

    said("--payout", "po_2", "--output", str(target))

    references = {line.split(b",")[0] for line in target.read_bytes().splitlines()[1:]}
    assert references == {b"txn_t08", b"txn_t09", b"txn_t10"}


def test_verify_says_what_each_program_found(credential: StripeCredential) -> None:
    program("bean-check")
    program("hledger")
    books.booked(credential)

    assert said("--verify") == (
        "verified by beancount, 2 entries, 0 differences\nverified by hledger, 2 entries, 0 differences\n"
    )
