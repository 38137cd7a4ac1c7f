"""The money of a made-up account: payments, what comes back of them, their movements, invoices, payouts and deposits.

Payments stand in the order of time; each day, in the first year each month, ends with a payout per currency.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from bench.bulk import shares, token
from bench.ids import invoice_number, stripe_id

if TYPE_CHECKING:
    from bench.account import Account

DAY = dt.timedelta(days=1)
# Currency paid in -> (share, settled in, what one minor unit becomes there as numerator and denominator).
MONEY = {"usd": (70, "usd", 1, 1), "eur": (20, "eur", 1, 1), "gbp": (6, "usd", 127, 100), "jpy": (4, "usd", 66, 100)}
METHODS = {"card": 920, "sepa_debit": 40, "link": 30, "paypal": 9, "klarna": 1}
STATUSES = {
    "succeeded": 9250, "failed": 500, "canceled": 100, "requires_action": 100, "processing": 20, "requires_capture": 15,
    "requires_confirmation": 15,
}  # fmt: skip
# As long as Stripe's, with what the pages read in columns anyway.
PAYMENT = (
    '{"id": "%s", "object": "payment_intent", "amount": %d, "currency": "%s", "status": "%s", "livemode": false, '
    '"payment_method_types": ["card"], "metadata": {"order": "bench"}, "pad": "' + "x" * 700 + '"}'
)
CHARGE = (
    '{"id": "%s", "object": "charge", "amount": %d, "currency": "%s", "payment_method_details": {"type": "%s"}, '
    '"outcome": {"network_status": "approved_by_network"}, "pad": "' + "x" * 900 + '"}'
)
MOVEMENT = (
    '{"id": "%s", "object": "balance_transaction", "amount": %d, "fee": %d, "net": %d, "source": "%s", "pad": "'
    + "x" * 250
    + '"}'
)


class Takings:
    """Writes them with the writer of the account."""

    def __init__(self, account: Account) -> None:
        self.account, self.writer, self.dice = account, account.writer, account.dice
        self.now, self.start = account.now, account.start

    def write(self) -> None:
        self.unpaid: defaultdict[str, list[int]] = defaultdict(list)
        self.unpaid_minor: Counter[str] = Counter()
        statuses = shares(self.dice, STATUSES, self.account.payments)
        currencies = shares(self.dice, {code: share for code, (share, *_) in MONEY.items()}, self.account.payments)
        methods = shares(self.dice, METHODS, self.account.payments)
        self.billing = token(b'{"billing_details": {"address": {"city": "London"}, "phone": null}}')
        today = 0
        for n, told in enumerate(zip(statuses, currencies, methods, strict=True), 1):
            at = self.account.at(n / (self.account.payments + 1))
            while today < (at - self.start).days:
                today += 1
                self._day_ends(today)
            self._payment(n, at, *told)
        self.writer.flush()

    def _payment(self, n: int, at: dt.datetime, status: str, currency: str, method: str) -> None:
        from financial import models

        add, dice = self.writer.add, self.dice.random
        subscription = (
            1 + n * 2654435761 % max(1, self.account.subscriptions * n // self.account.payments) if n % 4 == 0 else 0
        )
        customer = self._customer(n, subscription)
        amount = int(500 + dice() * 19_500) if dice() > 0.01 else 100_000
        succeeded, failed = status == "succeeded", status == "failed"
        refunded = 0 if not succeeded or dice() > 0.05 else amount if n % 3 else amount // 2
        disputed = succeeded and not refunded and n % 331 == 0
        who = {"customer_id": customer, "customer_stripe_id": stripe_id("cus", customer) if customer else ""}
        pi, ch = stripe_id("pi", n), stripe_id("ch", n)
        tried = succeeded or failed
        payment = add(
            models.StripePaymentIntent, stripe_id=pi, created_at=at, amount_minor=amount, currency=currency, **who,
            amount_received_minor=amount if succeeded else 0, status="requires_payment_method" if failed else status,
            description=f"Order {n}", latest_charge_stripe_id=ch if tried else "", capture_method="automatic",
            canceled_at=at + DAY if status == "canceled" else None, error_code="card_declined" if failed else "",
            error_decline_code="insufficient_funds" if failed else "", payload=PAYMENT % (pi, amount, currency, status),
        )  # fmt: skip
        if not tried:
            return
        of = {"payment_intent_id": payment, "payment_intent_stripe_id": pi, **who, "currency": currency,
              "method_type": method, "card_brand": ("visa", "mastercard", "amex")[n % 3] if method == "card" else "",
              "card_last4": _last4(n) if method in ("card", "sepa_debit") else "", "private": self.billing,
              "card_country": ("US", "DE", "GB", "FR")[n % 4] if method == "card" else "",
              "amount_minor": amount}  # fmt: skip
        if failed or n % 33 == 0:
            first = ch if failed else stripe_id("ch", n + 500_000_000)
            add(
                models.StripeCharge, stripe_id=first, created_at=at, status="failed", failure_code="card_declined",
                payload=CHARGE % (first, amount, currency, method), **of,
            )  # fmt: skip
        if succeeded:
            is_open = at > self.now - DAY / 4  # Stripe has not said yet what it takes of them
            txn = "" if is_open else stripe_id("txn", n)
            charge = add(
                models.StripeCharge, stripe_id=ch, created_at=at, status="succeeded", paid=True, captured=True,
                amount_captured_minor=amount, amount_refunded_minor=refunded, refunded=refunded == amount,
                disputed=disputed, balance_transaction_stripe_id=txn, payload=CHARGE % (ch, amount, currency, method), **of,
            )  # fmt: skip
            if not is_open:
                self._settle(n, at, currency, amount, "charge", ch, txn)
                self._back(n, at, currency, amount, refunded, disputed, charge, payment)
        if subscription:
            self._invoice(n, at, currency, amount, subscription, who, pi, succeeded)

    def _customer(self, n: int, subscription: int) -> int | None:
        if subscription:
            return self.account.customer_of_subscription(subscription)
        if n % 100 == 1:
            return 1
        return None if n % 5 == 0 else 1 + n * 7919 % self.account.customers

    def _settle(self, n: int, at: dt.datetime, currency: str, amount: int, kind: str, source: str, txn: str) -> None:
        from financial import models

        _, settled_in, times, by = MONEY[currency]
        settled = amount * times // by
        fee = settled * 29 // 1000 + 30 if kind == "charge" else 1500 if kind == "dispute" else 0
        movement = self.writer.add(
            models.StripeBalanceTransaction, stripe_id=txn, created_at=at, amount_minor=settled, fee_minor=fee,
            net_minor=settled - fee, currency=settled_in, exchange_rate=str(times / by) if times != by else "",
            type="adjustment" if kind == "dispute" else kind, reporting_category=kind, balance_type="payments",
            status="available", available_at=at + 2 * DAY, source_stripe_id=source, description=f"Order {n}",
            fee_parts=f"stripe_fee:{fee}" if fee else "none", payload=MOVEMENT % (txn, settled, fee, settled - fee, source),
        )  # fmt: skip
        self.unpaid[settled_in].append(movement)
        self.unpaid_minor[settled_in] += settled - fee

    def _back(
        self,
        n: int,
        at: dt.datetime,
        currency: str,
        amount: int,
        refunded: int,
        disputed: bool,
        charge: int,
        payment: int,
    ) -> None:
        from financial import models

        of = {"charge_id": charge, "charge_stripe_id": stripe_id("ch", n), "payment_intent_id": payment,
              "payment_intent_stripe_id": stripe_id("pi", n), "currency": currency}  # fmt: skip
        later = min(at + 3 * DAY, self.now - DAY / 24)
        if refunded:
            re, txn = stripe_id("re", n), stripe_id("txn", n + 1_000_000_000)
            self.writer.add(
                models.StripeRefund, stripe_id=re, created_at=later, amount_minor=refunded, status="succeeded",
                reason="requested_by_customer", balance_transaction_stripe_id=txn, **of,
            )  # fmt: skip
            self._settle(n, later, currency, -refunded, "refund", re, txn)
        if disputed:
            dp, is_open = stripe_id("dp", n), at > self.now - 10 * DAY
            self.writer.add(
                models.StripeDispute, stripe_id=dp, created_at=later, amount_minor=amount, reason="fraudulent",
                status="needs_response" if is_open else "lost", evidence_due_at=later + 7 * DAY, **of,
            )  # fmt: skip
            self._settle(n, later, currency, -amount, "dispute", dp, stripe_id("txn", n + 2_000_000_000))

    def _invoice(
        self, n: int, at: dt.datetime, currency: str, amount: int, subscription: int, who: Any, pi: str, paid: bool
    ) -> None:
        from financial import models

        self.writer.add(
            models.StripeInvoice, stripe_id=stripe_id("in", n), created_at=at, number=invoice_number(n), currency=currency,
            status="paid" if paid else "open", total_minor=amount, amount_due_minor=amount,
            amount_paid_minor=amount if paid else 0, subscription_id=subscription, payment_intent_stripe_id=pi,
            subscription_stripe_id=stripe_id("sub", subscription), billing_reason="subscription_cycle", attempt_count=1,
            payload=json.dumps({"id": stripe_id("in", n), "object": "invoice", "number": invoice_number(n), "x": "x" * 500}),
            **who,
        )  # fmt: skip

    def _day_ends(self, day: int) -> None:
        at = self.start + day * DAY
        if day < self.account.days // 3 and day % 30:
            return
        for currency in list(self.unpaid):
            if self.unpaid_minor[currency] > 0:
                self._payout(currency, at)

    def _payout(self, currency: str, at: dt.datetime) -> None:
        from financial import models

        rows, amount = self.unpaid.pop(currency), self.unpaid_minor.pop(currency)
        number = self.writer.numbers[models.StripePayout] + 1
        po, txn = stripe_id("po", number), stripe_id("txn", number + 3_000_000_000)
        arrives = (at + 2 * DAY).replace(hour=0, minute=0, second=0)
        is_paid = arrives <= self.now - DAY
        payout = self.writer.add(
            models.StripePayout, stripe_id=po, created_at=at, amount_minor=amount, currency=currency, method="standard",
            status="paid" if is_paid else "in_transit", arrival_at=arrives, balance_transaction_stripe_id=txn,
            reconciliation_status="completed" if is_paid else "in_progress", trace_id=f"TRACE{number:08d}",
            payload=json.dumps({"id": po, "object": "payout", "amount": amount, "currency": currency}),
        )  # fmt: skip
        movement = self.writer.add(
            models.StripeBalanceTransaction, stripe_id=txn, created_at=at, amount_minor=-amount, net_minor=-amount,
            currency=currency, type="payout", reporting_category="payout", balance_type="payments", status="available",
            available_at=at, source_stripe_id=po, fee_parts="none", payload=MOVEMENT % (txn, -amount, 0, -amount, po),
        )  # fmt: skip
        if is_paid:
            for row in (*rows, movement):
                self.writer.add(models.PayoutRow, payout_id=payout, balance_transaction_id=row)
            self.writer.add(
                models.PayoutReading, payout_id=payout, is_complete=True, rows=len(rows), net_minor=amount,
                own_minor=-amount, read_at=self.now,
            )  # fmt: skip
            self._deposit(payout, number, amount, currency, arrives)

    def _deposit(self, payout: int, number: int, amount: int, currency: str, arrives: dt.datetime) -> None:
        """The bank was looked at for a year; one payout in a hundred was not seen there."""
        from financial import models

        if arrives < self.now - 365 * DAY or number % 100 == 0:
            return
        self.writer.add(
            models.BankDeposit, amount_minor=amount, currency=currency, booked_on=arrives.date(), created_at=self.now,
            description="STRIPE PAYMENTS", reference=f"TRACE{number:08d}", identity=f"bank{number}", source_digest="bench",
            source_line=number, payout_id=payout if number % 50 else None, match="trace" if number % 50 else "",
        )  # fmt: skip


def _last4(n: int) -> str:
    return "4242" if n % 20 == 0 else f"{n * 7919 % 10_000:04d}"
