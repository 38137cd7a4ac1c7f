"""The chart of accounts, and which account each of Stripe's reporting categories moves against. Pure data.

A *code* is ours and never changes; the *name* beside it in the database is the accountant's. Every balance transaction
posts `net` to the clearing account of its balance type, its fee by kind to expenses, and the rest to the *contra* account
of its category. What is not in these tables goes to `SUSPENSE` and is shown until somebody maps it.

Stripe: https://docs.stripe.com/reports/reporting-categories
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

ASSET, LIABILITY, EQUITY, INCOME, EXPENSE = "asset", "liability", "equity", "income", "expense"

CLEARING = "Assets:Stripe:"  # one account per balance type follows
RESERVE = "Assets:Stripe:Reserve"
IN_TRANSIT = "Assets:PayoutsInTransit"
BANK = "Assets:Bank"
SALES_TAX = "Liabilities:SalesTax"
FINANCING = "Liabilities:Financing"
SALES = "Income:Sales"
REFUNDS = "Income:Refunds"
PLATFORM_INCOME = "Income:PlatformFees"
OTHER_INCOME = "Income:Other"
STRIPE_FEES = "Expenses:StripeFees"
DISPUTE_FEES = "Expenses:DisputeFees"
DISPUTES = "Expenses:Disputes"
PLATFORM_FEES = "Expenses:PlatformFees"
TAX_ON_FEES = "Expenses:TaxOnFees"
CONNECTED = "Expenses:ConnectedPayouts"
FX = "Expenses:FX"
OTHER_EXPENSE = "Expenses:Other"
CONVERSION = "Equity:Conversion"
SUSPENSE = "Suspense"

STANDARD: Mapping[str, str] = {
    CLEARING + "Payments": ASSET,
    RESERVE: ASSET,
    IN_TRANSIT: ASSET,
    BANK: ASSET,
    SALES_TAX: LIABILITY,
    FINANCING: LIABILITY,
    SALES: INCOME,
    REFUNDS: INCOME,
    PLATFORM_INCOME: INCOME,
    OTHER_INCOME: INCOME,
    STRIPE_FEES: EXPENSE,
    DISPUTE_FEES: EXPENSE,
    DISPUTES: EXPENSE,
    PLATFORM_FEES: EXPENSE,
    TAX_ON_FEES: EXPENSE,
    CONNECTED: EXPENSE,
    FX: EXPENSE,
    OTHER_EXPENSE: EXPENSE,
    CONVERSION: EQUITY,
    SUSPENSE: EQUITY,
}


class Metric(StrEnum):
    """Which figure of the revenue report a category counts in; fees of every row count as fees besides."""

    GROSS = "gross"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    FEES = "fees"
    FUNDING = "funding"
    OTHER = "other"


class Category(NamedTuple):
    """What a reporting category means: the kind of transaction, the account moved against, the figure it counts in."""

    kind: str
    contra: str
    metric: Metric
    is_taxed: bool = False  # the customer's sales tax is a part of the amount


_FUNDS = Category("financing", FINANCING, Metric.FUNDING)
_HELD = Category("reserve", RESERVE, Metric.FUNDING)
_CONNECT = Category("connect", CONNECTED, Metric.FUNDING)
_PLATFORM = Category("platform", PLATFORM_INCOME, Metric.OTHER)
UNKNOWN = Category("other", SUSPENSE, Metric.OTHER)

CATEGORIES: Mapping[str, Category] = {
    "charge": Category("payment", SALES, Metric.GROSS, is_taxed=True),
    "charge_failure": Category("failure", SALES, Metric.GROSS, is_taxed=True),
    "partial_capture_reversal": Category("failure", SALES, Metric.GROSS, is_taxed=True),
    "refund": Category("refund", REFUNDS, Metric.REFUNDS, is_taxed=True),
    "refund_failure": Category("refund", REFUNDS, Metric.REFUNDS, is_taxed=True),
    "dispute": Category("dispute", DISPUTES, Metric.DISPUTES),
    "dispute_reversal": Category("dispute", DISPUTES, Metric.DISPUTES),
    "payout": Category("payout", IN_TRANSIT, Metric.FUNDING),
    "payout_reversal": Category("payout", IN_TRANSIT, Metric.FUNDING),
    "topup": Category("topup", IN_TRANSIT, Metric.FUNDING),
    "topup_reversal": Category("topup", IN_TRANSIT, Metric.FUNDING),
    "fee": Category("fee", STRIPE_FEES, Metric.FEES),
    "network_cost": Category("fee", STRIPE_FEES, Metric.FEES),
    "tax": Category("fee", TAX_ON_FEES, Metric.FEES),
    "risk_reserved_funds": _HELD,
    "connect_reserved_funds": _HELD,
    "platform_earning": _PLATFORM,
    "platform_earning_refund": _PLATFORM,
    "transfer": _CONNECT,
    "transfer_reversal": _CONNECT,
    "connect_collection_transfer": _CONNECT,
    "advance": _FUNDS,
    "advance_funding": _FUNDS,
    "anticipation_repayment": _FUNDS,
    "financing_payout": _FUNDS,
    "financing_payout_reversal": _FUNDS,
    "financing_paydown": _FUNDS,
    "financing_paydown_reversal": _FUNDS,
    # Nobody but the owner knows what these are to their books.
    "other_adjustment": UNKNOWN,
    "contribution": UNKNOWN,
    "climate_order_purchase": UNKNOWN,
    "climate_order_refund": UNKNOWN,
    "issuing_authorization_hold": UNKNOWN,
    "issuing_authorization_release": UNKNOWN,
    "issuing_dispute": UNKNOWN,
    "issuing_transaction": UNKNOWN,
    "unreconciled_customer_funds": UNKNOWN,
}

# What a row without a reporting category is, by its type: all 52 of SDK 16.1.0.
CATEGORY_OF_TYPE: Mapping[str, str] = {
    "adjustment": "other_adjustment",
    "advance": "advance",
    "advance_funding": "advance_funding",
    "anticipation_repayment": "anticipation_repayment",
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "charge": "charge",
    "climate_order_purchase": "climate_order_purchase",
    "climate_order_refund": "climate_order_refund",
    "connect_collection_transfer": "connect_collection_transfer",
    "contribution": "contribution",
    "fee_credit_funding": "other_adjustment",
    "inbound_transfer": "topup",
    "inbound_transfer_reversal": "topup_reversal",
    "issuing_authorization_hold": "issuing_authorization_hold",
    "issuing_authorization_release": "issuing_authorization_release",
    "issuing_dispute": "issuing_dispute",
    "issuing_dispute_provisional_credit": "issuing_dispute",
    "issuing_dispute_provisional_credit_reversal": "issuing_dispute",
    "issuing_transaction": "issuing_transaction",
    "obligation_outbound": "other_adjustment",
    "obligation_reversal_inbound": "other_adjustment",
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_network_reserve_hold": "risk_reserved_funds",
    "payment_network_reserve_release": "risk_reserved_funds",
    "payment_refund": "refund",
    "payment_reversal": "charge_failure",
    "payment_unreconciled": "unreconciled_customer_funds",
    "payout": "payout",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
    "payout_minimum_balance_hold": "risk_reserved_funds",
    "payout_minimum_balance_release": "risk_reserved_funds",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "reserve_hold": "risk_reserved_funds",
    "reserve_release": "risk_reserved_funds",
    "reserve_transaction": "risk_reserved_funds",
    "reserved_funds": "risk_reserved_funds",
    "stripe_balance_payment_debit": "other_adjustment",
    "stripe_balance_payment_debit_reversal": "other_adjustment",
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "tax",
    "tax_fund": "other_adjustment",
    "topup": "topup",
    "topup_reversal": "topup_reversal",
    "transfer": "transfer",
    "transfer_cancel": "transfer_reversal",
    "transfer_failure": "transfer_reversal",
    "transfer_refund": "transfer_reversal",
}

# Where the type says more than the category.
CONTRA_OF_TYPE: Mapping[str, str] = {
    "stripe_fx_fee": FX,
    "tax_fee": TAX_ON_FEES,
    "payment_network_reserve_hold": RESERVE,
    "payment_network_reserve_release": RESERVE,
    "payout_minimum_balance_hold": RESERVE,
    "payout_minimum_balance_release": RESERVE,
    "reserve_hold": RESERVE,
    "reserve_release": RESERVE,
    "reserve_transaction": RESERVE,
    "reserved_funds": RESERVE,
}

FEE_ACCOUNT: Mapping[str, str] = {
    "stripe_fee": STRIPE_FEES,
    "payment_method_passthrough_fee": STRIPE_FEES,
    "application_fee": PLATFORM_FEES,
    "tax": TAX_ON_FEES,
    "withheld_tax": TAX_ON_FEES,
}


def category_of(reporting_category: str, type: str) -> str:
    """Return the category a row counts in: Stripe's own, or what its type stands for where Stripe does not say."""
    return reporting_category or CATEGORY_OF_TYPE.get(type, type)


def clearing(balance_type: str) -> str:
    """Return the code of the account that stands for a Stripe balance: `risk_reserved` -> Assets:Stripe:RiskReserved."""
    words = (balance_type or "payments").replace("-", "_").split("_")
    return CLEARING + "".join(word[:1].upper() + word[1:] for word in words)


def type_of(code: str) -> str:
    """Return the type of an account by its code; a clearing account of a new balance type is an asset."""
    return STANDARD.get(code, ASSET if code.startswith(CLEARING) else EQUITY)
