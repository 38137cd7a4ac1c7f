"""`StripeService`: what an application does with Stripe, one call further each; no rules and no SQL live here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar, cast

from django.utils import timezone

from financial import outbox, webhooks
from financial.errors import (
    CredentialRefused,
    FinancialError,
    InvalidAmount,
    NoActiveCredential,
)
from financial.gateway import StripeGateway, bodies
from financial.mirror.resources import BY_NAME
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.models.mirror import MirrorQuerySet
from financial.money import charge_minor, to_minor
from financial.stripe_services.connection import gateway_for
from financial.stripe_services.inbox import receive_webhook

Metadata = Mapping[str, str] | None
_Row = TypeVar("_Row", bound=MirrorRow)


class StripeService:
    """What an application does with Stripe. `create_*` and `update_*` call Stripe and return the saved mirror row.

    Without a credential the active one is used. Amounts are Decimals in major units. Every write takes an
    `idempotency_key`: the same key and values do the thing once.

    Raises:
        NoActiveCredential: there is none.
        FinancialError: as the tree in `financial.errors` says; each message tells what to do next.
    """

    def __init__(self, credential: StripeCredential | None = None) -> None:
        found = credential or StripeCredential.objects.active()
        if found is None:
            raise NoActiveCredential
        self.credential = found
        self._gateway: StripeGateway | None = None

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

    def create_subscription(
        self,
        customer: StripeCustomer,
        price: StripePrice,
        metadata: Metadata = None,
        *,
        quantity: int | None = None,
        trial_days: int = 0,
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        if not price.recurring:
            raise FinancialError("A subscription needs a recurring price; this one is paid once.")
        body = bodies.subscription(
            self._id_of(customer, "customer"),
            self._id_of(price, "price"),
            quantity=quantity,
            trial_days=trial_days,
            metadata=metadata,
        )
        return self._create(StripeSubscription, "subscription", body, idempotency_key)

    def get_subscriptions(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripeSubscription]:
        return self._rows(StripeSubscription, customer=customer)

    def handle_webhook(self, payload: bytes, signature: str) -> StripeWebhookEvent:
        """Store a webhook and apply it at once; what cannot be applied now stays in the inbox and is tried again.

        Raises:
            WebhookRejected: it was not stored; `status` is the HTTP answer Stripe expects.
        """
        event = receive_webhook(payload, signature, wake=False)
        if event.state == StripeWebhookEvent.State.WAITING and webhooks.claim(event, now=timezone.now()):
            return webhooks.apply(event, gateway_for, now=timezone.now())
        return event

    @property
    def gateway(self) -> StripeGateway:
        if self._gateway is None:
            self._gateway = gateway_for(self.credential)
        return self._gateway

    def _rows(self, model: type[_Row], **parent: MirrorRow | None) -> MirrorQuerySet[_Row]:
        given = {key: row for key, row in parent.items() if row is not None}
        return cast("MirrorQuerySet[_Row]", model.objects.of(self.credential).alive().filter(**given).newest())

    def _create(self, model: type[_Row], resource: str, body: Mapping[str, Any], key: str | None) -> _Row:
        row = outbox.create(
            self.credential, BY_NAME[resource], body, self.gateway, idempotency_key=key, now=timezone.now()
        )
        return cast("_Row", row)

    def _change(
        self,
        row: _Row,
        resource: str,
        method: str,
        body: Mapping[str, Any],
        key: str | None,
        *,
        is_done: Callable[[dict[str, Any]], bool] | None = None,
    ) -> _Row:
        """Do `method` with the object of a row and return the row as it is then.

        `is_done` tells from the object whether it was done; without it, whether it shows the values of `body`.
        """
        changed = outbox.change(
            self.credential,
            BY_NAME[resource],
            self._id_of(row, resource.replace("_", " ")),
            method,
            body,
            self.gateway,
            idempotency_key=key,
            now=timezone.now(),
            is_done=is_done or partial(bodies.shows, body),
        )
        return cast("_Row", changed)

    def _id_of(self, row: MirrorRow, what: str) -> str:
        if row.credential_id != self.credential.pk:
            raise CredentialRefused(f"That {what} belongs to another credential than “{self.credential.name}”.")
        if row.is_deleted:
            raise FinancialError(f"That {what} was deleted at Stripe.")
        return str(row.stripe_id)
