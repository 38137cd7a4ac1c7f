"""Payments of a customer."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from financial import money
from financial.forms.base import ForCustomer
from financial.forms.fields import Amount, currency_field, long_text

WAIT_FOR_CUSTOMER, SAVED_METHOD = "", "saved"
# Stripe: https://docs.stripe.com/testing
TEST_METHODS = (
    ("pm_card_visa", "Succeeds (Visa ••••4242)"),
    ("pm_card_mastercard", "Succeeds (Mastercard ••••4444)"),
    ("pm_card_chargeDeclined", "Is declined"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "Is declined: insufficient funds"),
    ("pm_card_threeDSecure2Required", "Needs the customer (3D Secure)"),
    ("pm_card_createDispute", "Succeeds, then is disputed"),
)


class PaymentForm(ForCustomer):
    declined_at = "payment_method"
    parameters = {
        "customer": "customer",
        "amount": "amount",
        "currency": "currency",
        "description": "description",
        "payment_method": "payment_method",
    }

    amount = Amount()
    currency = currency_field()
    description = long_text(help_text="Shown to the customer on the receipt.")
    payment_method = forms.ChoiceField(
        label="Pay with",
        required=False,
        help_text="Card numbers are never typed here; the customer gives them to Stripe.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices: list[Any] = [
            (WAIT_FOR_CUSTOMER, "Wait for the customer to pay"),
            (SAVED_METHOD, "Charge the customer’s saved default method now"),
        ]
        if self.credential is not None and not self.credential.livemode:
            choices.append(("Stripe’s test methods, charged now", list(TEST_METHODS)))
        cast("forms.ChoiceField", self.fields["payment_method"]).choices = choices

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.check_amount(money.charge_minor)
        customer = self.cleaned_data.get("customer")
        wants_saved = self.cleaned_data.get("payment_method") == SAVED_METHOD
        if customer and wants_saved and not customer.default_payment_method_stripe_id:
            self.add_error("payment_method", "This customer has no saved default payment method.")
        return self.cleaned_data

    def method(self) -> str:
        """Return the payment method to charge now; empty means to wait for the customer."""
        chosen = str(self.cleaned_data["payment_method"])
        return str(self.cleaned_data["customer"].default_payment_method_stripe_id) if chosen == SAVED_METHOD else chosen
