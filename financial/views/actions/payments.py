"""New payments, three ways at one address: a page to pay on, a saved method charged now, or a payment that waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from financial import conf, forms, money, stripe_services
from financial.errors import CardDeclined, FinancialError
from financial.models import MirrorRow, StripeCustomer
from financial.views.actions.base import Create
from financial.views.base import StaffView

# What is known of a payment and goes along from one way to another.
KNOWN = ("customer", "amount", "currency", "description")


@dataclass(frozen=True)
class Way:
    """One of the three, as a choice above the form."""

    name: str
    label: str
    query: str
    is_current: bool


def address(way: str, **known: str) -> str:
    """Return where a payment is made in this way, with what is known filled in."""
    asked = {"way": way, **{name: value for name, value in known.items() if value}}
    return f"{reverse('financial:payment-new')}?{urlencode(asked)}"


class PaymentCreate(Create):
    """What the three ways share; a declined card leaves a payment behind, which is shown."""

    section, noun = "payments", "payment"
    prefilled: ClassVar[tuple[str, ...]] = KNOWN
    way = ""

    def refused(self, form: forms.ActionForm, error: FinancialError) -> HttpResponse:
        """A declined payment exists all the same: say so, and where it is."""
        if isinstance(error, CardDeclined) and error.payment_intent_id:
            self.log("payment.declined", error.payment_intent_id, self.key_of(form))
            self._declined_id = error.payment_intent_id
        return super().refused(form, error)

    def known(self) -> dict[str, str]:
        given = self.request.POST if self.request.method == "POST" else self.request.GET
        return {name: given.get(name, "")[:500] for name in KNOWN}

    def context(self) -> Mapping[str, Any]:
        ways = (
            ("link", "Let the customer pay on a page"),
            ("saved", "Charge a saved card now"),
            ("wait", "Only create it"),
        )
        known = self.known()
        return {
            "way": self.way,
            "ways": [Way(name, label, address(name, **known), name == self.way) for name, label in ways],
            "link_address": address("link", **known),
            "declined_id": getattr(self, "_declined_id", ""),
        }

    def success(self, row: Any) -> str:
        if row.status == "requires_capture":
            return "The money is reserved. Capture it before the reservation ends."
        return "Payment succeeded." if row.is_succeeded else "Payment created; it waits for the customer."


class WaitingCreate(PaymentCreate):
    form_class, way = forms.PaymentForm, "wait"

    def create(self, service: stripe_services.StripeService, form: forms.PaymentForm) -> MirrorRow:
        return _charge(service, form)


class SavedCharge(PaymentCreate):
    """First whose methods, then which: they are read from Stripe when the form is shown. Then what will be charged.

    The last button names amount and customer, and does just that: other values are asked about again.
    """

    form_class, way = forms.SavedMethodForm, "saved"
    trouble = ""

    def before(self, service: stripe_services.StripeService, form: forms.SavedMethodForm) -> HttpResponse | None:
        if stripe_services.was_sent(self.credential, form.key) or form.shown() is not None:
            return None
        form.seal()
        return self.show(form)

    def create(self, service: stripe_services.StripeService, form: forms.SavedMethodForm) -> MirrorRow:
        return _charge(service, form)

    def show(self, form: Any, status: int = 200) -> HttpResponse:
        self._customer = self._find(str(form["customer"].value() or ""))
        if self._customer:
            form.offer(self._methods(self._customer))
            self._has_methods = bool(form.fields["payment_method"].widget.choices)
            if form.is_bound and form.is_told():
                self._state(form, str(self._customer))
            elif form.is_bound:  # what is corrected is asked about anew
                form.forget()
        return super().show(form, status)

    def _state(self, form: forms.SavedMethodForm, customer: str) -> None:
        """Say what the button does, before it does it."""
        amount = money.with_code(form.amount_minor, form.cleaned_data["currency"])
        if form.cleaned_data["capture_later"]:
            self._button = f"Reserve {amount} from {customer}"
            said = [f"{form.method_words()}: {amount} is reserved at once; capture it on the payment’s page."]
        else:
            self._button = f"Charge {amount} to {customer}"
            said = [f"{form.method_words()} is charged {amount} at once.", "A charge is taken back by a refund only."]
        self._consequences = [*said, f"{customer} is not there to confirm it; a bank that wants that declines."]

    def _find(self, text: str) -> StripeCustomer | None:
        if not text:
            return None
        try:
            return forms.find_customer(self.credential, text)
        except ValidationError as error:
            self.trouble = " ".join(error.messages)
            return None

    def _methods(self, customer: StripeCustomer) -> list[tuple[str, str]]:
        """Ask Stripe what can be charged; what it says is never kept."""
        try:
            found = stripe_services.StripeService(self.credential).get_saved_methods(customer)
        except FinancialError as error:
            self.trouble = f"The saved methods cannot be read now. {error}"
            return []
        if not found:
            self.trouble = f"{customer} has no saved method to charge. Let the customer pay on a page instead."
        now = timezone.now()
        return [(one.stripe_id, f"{one} (expired)" if one.is_expired(now) else str(one)) for one in found]

    def context(self) -> Mapping[str, Any]:
        return {
            **super().context(),
            "customer": getattr(self, "_customer", None),
            "has_methods": getattr(self, "_has_methods", False),
            "trouble": self.trouble,
            "button": getattr(self, "_button", ""),
            "consequences": getattr(self, "_consequences", ()),
            "asked_customer": self.known()["customer"],
        }


class PayPageCreate(PaymentCreate):
    """A link for anybody, or a page for one payment of one customer."""

    form_class, way = forms.PayPageForm, "link"
    prefilled = (*KNOWN, "price", "quantity")

    def act(self, service: stripe_services.StripeService, form: forms.PayPageForm) -> Any:
        chosen = {"capture_later": form.cleaned_data["capture_later"], "idempotency_key": form.key, **form.sold()}
        if form.payer is None:
            return service.create_payment_link(limit=int(form.cleaned_data["times"] or 1), **chosen)
        return service.create_checkout_page(form.payer, success_url=self._paid_url(), **chosen)

    def done(self, row: Any, form: Any) -> HttpResponseBase:
        kind = "payment-link" if form.payer is None else "checkout-page"
        self.log(f"{kind.replace('-', '_')}.created", row.stripe_id, self.key_of(form))
        messages.success(self.request, "The link is ready. Send it to whoever is to pay.")
        return redirect(f"financial:{kind}", stripe_id=row.stripe_id)

    def _paid_url(self) -> str:
        """Where the customer lands after paying."""
        return str(conf.get("PAID_URL")) or self.request.build_absolute_uri(reverse("financial:paid"))


WAYS: Mapping[str, type[PaymentCreate]] = {view.way: view for view in (PayPageCreate, SavedCharge, WaitingCreate)}


class PaymentNew(StaffView):
    """The address of all three; `way` in it says which."""

    section, permission = "payments", "financial.manage_stripe"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return WAYS.get(request.GET.get("way", ""), PayPageCreate).as_view()(request, *args, **kwargs)


def _charge(service: stripe_services.StripeService, form: Any) -> MirrorRow:
    data = form.cleaned_data
    return service.create_payment_intent(
        customer=data["customer"],
        amount=data["amount"],
        currency=data["currency"],
        description=data["description"],
        payment_method=data["payment_method"],
        capture_later=data["capture_later"],
        idempotency_key=form.key,
    )
