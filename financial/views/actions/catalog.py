"""Products and prices: created, edited, archived and sold again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property

from financial import forms, stripe_services
from financial.errors import FinancialError, GatewayError
from financial.models import MirrorRow, StripePrice, StripeProduct, StripeSubscription
from financial.paging import bounded_count
from financial.pricing import price_words
from financial.views.actions.base import Change, Create, Edit


class ProductCreate(Create):
    section, noun, form_class = "products", "product", forms.ProductForm

    def create(self, service: stripe_services.StripeService, form: forms.ProductForm) -> MirrorRow:
        data = form.cleaned_data
        return service.create_product(
            name=data["name"], description=data["description"], idempotency_key=self.key_of(form)
        )

    def key_of(self, form: forms.ProductForm) -> str:
        return f"{form.key}-product"

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
            self.log("product.created", row.stripe_id, self.key_of(form))
            messages.error(self.request, f"The product was created, its price was not. {error}")
            return redirect(_price_form_address(row, form))
        self.log("price.created", price.stripe_id, f"{form.key}-price", product=row.stripe_id)
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
        self.log("price.created", row.stripe_id, form.key, product=product.stripe_id)
        messages.success(self.request, f"Price for “{product}” created.")
        return redirect("financial:product", stripe_id=product.stripe_id)


class ProductEdit(Edit):
    section, noun, model, form_class = "products", "product", StripeProduct, forms.ProductEditForm
    title = "Edit product"

    def save(self, service: stripe_services.StripeService, changes: dict[str, Any], key: str) -> MirrorRow:
        default_id = changes.pop("default_price_stripe_id", "")
        default = StripePrice.objects.of(self.credential).alive().filter(stripe_id=default_id).first()
        return service.update_product(self.row, **changes, default_price=default, idempotency_key=key)

    def consequences(self) -> Sequence[str]:
        return ("Customers see the new name and description on receipts, invoices and pages from now on.",)


class _ProductSwitch(Change):
    """Whether a product is sold."""

    section, noun, model, form_class = "products", "product", StripeProduct, forms.ConfirmForm
    active: ClassVar[bool]

    def change(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return service.update_product(self.row, active=self.active, idempotency_key=form.key)


class ProductArchive(_ProductSwitch):
    title, done_word, active = "Archive product", "archived", False

    def hindrance(self) -> str:
        return "" if self.row.active else "This product is archived already."

    def consequences(self) -> Sequence[str]:
        return (
            f"“{self.row}” and its prices can no longer be chosen for new payments and subscriptions.",
            _still_billed(StripePrice.objects.filter(product=self.row)),
            "Payment links that sell it stop working.",
            "Nothing is deleted, and it can be sold again at any time.",
        )


class ProductUnarchive(_ProductSwitch):
    title, done_word, active = "Sell product again", "put on sale again", True

    def hindrance(self) -> str:
        return "This product is on sale already." if self.row.active else ""

    def consequences(self) -> Sequence[str]:
        return (
            f"“{self.row}” can be chosen for new payments and subscriptions, at those of its prices that are active.",
        )


def _still_billed(prices: QuerySet[StripePrice]) -> str:
    """Say what becomes of those who subscribed to prices: nothing changes for them."""
    keys = list(prices.values_list("pk", flat=True))  # named, so that an index has all that is asked for
    billed = StripeSubscription.objects.filter(price__in=keys, status__in=StripeSubscription.ACTIVE_STATUSES)
    count = bounded_count(billed)
    if not count.value:
        return "Nobody is subscribed to it."
    if count.value == 1:
        return "The one subscription to it goes on and is billed as before."
    return f"The {count} subscriptions to it go on and are billed as before."


class _OfPrice(Change):
    """What a form about a price needs; it leads back to the page of the product."""

    section, noun, model = "products", "price", StripePrice

    def rows(self) -> QuerySet[Any]:
        return super().rows().select_related("product")

    def back_url(self) -> str:
        product = self.row.product
        return reverse("financial:product", args=[product.stripe_id]) if product else reverse("financial:products")

    def context(self) -> Mapping[str, Any]:
        return {"row_label": f"{self.row.product or self.row.product_stripe_id}, {price_words(self.row)}"}

    def success(self, row: Any) -> str:
        return f"Price of {price_words(row)} {self.done_word}."


class PriceEdit(_OfPrice, Edit):
    form_class, title = forms.PriceEditForm, "Edit price"

    def save(self, service: stripe_services.StripeService, changes: dict[str, Any], key: str) -> MirrorRow:
        return service.update_price(self.row, **changes, idempotency_key=key)

    def consequences(self) -> Sequence[str]:
        return (
            "Only the name for staff changes. An amount or a billing cycle never can: add another price, and archive this"
            " one.",
        )


class _PriceSwitch(_OfPrice):
    form_class = forms.ConfirmForm
    active: ClassVar[bool]

    def change(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return service.update_price(self.row, active=self.active, idempotency_key=form.key)


class PriceArchive(_PriceSwitch):
    title, done_word, active = "Archive price", "archived", False

    def hindrance(self) -> str:
        if not self.row.active:
            return "This price is archived already."
        product = self.row.product
        if product and product.default_price_stripe_id == self.row.stripe_id:
            return "This is the default price of its product. Edit the product and choose another default price first."
        return ""

    def consequences(self) -> Sequence[str]:
        return (
            "This price can no longer be chosen for new payments and subscriptions.",
            _still_billed(StripePrice.objects.filter(pk=self.row.pk)),
            "Payment links with it stop working.",
        )


class PriceUnarchive(_PriceSwitch):
    title, done_word, active = "Use price again", "in use again", True

    def hindrance(self) -> str:
        return "This price is in use already." if self.row.active else ""

    def consequences(self) -> Sequence[str]:
        return ("This price can be chosen for new payments and subscriptions again.",)
