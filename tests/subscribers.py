"""Customers with cards, prices and subscriptions at the sandbox, made as an application makes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from financial.models import StripeCustomer, StripePrice, StripeSubscription
from financial.stripe_services import ItemChange, StripeService, terms_of


def payer(service: StripeService, card: str = "pm_card_visa") -> StripeCustomer:
    """A customer whose card is saved."""
    return with_card(service, service.create_customer("ada@example.com", "Ada"), card)


def with_card(service: StripeService, customer: StripeCustomer, card: str = "pm_card_visa") -> StripeCustomer:
    key = f"attach-{customer.pk}-{card}"
    whose = {"customer": customer.stripe_id}
    attached = service.gateway.act("payment_methods", "attach", card, whose, idempotency_key=key)
    body = {"invoice_settings": {"default_payment_method": attached["id"]}}
    return service._change(customer, "customer", "update", body, None, is_done=lambda payload: False)


def priced(service: StripeService, amount: str = "9.00", **cycle: Any) -> StripePrice:
    return service.create_price(service.create_product("Magazine"), Decimal(amount), recurring=True, **cycle)


def subscribed(service: StripeService, amount: str = "9.00", **options: Any) -> StripeSubscription:
    return service.create_subscription(payer(service), priced(service, amount), **options)


def as_changed(subscription: StripeSubscription, quantity: int, price: StripePrice | None = None) -> list[ItemChange]:
    item = terms_of(subscription).items[0]
    return [ItemChange(item.stripe_id, price.stripe_id if price else item.price_stripe_id, quantity)]


def coupon(service: StripeService, **terms: Any) -> str:
    made = service.gateway.create("coupons", terms, idempotency_key=f"coupon-{terms}")
    return str(made["id"])
