"""Book A: the worked example of the books, five weeks of one US dollar account. All figures were computed by hand."""

from __future__ import annotations

import datetime as dt

from financial.ledger.exports.canonical import Account, Book, Booked, Kind, Posting

PAYMENTS = Account("Assets:Stripe:Payments", Kind.ASSET, is_stripe_balance=True)
RESERVE = Account("Assets:Stripe:RiskReserved", Kind.ASSET, is_stripe_balance=True)
IN_TRANSIT = Account("Assets:PayoutsInTransit", Kind.ASSET)
BANK = Account("Assets:Bank", Kind.ASSET)
SALES_TAX = Account("Liabilities:SalesTax", Kind.LIABILITY)
SALES = Account("Income:Sales", Kind.INCOME, code="200")
REFUNDS = Account("Income:Refunds", Kind.INCOME)
STRIPE_FEES = Account("Expenses:StripeFees", Kind.EXPENSE)
DISPUTE_FEES = Account("Expenses:DisputeFees", Kind.EXPENSE)
DISPUTES = Account("Expenses:Disputes", Kind.EXPENSE)
SUSPENSE = Account("Suspense", Kind.EQUITY)
CHART = (
    PAYMENTS, RESERVE, IN_TRANSIT, BANK, SALES_TAX, SALES, REFUNDS, STRIPE_FEES, DISPUTE_FEES, DISPUTES, SUSPENSE,
)  # fmt: skip
# What each account holds on the first of May.
CLOSING = {
    PAYMENTS: 6288, RESERVE: 1000, IN_TRANSIT: 0, BANK: 5437, SALES_TAX: -600, SALES: -25606, REFUNDS: 7750,
    STRIPE_FEES: 1231, DISPUTE_FEES: 1500, DISPUTES: 3000,
}  # fmt: skip


def book(**changes: object) -> Book:
    return Book(**{"name": "Book A", "mode": "test", "accounts": CHART, "end": dt.date(2026, 4, 30), **changes})


def row(number: int, day: str, category: str, net_minor: int, *others: tuple[Account, int], **known: object) -> Booked:
    """One balance transaction; `others` are the entries beside the one on Stripe's balance."""
    on = dt.date.fromisoformat(f"2026-{day}")
    return Booked(
        **{
            "reference": f"txn_t{number:02}",
            "booked_on": on,
            "occurred_at": dt.datetime.combine(on, dt.time(16), dt.UTC),
            "category": category,
            "description": f"{category.capitalize()} of t{number:02}",
            "currency": "usd",
            "postings": (Posting(PAYMENTS, net_minor), *(Posting(*other) for other in others)),
            "stripe_net": (Posting(PAYMENTS, net_minor),),
            **known,
        }
    )


def bank(number: int, day: str, amount_minor: int) -> Booked:
    """Money seen at the bank; Stripe has no balance transaction for it."""
    postings = (Posting(BANK, amount_minor), Posting(IN_TRANSIT, -amount_minor))
    known = {"reference": f"bank_{number}", "postings": postings, "stripe_net": ()}
    return row(0, day, "bank", 0, description="Seen at the bank", **known)


ROWS = (
    row(1, "03-28", "charge", 9680, (STRIPE_FEES, 320), (SALES, -9200), (SALES_TAX, -800), payout_id="po_1",
        source_id="ch_1", customer_id="cus_1", payment_id="pi_1"),
    row(2, "03-29", "charge", 5084, (STRIPE_FEES, 322), (SALES, -5406), payout_id="po_1",
        presentment_amount_minor=5000, presentment_currency="eur", exchange_rate="1.0812"),
    row(3, "03-30", "charge", 2883, (STRIPE_FEES, 117), (SALES, -3000), payout_id="po_1"),
    row(4, "04-02", "refund", -2500, (REFUNDS, 2300), (SALES_TAX, 200), payout_id="po_1"),
    row(5, "04-03", "dispute", -4500, (DISPUTE_FEES, 1500), (DISPUTES, 3000), payout_id="po_1"),
    row(6, "04-05", "fee", -210, (STRIPE_FEES, 210), payout_id="po_1"),
    row(7, "04-06", "payout", -10437, (IN_TRANSIT, 10437), payout_id="po_1"),
    bank(1, "04-08", 10437),
    row(8, "04-08", "refund", -5450, (REFUNDS, 5450), payout_id="po_2",
        description="Refund re_2 (€50.00)", presentment_amount_minor=-5000, presentment_currency="eur",
        exchange_rate="1.0900"),
    row(9, "04-09", "charge", 7738, (STRIPE_FEES, 262), (SALES, -8000), payout_id="po_2"),
    row(10, "04-10", "payout", -2288, (IN_TRANSIT, 2288), payout_id="po_2"),
    row(11, "04-13", "payout_reversal", 2288, (IN_TRANSIT, -2288), payout_id="po_2"),
    row(12, "04-14", "refund", -1000, (REFUNDS, 1000)),
    row(13, "04-16", "refund_failure", 1000, (REFUNDS, -1000)),
    bank(2, "04-20", -5000),
    row(14, "04-20", "topup", 5000, (IN_TRANSIT, -5000)),
    row(15, "04-21", "risk_reserved_funds", -1000, (RESERVE, 1000)),
)  # fmt: skip
