"""Forms that create something at Stripe: GET shows one, POST sends it once and leads to the mirrored row.

Stripe is asked first, its answer mirrored; a refusal is shown at the field it concerns and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property

from financial import audit, forms, stripe_services
from financial.errors import CardDeclined, FinancialError, GatewayError, NoActiveCredential, RequestInFlight
from financial.models import MirrorRow, StripePrice, StripeProduct
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


class ProductCreate(Create):
    section, noun, form_class = "products", "product", forms.ProductForm

    def create(self, service: stripe_services.StripeService, form: forms.ProductForm) -> MirrorRow:
        data = form.cleaned_data
        return service.create_product(
            name=data["name"], description=data["description"], idempotency_key=f"{form.key}-product"
        )

    def done(self, row: Any, form: forms.ProductForm) -> HttpResponseBase:
        """Create the first price too, if one was typed.

        If it is refused the product stays, and the price form is filled in with what was typed. If nobody knows, the
        same form sent again finishes both.
        """
        if not form.has_price:
            return super().done(row, form)
        try:
            price = stripe_services.StripeService(self.credential).create_price(
                product=row, idempotency_key=f"{form.key}-price", **form.price_values()
            )
        except FinancialError as error:
            if isinstance(error, GatewayError) and error.retryable:
                return self.refused(form, error)
            self.log("product.created", row)
            messages.error(self.request, f"The product was created, its price was not. {error}")
            return redirect(_price_form_address(row, form))
        self.log("price.created", price, product=row.stripe_id)
        return super().done(row, form)


def _price_form_address(product: StripeProduct, form: forms.ProductForm) -> str:
    typed = {name: form.data.get(name, "") for name in PriceCreate.prefilled}
    return f"{reverse('financial:price-new', args=[product.stripe_id])}?{urlencode(typed)}"


class PriceCreate(Create):
    section, noun, form_class = "products", "price", forms.PriceForm
    prefilled = ("amount", "currency", "billing", "interval_count", "nickname")

    @cached_property
    def product(self) -> StripeProduct:
        found = StripeProduct.objects.of(self.credential).alive().filter(stripe_id=self.kwargs["stripe_id"]).first()
        if found is None:
            raise Http404("No such product in the mirror.")
        product: StripeProduct = found
        return product

    def context(self) -> Mapping[str, Any]:
        return {"product": self.product}

    def back_url(self) -> str:
        return reverse("financial:product", args=[self.product.stripe_id])

    def create(self, service: stripe_services.StripeService, form: forms.PriceForm) -> MirrorRow:
        return service.create_price(product=self.product, idempotency_key=form.key, **form.price_values())

    def done(self, row: MirrorRow, form: Any) -> HttpResponseBase:
        product = self.product
        self.log("price.created", row, product=product.stripe_id)
        messages.success(self.request, f"Price for “{product}” created.")
        return redirect("financial:product", stripe_id=product.stripe_id)


class CustomerCreate(Create):
    section, noun, form_class = "customers", "customer", forms.CustomerForm

    def create(self, service: stripe_services.StripeService, form: forms.CustomerForm) -> MirrorRow:
        fields = ("email", "name", "phone", "description")
        return service.create_customer(**{name: form.cleaned_data[name] for name in fields}, idempotency_key=form.key)


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
        return self._show(form, status=422)

    def context(self) -> Mapping[str, Any]:
        return {"declined_id": getattr(self, "_declined_id", "")}

    def success(self, row: Any) -> str:
        return "Payment succeeded." if row.is_succeeded else "Payment created; it waits for the customer."


class SubscriptionCreate(Create):
    section, noun, form_class = "subscriptions", "subscription", forms.SubscriptionForm
    prefilled = ("customer", "price")

    def create(self, service: stripe_services.StripeService, form: forms.SubscriptionForm) -> MirrorRow:
        data = form.cleaned_data
        return service.create_subscription(
            customer=data["customer"],
            price=data["price"],
            quantity=form.billed_quantity(),
            trial_days=data["trial_days"] or 0,
            idempotency_key=form.key,
        )

    def context(self) -> Mapping[str, Any]:
        newest = StripePrice.objects.of(self.credential).alive().filter(type="recurring", active=True)
        return {"has_prices": newest.exists()}

    def success(self, row: Any) -> str:
        return "Subscription created."
