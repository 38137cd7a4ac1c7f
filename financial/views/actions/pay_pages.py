"""What was made for people to pay on: the list of links and open pages, and each with its address to copy.

All of it is read from Stripe when it is shown. What is paid on one appears among the payments.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from financial import forms, stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCustomer
from financial.views.base import WRITE_PERMISSION, StaffView

DONE = {
    "activated": "The link can be paid again.",
    "deactivated": "The link can no longer be paid.",
    "ended": "The page can no longer be paid.",
}


class PayPageList(StaffView):
    """Payment links and the Checkout pages that wait for their customer, newest first."""

    section, permission = "payments", WRITE_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        after = request.GET.get("after", "")[:255]
        context: dict[str, Any] = {"after": after, "links": [], "pages": [], "next_after": "", "trouble": ""}
        if not self.credential.is_sample:
            try:
                service = stripe_services.StripeService(self.credential)
                context["links"], context["next_after"] = service.get_payment_links(after=after)
                context["pages"] = [] if after else self._with_customers(service.get_checkout_pages())
            except FinancialError as error:
                context["trouble"] = str(error)
        return self.page("financial/pay_page_list.html", context)

    def _with_customers(self, pages: list[Any]) -> list[tuple[Any, StripeCustomer | None]]:
        ids = {page.customer_stripe_id for page in pages}
        found = StripeCustomer.objects.of(self.credential).filter(stripe_id__in=ids)
        named = {customer.stripe_id: customer for customer in found}
        return [(page, named.get(page.customer_stripe_id)) for page in pages]


class PayPage(StaffView):
    """One of them. GET shows the address and what comes of it; POST ends it, or lets a link be paid again."""

    section, permission = "payments", WRITE_PERMISSION
    kind: ClassVar[str]

    def look(self, service: stripe_services.StripeService, stripe_id: str) -> Any:
        """Return it as Stripe has it now."""
        raise NotImplementedError

    def change(self, service: stripe_services.StripeService, stripe_id: str, key: str) -> str:
        """Do what the button said, and say what was done."""
        raise NotImplementedError

    def get(self, request: HttpRequest, stripe_id: str) -> HttpResponse:
        return self._show(stripe_id, forms.ConfirmForm(credential=self.credential))

    def post(self, request: HttpRequest, stripe_id: str) -> HttpResponseBase:
        form = forms.ConfirmForm(request.POST, credential=self.credential)
        if not form.is_valid():
            return self._show(stripe_id, form, status=422)
        try:
            done = self.change(stripe_services.StripeService(self.credential), stripe_id, form.key)
        except FinancialError as error:
            form.refuse(error)
            return self._show(stripe_id, form, status=422)
        self.log(f"{self.kind.replace('-', '_')}.{done}", stripe_id, form.key)
        messages.success(request, DONE[done])
        return redirect(f"financial:{self.kind}", stripe_id=stripe_id)

    def _show(self, stripe_id: str, form: forms.ConfirmForm, status: int = 200) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        page = self.look(stripe_services.StripeService(self.credential), stripe_id)
        customer_id = getattr(page, "customer_stripe_id", "")
        customers = StripeCustomer.objects.of(self.credential).filter(stripe_id=customer_id)
        context = {
            "page": page,
            "kind": self.kind,
            "customer": customers.first() if customer_id else None,
            "form": form,
            "list_url": reverse("financial:pay-pages"),
        }
        return self.page("financial/pay_page.html", context, status=status)


class PaymentLink(PayPage):
    kind = "payment-link"

    def look(self, service: stripe_services.StripeService, stripe_id: str) -> Any:
        return service.get_payment_link(stripe_id)

    def change(self, service: stripe_services.StripeService, stripe_id: str, key: str) -> str:
        active = self.request.POST.get("active") == "yes"
        service.set_payment_link_active(stripe_id, active, idempotency_key=key)
        return "activated" if active else "deactivated"


class CheckoutPage(PayPage):
    kind = "checkout-page"

    def look(self, service: stripe_services.StripeService, stripe_id: str) -> Any:
        return service.get_checkout_page(stripe_id)

    def change(self, service: stripe_services.StripeService, stripe_id: str, key: str) -> str:
        service.expire_checkout_page(stripe_id, idempotency_key=key)
        return "ended"
