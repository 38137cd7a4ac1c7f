"""Customers: created and edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from financial import forms, stripe_services
from financial.models import MirrorRow, StripeCustomer
from financial.views.actions.base import Create, Edit


class CustomerCreate(Create):
    section, noun, form_class = "customers", "customer", forms.CustomerForm

    def create(self, service: stripe_services.StripeService, form: forms.CustomerForm) -> MirrorRow:
        fields = ("email", "name", "phone", "description")
        return service.create_customer(**{name: form.cleaned_data[name] for name in fields}, idempotency_key=form.key)


class CustomerEdit(Edit):
    section, noun, model, form_class = "customers", "customer", StripeCustomer, forms.CustomerEditForm
    title = "Edit customer"

    def save(self, service: stripe_services.StripeService, changes: dict[str, Any], key: str) -> MirrorRow:
        return service.update_customer(self.row, **changes, idempotency_key=key)

    def consequences(self) -> Sequence[str]:
        return (
            "Receipts and invoices from now on show the new values; those that were sent stay as they are.",
            "A field left empty is removed at Stripe.",
        )
