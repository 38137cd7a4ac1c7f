"""Customers."""

from __future__ import annotations

from django.core.validators import RegexValidator

from financial.forms.base import ActionForm, EditForm
from financial.forms.fields import Email, Text, long_text


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


class CustomerEditForm(EditForm, CustomerForm):
    """The same fields of a customer there is; one without an address may stay so."""

    email = Email(label="E-mail", max_length=512, required=False, help_text="Receipts and invoices go there.")
    field_order = ("email", "name", "phone", "description")
