"""Eighteen months of a small publisher, lived through the core day by day.

Growth, churn, seasons, failed renewals and recoveries, refunds after the month's end,
disputes, weekly payouts, three currencies. The same for the same arguments.
"""

from __future__ import annotations

import gc
import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sandbox.core import (
    Settings,
    World,
    customers,
    disputes,
    money,
    payment_intent_ops,
    payment_methods,
    payouts,
    refunds,
    subscription_ops,
    subscriptions,
)
from sandbox.core.errors import StripeError
from sandbox.core.settings import DAY, EVENT_DAYS, HOUR
from sandbox.core.store import Object

from .people import person
from .shelf import Shelf, stock

MONTH = 30.4375 * DAY
# How busy each month is, January first: a publisher lives from autumn and gifts.
SEASON = (0.85, 0.8, 0.95, 0.95, 0.9, 0.8, 0.65, 0.7, 1.05, 1.15, 1.45, 1.75)
COUNTRIES = (("US", "usd", 0.66), ("DE", "eur", 0.14), ("FR", "eur", 0.1), ("JP", "jpy", 0.1))
GOOD = ("pm_card_visa", "pm_card_visa", "pm_card_mastercard", "pm_card_visa_debit", "pm_card_amex", "pm_card_discover")
BAD = ("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclined", "pm_card_chargeDeclinedExpiredCard")
OFF = {"enabled": True, "allow_redirects": "never"}


def settings(**changes: Any) -> Settings:
    """Return the settings of the publisher's account."""
    values: dict[str, Any] = {
        "account_name": "Tideline Press", "balance_currencies": ("usd", "eur"), "delay_days": 2, "dispute_days": 20,
        "fee_fixed_minor": {"usd": 30, "eur": 25}, "payout_schedule": "weekly", "after_retries": "unpaid",
        "dispute_seconds": 6 * DAY, "refund_seconds": 3 * DAY, "settle_seconds": 900,
    }  # fmt: skip
    return Settings(**(values | changes))


@dataclass(frozen=True)
class Plan:
    """How much shall happen, and until when."""

    seed: int = 7
    months: int = 18
    customers: int = 2000
    end: int = 1_767_225_600
    base_url: str = Settings.base_url


def build(plan: Plan) -> World:
    """Return the account at `plan.end`, after `plan.months` of business."""
    start = int(plan.end - plan.months * MONTH)
    world = World(settings(base_url=plan.base_url), seed=plan.seed, now=start)
    world.events_from = plan.end - EVENT_DAYS * DAY
    dice = Random(f"publisher {plan.seed} {plan.months} {plan.customers}")
    collecting = gc.isenabled()
    gc.disable()  # nothing is thrown away here, and looking for it takes a quarter of the time
    try:
        Story(world, plan, start, dice, stock(world)).live()
    finally:
        if collecting:
            gc.enable()
    return world


class Story:
    """The agenda of the account: (when, order, what, with what)."""

    def __init__(self, world: World, plan: Plan, start: int, dice: Random, shelf: Shelf) -> None:
        self.world, self.plan, self.start, self.dice, self.shelf = world, plan, start, dice, shelf
        self.mails: set[str] = {customer["email"] for customer in world.all("customer")}
        self.agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    def at(self, when: float, what: Callable[..., None], *args: Any) -> None:
        """Put something on the agenda, unless it is after the end."""
        if when < self.plan.end:
            self._order += 1
            heapq.heappush(self.agenda, (when, self._order, what, args))

    def live(self) -> None:
        """Work the agenda off, then let the clock reach the end."""
        payouts.plan(self.world)
        for when in self._arrivals():
            self.at(when, self.arrive)
        for month in range(1, self.plan.months + 1):
            self.at(self.start + month * MONTH, self.bill_from_stripe)
        self.at(self.plan.end - 150 * DAY, self.change_dunning)
        self.loose_ends()
        while self.agenda:
            when, _, what, args = heapq.heappop(self.agenda)
            self.world.tick(when)
            what(*args)
        self.world.tick(self.plan.end)
        self.world.settings = replace(
            self.world.settings, after_retries="canceled", settle_seconds=2, refund_seconds=30, dispute_seconds=60
        )

    def _arrivals(self) -> list[float]:
        """Return when customers come: more each month, more before the holidays, by day."""
        days = int((self.plan.end - self.start) / DAY)
        weights = []
        for day in range(days):
            month = int((self.start + day * DAY) / DAY % 365.25 / 30.44) % 12
            weights.append(SEASON[month] * (1 + 1.6 * day / days))
        picked = self.dice.choices(range(days), weights, k=self.plan.customers)
        return [self.start + day * DAY + self.dice.randint(7 * HOUR, 23 * HOUR) for day in picked]

    # ---- people

    def arrive(self) -> None:
        """Somebody becomes a customer, with a card, and buys or subscribes."""
        country, currency = self._where()
        customer = customers.create(self.world, person(self.dice, country, self.mails))
        if self.dice.random() < 0.03:
            return
        self.new_card(
            customer, "pm_card_jp" if country == "JP" and self.dice.random() < 0.5 else self.dice.choice(GOOD)
        )
        subscribes = self.dice.random() < 0.62
        if subscribes:
            self.at(self.world.now + self.dice.randint(60, 3 * DAY), self.subscribe, customer, currency)
        for _ in range(self.dice.choice((0, 1, 2, 3, 4, 6)) if subscribes else self.dice.choice((1, 2, 3, 4, 7))):
            later = self.dice.expovariate(1 / (95 * DAY))
            self.at(self.world.now + 120 + later, self.buy, customer, currency)

    def _where(self) -> tuple[str, str]:
        country, currency, _ = self.dice.choices(COUNTRIES, [c[2] for c in COUNTRIES])[0]
        return country, currency

    def new_card(self, customer: Object, token: str) -> None:
        """Give a customer a new default card."""
        method = payment_methods.make(self.world, token, {"name": customer["name"], "email": customer["email"]})
        payment_methods.attach_to(self.world, method, customer["id"])
        chosen = customer["invoice_settings"] | {"default_payment_method": method["id"]}
        self.world.change(customer, "customer.updated", invoice_settings=chosen)

    # ---- single payments

    def buy(self, customer: Object, currency: str) -> None:
        """A customer pays for a book or a course; now and then the card is refused first."""
        if customer.get("deleted"):
            return
        price = self.world.raw("price", self.dice.choice(self.shelf.once[currency]))
        copies = self.dice.choice((1, 1, 1, 1, 2, 3))
        name = self.world.raw("product", price["product"])["name"]
        params = {"amount": price["unit_amount"] * copies, "currency": currency, "customer": customer["id"],
                  "confirm": True, "automatic_payment_methods": OFF, "description": name,
                  "receipt_email": customer["email"], "metadata": {"price": price["id"], "copies": str(copies)}}  # fmt: skip
        chance = self.dice.random()
        if chance < 0.07:
            self.attempt(params | {"payment_method": self.dice.choice(BAD)})
            if chance < 0.025:
                return
        method = customer["invoice_settings"]["default_payment_method"]
        odd = "pm_card_createDispute" if chance > 0.987 else "pm_card_createDisputeInquiry" if chance > 0.984 else ""
        odd = odd or ("pm_card_refundFail" if 0.98 < chance < 0.982 else "")
        intent = self.attempt(params | {"payment_method": odd or method})
        if intent is None or intent["status"] != "succeeded":
            return
        if odd.startswith("pm_card_createDispute"):
            self.at(self.world.now + self.dice.randint(8, 16) * DAY, self.answer_dispute, intent["latest_charge"])
        elif self.dice.random() < 0.075 or odd:
            self.at(self.world.now + self.dice.uniform(1, 40) * DAY, self.refund, intent["latest_charge"])

    def attempt(self, params: dict[str, Any]) -> Object | None:
        """Try to take a payment; return None when the card is refused."""
        try:
            return payment_intent_ops.create(self.world, params)
        except StripeError:
            return None

    def refund(self, charge_id: str) -> None:
        """A copy comes back: all of the money, or half of it."""
        charge = self.world.raw("charge", charge_id)
        if charge["disputed"] or charge["refunded"] or not charge["captured"]:
            return
        whole = self.dice.random() < 0.6 or charge["amount"] < 200
        amount = charge["amount"] if whole else charge["amount"] // 2
        refunds.refund(self.world, charge, amount, self.dice.choice((None, "requested_by_customer", "duplicate")))

    def answer_dispute(self, charge_id: str) -> None:
        """The press answers a dispute; sometimes it wins."""
        for dispute in self.world.all("dispute", "charge", charge_id):
            if dispute["status"] in disputes.OPEN and self.dice.random() < 0.8:
                text = "winning_evidence" if self.dice.random() < 0.45 else "losing_evidence"
                disputes.update(self.world, {"evidence": {"uncategorized_text": text}}, dispute["id"])

    # ---- subscriptions

    def subscribe(self, customer: Object, currency: str) -> None:
        """A customer subscribes: by month or year, some with a trial or a coupon."""
        yearly = self.dice.random() < 0.18
        seats = currency == "usd" and self.dice.random() < 0.12
        prices = self.shelf.seats if seats else (self.shelf.yearly if yearly else self.shelf.monthly)[currency]
        item = {"price": self.dice.choice(prices), "quantity": self.dice.randint(2, 28) if seats else 1}
        params: dict[str, Any] = {"customer": customer["id"], "items": [item], "metadata": {"channel": "website"}}
        if self.dice.random() < 0.2:
            params["trial_period_days"] = self.dice.choice((7, 14, 30))
        if self.dice.random() < 0.12:
            params["discounts"] = [{"coupon": self.dice.choice(("WELCOME10", "LIBRARY25"))}]
        try:
            subscription = subscriptions.create(self.world, params)
        except StripeError:
            return
        stays = self.dice.expovariate(1 / ((16 if yearly else 11) * MONTH))
        self.at(self.world.now + max(9 * DAY, stays), self.leave, subscription["id"])
        if self.dice.random() < 0.3:
            self.at(self.world.now + self.dice.uniform(25, 400) * DAY, self.lose_card, customer)
        if seats and self.dice.random() < 0.5:
            self.at(self.world.now + self.dice.uniform(40, 200) * DAY, self.grow, subscription["id"])

    def leave(self, id: str) -> None:
        """A subscriber leaves: at the period's end mostly, at once sometimes."""
        subscription = self.world.raw("subscription", id)
        if subscription["status"] not in ("active", "trialing", "past_due"):
            return
        reason = self.dice.choice(("too_expensive", "unused", "switched_service", "other", "missing_features"))
        if self.dice.random() < 0.7:
            params = {"cancel_at_period_end": True, "cancellation_details": {"feedback": reason}}
            subscription_ops.update(self.world, params, id)
        else:
            subscriptions.cancel_now(self.world, subscription, comment={"feedback": reason})

    def lose_card(self, customer: Object) -> None:
        """A card stops working; most customers bring a new one within two weeks."""
        if customer.get("deleted"):
            return
        self.new_card(customer, "pm_card_chargeCustomerFail")
        if self.dice.random() < 0.68:
            self.at(self.world.now + self.dice.uniform(3, 45) * DAY, self.new_card, customer, self.dice.choice(GOOD))

    def grow(self, id: str) -> None:
        """A team takes more seats."""
        subscription = self.world.raw("subscription", id)
        if subscription["status"] == "active":
            item = subscription["items"][0]
            entry = {"id": item["id"], "quantity": item["quantity"] + self.dice.randint(1, 6)}
            subscription_ops.update(self.world, {"items": [entry]}, id)

    # ---- the account

    def bill_from_stripe(self) -> None:
        """Stripe takes its own fees for billing once a month."""
        money.stripe_fee(self.world, self.dice.randint(900, 4200), "usd", "Billing - Usage Fee")

    def change_dunning(self) -> None:
        """From here on, subscriptions that are not paid end instead of staying unpaid."""
        self.world.settings = replace(self.world.settings, after_retries="canceled")

    def loose_ends(self) -> None:
        """Make sure that the last days hold every state a subscription can be in."""
        end = self.plan.end
        self.at(end - 24 * DAY, self.send_by_hand)
        self.at(end - 16 * DAY, self.bounce)
        for place in range(3):
            self.at(end - (5 + place) * HOUR, self.unfinished, 3 + place)
            self.at(end - (60 + 9 * place) * HOUR, self.unfinished, 7 + place)
            self.at(end - (20 + place) * DAY, self.pausing, place)
            self.at(end - (33 + place) * DAY, self.fading, place)

    def send_by_hand(self) -> None:
        """The press sends a part of the balance to the bank by hand."""
        amount = self.world.ledger.available["usd"] // 2
        if amount > 0:
            payouts.create(self.world, {"amount": amount, "currency": "usd"})

    def bounce(self) -> None:
        """The bank sends the latest payout that arrived back; the next one takes its money along."""
        arrived = [payout for payout in self.world.all("payout") if payout["status"] == "paid"]
        if arrived:
            payouts.fail_payout(self.world, max(arrived, key=lambda payout: payout["created"])["id"], "account_closed")

    def _newcomer(self, token: str = "") -> Object:
        customer = customers.create(self.world, person(self.dice, "US", self.mails))
        if token:
            self.new_card(customer, token)
        return customer

    def unfinished(self, place: int) -> None:
        """Somebody does not pass 3D Secure at sign-up: incomplete, expired a day later."""
        customer = self._newcomer("pm_card_threeDSecure2Required")
        price = self.shelf.monthly["usd"][place % 4]
        subscriptions.create(self.world, {"customer": customer["id"], "items": [{"price": price}]})

    def pausing(self, place: int) -> None:
        """A trial without a card pauses when it ends."""
        customer = self._newcomer()
        params = {"customer": customer["id"], "items": [{"price": self.shelf.monthly["usd"][place]}], "trial_period_days": 7,
                  "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}  # fmt: skip
        subscriptions.create(self.world, params)

    def fading(self, place: int) -> None:
        """A card stops working shortly before its first renewal: past due at the end."""
        customer = self._newcomer("pm_card_visa")
        subscriptions.create(
            self.world, {"customer": customer["id"], "items": [{"price": self.shelf.monthly["usd"][place]}]}
        )
        self.at(self.plan.end - 10 * DAY, self.new_card, customer, "pm_card_chargeCustomerFail")
