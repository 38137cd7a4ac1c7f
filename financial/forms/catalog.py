"""Products and their prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms

from financial import money
from financial.errors import InvalidAmount
from financial.forms.base import ActionForm, EditForm
from financial.forms.fields import Amount, Text, currency_field, long_text
from financial.models import StripePrice
from financial.pricing import price_words

BILLING = (
    ("one_time", "One-time"),
    ("day", "Daily"),
    ("week", "Weekly"),
    ("month", "Monthly"),
    ("year", "Yearly"),
)
OFFERED_MAX = 100
# Stripe: at most three years between two bills. https://docs.stripe.com/api/prices/create
INTERVAL_COUNT_MAX = {"one_time": 1, "day": 1095, "week": 156, "month": 36, "year": 3}


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


class ProductEditForm(EditForm):
    """What customers see of a product, and the price that is offered first."""

    parameters = {"name": "name", "description": "description", "default_price": "default_price_stripe_id"}

    name = Text(max_length=250)
    description = long_text(help_text="Customers see it on receipts and invoices.")
    default_price_stripe_id = forms.ChoiceField(
        label="Default price", required=False, help_text="Offered first; it cannot be archived while it is."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.prices = {price.stripe_id: price for price in self._offered()}
        choices = [(stripe_id, _price_label(price)) for stripe_id, price in self.prices.items()]
        # Stripe can replace a default price, not take it away.
        none = [] if self.initial.get("default_price_stripe_id") else [("", "None")]
        cast("forms.ChoiceField", self.fields["default_price_stripe_id"]).choices = [*none, *choices]

    def _offered(self) -> list[StripePrice]:
        """The newest active prices, and the one that is the default now whatever it is."""
        known = StripePrice.objects.of(self.credential).alive().filter(product__pk=self.row.pk)
        current = known.filter(stripe_id=self.initial.get("default_price_stripe_id") or "")
        return [*current, *known.filter(active=True).exclude(pk__in=current.values("pk")).newest()[:OFFERED_MAX]]


class PriceEditForm(EditForm):
    """A price's name for staff; its amount and cycle can never change."""

    parameters = {"nickname": "nickname"}

    nickname = Text(required=False, max_length=250, help_text="Shown to staff only.")


def _price_label(price: StripePrice) -> str:
    return f"{price_words(price)} – {price.nickname}" if price.nickname else price_words(price)
