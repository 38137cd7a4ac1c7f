"""Stripe's balance is compared only when it stood still while the movements were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from financial import reports, stripe_services
from financial.errors import TranslationError
from financial.gateway import StripeGateway
from financial.mirror.translate import balances_of
from financial.models import BalanceReading, StripeCredential, SyncRun
from financial.reports import Standing
from financial.sync import balances
from tests import payloads
from tests.stripe_stub import StripeStub, status

pytestmark = pytest.mark.django_db
Account = Callable[[], int]


def fee(number: int) -> dict[str, Any]:
    """One of Stripe's own bills, of 1.00."""
    facts = {"amount": -100, "fee": 0, "net": -100, "type": "stripe_fee", "reporting_category": "fee", "source": None}
    return payloads.balance_transaction(f"txn_{number}", **facts)


class Moving:
    """An account whose money moves whenever its balance is asked for, so many times."""

    def __init__(self, stub: StripeStub, times: int) -> None:
        self.stub, self.left, self.made, self.asked = stub, times, 0, 0
        stub.before = self.before

    def before(self, path: str) -> None:
        if path.startswith("/v1/balance_transactions") or not path.startswith("/v1/balance"):
            return
        self.asked += 1
        if self.left:
            self.left -= 1
            self.made += 1
            self.stub.put(fee(self.made))
        self.stub.balance = {"available": [{"amount": -100 * self.made, "currency": "usd"}]}


def test_two_equal_readings_around_the_listing_are_a_proof(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(fee(1), fee(2))
    stripe_stub.balance = {
        "available": [{"amount": -150, "currency": "usd"}],
        "pending": [{"amount": -50, "currency": "usd"}],
    }

    reading = balances.read(credential, gateway)[0]

    assert (reading.available_minor, reading.pending_minor, reading.booked_minor) == (-150, -50, -200)
    assert reports.strip(credential).is_proved


def test_money_that_moves_meanwhile_is_waited_for(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    moving = Moving(stripe_stub, times=4)

    reading = balances.read(credential, gateway)[0]

    assert (reading.is_steady, reading.stripe_minor, reading.booked_minor) == (True, -400, -400)
    assert moving.asked == 6


def test_money_that_never_rests_is_no_error(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    moving = Moving(stripe_stub, times=100)

    reading = balances.read(credential, gateway)[0]

    assert not reading.is_steady
    assert moving.asked == 2 * balances.TRIES
    strip = reports.strip(credential)
    assert [row.standing for row in strip.currencies] == [Standing.MOVING]
    assert not strip.is_alarming and not strip.is_proved


def test_books_that_differ_from_stripes_balance_alarm(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(fee(1))
    stripe_stub.balance = {"available": [{"amount": -101, "currency": "usd"}]}

    balances.read(credential, gateway)

    strip = reports.strip(credential)
    assert [(row.standing, row.difference_minor) for row in strip.currencies] == [(Standing.DIFFERS, 1)]
    assert strip.is_alarming


def test_a_sync_succeeds_where_the_balance_may_not_be_read(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.fail(status(403), times=5, path="/v1/balance?")

    run = stripe_services.sync_now(credential, requested_by="test")

    assert run.state == SyncRun.State.DONE
    assert not BalanceReading.objects.exists()


def test_a_balance_is_read_by_currency() -> None:
    payload = {
        "available": [{"amount": 5, "currency": "usd"}, {"amount": 7, "currency": "eur"}],
        "pending": [{"amount": -1, "currency": "usd"}],
    }

    assert balances_of(payload) == {"usd": (5, -1), "eur": (7, 0)}
    with pytest.raises(TranslationError):
        balances_of({"available": [{"currency": "usd"}]})
