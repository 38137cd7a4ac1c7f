"""New payments, three ways: a page the customer pays on, a saved method charged now, or a payment that waits.

No way takes a card number: the customer gives that to Stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import RegexValidator

from financial import money
from financial.errors import FinancialError
from financial.forms.base import ForCustomer
from financial.forms.fields import Amount, Text, currency_field, long_text
from financial.forms.previewed import PreviewedForm
from financial.models import StripeCustomer, StripePrice
from financial.pricing import price_words

PRICES_MAX = 100
# Stripe: https://docs.stripe.com/testing
TEST_METHODS = (
    ("pm_card_visa", "Succeeds (Visa ••••4242)"),
    ("pm_card_mastercard", "Succeeds (Mastercard ••••4444)"),
    ("pm_card_chargeDeclined", "Is declined"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "Is declined: insufficient funds"),
    ("pm_card_threeDSecure2Required", "Needs the customer (3D Secure)"),
    ("pm_card_createDispute", "Succeeds, then is disputed"),
)


def _capture_later() -> forms.BooleanField:
    return forms.BooleanField(
        label="Only reserve the money, and capture it later",
        required=False,
        help_text="A reservation on a card usually lasts seven days.",
    )


class PaymentForm(ForCustomer):
    """A payment that waits for its customer; in test mode also one that is charged with a method of Stripe's."""

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
    payment_method = forms.ChoiceField(label="Pay with", required=False)
    capture_later = _capture_later()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices: list[Any] = [("", "Wait for the customer to pay")]
        if self.credential is not None and not self.credential.livemode:
            choices.append(("Stripe’s test methods, charged now", list(TEST_METHODS)))
        cast("forms.ChoiceField", self.fields["payment_method"]).choices = choices

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.check_amount(money.charge_minor)
        return self.cleaned_data


class SavedMethodForm(PreviewedForm, ForCustomer):
    """A charge without the customer present; `offer` shows what Stripe says can be charged.

    Sent for the first time, or with other values, it only says what it will do; `seal` keeps for what it was said.
    """

    declined_at = "payment_method"
    parameters = PaymentForm.parameters

    payment_method = forms.CharField(
        label="Charge",
        max_length=255,
        widget=forms.RadioSelect,
        validators=[RegexValidator(r"\A[a-z]{2,10}_[A-Za-z0-9_]+\Z", "Choose one of the saved methods.")],
        error_messages={"required": "Choose what to charge."},
    )
    amount = Amount()
    currency = currency_field()
    description = long_text(help_text="Shown to the customer on the receipt.")
    capture_later = _capture_later()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["customer"].widget = forms.HiddenInput()

    def offer(self, methods: Sequence[tuple[str, str]]) -> None:
        """Show these methods (id and words) to choose from, the first chosen."""
        cast("forms.RadioSelect", self.fields["payment_method"].widget).choices = methods
        if methods:
            self.initial.setdefault("payment_method", methods[0][0])

    def is_told(self) -> bool:
        """Whether no value has to be corrected; what went wrong at Stripe may stand above them."""
        return not set(self.errors) - {NON_FIELD_ERRORS}

    def method_words(self) -> str:
        """Return what was chosen, as it was offered."""
        offered = dict(cast("forms.RadioSelect", self.fields["payment_method"].widget).choices)
        return str(offered.get(self.cleaned_data["payment_method"], "The saved method"))

    @property
    def amount_minor(self) -> int:
        return money.charge_minor(self.cleaned_data["amount"], self.cleaned_data["currency"])

    def _typed(self) -> dict[str, str]:
        return {**super()._typed(), "customer": str(self["customer"].data or "")}

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.check_amount(money.charge_minor)
        return self.cleaned_data


class PayPageForm(ForCustomer):
    """A page of Stripe's to pay on: a link for anybody, or a page for one payment of the customer who is named."""

    parameters = {
        "customer": "customer",
        "line_items[0][price]": "price",
        "line_items[0][quantity]": "quantity",
        "line_items[0][price_data][unit_amount]": "amount",
        "line_items[0][price_data][currency]": "currency",
        "line_items[0][price_data][product_data][name]": "description",
        "payment_intent_data[description]": "description",
        "payment_intent_data[capture_method]": "capture_later",
        "currency": "currency",
    }

    customer = Text(
        required=False,
        max_length=512,
        help_text="A cus_… id or an e-mail address; empty for a link that anybody may pay.",
    )
    price = forms.CharField(label="What for", required=False, max_length=255, widget=forms.Select)
    quantity = forms.IntegerField(
        initial=1,
        required=False,
        min_value=1,
        max_value=999_999,
        help_text="How many of the price; an amount counts once.",
    )
    amount = Amount(required=False, help_text="Empty where a price says it.")
    currency = currency_field()
    description = long_text(max_length=250, help_text="What the customer reads on the page. Needed with an amount.")
    times = forms.ChoiceField(
        label="A link can be paid",
        choices=(("1", "Once"), ("0", "Any number of times")),
        initial="1",
        required=False,
        widget=forms.RadioSelect,
        help_text="A page for one customer is paid once in any case.",
    )
    capture_later = _capture_later()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        cast("forms.Select", self.fields["price"].widget).choices = self._offered()

    def _once(self) -> Any:
        prices = StripePrice.objects.of(self.credential).alive().filter(type="one_time", active=True)
        return prices.select_related("product")

    def _offered(self) -> list[tuple[str, str]]:
        """An amount of its own, or the newest prices; one the address names stands first even if it is old."""
        wanted = self.data.get("price") or self.initial.get("price") or ""
        prices = [*self._once().filter(stripe_id=wanted), *self._once().newest()[:PRICES_MAX]]
        named = {one.stripe_id: f"{one.product or one.product_stripe_id} – {price_words(one)}" for one in prices}
        return [("", "An amount of its own"), *named.items()]

    def clean_customer(self) -> Any:
        return super().clean_customer() if self.cleaned_data["customer"] else None

    def clean_price(self) -> StripePrice | None:
        if not self.cleaned_data["price"]:
            return None
        found: StripePrice | None = self._once().filter(stripe_id=self.cleaned_data["price"]).first()
        if found is None:
            raise ValidationError("No such active one-time price in the mirror.")
        return found

    def clean_quantity(self) -> int:
        return int(self.cleaned_data["quantity"] or 1)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "price" in self.cleaned_data and "amount" not in self.errors:
            self._check_price() if self.cleaned_data["price"] else self._check_own_amount()
        return self.cleaned_data

    def _check_price(self) -> None:
        price, quantity = self.cleaned_data["price"], self.cleaned_data.get("quantity")
        if self.cleaned_data.get("amount") is not None:
            self.add_error("amount", "The price says the amount. Leave one of the two empty.")
        if quantity and price.unit_amount_minor is not None:
            try:
                money.charge_minor(money.to_major(price.unit_amount_minor * quantity, price.currency), price.currency)
            except FinancialError as error:
                self.add_error("quantity", str(error))

    def _check_own_amount(self) -> None:
        if self.cleaned_data.get("amount") is None:
            self.add_error("amount", "Type an amount, or choose a price.")
        if not self.cleaned_data.get("description") and "description" not in self.errors:
            self.add_error("description", "Say what the amount is for: the customer reads it on the page.")
        self.check_amount(money.charge_minor)

    @property
    def payer(self) -> StripeCustomer | None:
        """The customer the page is for; none for a link."""
        return cast("StripeCustomer | None", self.cleaned_data["customer"])

    def sold(self) -> dict[str, Any]:
        """Return what is paid for, as the service takes it."""
        data = self.cleaned_data
        if data["price"]:
            return {"price": data["price"], "quantity": data["quantity"], "description": data["description"]}
        return {name: data[name] for name in ("amount", "currency", "description")}
