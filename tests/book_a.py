"""Book A: the fifteen movements of one account in the spring of 2026, made at the sandbox by doing what makes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.core import World, disputes, money, payouts, refunds
from tests.conftest import TEST_KEY
from tests.sandbox.client import Client

NEW_YORK = ZoneInfo("America/New_York")
SETTINGS = {"fee_international_percent": "1.5", "fee_conversion_percent": "1", "rate_drift_percent": "0"}


class BookA:
    """Tells the story day by day; `ids` names the balance transactions t01 to t15 as they appear."""

    def __init__(self, world: World) -> None:
        world.settings = replace(world.settings, **SETTINGS, dispute_days=40)  # type: ignore[arg-type]
        self.world = world
        self.client = Client(world, key=TEST_KEY)
        self.payments: dict[str, str] = {}
        self.refunds: dict[str, str] = {}
        self.payouts: dict[str, str] = {}

    def tell(self, *, after_each: Callable[[], None] = lambda: None) -> None:
        for month, day, step in (
            (3, 28, self.t01), (3, 29, self.t02), (3, 30, self.t03), (4, 2, self.t04), (4, 3, self.t05), (4, 5, self.t06),
            (4, 6, self.t07), (4, 8, self.t08), (4, 9, self.t09), (4, 10, self.t10), (4, 13, self.t11), (4, 14, self.t12),
            (4, 16, self.t13), (4, 20, self.t14), (4, 21, self.t15), (4, 25, self.lost), (5, 1, lambda: None),
        ):  # fmt: skip
            self.world.tick(dt.datetime(2026, month, day, 12, tzinfo=NEW_YORK).timestamp())
            step()
            self.world.tick(self.world.main.now + 60)
            after_each()

    @property
    def movements(self) -> list[dict[str, Any]]:
        """The balance transactions, oldest first."""
        return list(self.world.all("balance_transaction"))

    def pay(self, name: str, amount: int, currency: str = "usd", card: str = "pm_card_visa", **more: Any) -> None:
        self.payments[name] = self.client.pay(amount, currency, card, **more)["id"]

    def refund(self, name: str, of: str, amount: int) -> None:
        made = self.client.post("/v1/refunds", payment_intent=self.payments[of], amount=amount)
        self.refunds[name] = made["id"]

    def charge_of(self, name: str) -> str:
        return str(self.world.raw("payment_intent", self.payments[name])["latest_charge"])

    def pay_out(self, name: str) -> None:
        payout = payouts.pay_out(self.world, "usd")
        assert payout is not None
        self.payouts[name] = payout["id"]

    def rate(self, euro: str) -> None:
        rates = self.world.settings.exchange_rates | {"eur": euro}
        self.world.settings = replace(self.world.settings, exchange_rates=rates)

    def t01(self) -> None:
        self.pay("t01", 10000, amount_details={"tax": {"total_tax_amount": 800}})

    def t02(self) -> None:
        self.rate("1.0812")
        self.pay("t02", 5000, "eur", "pm_card_de")

    def t03(self) -> None:
        self.pay("t03", 3000)

    def t04(self) -> None:
        self.refund("t04", "t01", 2500)

    def t05(self) -> None:
        disputes.open_dispute(self.world, self.charge_of("t03"), "fraudulent")

    def t06(self) -> None:
        money.stripe_fee(self.world, 210, "usd", "Billing - Usage Fee")

    def t07(self) -> None:
        self.pay_out("po_1")

    def t08(self) -> None:
        self.rate("1.09")
        self.refund("t08", "t02", 5000)

    def t09(self) -> None:
        self.pay("t09", 8000)

    def t10(self) -> None:
        self.pay_out("po_2")

    def t11(self) -> None:
        payouts.fail_payout(self.world, self.payouts["po_2"], "")

    def t12(self) -> None:
        self.refund("t12", "t09", 1000)

    def t13(self) -> None:
        refunds.fail_refund(self.world, self.refunds["t12"], "lost_or_stolen_card")

    def t14(self) -> None:
        money.topup(self.world, 5000, "usd")

    def t15(self) -> None:
        money.hold_reserve(self.world, 1000, "usd")

    def lost(self) -> None:
        dispute = next(iter(self.world.all("dispute", "charge", self.charge_of("t03"))))
        disputes.finish(self.world, dispute, "lost")
