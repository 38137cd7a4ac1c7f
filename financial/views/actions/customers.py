"""Customers: created."""

from __future__ import annotations

from financial import forms, stripe_services
from financial.models import MirrorRow
from financial.views.actions.base import Create


class CustomerCreate(Create):
    section, noun, form_class = "customers", "customer", forms.CustomerForm

    def create(self, service: stripe_services.StripeService, form: forms.CustomerForm) -> MirrorRow:
        fields = ("email", "name", "phone", "description")
        return service.create_customer(**{name: form.cleaned_data[name] for name in fields}, idempotency_key=form.key)
