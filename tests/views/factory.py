"""Rows made directly, for pages and reports: what a sync would have left behind."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from financial import conf
from financial.models import (
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeTransaction,
    StripeWebhookEvent,
    SyncRun,
    SyncStep,
    Transaction,
)
from tests import books

NOW = dt.datetime(2026, 10, 15, 12, 0, tzinfo=dt.UTC)
_numbers = count(1)


def _row(model: Any, prefix: str, credential: StripeCredential, **values: Any) -> Any:
    values = {"stripe_id": f"{prefix}_{next(_numbers):06d}", "created_at": NOW, **values}
    return model.objects.create(credential=credential, livemode=credential.livemode, **values)


def credential(**values: Any) -> StripeCredential:
    values = {"name": f"Shop {next(_numbers)}", "secret_key": "sk_test_0123456789abcdef", "is_active": True, **values}
    return StripeCredential.objects.create(**values)


def product(of: StripeCredential, **values: Any) -> StripeProduct:
    return _row(StripeProduct, "prod", of, **{"name": "Field notes", **values})


def price(of: StripeCredential, **values: Any) -> StripePrice:
    values = {"currency": "usd", "unit_amount_minor": 1500, "type": "recurring", "interval": "month", **values}
    return _row(StripePrice, "price", of, **values)


def customer(of: StripeCredential, **values: Any) -> StripeCustomer:
    return _row(StripeCustomer, "cus", of, **{"name": "Ada Lovelace", "email": "ada@example.com", **values})


def payment(of: StripeCredential, **values: Any) -> StripePaymentIntent:
    values = {"amount_minor": 2900, "currency": "usd", "status": "succeeded", **values}
    return _row(StripePaymentIntent, "pi", of, **values)


def charge(of: StripeCredential, paid: StripePaymentIntent, **values: Any) -> StripeCharge:
    values = {"amount_minor": paid.amount_minor, "currency": paid.currency, **values}
    values = {"payment_intent": paid, "payment_intent_stripe_id": paid.stripe_id, **values}
    return _row(StripeCharge, "ch", of, **{"status": "succeeded", "paid": True, **values})


def refund(of: StripeCredential, **values: Any) -> StripeRefund:
    return _row(StripeRefund, "re", of, **{"amount_minor": 500, "currency": "usd", "status": "succeeded", **values})


def dispute(of: StripeCredential, **values: Any) -> StripeDispute:
    values = {"amount_minor": 900, "currency": "usd", "status": "needs_response", "reason": "fraudulent", **values}
    return _row(StripeDispute, "dp", of, **values)


def subscription(of: StripeCredential, **values: Any) -> StripeSubscription:
    return _row(StripeSubscription, "sub", of, **{"status": "active", "currency": "usd", "quantity": 1, **values})


def booked(of: StripeCredential, paid: StripePaymentIntent | None = None, **values: Any) -> Transaction:
    """A payment in the books; settled with a fee of 100 unless told otherwise."""
    amount = values.pop("amount_minor", paid.amount_minor if paid else 1000)
    fee = values.pop("fee_minor", 100)
    at = values.pop("occurred_at", paid.created_at if paid else NOW)
    currency = values.pop("currency", paid.currency if paid else "usd")
    figures = {"amount_minor": amount, "fee_minor": fee, "currency": currency, "occurred_at": at}
    if values.pop("status", "settled") == "settled":
        return books.settled(of, paid, **figures, **values)
    row = Transaction.objects.create(
        credential=of,
        livemode=of.livemode,
        kind=Transaction.Kind.PAYMENT,
        source_stripe_id=paid.stripe_id if paid else f"pi_{next(_numbers):06d}",
        booked_on=at.astimezone(conf.time_zone()).date(),
        net_minor=amount - fee,
        presentment_currency=currency,
        presentment_amount_minor=amount,
        **figures,
        **values,
    )
    StripeTransaction.objects.create(transaction=row, payment_intent=paid, estimated_fee_minor=fee)
    return row


def run(of: StripeCredential, **values: Any) -> SyncRun:
    values = {"state": SyncRun.State.DONE, "requested_by": "ada", "requested_at": NOW, **values}
    values.setdefault("started_at", values["requested_at"])
    if values["state"] in (SyncRun.State.DONE, SyncRun.State.FAILED):
        values.setdefault("finished_at", values["requested_at"] + dt.timedelta(seconds=12))
    return SyncRun.objects.create(credential=of, **values)


def step(of: SyncRun, resource: str, **values: Any) -> SyncStep:
    values = {"state": of.state, "read": 10, "written": 4, "started_at": of.started_at, **values}
    return SyncStep.objects.create(run=of, resource=resource, **values)


def event(of: StripeCredential, **values: Any) -> StripeWebhookEvent:
    values = {
        "event_id": f"evt_{next(_numbers):06d}",
        "type": "payment_intent.succeeded",
        "body": b'{"id": "evt"}',
        "state": StripeWebhookEvent.State.DONE,
        "received_at": NOW,
        **values,
    }
    return StripeWebhookEvent.objects.create(credential=of, **values)


def staff(*permissions: str, name: str = "") -> Any:
    """A staff user with exactly these permissions of the app, given by code name."""
    user = get_user_model().objects.create_user(name or f"user{next(_numbers)}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="financial", codename__in=permissions))
    return user


VIEW_ALL = (
    "view_transaction",
    "view_account",
    "view_stripepaymentintent",
    "view_stripesubscription",
    "view_stripecustomer",
    "view_stripeproduct",
    "view_stripepayout",
    "view_syncrun",
    "view_stripecredential",
)
