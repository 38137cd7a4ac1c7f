"""Lists and details of what is mirrored: read-only pages, each with a constant number of queries."""

from __future__ import annotations

from financial.views.mirror.details import CustomerDetail, PaymentDetail, ProductDetail, SubscriptionDetail
from financial.views.mirror.lists import CustomerList, PaymentList, ProductList, SubscriptionList
from financial.views.mirror.next_invoice import NextInvoice
from financial.views.mirror.payouts import PayoutDetail, PayoutList

__all__ = [
    "CustomerDetail",
    "CustomerList",
    "NextInvoice",
    "PaymentDetail",
    "PaymentList",
    "PayoutDetail",
    "PayoutList",
    "ProductDetail",
    "ProductList",
    "SubscriptionDetail",
    "SubscriptionList",
]
