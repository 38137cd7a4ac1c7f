"""What staff may send to Stripe or write into the books, field by field; nothing else is read from a request."""

from __future__ import annotations

from financial.forms.base import ActionForm
from financial.forms.catalog import PriceForm, ProductForm
from financial.forms.customers import CustomerForm
from financial.forms.endpoints import EndpointForm
from financial.forms.payments import PaymentForm
from financial.forms.subscriptions import SubscriptionForm

__all__ = [
    "ActionForm",
    "CustomerForm",
    "EndpointForm",
    "PaymentForm",
    "PriceForm",
    "ProductForm",
    "SubscriptionForm",
]
