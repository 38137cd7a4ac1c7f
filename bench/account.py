"""A made-up account of any size, as three years of business leave it: the mirror in bulk, the books by the journal itself.

Rows go straight into the mirror's tables, with payloads about the size of Stripe's; booking, MRR and totals are then done by
the code that ships, so that every invariant of the books holds. The same size gives the same ids and amounts, up to now.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from typing import Any

from bench.bulk import Writer, shares, token
from bench.ids import email, name_of, stripe_id
from bench.takings import Takings
from bench.timing import Watch

DAYS = 3 * 365
DAY = dt.timedelta(days=1)
PRODUCTS = 40
KEY = "sk_test_" + "b" * 24
SUBSCRIPTION_STATUSES = {
    "active": 70, "canceled": 20, "trialing": 4, "past_due": 2, "unpaid": 1, "incomplete_expired": 2, "paused": 1,
}  # fmt: skip
EVENT_TYPES = {
    "charge.succeeded": 35, "payment_intent.succeeded": 35, "invoice.paid": 15, "customer.updated": 13, "payout.paid": 1,
    "charge.dispute.created": 1,
}  # fmt: skip
PREFIXES = {"payment_intent": "pi", "charge": "ch", "customer": "cus", "invoice": "in", "payout": "po"}


class Account:
    """`payments` payments, a fifth as many customers and events, a twentieth as many subscriptions."""

    def __init__(self, payments: int) -> None:
        self.payments = payments
        self.customers, self.events, self.subscriptions = payments // 5, payments // 5, payments // 20
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.start = self.now - DAYS * DAY
        self.days = DAYS
        self.dice = random.Random(payments)

    def at(self, share: float) -> dt.datetime:
        """Return the moment when this share of the time had passed, in whole seconds."""
        return self.start + dt.timedelta(seconds=int(share * DAYS * 86_400))

    def build(self, tell: Any = print) -> None:
        """Fill an empty, migrated database."""
        from django.contrib.auth import get_user_model

        from financial.models import StripeCredential

        get_user_model().objects.create_superuser("bench", "bench@example.com", "bench")
        self.credential = StripeCredential.objects.create(name="Bench", secret_key=KEY, is_active=True)
        self.writer = Writer(
            credential_id=self.credential.pk, api_version="2026-10-28.endive", version=1, digest="0" * 32, shown_at=self.now
        )  # fmt: skip
        for name, step in (
            ("catalogue, customers, subscriptions", self.people),
            ("payments and what follows from them", self.money),
            ("events and runs", self.inbox),
            ("statistics", self.analyze),
            ("books", self.book),
            ("recurring revenue", self.recur),
            ("statistics", self.analyze),
        ):
            watch = Watch()
            with watch.running():
                step()
            tell(f"  {name:<40}{watch.wall:8.1f} s")

    def people(self) -> None:
        from financial import models

        self._catalogue()
        private = token(b'{"phone": "+44 20 7946 0000", "address": {"city": "London", "line1": "1 Long Street"}}')
        for n in range(1, self.customers + 1):
            at, name = self.at(n / (self.customers + 1)), name_of(n)
            payload = {"id": stripe_id("cus", n), "object": "customer", "created": int(at.timestamp()), "name": name,
                       "email": email(n), "metadata": {"shop": "bench"}, "invoice_prefix": "BENCH"}  # fmt: skip
            self.writer.add(
                models.StripeCustomer, stripe_id=stripe_id("cus", n), created_at=at, email=email(n), name=name,
                currency="usd", delinquent=n % 50 == 0, private=private if n % 2 else "", payload=json.dumps(payload),
                deleted_at=self.now if n % 500 == 0 else None,
            )  # fmt: skip
        statuses = list(shares(self.dice, SUBSCRIPTION_STATUSES, self.subscriptions))
        for n in range(1, self.subscriptions + 1):
            self._subscription(models.StripeSubscription, n, statuses[n - 1])
        self.writer.flush()

    def _catalogue(self) -> None:
        from financial import models

        self.prices: list[dict[str, Any]] = []
        for n in range(1, PRODUCTS + 1):
            product, at = stripe_id("prod", n), self.at(n / 1000)
            self.writer.add(
                models.StripeProduct, stripe_id=product, created_at=at, name=f"Plan {n:02d}", active=n % 10 != 0,
                description="A plan of the benchmark", default_price_stripe_id=stripe_id("price", 3 * n - 2),
                payload=json.dumps({"id": product, "object": "product", "name": f"Plan {n:02d}", "description": "x" * 600}),
            )  # fmt: skip
            for currency, interval, amount in (
                ("usd", "month", 900 + n * 50),
                ("usd", "year", 9000),
                ("eur", "month", 990),
            ):
                price = {"id": stripe_id("price", len(self.prices) + 1), "object": "price", "currency": currency,
                         "unit_amount": amount, "product": product, "type": "recurring",
                         "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"}}  # fmt: skip
                self.prices.append(price)
                self.writer.add(
                    models.StripePrice, stripe_id=price["id"], created_at=at, product_id=n, product_stripe_id=product,
                    currency=currency, unit_amount_minor=amount, unit_amount_decimal=str(amount), type="recurring",
                    billing_scheme="per_unit", usage_type="licensed", interval=interval, interval_count=1,
                    payload=json.dumps(price),
                )  # fmt: skip

    def _subscription(self, model: Any, n: int, status: str) -> None:
        at = self.at(0.95 * n / self.subscriptions)
        number = 1 + (n % 3 if n % 2 else n * 7 % len(self.prices))  # the first product has half of them
        price, customer = self.prices[number - 1], self.customer_of_subscription(n)
        ended = at + (self.now - at) * 0.7 if status in ("canceled", "incomplete_expired") else None
        trial = self.now + 5 * DAY if status == "trialing" else at + 14 * DAY if n % 10 == 0 else None
        leaving = status == "active" and n % 40 == 0
        item = {"id": stripe_id("si", n), "object": "subscription_item", "quantity": 1 + n % 3, "price": price}
        payload = {
            "id": stripe_id("sub", n), "object": "subscription", "created": int(at.timestamp()), "status": status,
            "start_date": int(at.timestamp()), "currency": price["currency"], "customer": stripe_id("cus", customer),
            "trial_start": int(at.timestamp()) if trial else None, "trial_end": int(trial.timestamp()) if trial else None,
            "ended_at": int(ended.timestamp()) if ended else None, "items": {"object": "list", "data": [item]},
            "cancel_at_period_end": leaving, "collection_method": "charge_automatically", "metadata": {"shop": "bench"},
        }  # fmt: skip
        self.writer.add(
            model, stripe_id=payload["id"], created_at=at, customer_id=customer, customer_stripe_id=payload["customer"],
            price_id=number, price_stripe_id=price["id"], quantity=item["quantity"], currency=price["currency"],
            status=status, collection_method="charge_automatically", current_period_start_at=self.now - 10 * DAY,
            current_period_end_at=self.now + dt.timedelta(seconds=n * 37 % 1_728_000), trial_end_at=trial,
            cancel_at_period_end=leaving, canceled_at=ended, ended_at=ended, payload=json.dumps(payload),
        )  # fmt: skip

    def customer_of_subscription(self, n: int) -> int:
        return 1 + n * 4 % self.customers

    def money(self) -> None:
        Takings(self).write()

    def inbox(self) -> None:
        from financial import models

        body = token(json.dumps({"object": "event", "data": {"object": {"x": "x" * 900}}}).encode()).encode()
        kinds = shares(self.dice, EVENT_TYPES, self.events)
        states = {self.events - 2: "waiting", self.events // 2: "dead", self.events // 3: "dead"}
        for n, kind in enumerate(kinds, 1):
            at, state, subject = self.at(n / (self.events + 1)), states.get(n, "done"), kind.split(".")[0]
            concerned = stripe_id(PREFIXES[subject], n * 5 if subject in ("charge", "payment_intent") else n)
            source = "webhook" if n % 30 else "catch-up" if n % 9000 else "replay"
            self.writer.add(
                models.StripeWebhookEvent, event_id=stripe_id("evt", n), type=kind, created_at=at, received_at=at, body=body,
                object_type=subject, object_stripe_id=concerned, state=state, source=source,
                delivered_at=at, handled_at=at + dt.timedelta(seconds=1) if state == "done" else None, attempts=1,
                due_at=self.now + DAY if state == "waiting" else None,
                changes=json.dumps([{"object": "charge", "id": stripe_id("ch", n * 5), "change": "updated"}]),
                error="It could not be applied." if state == "dead" else "",
            )  # fmt: skip
        run = self.writer.add(
            models.SyncRun, kind="full", state="done", requested_at=self.now, started_at=self.now, finished_at=self.now,
            seen_at=self.now, covers_until=self.now, requested_by="bench",
        )  # fmt: skip
        for resource, count in {"customer": self.customers, "payment_intent": self.payments}.items():
            self.writer.add(
                models.SyncStep, run_id=run, resource=resource, state="done", read=count, delivered=count, stored=count,
                verified_at=self.now, started_at=self.now, finished_at=self.now,
            )  # fmt: skip
        self.writer.finish()
        models.MirrorClock.draw()

    def book(self) -> None:
        """Let the journal book all of it, and note Stripe's balance as read: the booked one, for nothing is missing."""
        from django.db.models import Sum

        from financial import accounts
        from financial.ledger import journal
        from financial.models import AccountDay, BalanceReading, BooksCheck

        journal.book_all(self.credential, now=self.now)
        held = AccountDay.objects.filter(account__code=accounts.clearing("payments")).order_by()
        for currency, minor in held.values_list("currency").annotate(Sum("amount_minor")):
            BalanceReading.objects.create(
                credential=self.credential, currency=currency, available_minor=minor, pending_minor=0, booked_minor=minor,
                is_steady=True, read_at=self.now,
            )  # fmt: skip
        BooksCheck.objects.create(credential=self.credential, checked_at=self.now)

    def recur(self) -> None:
        from financial.mirror import history

        history.catch_up(self.credential)

    def analyze(self) -> None:
        """What PostgreSQL does by itself within minutes, and for SQLite every sync."""
        from django.db import connection

        from financial.models import statistics

        statistics.refresh()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
