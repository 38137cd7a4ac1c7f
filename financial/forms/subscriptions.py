"""Subscriptions of a customer."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError

from financial.forms.base import ForCustomer
from financial.models import StripePrice
from financial.pricing import price_words

PRICES_MAX = 100


class SubscriptionForm(ForCustomer):
    declined_at = "customer"
    parameters = {
        "customer": "customer",
        "items[0][price]": "price",
        "items[0][quantity]": "quantity",
        "trial_period_days": "trial_days",
        "default_payment_method": "customer",
        "currency": "price",
    }

    price = forms.CharField(max_length=255, widget=forms.Select)
    quantity = forms.IntegerField(initial=1, min_value=1, max_value=999_999)
    trial_days = forms.IntegerField(
        label="Trial days", initial=0, min_value=0, max_value=730, required=False, help_text="0 bills at once."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        cast("forms.Select", self.fields["price"].widget).choices = self._price_choices()

    def _recurring(self) -> Any:
        prices = StripePrice.objects.of(self.credential).alive().filter(type="recurring", active=True)
        return prices.select_related("product")

    def _price_choices(self) -> list[tuple[str, str]]:
        """The newest prices; one that was asked for by its address stands first even if it is old."""
        wanted = self.data.get("price") or self.initial.get("price") or ""
        prices = [*self._recurring().filter(stripe_id=wanted), *self._recurring().newest()[:PRICES_MAX]]
        offered = {
            price.stripe_id: f"{price.product or price.product_stripe_id} – {price_words(price)}" for price in prices
        }
        return [("", "Choose a price"), *offered.items()]

    def clean_price(self) -> StripePrice:
        found: StripePrice | None = self._recurring().filter(stripe_id=self.cleaned_data["price"]).first()
        if found is None:
            raise ValidationError("No such active recurring price in the mirror.")
        return found

    def billed_quantity(self) -> int | None:
        """Return how many are billed; nothing for a metered price, whose use is reported later."""
        return None if self.cleaned_data["price"].usage_type == "metered" else int(self.cleaned_data["quantity"])

    def clean(self) -> dict[str, Any]:
        super().clean()
        customer, trial = self.cleaned_data.get("customer"), self.cleaned_data.get("trial_days") or 0
        if customer and not trial and not customer.default_payment_method_stripe_id:
            self.add_error(
                "customer",
                "This customer has no default payment method, so nothing could be charged. Let the customer save one,"
                " or begin with a trial.",
            )
        return self.cleaned_data
