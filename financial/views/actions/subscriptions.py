"""Subscriptions: created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from financial import forms, stripe_services
from financial.models import MirrorRow, StripePrice
from financial.views.actions.base import Create


class SubscriptionCreate(Create):
    section, noun, form_class = "subscriptions", "subscription", forms.SubscriptionForm
    prefilled = ("customer", "price")

    def create(self, service: stripe_services.StripeService, form: forms.SubscriptionForm) -> MirrorRow:
        data = form.cleaned_data
        return service.create_subscription(
            customer=data["customer"],
            price=data["price"],
            quantity=form.billed_quantity(),
            trial_days=data["trial_days"] or 0,
            idempotency_key=form.key,
        )

    def context(self) -> Mapping[str, Any]:
        newest = StripePrice.objects.of(self.credential).alive().filter(type="recurring", active=True)
        return {"has_prices": newest.exists()}

    def success(self, row: Any) -> str:
        return "Subscription created."
