"""Products and prices: created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property

from financial import forms, stripe_services
from financial.errors import FinancialError, GatewayError
from financial.models import MirrorRow, StripeProduct
from financial.views.actions.base import Create


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
