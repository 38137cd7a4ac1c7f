"""What the lists can be narrowed by, read from the address of the page; an invalid filter finds nothing, never all."""

from __future__ import annotations

from financial.filters.base import MirrorFilter, without
from financial.filters.events import EventFilter
from financial.filters.mirror import CustomerFilter, PaymentFilter, ProductFilter, SubscriptionFilter
from financial.filters.payouts import PayoutFilter
from financial.filters.states import PAYMENT_STATES, customer_state, payment_state

__all__ = [
    "CustomerFilter",
    "EventFilter",
    "MirrorFilter",
    "PAYMENT_STATES",
    "PaymentFilter",
    "PayoutFilter",
    "ProductFilter",
    "SubscriptionFilter",
    "customer_state",
    "payment_state",
    "without",
]
