"""What staff may send to Stripe or write into the books, field by field; nothing else is read from a request."""

from __future__ import annotations

from financial.forms.base import ActionForm, ConfirmForm, EditForm, find_customer
from financial.forms.catalog import PriceEditForm, PriceForm, ProductEditForm, ProductForm
from financial.forms.customers import CustomerEditForm, CustomerForm
from financial.forms.endpoints import EndpointForm
from financial.forms.payment_changes import CancelForm, CaptureForm, PartForm, RefundForm
from financial.forms.payments import PaymentForm, PayPageForm, SavedMethodForm
from financial.forms.subscriptions import (
    LAST_INVOICE,
    NO_SETTLEMENT,
    SENT,
    SubscriptionCancelForm,
    SubscriptionCancelNowForm,
    SubscriptionChangeForm,
    SubscriptionForm,
    SubscriptionPauseForm,
    recurring_prices,
)

__all__ = [
    "LAST_INVOICE",
    "NO_SETTLEMENT",
    "SENT",
    "ActionForm",
    "CancelForm",
    "CaptureForm",
    "ConfirmForm",
    "CustomerEditForm",
    "CustomerForm",
    "EditForm",
    "EndpointForm",
    "PartForm",
    "PayPageForm",
    "PaymentForm",
    "PriceEditForm",
    "PriceForm",
    "ProductEditForm",
    "ProductForm",
    "RefundForm",
    "SubscriptionCancelForm",
    "SubscriptionCancelNowForm",
    "SubscriptionForm",
    "SubscriptionPauseForm",
    "SubscriptionChangeForm",
    "recurring_prices",
    "SavedMethodForm",
    "find_customer",
]
