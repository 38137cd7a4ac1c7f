"""What may be done with a payment that exists: captured, canceled, refunded; all of it or a part."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from financial import money
from financial.errors import FinancialError
from financial.forms.base import ActionForm
from financial.forms.fields import Amount
from financial.models import MirrorRow

# Stripe: https://docs.stripe.com/api/refunds/create#create_refund-reason
REFUND_REASONS = (
    ("", "No reason given"),
    ("requested_by_customer", "The customer asked for it"),
    ("duplicate", "Paid twice"),
    ("fraudulent", "Fraudulent: Stripe blocks this card and e-mail address from now on"),
)
# Stripe: https://docs.stripe.com/api/payment_intents/cancel
CANCEL_REASONS = (
    ("", "No reason given"),
    ("requested_by_customer", "The customer asked for it"),
    ("duplicate", "It was made twice"),
    ("abandoned", "The customer never finished it"),
    ("fraudulent", "It looks fraudulent"),
)
# Another amount: what will happen and the button are drawn anew, where there is JavaScript.
ASK_AGAIN = {
    "hx-get": "",
    "hx-trigger": "change",
    "hx-swap": "none",
    "hx-select-oob": "#consequences,#confirm,#id_stated",
}


class PartForm(ActionForm):
    """An amount out of at most `most_minor`, all of it at first.

    `stated` is the amount the button spoke of when it was pressed: what was typed since is asked again with a button that
    says it, unless the page had changed the button already.
    """

    amount = Amount()
    stated = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, row: MirrorRow, most_minor: int, initial: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        self.currency = str(getattr(row, "currency", ""))
        self.most_minor = most_minor
        asked = {"amount": self.major(most_minor), **(initial or {})}
        super().__init__(*args, initial=asked, **options)
        self.fields["amount"].label = f"Amount in {self.currency.upper()}"
        self.fields["amount"].widget.attrs.update(ASK_AGAIN, placeholder=self.major(most_minor))
        self.initial["stated"] = str(self.minor())

    def major(self, amount_minor: int) -> str:
        return f"{money.to_major(amount_minor, self.currency):f}"

    def minor(self) -> int:
        """Return the amount the form asks for, in minor units; all of it as long as none can be read."""
        try:
            typed = self["amount"].value() if self.is_bound else self.initial["amount"]
            minor = money.to_minor(Decimal(str(typed).strip()), self.currency)
        except (ArithmeticError, ValueError, FinancialError):
            return self.most_minor
        return minor if 0 < minor <= self.most_minor else self.most_minor

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        try:
            minor = money.to_minor(amount, self.currency)
        except FinancialError as error:
            raise forms.ValidationError(str(error)) from None
        if minor <= 0:
            raise forms.ValidationError("The amount must be greater than zero.")
        return amount

    def check_most(self) -> None:
        """Refuse more than there is. Not asked of a form that was sent before: it may have taken what is missing."""
        amount = self.cleaned_data.get("amount")
        if amount is not None and money.to_minor(amount, self.currency) > self.most_minor:
            self.add_error("amount", f"At most {money.with_code(self.most_minor, self.currency)} is possible.")

    @property
    def was_stated(self) -> bool:
        """Whether the button that was pressed spoke of the amount that was sent."""
        return str(self.cleaned_data.get("stated")) == str(self.minor())

    def state(self) -> None:
        """Let the next button speak of the amount as it is now."""
        self.data = {**self.data.dict(), "stated": str(self.minor())}  # type: ignore[attr-defined]


class CaptureForm(PartForm):
    parameters = {"amount_to_capture": "amount"}


class RefundForm(PartForm):
    parameters = {"amount": "amount", "reason": "reason", "payment_intent": "amount", "charge": "amount"}

    reason = forms.ChoiceField(choices=REFUND_REASONS, required=False)


class CancelForm(ActionForm):
    parameters = {"cancellation_reason": "reason"}

    reason = forms.ChoiceField(choices=CANCEL_REASONS, required=False)
