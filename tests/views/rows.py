"""Mirror rows made directly, for tests of pages: one call, one row, unique ids."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from financial.models import (
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeSubscription,
    StripeTransaction,
    Transaction,
)
from tests import books

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
_numbers = count(1)


def credential(name: str = "Test account", **values: Any) -> StripeCredential:
    values = {"secret_key": "sk_test_sandbox_0000000000", "is_active": True, **values}
    return StripeCredential.objects.get_or_create(name=name, defaults=values)[0]


def staff(*permissions: str, username: str = "") -> User:
    """A member of staff with these permissions of the app, or with every right if none is named."""
    user = User.objects.create_user(
        username or f"ada{next(_numbers)}", password="x", is_staff=True, is_superuser=not permissions
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def _row(model: Any, prefix: str, credential: StripeCredential, values: dict[str, Any]) -> Any:
    number = next(_numbers)
    values = {"stripe_id": f"{prefix}_{number:06}", "created_at": NOON, **values}
    return model.objects.create(credential=credential, livemode=credential.livemode, **values)


def product(credential: StripeCredential, **values: Any) -> StripeProduct:
    return _row(StripeProduct, "prod", credential, {"name": "Novel", **values})


def price(product: StripeProduct, **values: Any) -> StripePrice:
    values = {"unit_amount_minor": 2999, "currency": "usd", "type": "one_time", **values}
    if values["type"] == "recurring":
        values = {"interval": "month", "interval_count": 1, **values}
    return _row(
        StripePrice, "price", product.credential, {"product": product, "product_stripe_id": product.stripe_id, **values}
    )


def customer(credential: StripeCredential, **values: Any) -> StripeCustomer:
    return _row(StripeCustomer, "cus", credential, {"email": "ada@example.com", "name": "Ada Lovelace", **values})


def payment(credential: StripeCredential, customer: StripeCustomer | None = None, **values: Any) -> StripePaymentIntent:
    values = {"amount_minor": 2999, "currency": "usd", "status": "succeeded", **values}
    if values["status"] == "succeeded":
        values.setdefault("amount_received_minor", values["amount_minor"])
    owner = {"customer": customer, "customer_stripe_id": customer.stripe_id} if customer else {}
    return _row(StripePaymentIntent, "pi", credential, {**owner, **values})


def charge(payment: StripePaymentIntent, **values: Any) -> StripeCharge:
    """An attempt to pay; becomes the payment's latest."""
    values = {
        "payment_intent": payment,
        "payment_intent_stripe_id": payment.stripe_id,
        "customer": payment.customer,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "status": "succeeded",
        "paid": True,
        "captured": True,
        "method_type": "card",
        "card_brand": "visa",
        "card_last4": "4242",
        **values,
    }
    made = _row(StripeCharge, "ch", payment.credential, values)
    payment.latest_charge_stripe_id = made.stripe_id
    payment.save(update_fields=["latest_charge_stripe_id"])
    return made


def booking(payment: StripePaymentIntent, fee_minor: int = 117, *, settled: bool = False) -> StripeTransaction:
    if settled:
        return books.settled(
            payment.credential,
            payment,
            amount_minor=payment.amount_minor,
            fee_minor=fee_minor,
            currency=payment.currency,
            occurred_at=payment.created_at,
            estimated_fee_minor=117,
            settled_at=NOON,
            created_at=timezone.now(),
        ).stripe_transaction
    entry = Transaction.objects.create(
        credential=payment.credential,
        kind=Transaction.Kind.PAYMENT,
        source_stripe_id=payment.stripe_id,
        occurred_at=payment.created_at,
        booked_on=payment.created_at.date(),
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        fee_minor=fee_minor,
        net_minor=payment.amount_minor - fee_minor,
        presentment_currency=payment.currency,
        presentment_amount_minor=payment.amount_minor,
    )
    return StripeTransaction.objects.create(
        transaction=entry,
        payment_intent=payment,
        charge_stripe_id=payment.latest_charge_stripe_id,
        estimated_fee_minor=117,
    )


def subscription(price: StripePrice, customer: StripeCustomer, **values: Any) -> StripeSubscription:
    values = {
        "customer": customer,
        "customer_stripe_id": customer.stripe_id,
        "price": price,
        "price_stripe_id": price.stripe_id,
        "quantity": 1,
        "currency": price.currency,
        "status": "active",
        "current_period_start_at": NOON,
        "current_period_end_at": NOON + dt.timedelta(days=31),
        **values,
    }
    return _row(StripeSubscription, "sub", price.credential, values)
