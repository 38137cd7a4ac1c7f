"""The Financial dashboard and the Stripe dashboard."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from financial.views.base import StaffView


class Overview(StaffView):
    """The books at a glance, per currency."""

    section = "overview"
    permission = "financial.view_transaction"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page("financial/overview.html")


class StripeDashboard(StaffView):
    """The Stripe account at a glance."""

    section = "stripe"
    permission = "financial.view_stripepaymentintent"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page("financial/stripe.html")
