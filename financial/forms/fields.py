"""The fields the forms share. Amounts are typed in major units; no text field takes a card number."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from babel import Locale
from django import forms
from django.core.exceptions import ValidationError

from financial import money
from financial.card_numbers import has_card_number

COMMON_CURRENCIES = ("usd", "eur", "gbp", "chf", "cad", "aud", "jpy")


def refuse_card_number(text: str) -> None:
    """Keep card numbers out of every text: they must never reach this server, its logs or Stripe's metadata."""
    if has_card_number(text):
        raise ValidationError("This looks like a card number. Never type one here.", code="card_number")


class Text(forms.CharField):
    """Free text without a card number."""

    default_validators = [refuse_card_number]

    def to_python(self, value: Any) -> Any:
        """Browsers send lines of a text area with CR LF; Stripe keeps what it gets."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


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
