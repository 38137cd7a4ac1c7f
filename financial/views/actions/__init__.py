"""The forms that change something at Stripe, one module per kind of object."""

from __future__ import annotations

from financial.views.actions.base import Change, Create, Edit
from financial.views.actions.catalog import (
    PriceArchive,
    PriceCreate,
    PriceEdit,
    PriceUnarchive,
    ProductArchive,
    ProductCreate,
    ProductEdit,
    ProductUnarchive,
)
from financial.views.actions.customers import CustomerCreate, CustomerEdit
from financial.views.actions.pay_pages import CheckoutPage, PaymentLink, PayPageList
from financial.views.actions.payment_changes import PaymentCancel, PaymentCapture, PaymentRefund, PaymentRetry
from financial.views.actions.payments import PaymentNew
from financial.views.actions.plans import SubscriptionChange, SubscriptionCreate
from financial.views.actions.subscriptions import (
    SubscriptionCancel,
    SubscriptionCancelNow,
    SubscriptionKeep,
    SubscriptionPause,
    SubscriptionResume,
)

__all__ = [
    "Change",
    "Create",
    "CustomerCreate",
    "CustomerEdit",
    "Edit",
    "PaymentCancel",
    "PaymentCapture",
    "PayPageList",
    "PaymentLink",
    "PaymentNew",
    "PaymentRefund",
    "PaymentRetry",
    "CheckoutPage",
    "PriceArchive",
    "PriceCreate",
    "PriceEdit",
    "PriceUnarchive",
    "ProductArchive",
    "ProductCreate",
    "ProductEdit",
    "ProductUnarchive",
    "SubscriptionCancel",
    "SubscriptionCancelNow",
    "SubscriptionChange",
    "SubscriptionCreate",
    "SubscriptionKeep",
    "SubscriptionPause",
    "SubscriptionResume",
]
