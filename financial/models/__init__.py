"""Columns, constraints, indexes and one-line predicates; no network, no business steps."""

from __future__ import annotations

from financial.models.credentials import StripeCredential
from financial.models.ledger import (
    IS_ESTIMATED,
    Account,
    AccountDay,
    BalanceReading,
    BooksCheck,
    BooksProof,
    CategoryAccount,
    DayTotal,
    Entry,
    FeeDay,
    StripeTransaction,
    Transaction,
)
from financial.models.mirror import (
    MIRROR_MODELS,
    MirrorClock,
    MirrorRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
)
from financial.models.operations import AuditEvent, ManualWriting, PaymentNotice, StripeRequest, SyncRun, SyncStep
from financial.models.payouts import BankDeposit, PayoutDestination, PayoutReading, PayoutRow
from financial.models.recurring import MrrSpan, SubscriptionSight
from financial.models.saved import SavedFilter
from financial.models.webhooks import StripeWebhookEvent, StripeWebhookSecret

__all__ = [
    "Account",
    "AccountDay",
    "AuditEvent",
    "BalanceReading",
    "BankDeposit",
    "BooksCheck",
    "BooksProof",
    "CategoryAccount",
    "DayTotal",
    "Entry",
    "FeeDay",
    "IS_ESTIMATED",
    "MIRROR_MODELS",
    "ManualWriting",
    "MirrorClock",
    "MirrorRow",
    "MrrSpan",
    "PaymentNotice",
    "PayoutDestination",
    "PayoutReading",
    "PayoutRow",
    "SavedFilter",
    "StripeBalanceTransaction",
    "StripeCharge",
    "StripeCredential",
    "StripeCustomer",
    "StripeDispute",
    "StripeInvoice",
    "StripePaymentIntent",
    "StripePayout",
    "StripePrice",
    "StripeProduct",
    "StripeRefund",
    "StripeRequest",
    "StripeSubscription",
    "StripeTransaction",
    "StripeWebhookEvent",
    "StripeWebhookSecret",
    "SubscriptionSight",
    "SyncRun",
    "SyncStep",
    "Transaction",
]
