"""Laws of money that hold after every step, whatever is done in whatever order."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sandbox.core import (
    checkout_visit,
    disputes,
    events,
    money,
    payment_intents,
    payment_links,
    payouts,
    render,
    snapshot,
    wire,
)
from sandbox.core.errors import StripeError
from sandbox.core.settings import DAY, HOUR
from sandbox.core.store import Object
from tests.sandbox.client import Client, Refused, kept_events, world

CARDS = (
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_createDispute",
    "pm_card_createDisputeInquiry",
    "pm_card_refundFail",
    "pm_card_pendingRefund",
    "pm_card_bypassPending",
    "pm_card_threeDSecure2Required",
)
CURRENCIES = ("usd", "eur", "jpy", "kwd")


# Stripe has no event for their plain changes (an update of an intent, a moved expiry).
UNTOLD = ("payment_intent", "invoiceitem")


def _public(obj: Object) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name[0] != "_"}


class Account(RuleBasedStateMachine):
    """Somebody uses an account at random; the laws are looked at after every step."""

    @initialize(
        delay=st.sampled_from([0, 2]), waits=st.booleans(), schedule=st.sampled_from(["manual", "daily", "weekly"])
    )
    def open(self, delay: int, waits: bool, schedule: str) -> None:
        self.client = Client(
            world(
                delay_days=delay,
                refunds_wait_for_funds=waits,
                payout_schedule=schedule,
                balance_currencies=("usd", "eur"),
                settle_seconds=delay * 60,
                refund_seconds=delay * HOUR,
            )
        )
        self.world = self.client.world
        self.kept = kept_events(self.world)
        payouts.plan(self.world)
        self.price = self.client.price(1700)["id"]
        self.customer = self.client.customer()["id"]
        self.told: dict[str, dict[str, Any]] = {}
        self.heard = 0

    def _try(self, method: str, path: str, **params: Any) -> None:
        try:
            self.client.call(method, path, params)
        except Refused as refused:
            assert refused.status < 500

    def _pick(self, kind: str, place: int) -> Object | None:
        keys = self.world.store.table(kind).order
        return self.world.raw(kind, keys[place % len(keys)][2]) if keys else None

    @rule(
        amount=st.integers(100, 90_000),
        currency=st.sampled_from(CURRENCIES),
        card=st.sampled_from(CARDS),
        manual=st.booleans(),
    )
    def pay(self, amount: int, currency: str, card: str, manual: bool) -> None:
        amount -= amount % 10 if currency == "kwd" else 0
        self._try(
            "POST",
            "/v1/payment_intents",
            amount=amount,
            currency=currency,
            payment_method=card,
            confirm=True,
            capture_method="manual" if manual else "automatic_async",
            automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
        )

    @rule(place=st.integers(0, 99), part=st.integers(1, 90_000))
    def capture(self, place: int, part: int) -> None:
        intent = self._pick("payment_intent", place)
        if intent:
            self._try("POST", f"/v1/payment_intents/{intent['id']}/capture", amount_to_capture=part)

    @rule(place=st.integers(0, 99))
    def cancel(self, place: int) -> None:
        intent = self._pick("payment_intent", place)
        if intent:
            self._try("POST", f"/v1/payment_intents/{intent['id']}/cancel")

    @rule(place=st.integers(0, 99), part=st.one_of(st.none(), st.integers(1, 50_000)))
    def refund(self, place: int, part: int | None) -> None:
        charge = self._pick("charge", place)
        if charge:
            self._try("POST", "/v1/refunds", charge=charge["id"], **({} if part is None else {"amount": part}))

    @rule(place=st.integers(0, 99))
    def cancel_refund(self, place: int) -> None:
        refund = self._pick("refund", place)
        if refund:
            self._try("POST", f"/v1/refunds/{refund['id']}/cancel")

    @rule(place=st.integers(0, 99), reason=st.sampled_from(["fraudulent", "inquiry"]))
    def dispute(self, place: int, reason: str) -> None:
        charge = self._pick("charge", place)
        if charge:
            disputes.open_dispute(self.world, charge["id"], reason)

    @rule(
        place=st.integers(0, 99),
        text=st.sampled_from(["winning_evidence", "losing_evidence", "escalate_inquiry_evidence"]),
    )
    def answer(self, place: int, text: str) -> None:
        dispute = self._pick("dispute", place)
        if dispute:
            self._try("POST", f"/v1/disputes/{dispute['id']}", evidence={"uncategorized_text": text})

    @rule(amount=st.integers(1, 30_000), currency=st.sampled_from(["usd", "eur"]), fails=st.booleans())
    def pay_out(self, amount: int, currency: str, fails: bool) -> None:
        bank = "ba_sandbox_account_closed" if fails else "ba_sandbox_checking"
        self._try("POST", "/v1/payouts", amount=amount, currency=currency, destination=bank)

    @rule(currency=st.sampled_from(["usd", "eur"]))
    def sweep(self, currency: str) -> None:
        payouts.pay_out(self.world, currency)

    @rule(place=st.integers(0, 99))
    def payout_fails(self, place: int) -> None:
        payout = self._pick("payout", place)
        if payout:
            payouts.fail_payout(self.world, payout["id"], "")

    @rule(amount=st.integers(1, 900))
    def stripe_bills(self, amount: int) -> None:
        money.stripe_fee(self.world, amount, "usd", "Billing")

    @rule(trial=st.sampled_from([0, 5]))
    def subscribe(self, trial: int) -> None:
        more = {"trial_period_days": trial} if trial else {}
        self._try("POST", "/v1/subscriptions", customer=self.customer, items=[{"price": self.price}], **more)

    @rule(token=st.sampled_from(["pm_card_visa", "pm_card_chargeCustomerFail"]))
    def new_card(self, token: str) -> None:
        method = self.client.post(f"/v1/payment_methods/{token}/attach", customer=self.customer)["id"]
        self.client.post(f"/v1/customers/{self.customer}", invoice_settings={"default_payment_method": method})

    @rule(place=st.integers(0, 99), at_end=st.booleans())
    def unsubscribe(self, place: int, at_end: bool) -> None:
        sub = self._pick("subscription", place)
        if sub and at_end:
            self._try("POST", f"/v1/subscriptions/{sub['id']}", cancel_at_period_end=True)
        elif sub:
            self._try("DELETE", f"/v1/subscriptions/{sub['id']}")

    @rule(
        place=st.integers(0, 99),
        amount=st.sampled_from([0, 900, 1700, 12_345]),
        quantity=st.integers(1, 4),
        interval=st.sampled_from(["month", "month", "year"]),
        behavior=st.sampled_from(["create_prorations", "always_invoice", "none"]),
    )
    def change_plan(self, place: int, amount: int, quantity: int, interval: str, behavior: str) -> None:
        """What is previewed is what then happens, wherever the account stands."""
        sub = self._pick("subscription", place)
        if not sub or sub["status"] in ("canceled", "incomplete", "incomplete_expired"):
            return
        price = self.client.price(amount, interval)["id"]
        wish = {
            "items": [{"id": sub["items"][0]["id"], "price": price, "quantity": quantity}],
            "proration_behavior": behavior,
        }
        before = wire.dumps(snapshot.dump(self.world)["tables"])
        try:
            shown = self.client.post("/v1/invoices/create_preview", subscription=sub["id"], subscription_details=wish)
        except Refused as refused:
            assert refused.error["code"] == "invoice_upcoming_none"
            shown = None
        assert wire.dumps(snapshot.dump(self.world)["tables"]) == before
        count = len(self.world.store.table("invoice").order)
        self.client.post(f"/v1/subscriptions/{sub['id']}", **wish)
        made = self.world.store.table("invoice").order[count:]
        if made:
            invoice = self.world.raw("invoice", made[0][2])
            assert shown is not None
            assert (invoice["total"], invoice["subtotal"]) == (shown["total"], shown["subtotal"])
            assert [line["amount"] for line in invoice["lines"]] == [x["amount"] for x in shown["lines"]["data"]]

    @rule(card=st.sampled_from(CARDS), recurs=st.booleans(), trial=st.sampled_from([0, 0, 5]), held=st.booleans())
    def shop(self, card: str, recurs: bool, trial: int, held: bool) -> None:
        """Somebody follows a payment link, and after a decline tries again with another card."""
        more: dict[str, Any] = {"subscription_data": {"trial_period_days": trial}} if recurs and trial else {}
        if held and not recurs:
            more = {"payment_intent_data": {"capture_method": "manual", "setup_future_usage": "off_session"}}
        price = self.price if recurs else self.client.price(2100, None)["id"]
        link = self.client.post("/v1/payment_links", line_items=[{"price": price, "quantity": 1}], **more)
        session = payment_links.visit(self.world, self.world.raw("payment_link", link["id"]))
        for each in (card, "pm_card_visa"):
            with contextlib.suppress(StripeError):
                checkout_visit.complete(self.world, session, each)

    @rule(place=st.integers(0, 99), passed=st.booleans())
    def bank_answers(self, place: int, passed: bool) -> None:
        intent = self._pick("payment_intent", place)
        if intent and intent["status"] == "requires_action":
            payment_intents.authenticate(self.world, intent, passed=passed)

    @rule(balance=st.integers(-9000, 9000))
    def owe(self, balance: int) -> None:
        self.client.post(f"/v1/customers/{self.customer}", balance=balance)

    @rule(seconds=st.sampled_from([1, 60, HOUR, DAY, 9 * DAY, 31 * DAY]))
    def wait(self, seconds: int) -> None:
        self.world.advance(seconds)

    # ---- the laws

    def _ready(self) -> bool:
        return hasattr(self, "world")

    @precondition(_ready)
    @invariant()
    def net_is_amount_minus_fee(self) -> None:
        for line in self.world.all("balance_transaction"):
            assert line["net"] == line["amount"] - line["fee"]
            assert line["fee"] == sum(detail["amount"] for detail in line["fee_details"])

    @precondition(_ready)
    @invariant()
    def the_balance_is_the_sum_of_nets(self) -> None:
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for line in self.world.all("balance_transaction"):
            sums[line["status"], line["currency"]] += line["net"]
        balance = money.balance(self.world)
        for status in ("pending", "available"):
            for entry in balance[status]:
                assert entry["amount"] == sums[status, entry["currency"]]

    @precondition(_ready)
    @invariant()
    def an_automatic_payout_is_the_sum_of_its_lines(self) -> None:
        for payout in self.world.all("payout"):
            if payout["automatic"] and payout["reconciliation_status"] == "completed":
                lines = list(self.world.all("balance_transaction", "_payout", payout["id"]))
                own = payout["balance_transaction"]
                assert sum(line["net"] for line in lines) == 0
                assert sum(line["net"] for line in lines if line["id"] != own) == payout["amount"]

    @precondition(_ready)
    @invariant()
    def refunds_never_exceed_the_charge(self) -> None:
        for charge in self.world.all("charge"):
            live = [
                r["amount"]
                for r in self.world.all("refund", "charge", charge["id"])
                if r["status"] in ("succeeded", "pending")
            ]
            assert sum(live) <= charge["amount_captured"] <= charge["amount"]
            if charge["captured"]:
                assert charge["amount_refunded"] == sum(live)

    @precondition(_ready)
    @invariant()
    def money_stands_behind_every_state(self) -> None:
        for charge in self.world.all("charge"):
            if charge["balance_transaction"]:
                line = self.world.raw("balance_transaction", charge["balance_transaction"])
                assert (line["source"], line["type"], charge["captured"]) == (charge["id"], "charge", True)
        for dispute in self.world.all("dispute"):
            taken = sum(self.world.raw("balance_transaction", id)["amount"] for id in dispute["balance_transactions"])
            assert (taken == 0) == (
                dispute["status"] in ("won", "warning_needs_response", "warning_under_review", "warning_closed")
            )
        for invoice in self.world.all("invoice"):
            if invoice["status"] == "paid":
                assert invoice["amount_remaining"] == 0

    @precondition(_ready)
    @invariant()
    def an_invoice_is_the_sum_of_its_lines_and_the_balance(self) -> None:
        for invoice in self.world.all("invoice"):
            lines = invoice["lines"]
            assert invoice["subtotal"] == sum(line["amount"] for line in lines)
            taken = sum(d["amount"] for line in lines for d in line["discount_amounts"])
            assert invoice["total"] == invoice["subtotal"] - taken
            if invoice["ending_balance"] is not None:
                assert invoice["total"] + invoice["starting_balance"] == (
                    invoice["amount_due"] + invoice["ending_balance"]
                )
            assert invoice["amount_due"] >= 0

    @precondition(_ready)
    @invariant()
    def a_session_is_complete_once_and_paid_once(self) -> None:
        for session in self.world.all("checkout.session"):
            intent = self.world.find("payment_intent", session["_intent"])
            if intent is None:
                continue
            charges = [
                c for c in self.world.all("charge", "payment_intent", intent["id"]) if c["status"] == "succeeded"
            ]
            assert len(charges) == (session["status"] == "complete")
            assert [c["amount"] for c in charges] == [session["amount_total"]] * len(charges)
            assert (session["url"] is None) == (session["status"] != "open")

    @precondition(_ready)
    @invariant()
    def prorations_stay_within_what_a_period_costs(self) -> None:
        for item in self.world.all("invoiceitem"):
            if item["proration"]:
                price = self.world.raw("price", item["_price"])
                most = price["unit_amount"] * item["quantity"]
                assert abs(item["amount"]) <= most
                assert item["period"]["start"] <= item["period"]["end"]

    @precondition(_ready)
    @invariant()
    def every_change_is_told_with_what_was_before(self) -> None:
        """The last event of an object shows it as it is; *.updated events say what was before."""
        for event in self.kept[self.heard :]:
            data = render.event_view(self.world, event, None)["data"]
            previous = data.get("previous_attributes")
            if event["type"].endswith(".updated") and event["type"] != "charge.refund.updated":
                assert previous, event["type"]
                told = self.told.get(event["_object"]["id"])
                for name, old in event["_before"].items():
                    assert told is None or told.get(name) == old, (event["type"], name)
            self.told[event["_object"]["id"]] = event["_object"]
        self.heard = len(self.kept)
        for id, told in self.told.items():
            row = self.world.store.row(told["object"], id)
            if row is not None and told["object"] not in UNTOLD and not row.obj.get("deleted"):
                assert _public(row.obj) == _public(told), told["object"]

    def teardown(self) -> None:
        if self._ready():
            again = snapshot.load(wire.loads(wire.dumps(snapshot.dump(self.world))))
            assert wire.dumps(snapshot.dump(again)) == wire.dumps(snapshot.dump(self.world))


Account.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class TestMoneyLaws(Account.TestCase):  # type: ignore[misc,name-defined]
    """Hypothesis runs `Account`."""


def test_a_law_that_breaks_is_noticed() -> None:
    account = Account()
    account.open(delay=0, waits=False, schedule="manual")
    account.client.pay()
    account.client.get("/v1/balance")
    account.world.ledger.available["usd"] += 1

    with pytest.raises(AssertionError):
        account.the_balance_is_the_sum_of_nets()


def test_every_update_event_can_be_undone() -> None:
    """Replaying previous_attributes backwards from the last state gives the first."""
    client = Client(world())
    price = client.price()["id"]
    sub = client.post(
        "/v1/subscriptions", customer=client.customer()["id"], items=[{"price": price}], metadata={"a": "1"}
    )
    states = [sub]
    for change in ({"metadata": {"a": "2", "b": "3"}}, {"cancel_at_period_end": True}, {"cancel_at_period_end": False}):
        states.append(client.post(f"/v1/subscriptions/{sub['id']}", **change))

    told = client.get("/v1/events", type="customer.subscription.updated", limit=10)["data"]

    for event, before, after in zip(told[-2::-1], states[:-1], states[1:], strict=True):
        assert event["data"]["object"] == after
        assert event["data"]["previous_attributes"] == events.difference(before, after)
    assert told[-2]["data"]["previous_attributes"]["metadata"] == {"a": "1", "b": None}
