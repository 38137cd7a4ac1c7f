"""Events: one per change, with what was there before, in the version of their time.

Stripe: https://docs.stripe.com/api/events
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .settings import HOUR
from .store import Object

if TYPE_CHECKING:
    from .world import World

# Every event type the sandbox emits.
TYPES = frozenset(
    (
        "charge.captured charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated "
        "charge.dispute.funds_withdrawn charge.dispute.updated charge.expired charge.failed charge.refund.updated "
        "charge.refunded charge.succeeded charge.updated checkout.session.completed checkout.session.expired "
        "coupon.created coupon.deleted coupon.updated credit_note.created credit_note.voided customer.created "
        "customer.deleted customer.discount.created customer.discount.deleted customer.subscription.created "
        "customer.subscription.deleted customer.subscription.paused customer.subscription.resumed "
        "customer.subscription.trial_will_end customer.subscription.updated customer.updated invoice.created "
        "invoice.deleted invoice.finalized invoice.marked_uncollectible invoice.overdue invoice.paid "
        "invoice.payment_action_required invoice.payment_failed invoice.payment_succeeded invoice.sent "
        "invoice.upcoming invoice.updated invoice.voided invoice_payment.paid invoiceitem.created invoiceitem.deleted "
        "payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.created "
        "payment_intent.payment_failed payment_intent.requires_action payment_intent.succeeded "
        "payment_link.created payment_link.updated "
        "payment_method.attached payment_method.detached payment_method.updated payout.canceled payout.created "
        "payout.failed payout.paid payout.reconciliation_completed payout.updated price.created price.updated "
        "product.created product.deleted product.updated promotion_code.created promotion_code.updated refund.created "
        "refund.failed refund.updated setup_intent.canceled setup_intent.created setup_intent.requires_action "
        "setup_intent.setup_failed setup_intent.succeeded tax_rate.created tax_rate.updated "
        "test_helpers.test_clock.advancing test_helpers.test_clock.created test_helpers.test_clock.deleted "
        "test_helpers.test_clock.ready"
    ).split()
)


def emit(world: World, type: str, obj: Object, before: dict[str, Any] | None = None) -> None:
    """Record that `obj` changed; `before` holds the old values of the fields that did."""
    if type not in TYPES:
        raise ValueError(f"{type} is not in the table of event types")
    if world.rehearsal is not None:
        world.rehearsal.told.append((type, dict(obj)))
        return
    created = world.now
    if created < world.events_from:
        return
    event: Object = {
        "id": world.ids.new("evt_"),
        "object": "event",
        "api_version": world.settings.api_version,
        "created": created,
        "data": None,
        "livemode": False,
        "pending_webhooks": 0,
        "request": world.request,
        "type": type,
        "_at": world.main.now,
        "_object": dict(obj),
        "_before": before,
    }
    endpoints = [e for e in world.all("webhook_endpoint") if wants(e, type)]
    event["pending_webhooks"] = len(endpoints)
    world.store.insert(event)
    for endpoint in endpoints:
        world.outbox.add(world, event["id"], endpoint["id"])


def wants(endpoint: Object, type: str) -> bool:
    """Return whether an endpoint is enabled and subscribed to an event type."""
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or type in enabled)


def matches(pattern: str, type: str) -> bool:
    """Return whether an event type fits a `type` filter, which may hold `*`."""
    if "*" not in pattern:
        return pattern == type
    head, _, tail = pattern.partition("*")
    return type.startswith(head) and type.endswith(tail)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return `previous_attributes`: old values of changed keys, hashes key by key."""
    out: dict[str, Any] = {}
    for key, new in after.items():
        old = before.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            out[key] = difference(old, new)
        else:
            out[key] = old
    for key in before.keys() - after.keys():
        out[key] = before[key]
    return out


def forget_old(world: World, before: int) -> None:
    """Drop events older than Stripe keeps them."""
    table = world.store.table("event")
    if table.order and table.order[0][0] < before and world.forgot_at < world.main.now:
        world.forgot_at = world.main.now + HOUR
        table.forget(before, lambda event: event["_at"] < before)
