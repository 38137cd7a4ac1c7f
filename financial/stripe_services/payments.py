"""Payments of `StripeService`: created, captured, canceled and refunded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from financial import looking
from financial.errors import CardDeclined, FinancialError, GatewayError, InvalidAmount
from financial.gateway import bodies
from financial.mirror.resources import BY_NAME
from financial.models import StripeCustomer, StripePaymentIntent, StripeRefund
from financial.models.mirror import MirrorQuerySet
from financial.money import charge_minor, to_minor
from financial.stripe_services.base import Connected, Metadata

logger = logging.getLogger("financial.stripe_services.payments")


class Payments(Connected):
    """Everything that moves the money of one payment. Its charge, refunds and books are brought along at once."""

    def create_payment_intent(
        self,
        customer: StripeCustomer,
        amount: Decimal,
        currency: str = "usd",
        description: str = "",
        metadata: Metadata = None,
        *,
        payment_method: str = "",
        capture_later: bool = False,
        idempotency_key: str | None = None,
    ) -> StripePaymentIntent:
        """Create a payment of `amount` major units; with a `payment_method` it is charged at once.

        `capture_later` only reserves the money: `capture_payment` takes it.
        """
        body = bodies.payment_intent(
            self._id_of(customer, "customer"),
            charge_minor(amount, currency),
            currency.lower(),
            description=description,
            payment_method=payment_method,
            capture_later=capture_later,
            metadata=metadata,
        )
        try:
            payment = self._create(StripePaymentIntent, "payment_intent", body, idempotency_key)
        except CardDeclined as error:
            if error.payment_intent_id:
                self._look_again("payment_intent", error.payment_intent_id)
            raise
        return self._with_what_moved(payment) if payment.latest_charge_stripe_id else payment

    def get_payment_intents(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripePaymentIntent]:
        return self._rows(StripePaymentIntent, customer=customer)

    def capture_payment(
        self, payment: StripePaymentIntent, amount: Decimal | None = None, *, idempotency_key: str | None = None
    ) -> StripePaymentIntent:
        """Take what was reserved, or `amount` major units of it; Stripe releases the rest for good.

        Stripe: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
        """
        body = bodies.given(amount_to_capture=_part(amount, payment.currency))
        return self._settle(payment, "capture", body, "succeeded", idempotency_key)

    def cancel_payment(
        self, payment: StripePaymentIntent, reason: str = "", *, idempotency_key: str | None = None
    ) -> StripePaymentIntent:
        """Give up a payment that has not succeeded; what was reserved for it is released.

        Stripe: https://docs.stripe.com/api/payment_intents/cancel
        """
        return self._settle(
            payment, "cancel", bodies.given(cancellation_reason=reason or None), "canceled", idempotency_key
        )

    def refund_payment(
        self,
        payment: StripePaymentIntent,
        amount: Decimal | None = None,
        reason: str = "",
        metadata: Metadata = None,
        *,
        idempotency_key: str | None = None,
    ) -> StripeRefund:
        """Give back `amount` major units of a payment, or all that is left of it. Stripe keeps its fee.

        Stripe: https://docs.stripe.com/refunds
        """
        body = bodies.refund(
            self._id_of(payment, "payment"), _part(amount, payment.currency), reason=reason, metadata=metadata
        )
        try:
            refund = self._create(StripeRefund, "refund", body, idempotency_key)
        except GatewayError:  # perhaps somebody else refunded it: show what is left
            self._look_again("payment_intent", payment.stripe_id)
            raise
        self._look_again("payment_intent", payment.stripe_id)  # the charge's own movement is booked before the refund's
        self._look_again("refund", refund.stripe_id)
        refund.refresh_from_db()
        return refund

    def _settle(
        self, payment: StripePaymentIntent, method: str, body: Mapping[str, Any], status: str, key: str | None
    ) -> StripePaymentIntent:
        changed = self._change(
            payment, "payment_intent", method, body, key, is_done=lambda payload: bool(payload.get("status") == status)
        )
        return self._with_what_moved(changed)

    def _with_what_moved(self, payment: StripePaymentIntent) -> StripePaymentIntent:
        self._look_again("payment_intent", payment.stripe_id)
        payment.refresh_from_db()
        return payment

    def _look_again(self, resource: str, stripe_id: str) -> None:
        """Mirror what a write set in motion. It is done in any case: what cannot be had now comes by webhook or sync."""
        try:
            looking.again(self.credential, BY_NAME[resource], stripe_id, self.gateway, now=timezone.now())
        except FinancialError as error:
            logger.warning("%s is looked at later: %s", stripe_id, error)


def _part(amount: Decimal | None, currency: str) -> int | None:
    """Return a part of a payment in minor units; None stands for all of it."""
    if amount is None:
        return None
    minor = to_minor(amount, currency)
    if minor <= 0:
        raise InvalidAmount("The amount must be greater than zero.")
    return minor
