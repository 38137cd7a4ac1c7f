"""What staff may send to Stripe, field by field. Amounts are typed in major units and checked by `financial.money`.

Every form carries a key drawn when it was opened: sent twice, it does one thing. Nothing but the fields named here is
read from a request, and no text field takes a card number.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar, cast

from babel import Locale
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import QueryDict

from financial import money
from financial.card_numbers import has_card_number
from financial.errors import (
    CardDeclined,
    FinancialError,
    GatewayError,
    IdempotencyConflict,
    InvalidAmount,
    UnknownCurrency,
)
from financial.models import StripeCredential, StripeCustomer, StripePrice
from financial.pricing import price_words

COMMON_CURRENCIES = ("usd", "eur", "gbp", "chf", "cad", "aud", "jpy")
PRICES_MAX = 100
BILLING = (
    ("one_time", "One-time"),
    ("day", "Daily"),
    ("week", "Weekly"),
    ("month", "Monthly"),
    ("year", "Yearly"),
)
# Stripe: at most three years between two bills. https://docs.stripe.com/api/prices/create
INTERVAL_COUNT_MAX = {"one_time": 1, "day": 1095, "week": 156, "month": 36, "year": 3}
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


def refuse_card_number(text: str) -> None:
    """Keep card numbers out of every text: they must never reach this server, its logs or Stripe's metadata."""
    if has_card_number(text):
        raise ValidationError("This looks like a card number. Never type one here.", code="card_number")


class Text(forms.CharField):
    """Free text without a card number."""

    default_validators = [refuse_card_number]


class Email(forms.EmailField):
    """An e-mail address; long digits in it are refused as well."""

    default_validators = [*forms.EmailField.default_validators, refuse_card_number]


class Amount(forms.DecimalField):
    """An amount in major units; its currency decides later how many decimals it may have."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "12.50"})
        super().__init__(**{"max_digits": 15, "widget": widget, **options})
        self.error_messages["invalid"] = "Write the amount in digits with a dot, such as 12.50."


def long_text(**options: Any) -> Text:
    return Text(**{"required": False, "max_length": 1000, "widget": forms.Textarea(attrs={"rows": 3}), **options})


@lru_cache(maxsize=1)
def currency_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every currency Stripe charges in, the common ones first."""
    names = Locale.parse("en_US").currencies
    label = {code: f"{code.upper()} – {names.get(code.upper(), code.upper())}" for code in sorted(money.CURRENCIES)}
    common = [(code, label[code]) for code in COMMON_CURRENCIES]
    return [("Common", common), ("All", [pair for pair in label.items() if pair[0] not in COMMON_CURRENCIES])]


def currency_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=currency_choices,
        initial="usd",
        error_messages={"invalid_choice": "“%(value)s” is not a currency Stripe charges in."},
    )


class ActionForm(forms.Form):
    """A form that creates one thing at Stripe.

    `parameters` says which field a parameter refused by Stripe belongs to, `declined_at` where a declined card stands.
    """

    parameters: ClassVar[Mapping[str, str]] = {}
    # Where a card's refusal stands; Stripe names no parameter for it.
    declined_at: ClassVar[str] = ""

    idempotency_key = forms.CharField(
        required=False, widget=forms.HiddenInput, validators=[RegexValidator(r"\A[0-9a-f]{32}\Z")]
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        credential: StripeCredential | None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        self.credential = credential
        super().__init__(data, initial={"idempotency_key": uuid.uuid4().hex, **(initial or {})})

    @property
    def key(self) -> str:
        return str(self.cleaned_data["idempotency_key"])

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("idempotency_key"):
            self.errors.pop("idempotency_key", None)
            raise ValidationError("This form is incomplete. Reload the page and fill it in again.")
        return self.cleaned_data

    def refuse(self, error: FinancialError) -> None:
        """Show what Stripe or a rule of ours refused: next to its field where it names one, else on top.

        A refusal is final, so the corrected form gets a new key. Where the outcome is unknown the key stays: sent
        again, the form finishes what it began.
        """
        self.add_error(*self._place(error))
        if isinstance(error, GatewayError) and not error.retryable and not isinstance(error, IdempotencyConflict):
            self.renew_key()

    def _place(self, error: FinancialError) -> tuple[str | None, str]:
        """Return the field an error belongs to, if any, and what to say there."""
        if not isinstance(error, GatewayError):
            return None, str(error)
        request = f" (request {error.request_id})" if error.request_id else ""
        if isinstance(error, CardDeclined) and self.declined_at:
            return self.declined_at, f"{error.message}{request} {error.next_step}"
        name = self.parameters.get(error.param)
        return (name, f"{error.message}{request}") if name else (None, str(error))

    def renew_key(self) -> None:
        self.data = {**self.data.dict(), "idempotency_key": uuid.uuid4().hex}  # type: ignore[attr-defined]

    def check_amount(self, rule: Callable[[Decimal, str], int]) -> None:
        """Let `rule` look at the amount in its currency; its refusal stands at the field."""
        amount, currency = self.cleaned_data.get("amount"), self.cleaned_data.get("currency")
        if amount is None or not currency:
            return
        try:
            rule(amount, currency)
        except UnknownCurrency as error:
            self.add_error("currency", str(error))
        except FinancialError as error:
            self.add_error("amount", str(error))


class PriceForm(ActionForm):
    parameters = {
        "unit_amount": "amount",
        "unit_amount_decimal": "amount",
        "currency": "currency",
        "recurring": "billing",
        "recurring[interval]": "billing",
        "recurring[interval_count]": "interval_count",
        "nickname": "nickname",
    }

    amount = Amount()
    currency = currency_field()
    billing = forms.ChoiceField(label="Billed", choices=BILLING)
    interval_count = forms.IntegerField(
        label="Cycles between bills",
        initial=1,
        min_value=1,
        required=False,
        help_text="3 with “Monthly” bills once a quarter.",
    )
    nickname = Text(required=False, max_length=250, help_text="Shown to staff only.")

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.check_amount(self._price_minor)
        most = INTERVAL_COUNT_MAX.get(self.cleaned_data.get("billing", ""), 1)
        if (self.cleaned_data.get("interval_count") or 1) > most:
            self.add_error("interval_count", f"Stripe takes {most} at most for this cycle.")
        return self.cleaned_data

    def _price_minor(self, amount: Decimal, currency: str) -> int:
        """Return the minor units of a price: it may be below the smallest charge, and free if it recurs."""
        minor = money.to_minor(amount, currency)
        if minor < 0 or (minor == 0 and self.cleaned_data.get("billing") == "one_time"):
            raise InvalidAmount("A price must be greater than zero; only a recurring one may be free.")
        return minor

    def price_values(self) -> dict[str, Any]:
        """Return the arguments of `StripeService.create_price` but for the product."""
        data = self.cleaned_data
        recurring = data["billing"] != "one_time"
        return {
            "amount": data["amount"],
            "currency": data["currency"],
            "recurring": recurring,
            "interval": data["billing"] if recurring else "month",
            "interval_count": data.get("interval_count") or 1,
            "nickname": data.get("nickname", ""),
        }


class ProductForm(PriceForm):
    """A product and, where an amount is given, its first price."""

    parameters = {**PriceForm.parameters, "name": "name", "description": "description"}

    name = Text(max_length=250)
    description = long_text(help_text="Customers see it on receipts and invoices.")
    amount = Amount(required=False, help_text="Leave it empty to add prices later.")
    field_order = ("name", "description", "amount", "currency", "billing", "interval_count", "nickname")

    @property
    def has_price(self) -> bool:
        return self.cleaned_data.get("amount") is not None


class CustomerForm(ActionForm):
    parameters = {"email": "email", "name": "name", "phone": "phone", "description": "description"}

    email = Email(label="E-mail", max_length=512)
    name = Text(required=False, max_length=256)
    phone = Text(
        required=False,
        max_length=20,
        validators=[RegexValidator(r"\A\+?[0-9 ()/.\-]{3,20}\Z", "Write a phone number, such as +49 30 1234567.")],
    )
    description = long_text(help_text="For staff; Stripe does not show it to the customer.")


class _ForCustomer(ActionForm):
    """A form about one customer, named by id or e-mail."""

    customer = Text(max_length=512, help_text="A cus_… id or an e-mail address.")

    def clean_customer(self) -> StripeCustomer:
        text = self.cleaned_data["customer"]
        known = StripeCustomer.objects.of(self.credential)
        if text.startswith("cus_"):
            found = list(known.filter(stripe_id=text))
        else:
            found = list(known.alive().filter(email__in={text, text.lower()}).newest()[:4])
        if not found:
            raise ValidationError("No such customer in the mirror. Create the customer first, or sync.")
        if len(found) > 1:
            ids = ", ".join(customer.stripe_id for customer in found[:3])
            raise ValidationError(f"Several customers have this e-mail address. Use an id: {ids}.")
        if found[0].is_deleted:
            raise ValidationError("This customer was deleted in Stripe.")
        customer: StripeCustomer = found[0]
        return customer


class PaymentForm(_ForCustomer):
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


class SubscriptionForm(_ForCustomer):
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


class EndpointForm(ActionForm):
    """Registers the webhook endpoint or corrects it; what is sent is not typed but known."""

    parameters: ClassVar[Mapping[str, str]] = {}

    action = forms.ChoiceField(choices=(("register", "Register"), ("correct", "Correct")), widget=forms.HiddenInput)
    endpoint = forms.RegexField(r"\Awe_[A-Za-z0-9_]{1,100}\Z", required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if self.cleaned_data.get("action") == "correct" and not self.cleaned_data.get("endpoint"):
            raise ValidationError("This form is incomplete. Reload the page.")
        return self.cleaned_data
