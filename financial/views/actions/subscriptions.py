"""Subscriptions: paused, resumed, canceled and kept. What an end credits is asked of Stripe, not reckoned here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import cached_property

from financial import forms, stripe_services
from financial.errors import FinancialError
from financial.models import MirrorRow, StripeSubscription
from financial.views import subscription_words as words
from financial.views.actions.base import Change


class OfSubscription(Change):
    """What a form about one subscription needs; `verb` is its part of the address."""

    section, noun, model = "subscriptions", "subscription", StripeSubscription
    verb: ClassVar[str]

    def rows(self) -> QuerySet[Any]:
        return super().rows().select_related("customer", "price__product")

    @cached_property
    def terms(self) -> stripe_services.Terms:
        return stripe_services.terms_of(self.row)

    @cached_property
    def monthly(self) -> str:
        """What it brings a month, as people write it; empty where that is nothing or not known before."""
        minor = stripe_services.monthly_minor(self.row, timezone.now())
        return words.amount(minor, self.row.currency) if minor else ""

    def hindrance(self) -> str:
        return words.hindrance(self.verb, self.row, self.terms)

    def context(self) -> Mapping[str, Any]:
        return {"row_label": f"{words.whose(self.row)}, {words.plan(self.row)}"}

    def success(self, row: Any) -> str:
        return f"The subscription of {words.whose(self.row)} was {self.done_word}."

    def taken_away(self) -> str:
        """Return what a button repeats that ends a subscription: how much, and whose."""
        return f"{self.monthly} a month from {words.whose(self.row)}" if self.monthly else words.whose(self.row)


class SubscriptionPause(OfSubscription):
    verb, title, done_word, form_class = "pause", "Pause collection", "paused", forms.SubscriptionPauseForm

    def change(self, service: stripe_services.StripeService, form: forms.SubscriptionPauseForm) -> MirrorRow:
        behavior, until = form.cleaned_data["behavior"], form.resumes_at()
        return service.pause_subscription(self.row, behavior, resumes_at=until, idempotency_key=form.key)

    def consequences(self) -> Sequence[str]:
        said = [
            f"Nothing is charged to {words.whose(self.row)} until collection is resumed; invoices go on being made.",
            "The subscription stays active: access is not taken away by Stripe.",
        ]
        if self.monthly:
            said.append(
                f"MRR loses {self.monthly} while invoices are voided or written off, nothing while they are kept."
            )
        return said


class SubscriptionResume(OfSubscription):
    verb, title, done_word, form_class = "resume", "Resume", "resumed", forms.ConfirmForm

    def change(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return service.resume_subscription(self.row, idempotency_key=form.key)

    def consequences(self) -> Sequence[str]:
        if self.row.status == "paused":
            said = [f"A new period begins now, and {words.whose(self.row)} is billed for it at once."]
        else:
            said = [
                f"{words.whose(self.row)} is charged again from the next invoice on.",
                "Drafts that were kept meanwhile stay drafts; finalize those that are to be paid in Stripe.",
            ]
        return [*said, f"MRR is {self.monthly} again."] if self.monthly else said

    def button(self) -> str:
        return f"Resume the subscription of {words.whose(self.row)}"


class SubscriptionCancel(OfSubscription):
    verb, title, done_word, form_class = (
        "cancel",
        "Cancel at period end",
        "canceled_later",
        forms.SubscriptionCancelForm,
    )
    is_danger = True

    def change(self, service: stripe_services.StripeService, form: forms.SubscriptionCancelForm) -> MirrorRow:
        data = form.cleaned_data
        return service.cancel_subscription_later(
            self.row, comment=data["comment"], feedback=data["feedback"], idempotency_key=form.key
        )

    def consequences(self) -> Sequence[str]:
        end, what = (
            words.day(self.row.current_period_end_at),
            "trial" if self.row.status == "trialing" else "paid period",
        )
        said = [
            f"The subscription ends on {end}, with the {what}; until then {words.whose(self.row)} keeps access.",
            "No invoice for a further period is made. Nothing is credited, for nothing is taken away.",
            "Until that day the subscription can be kept, as if nothing had happened.",
        ]
        if self.monthly:
            said.append(f"MRR loses {self.monthly} on that day; until then it counts as scheduled to churn.")
        return said

    def button(self) -> str:
        return f"End {self.taken_away()} on {words.day(self.row.current_period_end_at)}"

    def success(self, row: Any) -> str:
        return (
            f"The subscription of {words.whose(row)} ends on {words.day(row.cancel_at or row.current_period_end_at)}."
        )


class SubscriptionKeep(OfSubscription):
    verb, title, done_word, form_class = "keep", "Keep subscription", "kept", forms.ConfirmForm

    def change(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return service.keep_subscription(self.row, idempotency_key=form.key)

    def consequences(self) -> Sequence[str]:
        end = words.day(self.row.cancel_at or self.row.current_period_end_at)
        said = [f"The end on {end} is taken back; {words.whose(self.row)} is billed again as before."]
        return [*said, f"MRR keeps {self.monthly}."] if self.monthly else said

    def button(self) -> str:
        return f"Keep the subscription of {words.whose(self.row)}"


class SubscriptionCancelNow(OfSubscription):
    verb, title, done_word, form_class = "cancel-now", "Cancel now", "canceled", forms.SubscriptionCancelNowForm
    is_danger = True
    template = "financial/subscription_cancel_now.html"

    def change(self, service: stripe_services.StripeService, form: forms.SubscriptionCancelNowForm) -> MirrorRow:
        data = form.cleaned_data
        return service.cancel_subscription_now(
            self.row,
            prorate=data["settlement"] != forms.NO_SETTLEMENT,
            invoice_now=data["settlement"] == forms.LAST_INVOICE,
            comment=data["comment"],
            feedback=data["feedback"],
            idempotency_key=form.key,
        )

    def consequences(self) -> Sequence[str]:
        row = self.row
        said = [f"The subscription ends at once, and {words.whose(row)} loses access. This cannot be undone."]
        if row.status in StripeSubscription.ACTIVE_STATUSES:
            said += [
                f"It is {'free' if row.status == 'trialing' else 'paid'} until {words.day(row.current_period_end_at)}."
            ]
        said.append(
            "A credit lowers what the customer is billed next; it is no money back. For that, refund the payment as well."
        )
        said.append("Invoices that are open stay open, but Stripe no longer tries to collect them.")
        return [*said, f"MRR loses {self.monthly} now."] if self.monthly else said

    def button(self) -> str:
        return f"Cancel now: {self.taken_away()}"

    def context(self) -> Mapping[str, Any]:
        """Add what Stripe would credit and bill; without an answer the words alone have to do."""
        final, trouble = None, ""
        if not self.hindrance():
            try:
                service = stripe_services.StripeService(self.credential)
                final = service.preview_cancellation(self.row, prorate=True)
            except FinancialError as error:
                trouble = str(error)
        return {**super().context(), "final": final, "trouble": trouble}
