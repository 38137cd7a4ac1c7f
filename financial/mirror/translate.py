"""What a payload means in columns, described as data. Pure: no Django, no models, no clock.

A `Column` says where in the payload its value stands. Where API versions moved a field, several paths are given and the
first that is there wins. An expandable field may be an id, an object, a deleted stub or null: it is reduced to its id.
Absent and null mean the same. Unknown values are kept as they come.

Stripe's unix seconds become aware UTC datetimes here and nowhere else. Amounts stay minor units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from financial.errors import TranslationError

Payload = dict[str, Any]
Read = Callable[[Payload], Any]


class Column(NamedTuple):
    """`read(payload)` gives the value of the model's field `name`."""

    name: str
    read: Read


class Row(NamedTuple):
    """A payload translated: `values` for the columns, `public` and `private` together the payload as it is kept."""

    stripe_id: str
    values: dict[str, Any]
    public: Payload
    private: Payload


def text(name: str, *paths: str) -> Column:
    return Column(name, _converted(paths or (name,), str, ""))


def number(name: str, *paths: str, default: int | None = 0) -> Column:
    return Column(name, _converted(paths or (name,), int, default))


def flag(name: str, *paths: str) -> Column:
    return Column(name, _converted(paths or (name,), bool, False))


def instant(name: str, *paths: str) -> Column:
    return Column(name, _converted(paths or (name,), at, None))


def identifier(name: str, *paths: str) -> Column:
    return Column(name, _converted(paths, reduce_to_id, ""))


def at(seconds: float) -> datetime:
    """Return Stripe's unix seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def created_second(payload: Payload) -> int:
    """Return the unix second an object was created in, by which lists are ordered and filtered; 0 where it has none."""
    return int(payload.get("created") or 0)


def reduce_to_id(value: Any) -> str:
    """Return the id of an expandable field: `"cus_1"` and `{"id": "cus_1", …}` both give `cus_1`."""
    if isinstance(value, dict):
        return str(value.get("id") or "")
    return str(value or "")


def find(payload: Any, path: str) -> Any:
    """Return what stands at a dotted path, None where anything on the way is missing; `0` is the first of a list."""
    return _walk(payload, path.split("."))


def _walk(payload: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(payload, dict):
            payload = payload.get(step)
        elif isinstance(payload, list) and step.isdigit():
            payload = payload[int(step)] if int(step) < len(payload) else None
        else:
            return None
    return payload


def _converted(paths: tuple[str, ...], convert: Callable[[Any], Any], default: Any) -> Read:
    steps = [path.split(".") for path in paths]

    def read(payload: Payload) -> Any:
        for way in steps:
            value = _walk(payload, way)
            if value is not None:
                return convert(value)
        return default

    def read_plain(payload: Payload) -> Any:  # most columns, and all of them run for every row of a sync
        value = payload.get(name)
        return default if value is None else convert(value)

    name = paths[0]
    return read_plain if steps == [[name]] else read


def _items_bound(name: str, field: str, choose: Callable[..., Any]) -> Column:
    """A subscription's period: on the object itself before 2025-03-31.basil, on each item since."""

    def read(payload: Payload) -> Any:
        if payload.get(field) is not None:
            return at(payload[field])
        items = find(payload, "items.data") or []
        found = [item[field] for item in items if item.get(field) is not None]
        return at(choose(found)) if found else None

    return Column(name, read)


def _fee_parts(payload: Payload) -> str:
    """`stripe_fee:320 tax:12`; `none` for a fee without parts, and nothing where Stripe does not itemise it."""
    parts = payload.get("fee_details")
    if parts is None:
        return ""
    return " ".join(f"{part.get('type') or 'unknown'}:{int(part['amount'])}" for part in parts) or "none"


def _taxes(payload: Payload) -> int:
    """The sales tax of an invoice: one figure before 2025-03-31.basil, a list since."""
    if payload.get("tax") is not None:
        return int(payload["tax"])
    return sum(int(part.get("amount") or 0) for part in payload.get("total_taxes") or ())


PRODUCT = (
    text("name"),
    text("description"),
    flag("active"),
    identifier("default_price_stripe_id", "default_price"),
)
PRICE = (
    identifier("product_stripe_id", "product"),
    flag("active"),
    text("currency"),
    number("unit_amount_minor", "unit_amount", default=None),
    text("unit_amount_decimal"),
    text("type"),
    text("billing_scheme"),
    text("tiers_mode"),
    text("usage_type", "recurring.usage_type"),
    text("interval", "recurring.interval"),
    number("interval_count", "recurring.interval_count", default=None),
    text("nickname"),
)
CUSTOMER = (
    text("email"),
    text("name"),
    text("description"),
    text("currency"),
    number("balance_minor", "balance"),
    flag("delinquent"),
    identifier("default_payment_method_stripe_id", "invoice_settings.default_payment_method", "default_source"),
)
PAYMENT_INTENT = (
    identifier("customer_stripe_id", "customer"),
    number("amount_minor", "amount"),
    number("amount_received_minor", "amount_received"),
    text("currency"),
    text("status"),
    text("description"),
    identifier("latest_charge_stripe_id", "latest_charge"),
    text("capture_method"),
    number("tax_minor", "amount_details.tax.total_tax_amount"),
    instant("canceled_at"),
    text("error_code", "last_payment_error.code"),
    text("error_decline_code", "last_payment_error.decline_code"),
    text("error_message", "last_payment_error.message"),
)
CHARGE = (
    identifier("payment_intent_stripe_id", "payment_intent"),
    identifier("customer_stripe_id", "customer"),
    identifier("balance_transaction_stripe_id", "balance_transaction"),
    number("amount_minor", "amount"),
    number("amount_captured_minor", "amount_captured"),
    number("amount_refunded_minor", "amount_refunded"),
    text("currency"),
    text("status"),
    flag("paid"),
    flag("captured"),
    flag("refunded"),
    flag("disputed"),
    text("failure_code"),
    text("failure_message"),
    text("method_type", "payment_method_details.type"),
    text("card_brand", "payment_method_details.card.brand"),
    text("card_last4", "payment_method_details.card.last4"),
    text("card_country", "payment_method_details.card.country"),
)
REFUND = (
    identifier("charge_stripe_id", "charge"),
    identifier("payment_intent_stripe_id", "payment_intent"),
    identifier("balance_transaction_stripe_id", "balance_transaction"),
    identifier("failure_balance_transaction_stripe_id", "failure_balance_transaction"),
    number("amount_minor", "amount"),
    text("currency"),
    text("status"),
    text("reason"),
    text("failure_reason"),
)
DISPUTE = (
    identifier("charge_stripe_id", "charge"),
    identifier("payment_intent_stripe_id", "payment_intent"),
    number("amount_minor", "amount"),
    text("currency"),
    text("status"),
    text("reason"),
    instant("evidence_due_at", "evidence_details.due_by"),
)
SUBSCRIPTION = (
    identifier("customer_stripe_id", "customer"),
    identifier("price_stripe_id", "items.data.0.price", "items.data.0.plan", "plan"),
    number("quantity", "items.data.0.quantity", "quantity", default=None),
    text("currency"),
    text("status"),
    text("collection_method"),
    _items_bound("current_period_start_at", "current_period_start", min),
    _items_bound("current_period_end_at", "current_period_end", max),
    instant("trial_end_at", "trial_end"),
    flag("cancel_at_period_end"),
    instant("cancel_at"),
    instant("canceled_at"),
    instant("ended_at"),
    identifier("latest_invoice_stripe_id", "latest_invoice"),
)
INVOICE = (
    identifier("customer_stripe_id", "customer"),
    identifier("subscription_stripe_id", "parent.subscription_details.subscription", "subscription"),
    text("number"),
    text("status"),
    text("currency"),
    number("total_minor", "total"),
    number("amount_due_minor", "amount_due"),
    number("amount_paid_minor", "amount_paid"),
    Column("tax_minor", _taxes),
    identifier("payment_intent_stripe_id", "payments.data.0.payment.payment_intent", "payment_intent"),
    text("billing_reason"),
    number("attempt_count"),
    instant("next_payment_attempt_at", "next_payment_attempt"),
    instant("due_at", "due_date"),
)
PAYOUT = (
    number("amount_minor", "amount"),
    text("currency"),
    text("status"),
    text("method"),
    flag("automatic"),
    instant("arrival_at", "arrival_date"),
    identifier("balance_transaction_stripe_id", "balance_transaction"),
    identifier("failure_balance_transaction_stripe_id", "failure_balance_transaction"),
    text("failure_code"),
    text("reconciliation_status"),
    text("trace_id", "trace_id.value"),
    text("statement_descriptor"),
    identifier("destination_stripe_id", "destination"),
)
BALANCE_TRANSACTION = (
    number("amount_minor", "amount"),
    number("fee_minor", "fee"),
    number("net_minor", "net"),
    text("currency"),
    text("exchange_rate"),
    text("type"),
    text("reporting_category"),
    text("balance_type"),
    text("status"),
    instant("available_at", "available_on"),
    identifier("source_stripe_id", "source"),
    Column("fee_parts", _fee_parts),
    text("description"),
)

# Kept encrypted beside the payload: personal data, and links that open something without a login.
PRIVATE: Mapping[str, frozenset[str]] = {
    "customer": frozenset({"phone", "address", "shipping", "tax_ids"}),
    "payment_intent": frozenset({"receipt_email", "shipping", "last_payment_error", "next_action"}),
    "charge": frozenset(
        {"billing_details", "receipt_email", "receipt_url", "shipping", "payment_method_details", "source"}
    ),
    "refund": frozenset({"destination_details", "instructions_email", "next_action"}),
    "dispute": frozenset({"evidence", "payment_method_details"}),
    "invoice": frozenset(
        {
            "customer_address",
            "customer_email",
            "customer_name",
            "customer_phone",
            "customer_shipping",
            "customer_tax_ids",
            "hosted_invoice_url",
            "invoice_pdf",
        }
    ),
}
# Never kept at all: whoever holds one can act for the customer.
DROPPED = frozenset({"client_secret", "confirmation_secret"})


def translate(payload: Payload, kind: str, columns: tuple[Column, ...]) -> Row:
    """Return a payload of Stripe's object `kind` as column values and as what is kept of it.

    Raises:
        TranslationError: it is not such an object, has no id, or a field holds what that field cannot hold.
    """
    stripe_id = payload.get("id")
    if payload.get("object") != kind or not isinstance(stripe_id, str) or not stripe_id:
        raise TranslationError(f"Expected a {kind} with an id, got {payload.get('object')!r} {stripe_id!r}.")
    try:
        values = {name: read(payload) for name, read in columns}
        created = payload.get("created")
        values["created_at"] = at(created) if created is not None else None
    except (TypeError, ValueError, OverflowError, OSError, AttributeError) as error:
        raise TranslationError(f"{kind} {stripe_id} has a field of an unexpected kind: {error}") from error
    values["livemode"] = payload.get("livemode")  # refunds and balance transactions do not say
    public, private = _parted(payload, PRIVATE.get(kind, frozenset()))
    return Row(stripe_id, values, public, private)


def balances_of(payload: Payload) -> dict[str, tuple[int, int]]:
    """Return what a balance says is available and pending, minor units, by currency.

    Raises:
        TranslationError: an amount is missing or is none.
    """
    sums: dict[str, list[int]] = {}
    try:
        for place, name in enumerate(("available", "pending")):
            for part in payload.get(name) or ():
                sums.setdefault(str(part["currency"]), [0, 0])[place] += int(part["amount"])
    except (KeyError, TypeError, ValueError) as error:
        raise TranslationError(f"The balance has a part of an unexpected kind: {error}") from error
    return {currency: (available, pending) for currency, (available, pending) in sums.items()}


def destination_of(payout: Payload) -> Row | None:
    """Return what an expanded destination says of itself, all of it that is kept; None where there is only its id.

    A bank account has a bank, a card a brand, and of a deleted one Stripe gives the id alone.
    """
    told = payout.get("destination")
    if not isinstance(told, dict) or not told.get("id"):
        return None
    return Row(str(told["id"]), {name: read(told) for name, read in _DESTINATION}, {}, {})


_DESTINATION = (text("name", "bank_name", "brand"), text("last4"))


def _parted(payload: Payload, private_keys: frozenset[str]) -> tuple[Payload, Payload]:
    private = {key: value for key in private_keys if (value := payload.get(key))}
    if not private and DROPPED.isdisjoint(payload):
        return payload, private
    public = payload.copy()
    for key in (*private, *DROPPED):
        public.pop(key, None)
    return public, private


def detach(payload: Payload, paths: tuple[str, ...]) -> tuple[Payload, list[Payload]]:
    """Return the payload with expanded objects at `paths` reduced to ids, and those objects, innermost first."""
    loose: list[Payload] = []
    for path in sorted(paths, key=lambda path: -path.count(".")):
        payload = _detached(payload, path.split("."), loose)
    return payload, loose


def _detached(payload: Payload, steps: list[str], loose: list[Payload]) -> Payload:
    value = payload.get(steps[0])
    if not isinstance(value, dict):
        return payload
    if len(steps) > 1:
        return {**payload, steps[0]: _detached(value, steps[1:], loose)}
    if value.get("object") and not value.get("deleted"):
        loose.append(value)
    return {**payload, steps[0]: reduce_to_id(value)}
