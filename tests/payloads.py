"""Stripe-shaped payloads, as small as a test needs them: what the columns read, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

Payload = dict[str, Any]
CREATED = 1_775_001_600  # 2026-04-01 00:00:00 UTC


def _object(kind: str, stripe_id: str, changes: Payload, **fields: Any) -> Payload:
    return {"id": stripe_id, "object": kind, "created": CREATED, "livemode": False, **fields, **changes}


def product(stripe_id: str = "prod_1", **changes: Any) -> Payload:
    return _object("product", stripe_id, changes, name="Novel", description=None, active=True, metadata={})


def price(stripe_id: str = "price_1", **changes: Any) -> Payload:
    fields = {"product": "prod_1", "currency": "usd", "unit_amount": 2999, "unit_amount_decimal": "2999"}
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    return _object("price", stripe_id, changes, active=True, type="recurring", recurring=recurring, **fields)


def customer(stripe_id: str = "cus_1", **changes: Any) -> Payload:
    fields = {"email": "ada@example.com", "name": "Ada", "phone": "+44 20 7946 0000", "balance": 0}
    return _object("customer", stripe_id, changes, invoice_settings={"default_payment_method": "pm_1"}, **fields)


def payment_intent(stripe_id: str = "pi_1", **changes: Any) -> Payload:
    fields = {"amount": 2999, "amount_received": 2999, "currency": "usd", "status": "succeeded", "customer": "cus_1"}
    secret = f"{stripe_id}_secret_fake"
    return _object("payment_intent", stripe_id, changes, latest_charge="ch_1", client_secret=secret, **fields)


def charge(stripe_id: str = "ch_1", **changes: Any) -> Payload:
    fields = {"amount": 2999, "amount_captured": 2999, "amount_refunded": 0, "currency": "usd", "status": "succeeded"}
    links = {"payment_intent": "pi_1", "customer": "cus_1", "balance_transaction": "txn_1"}
    card = {"type": "card", "card": {"brand": "visa", "last4": "4242", "country": "US"}}
    return _object(
        "charge", stripe_id, changes, paid=True, captured=True, payment_method_details=card, **fields, **links
    )


def balance_transaction(stripe_id: str = "txn_1", **changes: Any) -> Payload:
    fields = {"amount": 2999, "fee": 117, "net": 2882, "currency": "usd", "type": "charge", "source": "ch_1"}
    return _object("balance_transaction", stripe_id, changes, reporting_category="charge", status="pending", **fields)


def payout(stripe_id: str = "po_1", **changes: Any) -> Payload:
    fields = {
        "amount": 10437,
        "currency": "usd",
        "status": "paid",
        "automatic": True,
        "arrival_date": CREATED + 172_800,
    }
    done = {"reconciliation_status": "completed", "balance_transaction": "txn_own", "destination": "ba_1"}
    return _object("payout", stripe_id, changes, method="standard", **fields, **done)


def subscription(stripe_id: str = "sub_1", **changes: Any) -> Payload:
    period = {"current_period_start": CREATED, "current_period_end": CREATED + 2_592_000}
    items = {"object": "list", "data": [{"id": "si_1", "price": {"id": "price_1"}, "quantity": 2, **period}]}
    fields = {"status": "active", "currency": "usd", "customer": "cus_1", "cancel_at_period_end": False}
    return _object("subscription", stripe_id, changes, items=items, **fields)


def event(event_type: str, subject: Payload, event_id: str = "evt_1", **changes: Any) -> Payload:
    return _object("event", event_id, changes, type=event_type, api_version=None, data={"object": subject})


def body_of(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def signature(body: bytes, secret: str, *, at: float) -> str:
    """Sign as Stripe does."""
    mac = hmac.new(secret.encode(), f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={int(at)},v1={mac}"
