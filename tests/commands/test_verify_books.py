"""`verify_books` and `rebuild_rollups`: one line per invariant, figures, offenders, and an exit code."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from financial.models import BalanceReading, BooksCheck, DayTotal, StripeCredential
from tests import books, payloads
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db


def run(*arguments: str, command: str = "verify_books") -> tuple[str, str]:
    """Return what the command said and how it failed."""
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_every_invariant_has_a_line_with_its_figures(credential: StripeCredential) -> None:
    books.settled(credential, amount_minor=1000, fee_minor=59)

    said, error = run()

    assert not error
    for number in range(1, 9):
        assert f"  I{number} holds " in said
    assert "USD Assets:Stripe:Payments: $9.41 = $9.41" in said
    assert BooksCheck.objects.get().holds


def test_what_breaks_is_named_and_fails_the_command(credential: StripeCredential) -> None:
    books.settled(credential)
    refused = books.movement(credential, amount_minor=1000, fee_minor=59, net_minor=940)

    said, error = run()

    assert error == "2 invariants do not hold."
    assert "  I3 BROKEN" in said
    assert f"{refused.stripe_id}: net 940 is not amount 1000 less fee 59" in said
    assert "USD Assets:Stripe:Payments: $9.00 ≠ $18.40" in said
    check = BooksCheck.objects.get()
    assert check.broken == "I2 I3"
    kept = {found["name"]: found for found in check.found}
    assert [name for name, found in kept.items() if not found["holds"]] == ["I2", "I3"]
    assert kept["I2"]["figures"][0] == {
        "what": "Assets:Stripe:Payments", "currency": "usd", "booked_minor": 900, "expected_minor": 1840,
    }  # fmt: skip
    assert (kept["I3"]["count"], len(kept["I3"]["rows"])) == (1, 1) and refused.stripe_id in kept["I3"]["rows"][0]


def test_one_currency_alone_is_verified_and_not_taken_for_all(credential: StripeCredential) -> None:
    books.settled(credential)
    books.movement(credential, currency="eur", net_minor=1)

    assert run("--currency", "USD")[1] == ""
    assert run("--currency", "eur")[1] == "2 invariants do not hold."
    assert not BooksCheck.objects.exists()


def test_programs_get_json(credential: StripeCredential) -> None:
    books.settled(credential)

    told = json.loads(run("--json")[0])

    assert [one["books"] for one in told] == ["Test account (test mode)", "Written by hand"]
    assert [check["name"] for check in told[0]["checks"]] == [f"I{number}" for number in range(1, 9)]


def test_live_asks_stripe_for_its_balance(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.balance_transaction(source=None, reporting_category="fee", type="stripe_fee"))
    stripe_stub.balance = {"available": [{"amount": 2882, "currency": "usd"}]}

    said, error = run("--live")

    assert not error
    assert "USD Stripe's own balance at " in said
    assert BalanceReading.objects.get().booked_minor == 2882


def test_an_unknown_credential_is_an_error() -> None:
    assert "There is no credential 9" in run("--credential-id", "9")[1]
    assert "There is no credential 9" in run("--credential-id", "9", command="rebuild_rollups")[1]


def test_a_rebuild_changes_nothing_and_says_so(credential: StripeCredential) -> None:
    books.settled(credential)

    assert run(command="rebuild_rollups") == ("Test account: nothing changed\n", "")


def test_a_rebuild_corrects_wrong_totals_and_fails(credential: StripeCredential) -> None:
    books.settled(credential)
    DayTotal.objects.update(amount_minor=1)
    before: Any = run()[1]
    assert before == "1 invariant does not hold."

    said, error = run(command="rebuild_rollups")

    assert said == "Test account: corrected\n"
    assert "were wrong" in error
    assert run()[1] == ""
