"""Placeholder: lists and details come here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from financial.views.base import StaffView


class _Soon(StaffView):
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.page("financial/base.html")


class ProductList(_Soon):
    section, permission = "products", "financial.view_stripeproduct"


class ProductDetail(ProductList):
    pass


class CustomerList(_Soon):
    section, permission = "customers", "financial.view_stripecustomer"


class CustomerDetail(CustomerList):
    pass


class PaymentList(_Soon):
    section, permission = "payments", "financial.view_stripepaymentintent"


class PaymentDetail(PaymentList):
    pass


class SubscriptionList(_Soon):
    section, permission = "subscriptions", "financial.view_stripesubscription"


class SubscriptionDetail(SubscriptionList):
    pass
