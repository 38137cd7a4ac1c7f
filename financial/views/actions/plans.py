"""Subscriptions: created and changed, in two steps. Stripe is asked what it will bill, then told to do just that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from financial import forms, stripe_services
from financial.errors import IdempotencyConflict
from financial.models import MirrorRow
from financial.views import subscription_words as words
from financial.views.actions.base import Create
from financial.views.actions.subscriptions import OfSubscription

UNSAID = ("Nothing is done yet: Stripe is asked first what will be billed.",)


class SubscriptionCreate(Create):
    """The first form only asks Stripe what will be billed; sent again as it is, it creates the subscription."""

    section, noun, form_class = "subscriptions", "subscription", forms.SubscriptionForm
    prefilled = ("customer", "price")
    outlook: stripe_services.Outlook | None = None
    offer: stripe_services.Offer | None = None

    def before(self, service: stripe_services.StripeService, form: forms.SubscriptionForm) -> HttpResponse | None:
        if stripe_services.was_sent(self.credential, form.key) or form.shown() is not None:
            return None
        typed = form.cleaned_data["discount"]
        self.offer = service.find_discount(typed) if typed else None
        if typed and not (self.offer and self.offer.is_valid):
            known = (
                "can no longer be redeemed" if self.offer else "is known to Stripe neither as a code nor as a coupon"
            )
            form.add_error("discount", f"“{typed}” {known}.")
            return self.show(form, status=422)
        discount: dict[str, Any] = self.offer.parameter if self.offer else {}
        self.outlook = service.preview_subscription(**form.terms(), **discount)
        form.seal(**discount)
        self.said = self._sentences(form, self.outlook)
        return self.show(form)

    def _sentences(self, form: forms.SubscriptionForm, outlook: stripe_services.Outlook) -> list[str]:
        terms, due = form.terms(), form.days_to_pay()
        said = words.begun(
            outlook, str(terms["customer"]), terms["price"], trial_days=terms["trial_days"], days_until_due=due
        )
        if self.offer:
            said.append(words.offered(self.offer))
        if terms["quantity"] is None:
            said.append("What is metered is billed afterwards, by the use that is reported; it is in no figure here.")
        if due is None and not terms["trial_days"]:
            said.append("If the payment wants the customer, the subscription waits 23 hours for them to confirm it.")
        return said

    def create(self, service: stripe_services.StripeService, form: forms.SubscriptionForm) -> MirrorRow:
        return service.create_subscription(
            **form.terms(), **form.sealed(), days_until_due=form.days_to_pay(), idempotency_key=form.key
        )

    def context(self) -> Mapping[str, Any]:
        outlook = self.outlook
        return {
            "has_prices": forms.recurring_prices(self.credential).exists(),
            "outlook": outlook,
            "consequences": self.said if outlook else UNSAID,
            "button": "Create subscription" if outlook else "Preview",
        }

    def done(self, row: Any, form: Any) -> HttpResponseBase:
        if row.status != "incomplete":
            return super().done(row, form)
        self.log("subscription.created", row.stripe_id, self.key_of(form), status="incomplete")
        messages.warning(self.request, "Subscription created, but the customer must confirm its first payment.")
        return redirect("financial:subscription", stripe_id=row.stripe_id)

    def success(self, row: Any) -> str:
        return "Subscription created."


class SubscriptionChange(OfSubscription):
    """The first form only asks Stripe what the change costs; sent again as it is, it is done from that very second on."""

    verb, title, done_word, form_class = "change", "Change plan or quantity", "changed", forms.SubscriptionChangeForm
    template = "financial/subscription_change.html"
    outlook: stripe_services.Outlook | None = None
    note = ""

    def form(self, data: Any, **options: Any) -> forms.SubscriptionChangeForm:
        return forms.SubscriptionChangeForm(data, credential=self.credential, row=self.row, terms=self.terms, **options)

    def before(self, service: stripe_services.StripeService, form: forms.SubscriptionChangeForm) -> HttpResponse | None:
        if stripe_services.was_sent(self.credential, form.key):
            return None
        shown = form.shown()
        self._look_again(service)
        if shown is not None and shown["digest"] == self.row.digest:
            return None
        if shown is not None:
            self.note = "The subscription was changed meanwhile. This is what would be billed now."
        elif form.was_previewed:
            self.note = "The values were changed, or the preview was older than ten minutes. This is a fresh one."
        if self.hindrance():
            return self.show(None, status=409)
        return self._preview(service, self.form(self.request.POST))

    def _look_again(self, service: stripe_services.StripeService) -> None:
        """Have the row as Stripe has it now; nothing is previewed or done on the strength of an old copy."""
        service.look_at_subscription(self.row)
        self.row = self.rows().get(pk=self.row.pk)
        for name in ("terms", "monthly"):
            self.__dict__.pop(name, None)

    def _preview(self, service: stripe_services.StripeService, form: forms.SubscriptionChangeForm) -> HttpResponse:
        if not form.is_valid():
            return self.show(form, status=422)
        if form.is_same:
            form.add_error(None, "Nothing is changed yet: choose another price or quantity.")
            return self.show(form, status=422)
        proration = form.cleaned_data["proration"]
        changes = [
            (item.stripe_id, "" if price.stripe_id == item.price_stripe_id else price.stripe_id, quantity)
            for item in self.terms.items
            for price, quantity in (form.chosen()[item.stripe_id],)
        ]
        self.outlook = service.preview_change(self.row, _items(changes), proration)
        form.seal(at=int(self.outlook.asked_at.timestamp()), digest=self.row.digest, items=changes)
        self.said = self._sentences(form, self.outlook)
        return self.show(form)

    def _sentences(self, form: forms.SubscriptionChangeForm, outlook: stripe_services.Outlook) -> list[str]:
        row, chosen, now = self.row, form.chosen(), timezone.now()
        price = next(iter(chosen.values()))[0]
        said = words.billed(outlook, words.whose(row), price, days_until_due=self.terms.days_until_due)
        if form.cleaned_data["proration"] == "always_invoice" and row.collection_method != forms.SENT:
            said.append("If the payment is declined, nothing is changed.")
        before, after = (stripe_services.monthly_minor(row, now, changes) for changes in (None, chosen))
        moves = words.mrr_moves(before, after, row.currency, in_trial=row.status == "trialing")
        return [*said, moves]

    def change(self, service: stripe_services.StripeService, form: forms.SubscriptionChangeForm) -> MirrorRow:
        sealed = form.sealed()
        if not sealed:
            raise IdempotencyConflict("This form was already sent with other values.")
        return service.change_subscription(
            self.row,
            _items(sealed["items"]),
            proration=form.cleaned_data["proration"],
            prorated_at=dt.datetime.fromtimestamp(sealed["at"], dt.UTC),
            idempotency_key=form.key,
        )

    def consequences(self) -> Sequence[str]:
        return self.said if self.outlook else UNSAID

    def button(self) -> str:
        if self.outlook is None:
            return "Preview"
        now = self.outlook.now
        if now is None or not now.due_minor:
            return "Change subscription"
        return f"Change and bill {words.amount(now.due_minor, now.currency)} to {words.whose(self.row)}"

    def context(self) -> Mapping[str, Any]:
        return {**super().context(), "outlook": self.outlook, "note": self.note}


def _items(changes: Iterable[tuple[str, str, int | None]]) -> list[stripe_services.ItemChange]:
    return [stripe_services.ItemChange(*change) for change in changes]
