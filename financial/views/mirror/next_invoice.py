"""The next invoice of a subscription, asked of Stripe when somebody wants to see it: a page, or a part of one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from financial import stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeSubscription
from financial.views.base import StaffView


class NextInvoice(StaffView):
    """Writes nothing, so it needs no more than the right to see the subscription."""

    section, permission = "subscriptions", "financial.view_stripesubscription"

    def get(self, request: HttpRequest, stripe_id: str) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        found = StripeSubscription.objects.of(self.credential).alive().select_related("customer", "price__product")
        row = found.filter(stripe_id=stripe_id[:255]).first()
        if row is None:
            raise Http404("No such subscription in the mirror.")
        context: dict[str, Any] = {"row": row, "invoice": None, "trouble": ""}
        try:
            context["invoice"] = stripe_services.StripeService(self.credential).preview_next_invoice(row)
        except FinancialError as error:
            context["trouble"] = str(error)
        if getattr(request, "htmx", False):
            return self.fragment("financial/_next_invoice.html", context)
        return self.page("financial/next_invoice.html", context)
