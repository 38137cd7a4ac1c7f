"""Deposits and the payouts they are: sure ones matched, doubtful ones left, everything taken back."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from financial import reports
from financial.bank import deposits
from financial.bank.statements import Line, Statement
from financial.errors import FinancialError, StatementRefused
from financial.models import AuditEvent, BankDeposit, StripeCredential, StripePayout, Transaction
from tests.views import factory

pytestmark = pytest.mark.django_db
WEDNESDAY = dt.date(2026, 4, 8)


def payout(of: StripeCredential, name: str = "po_1", **values: Any) -> StripePayout:
    values = {
        "amount_minor": 10437, "currency": "usd", "status": "paid", "created_at": factory.NOW,
        "arrival_at": dt.datetime(2026, 4, 8, tzinfo=dt.UTC), **values,
    }  # fmt: skip
    return StripePayout.objects.create(credential=of, stripe_id=name, **values)


def line(number: int = 2, day: dt.date = WEDNESDAY, amount: int = 10437, **values: Any) -> Line:
    return Line(number, day, amount, "usd", **values)


def take_in(of: StripeCredential, *lines: Line) -> deposits.Imported:
    return deposits.take_in(of, Statement("digest", lines))


def matched() -> dict[str, str]:
    return dict(BankDeposit.objects.exclude(payout=None).values_list("payout__stripe_id", "match"))


def test_a_deposit_is_matched_by_amount_and_day(credential: StripeCredential) -> None:
    payout(credential)

    assert take_in(credential, line()) == deposits.Imported(added=1, known=0, matched=1)
    assert matched() == {"po_1": "amount"}


def test_a_second_import_changes_nothing(credential: StripeCredential) -> None:
    payout(credential)
    take_in(credential, line())

    assert take_in(credential, line()) == deposits.Imported(added=0, known=1, matched=0)


def test_the_trace_id_decides_before_the_day(credential: StripeCredential) -> None:
    payout(credential)
    payout(credential, "po_2", trace_id="TRACE2", arrival_at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))

    take_in(credential, line(description="STRIPE trace2"))

    assert matched() == {"po_2": "trace"}


def test_a_trace_id_with_another_amount_is_not_believed(credential: StripeCredential) -> None:
    payout(credential, trace_id="TRACE1")

    assert take_in(credential, line(amount=10436, reference="TRACE1")).matched == 0


def test_what_fits_two_payouts_is_left_to_people(credential: StripeCredential) -> None:
    payout(credential)
    payout(credential, "po_2")

    assert take_in(credential, line()).matched == 0
    assert [row.booked_on for row in deposits.candidates(StripePayout.objects.get(stripe_id="po_1"))] == [WEDNESDAY]


def test_two_deposits_that_fit_one_payout_are_left_to_people(credential: StripeCredential) -> None:
    payout(credential)

    assert take_in(credential, line(2), line(3)).matched == 0


def test_a_statement_descriptor_decides_among_several(credential: StripeCredential) -> None:
    payout(credential, statement_descriptor="SHOP NORTH")
    payout(credential, "po_2", statement_descriptor="SHOP SOUTH")

    take_in(credential, line(description="Shop South payout"))

    assert matched() == {"po_2": "amount"}


@pytest.mark.parametrize(("day", "is_near"), [
    ("2026-04-03", True), ("2026-04-02", False), ("2026-04-13", True), ("2026-04-14", False), ("2026-04-11", True),
])  # fmt: skip
def test_three_banking_days_either_way_count(credential: StripeCredential, day: str, is_near: bool) -> None:
    payout(credential)

    assert bool(take_in(credential, line(day=dt.date.fromisoformat(day))).matched) is is_near


@pytest.mark.parametrize("changes", [{"currency": "eur"}, {"status": "failed"}, {"amount_minor": -10437}])
def test_what_differs_is_not_matched(credential: StripeCredential, changes: dict[str, Any]) -> None:
    payout(credential, **changes)

    assert take_in(credential, line()).matched == 0


def test_nothing_is_imported_half(credential: StripeCredential) -> None:
    with pytest.raises(StatementRefused, match="Nothing was imported"):
        deposits.take_in(credential, Statement("digest", (line(),), ((3, "bad"),)))

    assert not BankDeposit.objects.exists()


def test_matching_books_nothing(credential: StripeCredential) -> None:
    payout(credential)
    take_in(credential, line())

    assert not Transaction.objects.exists()


def test_a_payout_noted_by_hand_is_forgotten_when_taken_back(credential: StripeCredential) -> None:
    made = payout(credential)
    deposits.note(made, on=WEDNESDAY)
    with pytest.raises(FinancialError, match="already"):
        deposits.note(made, on=WEDNESDAY)

    deposits.unmatch(made)

    assert not BankDeposit.objects.exists()


def test_an_imported_deposit_stays_when_its_match_is_taken_back(credential: StripeCredential) -> None:
    made = payout(credential)
    take_in(credential, line())
    deposits.unmatch(made)
    assert matched() == {}

    deposits.match(made, BankDeposit.objects.get().pk)

    assert matched() == {"po_1": "hand"}


def test_a_deposit_of_another_amount_or_account_cannot_be_matched(credential: StripeCredential) -> None:
    made = payout(credential)
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_obviously_fake_0000000001")
    take_in(credential, line(amount=1))
    take_in(other, line())

    for deposit in BankDeposit.objects.all():
        with pytest.raises(FinancialError, match="not of this amount"):
            deposits.match(made, deposit.pk)


def test_unmatched_deposits_and_payouts_not_seen_are_counted(credential: StripeCredential) -> None:
    payout(credential, "po_1", arrival_at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC), automatic=False)
    payout(credential, "po_2", arrival_at=dt.datetime(2026, 4, 20, tzinfo=dt.UTC), automatic=False)
    take_in(credential, line(amount=5))

    found = reports.unreconciled(credential)

    assert (found.payouts, found.deposits, found.unseen) == (0, 1, 1)


# The pages

CSV = b"Date,Amount,Text\n2026-04-08,104.37,STRIPE\n2026-04-09,9.00,Rent\n"
FORM = {
    "date": "Date", "amount": "Amount", "description": "Text", "currency_code": "usd", "words": "stripe",
    "date_format": "%Y-%m-%d", "decimal": ".",
}  # fmt: skip


@pytest.fixture
def staff(client: Any, credential: StripeCredential) -> Any:
    rights = ("view_bankdeposit", "add_bankdeposit", "change_bankdeposit")
    client.force_login(factory.staff(*factory.VIEW_ALL, *rights))
    return client


def upload(client: Any, data: bytes = CSV, **changes: str) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    form = {**FORM, "do": "import", **changes, "file": SimpleUploadedFile("a.csv", data)}
    return client.post(reverse("financial:deposits"), form, follow=True)


def test_a_preview_writes_nothing(staff: Any) -> None:
    text = upload(staff, do="preview").text

    assert "1 line would be imported" in text
    assert "1 left out by their words" in text
    assert not BankDeposit.objects.exists()


def test_an_import_matches_and_is_written_down(staff: Any, credential: StripeCredential) -> None:
    payout(credential)

    assert "1 lines imported" in upload(staff).text
    assert matched() == {"po_1": "amount"}
    assert AuditEvent.objects.get().action == "deposits.imported"
    assert "by amount and date" in staff.get(reverse("financial:payout", args=["po_1"])).text


def test_bad_lines_are_shown_with_their_numbers(staff: Any) -> None:
    answer = upload(staff, b"Date,Amount,Text\nsoon,1,stripe\n")

    assert answer.status_code == 422
    assert "Line 2:" in answer.text


def test_the_columns_of_a_file_are_named_when_none_were_chosen(staff: Any) -> None:
    assert "The file has: Date, Amount, Text" in upload(staff, date="").text


def test_a_payout_is_marked_and_taken_back_by_hand(staff: Any, credential: StripeCredential) -> None:
    payout(credential)
    address = reverse("financial:payout-deposit", args=["po_1"])

    staff.post(address, {"do": "note", "on": "2026-04-08"})
    assert matched() == {"po_1": "hand"}
    staff.post(address, {"do": "unmatch"})

    assert matched() == {}
    assert [row.action for row in AuditEvent.objects.order_by("pk")] == ["deposit.matched", "deposit.unmatched"]


@pytest.mark.parametrize("day", ["", "soon", "2999-01-01"])
def test_a_day_that_cannot_be_is_refused(staff: Any, credential: StripeCredential, day: str) -> None:
    payout(credential)

    staff.post(reverse("financial:payout-deposit", args=["po_1"]), {"do": "note", "on": day})

    assert matched() == {}


def test_looking_is_not_enough_to_match_or_import(client: Any, credential: StripeCredential) -> None:
    payout(credential)
    client.force_login(factory.staff(*factory.VIEW_ALL, "view_bankdeposit"))

    assert upload(client).status_code == 403
    assert client.post(reverse("financial:payout-deposit", args=["po_1"]), {"do": "note"}).status_code == 403
    assert "Import a statement" not in client.get(reverse("financial:deposits")).text
