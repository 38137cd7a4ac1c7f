"""Placeholder: forms that write to Stripe come here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from financial.views.base import StaffView


class _Soon(StaffView):
    permission = "financial.manage_stripe"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.page("financial/base.html")


class ProductCreate(_Soon):
    section = "products"


class PriceCreate(_Soon):
    section = "products"


class CustomerCreate(_Soon):
    section = "customers"


class PaymentCreate(_Soon):
    section = "payments"


class SubscriptionCreate(_Soon):
    section = "subscriptions"
