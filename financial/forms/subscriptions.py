"""Subscriptions of a customer."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from financial.forms.base import ActionForm, ForCustomer
from financial.forms.fields import long_text
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


# Stripe: https://docs.stripe.com/api/subscriptions/object#subscription_object-cancellation_details
FEEDBACK = (
    ("", "Not said"),
    ("too_expensive", "It is too expensive"),
    ("missing_features", "Something is missing"),
    ("switched_service", "They use something else now"),
    ("unused", "They do not use it"),
    ("customer_service", "The service was not good enough"),
    ("too_complex", "It is too complicated"),
    ("low_quality", "The quality was not good enough"),
    ("other", "Something else"),
)
NO_SETTLEMENT, CREDIT, LAST_INVOICE = "", "credit", "invoice"


class SubscriptionPauseForm(ActionForm):
    parameters = {"pause_collection[behavior]": "behavior", "pause_collection[resumes_at]": "resumes_on"}

    behavior = forms.ChoiceField(
        label="Invoices meanwhile",
        choices=(
            ("keep_as_draft", "Keep them as drafts, to be billed later"),
            ("void", "Void them: the time is free"),
            ("mark_uncollectible", "Write them off as uncollectible"),
        ),
        initial="keep_as_draft",
        widget=forms.RadioSelect,
    )
    resumes_on = forms.DateField(
        label="Resume on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Leave it empty to resume by hand.",
    )

    def clean_resumes_on(self) -> dt.date | None:
        chosen: dt.date | None = self.cleaned_data["resumes_on"]
        if chosen is not None and chosen <= timezone.localdate():
            raise ValidationError("Choose a day that is still to come.")
        return chosen

    def resumes_at(self) -> dt.datetime | None:
        """Return the first moment of the chosen day, in the zone of the studio."""
        chosen = self.cleaned_data["resumes_on"]
        return timezone.make_aware(dt.datetime.combine(chosen, dt.time())) if chosen else None


class SubscriptionCancelForm(ActionForm):
    parameters = {"cancellation_details[feedback]": "feedback", "cancellation_details[comment]": "comment"}

    feedback = forms.ChoiceField(label="Why do they leave?", choices=FEEDBACK, required=False)
    comment = long_text(help_text="Kept at Stripe with the subscription; the customer does not see it.")


class SubscriptionCancelNowForm(SubscriptionCancelForm):
    settlement = forms.ChoiceField(
        label="Time that is paid and not used",
        required=False,
        choices=(
            (NO_SETTLEMENT, "Is not credited"),
            (CREDIT, "Is credited on the customer’s next invoice"),
            (LAST_INVOICE, "Is settled now by a last invoice"),
        ),
        widget=forms.RadioSelect,
    )
    field_order = ("settlement", "feedback", "comment")
