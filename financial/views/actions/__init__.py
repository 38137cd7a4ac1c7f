"""The forms that change something at Stripe, one module per kind of object."""

from __future__ import annotations

from financial.views.actions.base import Create
from financial.views.actions.catalog import PriceCreate, ProductCreate
from financial.views.actions.customers import CustomerCreate
from financial.views.actions.payments import PaymentCreate
from financial.views.actions.subscriptions import SubscriptionCreate

__all__ = [
    "Create",
    "CustomerCreate",
    "PaymentCreate",
    "PriceCreate",
    "ProductCreate",
    "SubscriptionCreate",
]
