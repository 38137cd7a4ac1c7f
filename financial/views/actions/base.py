"""What every form does that creates something at Stripe: GET shows it, POST sends it once and leads to the mirrored row.

Stripe is asked first, its answer mirrored; a refusal is shown at the field it concerns and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from financial import audit, forms, stripe_services
from financial.errors import FinancialError, NoActiveCredential, RequestInFlight
from financial.models import MirrorRow
from financial.views.base import StaffView


class Create(StaffView):
    """What every such form does; a subclass names its form and makes the one thing."""

    permission = "financial.manage_stripe"
    form_class: ClassVar[type[forms.ActionForm]]
    noun: ClassVar[str]
    # Fields that an address may fill in beforehand, so that nobody types again what is known.
    prefilled: ClassVar[tuple[str, ...]] = ()

    def create(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        """Create the thing and return its row.

        Raises:
            FinancialError: nothing was created.
        """
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self._require_credential()
        initial = {name: request.GET[name][:500] for name in self.prefilled if name in request.GET}
        return self._show(self.form_class(credential=self.credential, initial=initial))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        self._require_credential()
        form = self.form_class(request.POST, credential=self.credential)
        if not form.is_valid():
            return self._show(form, status=422)
        try:
            row = self.create(stripe_services.StripeService(self.credential), form)
        except FinancialError as error:
            return self.refused(form, error)
        return self.done(row, form)

    def done(self, row: MirrorRow, form: Any) -> HttpResponseBase:
        self.log(f"{self.noun}.created", row)
        messages.success(self.request, self.success(row))
        return redirect(f"financial:{self.noun}", stripe_id=row.stripe_id)

    def success(self, row: Any) -> str:
        return f"{self.noun.capitalize()} “{row}” created."

    def refused(self, form: forms.ActionForm, error: FinancialError) -> HttpResponse:
        form.refuse(error)
        return self._show(form, status=409 if isinstance(error, RequestInFlight) else 422)

    def log(self, action: str, row: MirrorRow, **details: Any) -> None:
        audit.record(self.request.user, action, credential=self.credential, object_id=row.stripe_id, **details)

    def context(self) -> Mapping[str, Any]:
        return {}

    def _require_credential(self) -> None:
        if self.credential is None:
            raise NoActiveCredential

    def _show(self, form: forms.ActionForm, status: int = 200) -> HttpResponse:
        context = {"form": form, "noun": self.noun, "back_url": self.back_url(), **self.context()}
        return self.page(f"financial/{self.noun}_form.html", context, status=status)

    def back_url(self) -> str:
        return reverse(f"financial:{self.section}")
