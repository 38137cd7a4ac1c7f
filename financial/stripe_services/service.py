"""`StripeService`: what an application does with Stripe, one call further each; no rules and no SQL live here."""

from __future__ import annotations

from decimal import Decimal

from django.utils import timezone

from financial import webhooks
from financial.errors import InvalidAmount
from financial.gateway import bodies
from financial.models import (
    StripeCustomer,
    StripePrice,
    StripeProduct,
    StripeWebhookEvent,
)
from financial.models.mirror import MirrorQuerySet
from financial.money import to_minor
from financial.stripe_services.base import Metadata
from financial.stripe_services.connection import gateway_for
from financial.stripe_services.hosted import Hosted
from financial.stripe_services.inbox import receive_webhook
from financial.stripe_services.payments import Payments
from financial.stripe_services.subscriptions import Subscriptions


class StripeService(Payments, Hosted, Subscriptions):
    """What an application does with Stripe. `create_*` and `update_*` call Stripe and return the saved mirror row.

    Without a credential the active one is used. Amounts are Decimals in major units. Every write takes an
    `idempotency_key`: the same key and values do the thing once.

    Raises:
        NoActiveCredential: there is none.
        FinancialError: as the tree in `financial.errors` says; each message tells what to do next.
    """

    def create_product(
        self, name: str, description: str = "", metadata: Metadata = None, *, idempotency_key: str | None = None
    ) -> StripeProduct:
        return self._create(StripeProduct, "product", bodies.product(name, description, metadata), idempotency_key)

    def update_product(
        self,
        product: StripeProduct,
        *,
        name: str | None = None,
        description: str | None = None,
        active: bool | None = None,
        default_price: StripePrice | None = None,
        idempotency_key: str | None = None,
    ) -> StripeProduct:
        """Change what is given; an empty description is removed, `active=False` archives the product."""
        price_id = self._id_of(default_price, "price") if default_price else None
        body = bodies.given(name=name, description=description, active=active, default_price=price_id)
        return self._change(product, "product", "update", body, idempotency_key)

    def get_products(self) -> MirrorQuerySet[StripeProduct]:
        return self._rows(StripeProduct)

    def create_price(
        self,
        product: StripeProduct,
        amount: Decimal,
        currency: str = "usd",
        recurring: bool = False,
        interval: str = "month",
        *,
        interval_count: int = 1,
        nickname: str = "",
        metadata: Metadata = None,
        idempotency_key: str | None = None,
    ) -> StripePrice:
        """Create a price of `amount` major units; zero is a free price, less is refused."""
        unit_amount_minor = to_minor(amount, currency)
        if unit_amount_minor < 0:
            raise InvalidAmount("A price cannot be negative.")
        body = bodies.price(
            self._id_of(product, "product"),
            unit_amount_minor,
            currency.lower(),
            recurring=recurring,
            interval=interval,
            interval_count=interval_count,
            nickname=nickname,
            metadata=metadata,
        )
        return self._create(StripePrice, "price", body, idempotency_key)

    def update_price(
        self,
        price: StripePrice,
        *,
        nickname: str | None = None,
        active: bool | None = None,
        idempotency_key: str | None = None,
    ) -> StripePrice:
        """Rename a price for staff, archive it or sell at it again; its amount and cycle can never change."""
        body = bodies.given(nickname=nickname, active=active)
        return self._change(price, "price", "update", body, idempotency_key)

    def get_prices(self, product: StripeProduct | None = None) -> MirrorQuerySet[StripePrice]:
        return self._rows(StripePrice, product=product)

    def create_customer(
        self,
        email: str,
        name: str = "",
        phone: str = "",
        description: str = "",
        metadata: Metadata = None,
        *,
        idempotency_key: str | None = None,
    ) -> StripeCustomer:
        body = bodies.customer(email, name, phone, description, metadata)
        return self._create(StripeCustomer, "customer", body, idempotency_key)

    def update_customer(
        self,
        customer: StripeCustomer,
        *,
        email: str | None = None,
        name: str | None = None,
        phone: str | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> StripeCustomer:
        """Change what is given; an empty text removes what was there."""
        body = bodies.given(email=email, name=name, phone=phone, description=description)
        return self._change(customer, "customer", "update", body, idempotency_key)

    def get_customers(self) -> MirrorQuerySet[StripeCustomer]:
        return self._rows(StripeCustomer)

    def handle_webhook(self, payload: bytes, signature: str) -> StripeWebhookEvent:
        """Store a webhook and apply it at once; what cannot be applied now stays in the inbox and is tried again.

        Raises:
            WebhookRejected: it was not stored; `status` is the HTTP answer Stripe expects.
        """
        event = receive_webhook(payload, signature, wake=False)
        if event.state == StripeWebhookEvent.State.WAITING and webhooks.claim(event, now=timezone.now()):
            return webhooks.apply(event, gateway_for, now=timezone.now())
        return event
