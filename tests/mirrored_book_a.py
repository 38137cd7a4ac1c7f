"""Book A as it lies in the mirror after a sync: fifteen balance transactions, and what is behind them."""

from __future__ import annotations

import datetime as dt

from financial.models import (
    PayoutReading,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripeDispute,
    StripePaymentIntent,
    StripePayout,
    StripeRefund,
)
from tests import books

# id, day, category, amount, fee, what it is of
MOVEMENTS = (
    (1, "03-28", "charge", 10000, 320, "ch_1"),
    (2, "03-29", "charge", 5406, 322, "ch_2"),
    (3, "03-30", "charge", 3000, 117, "ch_3"),
    (4, "04-02", "refund", -2500, 0, "re_1"),
    (5, "04-03", "dispute", -3000, 1500, "dp_1"),
    (6, "04-05", "fee", -210, 0, ""),
    (7, "04-06", "payout", -10437, 0, "po_1"),
    (8, "04-08", "refund", -5450, 0, "re_2"),
    (9, "04-09", "charge", 8000, 262, "ch_4"),
    (10, "04-10", "payout", -2288, 0, "po_2"),
    (11, "04-13", "payout_reversal", 2288, 0, "po_2"),
    (12, "04-14", "refund", -1000, 0, "re_3"),
    (13, "04-16", "refund_failure", 1000, 0, "re_3"),
    (14, "04-20", "topup", 5000, 0, "tu_1"),
    (15, "04-21", "risk_reserved_funds", -1000, 0, ""),
)
# The numbers of what Stripe lists under each payout.
ROWS = {"po_1": (1, 2, 3, 4, 5, 6, 7), "po_2": (8, 9, 10)}
RATES = {2: "1.0812", 8: "1.0900"}


def at(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-{day}T16:00:00+00:00")


def mirror(of: StripeCredential) -> list[StripeBalanceTransaction]:
    """Put the whole account into the mirror; nothing is booked yet."""
    for number, amount, currency, tax in (
        (1, 10000, "usd", 800),
        (2, 5000, "eur", 0),
        (3, 3000, "usd", 0),
        (4, 8000, "usd", 0),
    ):
        paid = StripePaymentIntent.objects.create(
            credential=of, stripe_id=f"pi_{number}", status="succeeded", amount_minor=amount, tax_minor=tax,
            amount_received_minor=amount, currency=currency, latest_charge_stripe_id=f"ch_{number}", created_at=at("03-28"),
        )  # fmt: skip
        StripeCharge.objects.create(
            credential=of, stripe_id=f"ch_{number}", payment_intent=paid, payment_intent_stripe_id=paid.stripe_id,
            status="succeeded", paid=True, amount_minor=amount, currency=currency, created_at=at("03-28"),
        )  # fmt: skip
    for number, charge, amount, currency in ((1, 1, 2500, "usd"), (2, 2, 5000, "eur"), (3, 4, 1000, "usd")):
        StripeRefund.objects.create(
            credential=of, stripe_id=f"re_{number}", charge_stripe_id=f"ch_{charge}", amount_minor=amount,
            currency=currency, status="succeeded", created_at=at("04-02"),
        )  # fmt: skip
    StripeDispute.objects.create(
        credential=of, stripe_id="dp_1", charge_stripe_id="ch_3", amount_minor=3000, currency="usd", status="lost"
    )
    for number, amount, status in ((1, 10437, "paid"), (2, 2288, "failed")):
        StripePayout.objects.create(
            credential=of, stripe_id=f"po_{number}", amount_minor=amount, currency="usd", status=status,
            arrival_at=at("04-08"),
        )  # fmt: skip
    return [
        books.movement(
            of, category, stripe_id=f"txn_t{number:02}", created_at=at(day), amount_minor=amount, fee_minor=fee,
            source_stripe_id=source, exchange_rate=RATES.get(number, ""),
        )
        for number, day, category, amount, fee, source in MOVEMENTS
    ]  # fmt: skip


def itemise(of: StripeCredential) -> None:
    """Let Stripe have said which rows each payout consists of."""
    for stripe_id, numbers in ROWS.items():
        payout = StripePayout.objects.get(credential=of, stripe_id=stripe_id)
        listed = StripeBalanceTransaction.objects.filter(
            credential=of, stripe_id__in=[f"txn_t{number:02}" for number in numbers]
        )
        PayoutRow.objects.bulk_create(PayoutRow(payout=payout, balance_transaction=row) for row in listed)
        PayoutReading.objects.create(
            payout=payout, is_complete=True, rows=len(numbers) - 1, net_minor=payout.amount_minor,
            own_minor=-payout.amount_minor,
        )  # fmt: skip
