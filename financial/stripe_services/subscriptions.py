"""Subscriptions of `StripeService`: begun, changed, paused and ended, and what each of these would be billed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from financial import outbox, previews
from financial.errors import FinancialError, GatewayError
from financial.gateway import bodies, subscription_bodies
from financial.gateway.offers import Offer, find_offer
from financial.gateway.previews import InvoicePreview
from financial.gateway.subscription_bodies import ItemChange
from financial.mirror.resources import BY_NAME
from financial.models import StripeCustomer, StripeInvoice, StripePrice, StripeSubscription
from financial.models.mirror import MirrorQuerySet
from financial.previews import Outlook
from financial.stripe_services.base import Connected, Metadata

_INVOICE, _SUBSCRIPTION = BY_NAME["invoice"], BY_NAME["subscription"]


class Subscriptions(Connected):
    """What customers are billed again and again. Each write mirrors the invoice it led to, and MRR follows at once."""

    def create_subscription(
        self,
        customer: StripeCustomer,
        price: StripePrice,
        metadata: Metadata = None,
        *,
        quantity: int | None = None,
        trial_days: int = 0,
        coupon: str = "",
        promotion_code: str = "",
        days_until_due: int | None = None,
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        """Subscribe a customer to a price. With `days_until_due` invoices are sent, else the saved method is charged.

        If the first payment is not through the subscription is `incomplete`: the customer must confirm it.

        Stripe: https://docs.stripe.com/api/subscriptions/create
        """
        body = self._new(
            customer,
            price,
            quantity=quantity,
            trial_days=trial_days,
            discount={"coupon": coupon, "promotion_code": promotion_code},
            days_until_due=days_until_due,
            metadata=metadata,
        )
        return self._with_invoice(self._create(StripeSubscription, "subscription", body, idempotency_key))

    def get_subscriptions(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripeSubscription]:
        return self._rows(StripeSubscription, customer=customer)

    def change_subscription(
        self,
        subscription: StripeSubscription,
        items: Sequence[ItemChange],
        *,
        proration: str = "create_prorations",
        prorated_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        """Give items of a subscription other quantities or prices.

        `proration` says whether the difference is billed with the next invoice (`create_prorations`), at once
        (`always_invoice`; where that cannot be paid, nothing is changed) or not at all (`none`). It counts from
        `prorated_at` on, by default from now.

        Stripe: https://docs.stripe.com/billing/subscriptions/prorations
        """
        body = subscription_bodies.change(items, proration, prorated_at)
        is_done = partial(subscription_bodies.has_items, items=tuple(items))
        return self._done(subscription, "update", body, is_done, idempotency_key)

    def pause_subscription(
        self,
        subscription: StripeSubscription,
        behavior: str,
        *,
        resumes_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        """Stop collecting, until a day if one is given; the subscription stays as it is.

        `behavior` is what becomes of the invoices meanwhile: `keep_as_draft`, `mark_uncollectible` or `void`.

        Stripe: https://docs.stripe.com/billing/subscriptions/pause-payment
        """
        body = subscription_bodies.pause(behavior, resumes_at)
        is_done = partial(subscription_bodies.is_paused, behavior=behavior)
        return self._done(subscription, "update", body, is_done, idempotency_key)

    def resume_subscription(
        self, subscription: StripeSubscription, *, idempotency_key: str | None = None
    ) -> StripeSubscription:
        """Collect again after a pause; one whose status is `paused` begins a new period, which is billed at once.

        Stripe: https://docs.stripe.com/api/subscriptions/resume
        """
        if subscription.status == "paused":
            return self._done(subscription, "resume", {}, subscription_bodies.is_resumed, idempotency_key)
        body: bodies.Body = {"pause_collection": ""}
        return self._done(subscription, "update", body, subscription_bodies.collects, idempotency_key)

    def cancel_subscription_later(
        self,
        subscription: StripeSubscription,
        *,
        comment: str = "",
        feedback: str = "",
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        """Let a subscription end with the period that is paid; until then it can be kept."""
        body = subscription_bodies.cancel_later(comment, feedback)
        return self._done(subscription, "update", body, subscription_bodies.is_leaving, idempotency_key)

    def keep_subscription(
        self, subscription: StripeSubscription, *, idempotency_key: str | None = None
    ) -> StripeSubscription:
        """Take back an end that is set but has not come."""
        body = subscription_bodies.keep(subscription.payload)
        return self._done(subscription, "update", body, subscription_bodies.stays, idempotency_key)

    def cancel_subscription_now(
        self,
        subscription: StripeSubscription,
        *,
        prorate: bool = False,
        invoice_now: bool = False,
        comment: str = "",
        feedback: str = "",
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        """End a subscription at once, for good.

        `prorate` credits the time that was paid and is not used, `invoice_now` settles what waits to be billed, that
        credit with it, by a last invoice.

        Stripe: https://docs.stripe.com/api/subscriptions/cancel
        """
        body = subscription_bodies.cancel_now(comment, feedback, prorate=prorate, invoice_now=invoice_now)
        return self._done(subscription, "cancel", body, subscription_bodies.is_canceled, idempotency_key)

    def find_discount(self, text: str) -> Offer | None:
        """Return the coupon or promotion code that somebody typed, None where Stripe knows no such thing."""
        return find_offer(self.gateway, text)

    def preview_subscription(
        self,
        customer: StripeCustomer,
        price: StripePrice,
        *,
        quantity: int | None = None,
        trial_days: int = 0,
        coupon: str = "",
        promotion_code: str = "",
    ) -> Outlook:
        """Return what `create_subscription` would lead to be billed; nothing is written."""
        discount = {"coupon": coupon, "promotion_code": promotion_code}
        body = self._new(customer, price, quantity=quantity, discount=discount)
        if trial_days:
            body["trial_end"] = int((self.gateway.now() + timedelta(days=trial_days)).timestamp())
        return previews.of_new(body, self.gateway)

    def preview_change(
        self, subscription: StripeSubscription, items: Sequence[ItemChange], proration: str = "create_prorations"
    ) -> Outlook:
        """Return what `change_subscription` would lead to be billed; nothing is written.

        With the outlook's `asked_at` as its `prorated_at`, just that is billed.
        """
        stripe_id, now = self._id_of(subscription, "subscription"), self.gateway.now().replace(microsecond=0)
        return previews.of_change(stripe_id, items, proration, now, self.gateway)

    def preview_next_invoice(self, subscription: StripeSubscription) -> InvoicePreview | None:
        """Return the next invoice of a subscription as it stands, None where none will come."""
        return previews.of_next(self._id_of(subscription, "subscription"), self.gateway)

    def preview_cancellation(self, subscription: StripeSubscription, *, prorate: bool) -> InvoicePreview | None:
        """Return the last invoice that `cancel_subscription_now` would make, None where there would be none."""
        return previews.of_end(self._id_of(subscription, "subscription"), self.gateway, prorate=prorate)

    def look_at_subscription(self, subscription: StripeSubscription) -> StripeSubscription:
        """Ask Stripe how a subscription is now, and return its mirrored row."""
        stripe_id = self._id_of(subscription, "subscription")
        outbox.fetch_and_save(self.credential, _SUBSCRIPTION, stripe_id, self.gateway)
        found: StripeSubscription = self._rows(StripeSubscription).get(stripe_id=stripe_id)
        return found

    def _new(self, customer: StripeCustomer, price: StripePrice, **options: Any) -> bodies.Body:
        if not price.recurring:
            raise FinancialError("A subscription needs a recurring price; this one is paid once.")
        return bodies.subscription(self._id_of(customer, "customer"), self._id_of(price, "price"), **options)

    def _done(
        self, row: StripeSubscription, method: str, body: bodies.Body, is_done: Any, key: str | None
    ) -> StripeSubscription:
        return self._with_invoice(self._change(row, "subscription", method, body, key, is_done=is_done))

    def _with_invoice(self, row: StripeSubscription) -> StripeSubscription:
        """Mirror the invoice that a write led to, for its webhook may come later than the next look at the page."""
        newest = row.latest_invoice_stripe_id
        if newest and not self._rows(StripeInvoice).filter(stripe_id=newest).exists():
            with suppress(GatewayError):
                outbox.fetch_and_save(self.credential, _INVOICE, newest, self.gateway)
        return row
