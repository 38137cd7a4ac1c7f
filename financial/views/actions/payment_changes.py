"""What is done with a payment that exists: captured, canceled, refunded. Each says first what it does, amount and all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import cached_property

from financial import forms, money, stripe_services
from financial.errors import FinancialError
from financial.models import MirrorRow, StripeCharge, StripePaymentIntent, StripeRefund
from financial.reports import payment_standing
from financial.views.actions.base import Change
from financial.views.actions.payments import address
from financial.views.mirror import rows


class PaymentChange(Change):
    """One payment with its charges and its place in the books."""

    section, noun, model = "payments", "payment", StripePaymentIntent

    def rows(self) -> QuerySet[Any]:
        return rows.with_payment_parts(super().rows()).select_related("customer", "stripe_transaction__transaction")

    @cached_property
    def standing(self) -> payment_standing.Standing:
        return payment_standing.Standing(self.row)

    @property
    def whose(self) -> str:
        return payment_standing.payer(self.row)

    def amount(self, amount_minor: int) -> str:
        return money.with_code(amount_minor, self.row.currency)

    def context(self) -> Mapping[str, Any]:
        charge: StripeCharge | None = self.standing.charge
        return {
            "row_label": f"{self.amount(self.row.amount_minor)} from {self.whose}",
            "standing": self.standing,
            "method": rows.method_words(charge) if charge else "",
        }

    def refused(self, form: forms.ActionForm, error: FinancialError) -> HttpResponse:
        """What Stripe refused may have been done elsewhere meanwhile: show the payment as it is now."""
        for name in ("row", "standing"):
            self.__dict__.pop(name, None)
        return super().refused(form, error)

    def said(self, text: str) -> HttpResponseBase:
        messages.success(self.request, text)
        return redirect(self.back_url())


class PartChange(PaymentChange):
    """All of an amount or a part of it. The button says which; where it said another amount, it is asked again."""

    template = "financial/payment_part.html"
    prefilled = ("amount",)
    form_class: ClassVar[type[forms.PartForm]]
    _asked_minor = 0

    def most_minor(self) -> int:
        raise NotImplementedError

    def form(self, data: Any, **options: Any) -> forms.PartForm:
        form = self.form_class(data, credential=self.credential, row=self.row, most_minor=self.most_minor(), **options)
        if data is not None and form.is_valid() and not self._was_sent():
            form.check_most()
        return form

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        self._require_credential()
        if not self.hindrance() and not self._was_sent():
            form = self.form(request.POST)
            if form.is_valid() and not form.was_stated:
                form.state()
                return self.show(form)
        return super().post(request, **kwargs)

    def show(self, form: Any, status: int = 200) -> HttpResponse:
        self._asked_minor = form.minor() if form else 0
        return super().show(form, status)

    def _was_sent(self) -> bool:
        return stripe_services.was_sent(self.credential, self.request.POST.get("idempotency_key", ""))


class PaymentRefund(PartChange):
    title, done_word, is_danger = "Refund", "refunded", True
    form_class = forms.RefundForm

    def most_minor(self) -> int:
        return self.standing.refundable_minor

    def hindrance(self) -> str:
        return self.standing.refund_hindrance

    def consequences(self) -> Sequence[str]:
        return payment_standing.refund_words(self.standing, self._asked_minor)

    def button(self) -> str:
        return f"Refund {self.amount(self._asked_minor)} to {self.whose}"

    def change(self, service: stripe_services.StripeService, form: forms.RefundForm) -> MirrorRow:
        data = form.cleaned_data
        return service.refund_payment(self.row, data["amount"], data["reason"], idempotency_key=form.key)

    def done(self, row: StripeRefund, form: Any) -> HttpResponseBase:
        moved = {"refund": row.stripe_id, "amount_minor": row.amount_minor, "currency": row.currency}
        self.log("payment.refunded", self.row.stripe_id, self.key_of(form), **moved)
        amount = money.with_code(row.amount_minor, row.currency)
        if row.status in payment_standing.UNDER_WAY:
            return self.said(f"Refund of {amount} to {self.whose} is on its way; Stripe says when it has arrived.")
        return self.said(f"{amount} refunded to {self.whose}.")


class PaymentCapture(PartChange):
    title, done_word = "Capture", "captured"
    form_class = forms.CaptureForm

    def most_minor(self) -> int:
        return self.standing.capturable_minor

    def hindrance(self) -> str:
        return self.standing.capture_hindrance

    def consequences(self) -> Sequence[str]:
        left = self.most_minor() - self._asked_minor
        said = [f"{self.amount(self._asked_minor)} of {self.whose} is taken now, and the payment succeeds."]
        if left > 0:
            said.append(f"{self.amount(left)} is released for good: a payment is captured once.")
        return [*said, payment_standing.capture_deadline_words(self.standing)]

    def button(self) -> str:
        return f"Capture {self.amount(self._asked_minor)} from {self.whose}"

    def change(self, service: stripe_services.StripeService, form: forms.CaptureForm) -> MirrorRow:
        return service.capture_payment(self.row, form.cleaned_data["amount"], idempotency_key=form.key)

    def done(self, row: StripePaymentIntent, form: Any) -> HttpResponseBase:
        moved = {"amount_minor": row.amount_received_minor, "currency": row.currency}
        self.log("payment.captured", row.stripe_id, self.key_of(form), **moved)
        return self.said(f"{self.amount(row.amount_received_minor)} captured from {self.whose}.")


class PaymentCancel(PaymentChange):
    title, done_word, is_danger = "Cancel payment", "canceled", True
    form_class = forms.CancelForm

    def hindrance(self) -> str:
        return self.standing.cancel_hindrance

    def consequences(self) -> Sequence[str]:
        amount = self.amount(self.row.amount_minor)
        if self.row.status == "requires_capture":
            first = f"{amount} reserved from {self.whose} is released; nothing is paid."
        else:
            first = f"Nothing was paid, and {self.whose} can no longer pay this {amount}."
        return [first, "A canceled payment stays in the list. It cannot be taken up again; make a new one for that."]

    def button(self) -> str:
        return f"Cancel {self.amount(self.row.amount_minor)} from {self.whose}"

    def change(self, service: stripe_services.StripeService, form: forms.CancelForm) -> MirrorRow:
        return service.cancel_payment(self.row, form.cleaned_data["reason"], idempotency_key=form.key)

    def success(self, row: Any) -> str:
        return f"Payment of {self.amount(row.amount_minor)} canceled."


class PaymentRetry(PaymentChange):
    """From a payment that failed to a link for the same, so that the customer can pay in another way."""

    title, done_word = "Try again", ""
    form_class = forms.ConfirmForm
    http_method_names = ("get", "head", "options")

    def hindrance(self) -> str:
        return self.standing.retry_hindrance

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self._require_credential()
        if self.hindrance():
            return self.show(None)
        row, customer = self.row, self.row.customer
        return redirect(
            address(
                "link",
                customer=customer.stripe_id if customer and not customer.is_deleted else "",
                amount=f"{money.to_major(row.amount_minor, row.currency):f}",
                currency=row.currency,
                description=row.description,
            )
        )
