"""THE TABLE: one row per mirrored resource, parents before children.

Adding a resource is adding a model, its columns in `translate`, and a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from financial.mirror import translate
from financial.models import (
    MirrorRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of Stripe object.

    `name` is Stripe's `object`, `path` its collection, `service` the SDK's. `parents` maps a foreign key of the model to
    the name of the resource it points to; the parent's id stands in `<key>_stripe_id`. `list_params` are what a complete
    listing needs. `expand` is asked for when one object is fetched; what it embeds is mirrored with it. `events` are the
    webhook types that carry the object and make us look at it again, `gone` those after which it is deleted for good.
    `hints` carry another object that names this one under its `name`. The reason of each is in docs/webhooks.md.
    """

    name: str
    model: type[MirrorRow]
    path: str
    service: str
    columns: tuple[translate.Column, ...]
    events: tuple[str, ...]
    parents: Mapping[str, str] = field(default_factory=dict)
    list_params: Mapping[str, Any] = field(default_factory=dict)
    expand: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


RESOURCES: tuple[Resource, ...] = (
    Resource(
        "product",
        StripeProduct,
        "/v1/products",
        "products",
        translate.PRODUCT,
        events=("product.created", "product.updated", "product.deleted"),
        gone=("product.deleted",),
    ),
    Resource(
        "price",
        StripePrice,
        "/v1/prices",
        "prices",
        translate.PRICE,
        events=("price.created", "price.updated", "price.deleted"),
        parents={"product": "product"},
        list_params={"expand[]": "data.tiers"},  # left out of every answer unless asked for
        expand=("tiers",),
        gone=("price.deleted",),
    ),
    Resource(
        "customer",
        StripeCustomer,
        "/v1/customers",
        "customers",
        translate.CUSTOMER,
        events=("customer.created", "customer.updated", "customer.deleted"),
        gone=("customer.deleted",),
        hints=(
            "payment_method.attached",
            "payment_method.updated",
            "payment_method.automatically_updated",
            "payment_method.detached",
            "customer.source.created",
            "customer.source.updated",
            "customer.source.deleted",
            "customer.discount.created",
            "customer.discount.updated",
            "customer.discount.deleted",
        ),
    ),
    Resource(
        "payment_intent",
        StripePaymentIntent,
        "/v1/payment_intents",
        "payment_intents",
        translate.PAYMENT_INTENT,
        events=(
            "payment_intent.created",
            "payment_intent.processing",
            "payment_intent.requires_action",
            "payment_intent.amount_capturable_updated",
            "payment_intent.partially_funded",
            "payment_intent.succeeded",
            "payment_intent.payment_failed",
            "payment_intent.canceled",
        ),
        parents={"customer": "customer"},
        expand=("latest_charge.balance_transaction",),  # a payment is booked with its fee in one request
    ),
    Resource(
        "charge",
        StripeCharge,
        "/v1/charges",
        "charges",
        translate.CHARGE,
        events=(
            "charge.pending",
            "charge.succeeded",
            "charge.failed",
            "charge.captured",
            "charge.expired",
            "charge.refunded",
            "charge.updated",  # brings the balance transaction, up to an hour after the payment
        ),
        parents={"customer": "customer", "payment_intent": "payment_intent"},
        expand=("balance_transaction",),
        hints=("review.opened", "review.closed"),
    ),
    Resource(
        "refund",
        StripeRefund,
        "/v1/refunds",
        "refunds",
        translate.REFUND,
        events=("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"),
        parents={"payment_intent": "payment_intent", "charge": "charge"},
        expand=("balance_transaction", "failure_balance_transaction", "charge"),  # it moved what the charge shows
    ),
    Resource(
        "dispute",
        StripeDispute,
        "/v1/disputes",
        "disputes",
        translate.DISPUTE,
        events=(
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ),
        parents={"payment_intent": "payment_intent", "charge": "charge"},
        expand=("charge",),  # no event of its own tells that it is disputed
    ),
    Resource(
        "subscription",
        StripeSubscription,
        "/v1/subscriptions",
        "subscriptions",
        translate.SUBSCRIPTION,
        events=(
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",  # canceled, not gone: it stays retrievable
            "customer.subscription.paused",
            "customer.subscription.resumed",
            "customer.subscription.pending_update_applied",
            "customer.subscription.pending_update_expired",
            "customer.subscription.trial_will_end",
        ),
        parents={"customer": "customer", "price": "price"},
        # Canceled ones are left out otherwise; discounts are bare ids, their coupons too.
        list_params={"status": "all", "expand[]": "data.discounts.source.coupon"},
        expand=("discounts.source.coupon",),
    ),
    Resource(
        "invoice",
        StripeInvoice,
        "/v1/invoices",
        "invoices",
        translate.INVOICE,
        events=(
            # not invoice.upcoming: it carries a preview that does not exist
            "invoice.created",
            "invoice.updated",
            "invoice.finalized",
            "invoice.finalization_failed",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice.payment_failed",
            "invoice.payment_action_required",
            "invoice.payment_attempt_required",
            "invoice.overpaid",
            "invoice.will_be_due",
            "invoice.overdue",
            "invoice.sent",
            "invoice.voided",
            "invoice.marked_uncollectible",
            "invoice.deleted",
        ),
        parents={"customer": "customer", "subscription": "subscription"},
        list_params={"expand[]": "data.payments"},  # which payment pays it: its tax is booked with that
        expand=("payments",),
        gone=("invoice.deleted",),
        hints=("invoice_payment.paid", "credit_note.created", "credit_note.updated", "credit_note.voided"),
    ),
    Resource(
        "payout",
        StripePayout,
        "/v1/payouts",
        "payouts",
        translate.PAYOUT,
        events=(
            "payout.created",
            "payout.updated",
            "payout.paid",
            "payout.failed",
            "payout.canceled",
            "payout.reconciliation_completed",
        ),
        expand=("balance_transaction", "failure_balance_transaction"),
    ),
    Resource(
        "balance_transaction",
        StripeBalanceTransaction,
        "/v1/balance_transactions",
        "balance_transactions",
        translate.BALANCE_TRANSACTION,
        events=(),  # Stripe sends none
    ),
)
BY_NAME: Mapping[str, Resource] = {resource.name: resource for resource in RESOURCES}
BY_EVENT: Mapping[str, Resource] = {event: resource for resource in RESOURCES for event in resource.events}
BY_HINT: Mapping[str, Resource] = {event: resource for resource in RESOURCES for event in resource.hints}
EVENT_TYPES: tuple[str, ...] = (*BY_EVENT, *BY_HINT)


def embeds(resource: Resource) -> tuple[str, ...]:
    """Return every path at which a fetched payload holds another mirrored object: each prefix of what is expanded."""
    paths = {".".join(path.split(".")[: depth + 1]) for path in resource.expand for depth in range(path.count(".") + 1)}
    return tuple(sorted(paths - set(own_expand(resource))))


def own_expand(resource: Resource) -> tuple[str, ...]:
    """Return what must be asked for so that one fetched object is the same payload as in a listing."""
    return tuple(path for path in resource.expand if f"data.{path}" in resource.list_params.values())
