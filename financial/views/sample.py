"""A button that fills the pages with made-up data, for those who only look around. Nothing of it reaches Stripe."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from financial import audit
from financial.errors import FinancialError
from financial.models import StripeCredential
from financial.sample_data import load
from financial.views.base import SESSION_CREDENTIAL, StaffView


def may_load(view: StaffView) -> bool:
    """Whether made-up data is offered: to those who may write, and never beside a live account."""
    shown = view.credential
    return view.can() and not (shown and shown.livemode) and not StripeCredential.objects.filter(livemode=True).exists()


class SampleData(StaffView):
    """A POST loads the sample and shows it; loaded twice, it is the same."""

    permission = "financial.manage_stripe"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return redirect("financial:overview")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not may_load(self):
            raise FinancialError("There is a live account here: made-up data is not loaded beside real money.")
        sample = load.credential()
        rows = sum(loaded.rows for loaded in load.load(sample))
        load.book(sample, now=timezone.now())
        request.session[SESSION_CREDENTIAL] = sample.pk
        audit.record(request.user, "sample.loaded", credential=sample, rows=rows)
        messages.success(
            request, f"{rows:,} made-up objects loaded. manage.py create_stripe_sample_data can renew them."
        )
        return redirect("financial:overview")
