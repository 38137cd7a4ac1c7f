"""What every form does that writes to Stripe: its key, and where Stripe's refusal stands.

Every form carries a key drawn when it was opened: sent twice, it does one thing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import QueryDict

from financial.errors import (
    CardDeclined,
    FinancialError,
    GatewayError,
    IdempotencyConflict,
    UnknownCurrency,
)
from financial.forms.fields import Text
from financial.models import MirrorRow, StripeCredential, StripeCustomer


class ActionForm(forms.Form):
    """A form that creates one thing at Stripe.

    `parameters` says which field a parameter refused by Stripe belongs to, `declined_at` where a declined card stands.
    """

    parameters: Mapping[str, str] = {}
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
        self.data = {**dict(self.data.items()), "idempotency_key": uuid.uuid4().hex}

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


class ConfirmForm(ActionForm):
    """Nothing to type: only the question whether to do it."""


class EditForm(ActionForm):
    """Values of an existing object, filled in as the mirror has them.

    Every field carries the value it was opened with, so that only what somebody changed in this form is sent, and sending
    it twice sends the same. What was changed elsewhere meanwhile is never overwritten unseen.
    """

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        credential: StripeCredential | None,
        row: MirrorRow,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, credential=credential, initial={**self.values_of(row), **(initial or {})})
        self.row = row
        for field in self._values().values():
            field.show_hidden_initial = True

    def values_of(self, row: Any) -> dict[str, Any]:
        """Return what the fields show for a row; by default its columns of the same names."""
        return {name: getattr(row, name) for name in self.base_fields if hasattr(row, name)}

    def changes(self) -> dict[str, Any]:
        """Return the fields that were changed in this form, with their new values."""
        changed = [name for name in self.changed_data if name in self.cleaned_data and name in self._values()]
        return {name: self.cleaned_data[name] for name in changed}

    def check_nothing_moved(self) -> None:
        """Refuse to overwrite what was changed elsewhere since the form was opened; sent once more, it does."""
        now = self.values_of(self.row)
        moved = [name for name in self.changes() if self._opened_with(name) != (now[name] or "")]
        for name in moved:
            shown = f"“{now[name]}”" if now[name] else "nothing"
            self.add_error(name, f"Meanwhile this was changed to {shown}. Save again to replace it.")
        if moved:
            fresh = {self[name].html_initial_name: now[name] for name in moved}
            self.data = {**self.data.dict(), **fresh}  # type: ignore[attr-defined]

    def _opened_with(self, name: str) -> Any:
        return self.fields[name].to_python(self.data.get(self[name].html_initial_name, "")) or ""

    def _values(self) -> dict[str, forms.Field]:
        return {name: field for name, field in self.fields.items() if name != "idempotency_key"}


class ForCustomer(ActionForm):
    """A form about one customer, named by id or e-mail."""

    customer = Text(max_length=512, help_text="A cus_… id or an e-mail address.")

    def clean_customer(self) -> StripeCustomer:
        return find_customer(self.credential, self.cleaned_data["customer"])


def find_customer(credential: StripeCredential | None, text: str) -> StripeCustomer:
    """Return the one customer an id or an e-mail address names.

    Raises:
        ValidationError: there is none, more than one, or one that was deleted.
    """
    known = StripeCustomer.objects.of(credential)
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
