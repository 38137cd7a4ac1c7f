"""Movements in the mirror and in the books, as a sync leaves them, for tests that need figures and not the way there."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

from django.db import transaction

from financial import conf
from financial.ledger import fee_days, journal, manual, posting, writing
from financial.ledger.fee_days import Cost, Estimate
from financial.ledger.writing import Draft, Link, Row
from financial.models import (
    Account,
    AccountDay,
    DayTotal,
    Entry,
    FeeDay,
    ManualWriting,
    StripeBalanceTransaction,
    StripeCredential,
    StripePaymentIntent,
    StripeTransaction,
    Transaction,
    rules,
)

_numbers = count(1)


def clear() -> None:
    """Empty the books; settled rows can be deleted in no other way."""
    with rules.clearing():
        for model in (ManualWriting, Entry, StripeTransaction, DayTotal, AccountDay, FeeDay):
            model.objects.all().delete()
        Transaction.objects.all()._raw_delete("default")


def movement(of: StripeCredential, category: str = "charge", **values: Any) -> StripeBalanceTransaction:
    """A balance transaction of `category`; a fee is itemised as Stripe's own."""
    amount, fee = values.pop("amount_minor", 1000), values.pop("fee_minor", 0)
    values = {
        "stripe_id": f"txn_{next(_numbers):06d}",
        "created_at": dt.datetime(2026, 10, 15, 12, 0, tzinfo=dt.UTC),
        "currency": "usd",
        "type": category,
        "reporting_category": category,
        "balance_type": "payments",
        "status": "available",
        "amount_minor": amount,
        "fee_minor": fee,
        "net_minor": amount - fee,
        "fee_parts": f"stripe_fee:{fee}" if fee else "none",
        **values,
    }
    return StripeBalanceTransaction.objects.create(credential=of, livemode=of.livemode, **values)


def booked(of: StripeCredential, category: str = "charge", **values: Any) -> Transaction:
    """A movement, booked."""
    moved = movement(of, category, **values)
    journal.book(of, objects={moved.stripe_id}, now=moved.created_at)
    return Transaction.objects.get(balance_transaction=moved)


def settled(of: StripeCredential, paid: StripePaymentIntent | None = None, **values: Any) -> Transaction:
    """A payment that its movement settled, written as the journal writes it; values are columns of either table."""
    amount, fee = values.pop("amount_minor", 1000), values.pop("fee_minor", 100)
    currency, at = (
        values.pop("currency", "usd"),
        values.pop("occurred_at", dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC)),
    )
    moved = movement(of, amount_minor=amount, fee_minor=fee, currency=currency, created_at=at)
    link = {
        "payment_intent_id": paid.pk if paid else None,
        "charge_stripe_id": values.pop("charge_stripe_id", paid.latest_charge_stripe_id if paid else ""),
        "estimated_fee_minor": values.pop("estimated_fee_minor", fee),
        "settled_at": values.pop("settled_at", at),
    }
    row = {
        "kind": "payment",
        "balance_transaction_id": moved.pk,
        "source_type": "charge",
        "source_stripe_id": link["charge_stripe_id"] or f"ch_{next(_numbers):06d}",
        "reporting_category": "charge",
        "balance_type": "payments",
        "occurred_at": at,
        "booked_on": at.astimezone(conf.time_zone()).date(),
        "currency": currency,
        "amount_minor": amount,
        "fee_minor": fee,
        "net_minor": amount - fee,
        "presentment_currency": currency,
        "presentment_amount_minor": amount,
        "exchange_rate": "",
        "description": "",
        "corrects_id": None,
        "created_at": at,
        **values,
    }
    facts = posting.Movement(
        moved.stripe_id, amount, fee, amount - fee, currency, "charge", "charge", "payments", "", at
    )
    written = Row(status="settled", livemode=of.livemode, **row)
    draft = Draft(
        written,
        posting.entries(facts),
        Link(is_rough=False, tax_minor=0, **link),
        moved.stripe_id,
        cost_of(of, written, Link(is_rough=False, tax_minor=0, **link)),
    )
    with transaction.atomic():
        return Transaction.objects.get(pk=writing.write(of, [draft])[0])


def cost_of(of: StripeCredential, row: Row, link: Link) -> Cost | None:
    """What the journal would say a payment cost, by its charge as it is mirrored."""
    if row.reporting_category != "charge":
        return None
    country, brand = fee_days.cards_of(of, {link.charge_stripe_id}).get(link.charge_stripe_id, ("", ""))
    is_compared = link.payment_intent_id and row.presentment_currency == row.currency
    estimate = Estimate(link.estimated_fee_minor, link.is_rough) if is_compared else None
    return Cost(row.currency, row.booked_on, row.amount_minor, row.fee_minor, country, brand, estimate)


def by_hand(kind: str = "income", **values: Any) -> Transaction:
    """A transaction of the house: 10.00 usd from other income to the bank, unless told otherwise."""
    writing.chart()
    codes = {account.code: account for account in Account.objects.all()}
    values = {
        "amount_minor": 1000,
        "currency": "usd",
        "on": dt.date(2026, 10, 15),
        "now": dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC),
        **values,
    }
    debit, credit = values.pop("debit", "Assets:Bank"), values.pop("credit", "Income:Other")
    return manual.record_manual(kind, debit=codes[debit], credit=codes[credit], **values)
