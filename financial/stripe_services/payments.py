"""Payments of `StripeService`: created, and what may be done with them afterwards."""

from __future__ import annotations

from decimal import Decimal

from financial.gateway import bodies
from financial.models import StripeCustomer, StripePaymentIntent
from financial.models.mirror import MirrorQuerySet
from financial.money import charge_minor
from financial.stripe_services.base import Connected, Metadata


class Payments(Connected):
    """Everything that moves money of one payment."""

    def create_payment_intent(
        self,
        customer: StripeCustomer,
        amount: Decimal,
        currency: str = "usd",
        description: str = "",
        metadata: Metadata = None,
        *,
        payment_method: str = "",
        idempotency_key: str | None = None,
    ) -> StripePaymentIntent:
        """Create a payment of `amount` major units; with a `payment_method` it is charged at once."""
        body = bodies.payment_intent(
            self._id_of(customer, "customer"),
            charge_minor(amount, currency),
            currency.lower(),
            description=description,
            payment_method=payment_method,
            metadata=metadata,
        )
        return self._create(StripePaymentIntent, "payment_intent", body, idempotency_key)

    def get_payment_intents(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripePaymentIntent]:
        return self._rows(StripePaymentIntent, customer=customer)
