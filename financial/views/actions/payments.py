"""Payments: created, charged at once or left to the customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from financial import audit, forms, stripe_services
from financial.errors import CardDeclined, FinancialError
from financial.models import MirrorRow
from financial.views.actions.base import Create


class PaymentCreate(Create):
    section, noun, form_class = "payments", "payment", forms.PaymentForm
    prefilled = ("customer", "amount", "currency", "description")

    def create(self, service: stripe_services.StripeService, form: forms.PaymentForm) -> MirrorRow:
        data = form.cleaned_data
        return service.create_payment_intent(
            customer=data["customer"],
            amount=data["amount"],
            currency=data["currency"],
            description=data["description"],
            payment_method=form.method(),
            idempotency_key=form.key,
        )

    def refused(self, form: forms.ActionForm, error: FinancialError) -> HttpResponse:
        """A declined payment exists all the same: say so, and where it is."""
        answer = super().refused(form, error)
        if not (isinstance(error, CardDeclined) and error.payment_intent_id):
            return answer
        audit.record(
            self.request.user, "payment.declined", credential=self.credential, object_id=error.payment_intent_id
        )
        self._declined_id = error.payment_intent_id
        return self.show(form, status=422)

    def context(self) -> Mapping[str, Any]:
        return {"declined_id": getattr(self, "_declined_id", "")}

    def success(self, row: Any) -> str:
        return "Payment succeeded." if row.is_succeeded else "Payment created; it waits for the customer."
