"""Random lives of an account, heard in any order: the books are those of a sync, row by row."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from financial import bookkeeping, stripe_services
from financial.models import (
    MIRROR_MODELS,
    BalanceReading,
    BooksCheck,
    PayoutRow,
    StripeCredential,
    StripeWebhookEvent,
    SyncRun,
)
from sandbox.core import World, disputes, money, payouts, refunds
from sandbox.core.settings import DAY
from sandbox.http.server import Server, running
from tests import books
from tests.book_a import SETTINGS
from tests.conftest import TEST_KEY
from tests.ledger.test_book_a import canonical, hear, sync
from tests.sandbox.client import Client, Refused

pytestmark = pytest.mark.django_db
ACTS = st.sampled_from(
    "pay pay pay euro refund partly dispute win lose bill pay_out fail_payout fail_refund topup hold release wait".split()
)


class Life:
    """Somebody at work on an account, by the dice."""

    def __init__(self, world: World, dice: random.Random) -> None:
        world.settings = replace(world.settings, **SETTINGS, settle_seconds=600)  # type: ignore[arg-type]
        self.world, self.dice, self.client = world, dice, Client(world, key=TEST_KEY)
        self.paid: list[str] = []

    def do(self, act: str) -> None:
        with suppress(Refused):  # Stripe would refuse it, too
            getattr(self, act)()
        self.world.tick(self.world.main.now + self.dice.choice([1, 60, 4000, DAY]))

    def pay(self, currency: str = "usd") -> None:
        tax = self.dice.choice([{}, {"amount_details": {"tax": {"total_tax_amount": self.dice.randrange(50)}}}])
        card = self.dice.choice(["pm_card_visa", "pm_card_de", "pm_card_chargeDeclined"])
        self.paid.append(self.client.pay(self.dice.randrange(100, 9000), currency, card, **tax)["id"])

    def euro(self) -> None:
        self.pay("eur")

    def refund(self) -> None:
        self.client.post("/v1/refunds", payment_intent=self.dice.choice(self.paid or ["pi_none"]))

    def partly(self) -> None:
        some = self.dice.randrange(1, 100)
        self.client.post("/v1/refunds", payment_intent=self.dice.choice(self.paid or ["pi_none"]), amount=some)

    def _any(self, kind: str) -> Any:
        return self.dice.choice(list(self.world.all(kind)) or [None])

    def dispute(self) -> None:
        if charge := self._any("charge"):
            disputes.open_dispute(self.world, charge["id"], "fraudulent")

    def win(self, outcome: str = "won") -> None:
        if (dispute := self._any("dispute")) and dispute["status"] in disputes.OPEN:
            disputes.finish(self.world, dispute, outcome)

    def lose(self) -> None:
        self.win("lost")

    def bill(self) -> None:
        money.stripe_fee(self.world, self.dice.randrange(1, 300), "usd", "Billing")

    def pay_out(self) -> None:
        payouts.pay_out(self.world, "usd")

    def fail_payout(self) -> None:
        if payout := self._any("payout"):
            payouts.fail_payout(self.world, payout["id"], "")

    def fail_refund(self) -> None:
        if refund := self._any("refund"):
            refunds.fail_refund(self.world, refund["id"], "lost_or_stolen_card")

    def topup(self) -> None:
        money.topup(self.world, self.dice.randrange(100, 9000), "usd")

    def hold(self) -> None:
        money.hold_reserve(self.world, self.dice.randrange(1, 900), "usd")

    def release(self) -> None:
        money.hold_reserve(self.world, -self.dice.randrange(1, 900), "usd")

    def wait(self) -> None:
        self.world.tick(self.world.main.now + 3 * DAY)


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    with running(background=False) as there:
        settings.FINANCIAL_STRIPE_BASE_URL = there.url
        yield there


def forget() -> None:
    books.clear()
    for model in (BooksCheck, BalanceReading, PayoutRow, StripeWebhookEvent, SyncRun, *reversed(MIRROR_MODELS)):
        model.objects.all().delete()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, min_size=5, max_size=25), seed=st.integers(0, 10**6))
def test_any_life_in_any_order_makes_the_books_of_a_sync(
    server: Server, credential: StripeCredential, acts: list[str], seed: int
) -> None:
    forget()
    dice = random.Random(seed)
    world = server.service.world = server.world = World(
        replace(server.world.settings), seed=seed, now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()
    )
    life = Life(world, dice)
    for act in acts:
        life.do(act)
    world.tick(world.main.now + 12 * DAY)

    sync(credential)
    expected = canonical(credential)
    checks = bookkeeping.verify_books(credential)
    assert not [check for check in checks if not check.holds]

    events = list(life.client.get("/v1/events", limit=100)["data"])
    dice.shuffle(events)
    forget()
    cut = dice.randrange(len(events) + 1)
    hear(events[:cut])
    stripe_services.sync_now(
        credential, requested_by="test", resources=("balance_transaction",), kind=SyncRun.Kind.FULL
    )
    hear(events[cut:] + events[: cut // 2])
    sync(credential)

    assert canonical(credential) == expected
