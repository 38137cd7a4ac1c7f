"""What a change of a subscription's items, cycle or trial costs, and when that is billed.

Within a period the difference waits for the next invoice or is invoiced at once; a new rhythm, anchor or trial
begins a new period, which is invoiced at once.
Stripe: https://docs.stripe.com/billing/subscriptions/change
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import cycle, prorations
from .errors import StripeError, bad_request
from .operation import Params
from .rehearsal import rehearsing
from .store import Object

if TYPE_CHECKING:
    from .world import World

BEHAVIOR = "proration_behavior:always_invoice|create_prorations|none proration_date:int"


@dataclass(frozen=True)
class Wish:
    """How a change is to be billed; `at` is the second from which on it counts."""

    behavior: str
    at: int
    anchor: str
    trial_end: int | str | None
    off_session: bool


def wish_of(world: World, subscription: Object, params: Params) -> Wish:
    """Return what an update asks for.

    Raises:
        StripeError: `proration_date` lies outside the current period.
    """
    at = params.get("proration_date", world.now)
    first = subscription["items"][0]
    if not first["current_period_start"] <= at <= first["current_period_end"]:
        raise bad_request("Invalid proration date: it must be within the subscription's current period.",
                          param="proration_date")  # fmt: skip
    anchor = params.get("billing_cycle_anchor", "")
    return Wish(params.get("proration_behavior", "create_prorations"), at,
                anchor["type"] if isinstance(anchor, dict) else anchor, params.get("trial_end"),
                params.get("off_session", False))  # fmt: skip


def apply(world: World, subscription: Object, items: list[Object], wish: Wish, **values: Any) -> None:
    """Give a subscription other items, another cycle or trial, and bill what that costs."""
    if isinstance(wish.trial_end, int):
        _try_out(world, subscription, items, wish, **values)
    elif _begins_anew(world, subscription, items, wish):
        _begin_anew(world, subscription, items, wish, **values)
    else:
        _within_period(world, subscription, items, wish, **values)


def refuse_unpaid(world: World, subscription: Object, items: list[Object], wish: Wish) -> None:
    """Refuse a change whose invoice could not be paid, before anything is written.

    Raises:
        StripeError: 402 with the decline.
    """
    with rehearsing(world) as tried:
        apply(world, subscription, items, wish)
    for intent in tried.heard("payment_intent.payment_failed", "payment_intent.requires_action"):
        error = intent["last_payment_error"]
        if error is None:
            raise StripeError(402, "Payment for this subscription requires additional user action before it can be"
                              " completed successfully.", "subscription_payment_intent_requires_action",
                              type="card_error")  # fmt: skip
        raise StripeError(402, error["message"], error["code"], type="card_error",
                          decline_code=error.get("decline_code"))  # fmt: skip


def end(world: World, subscription: Object, comment: Params, *, prorate: bool, invoice_now: bool,
        at: int | None = None) -> None:  # fmt: skip
    """Cancel at once, giving unused time (after `at`) back and billing what waits if that is asked for."""
    from .subscriptions import cancel_now

    if prorate and subscription["status"] in cycle.RENEWING:
        prorations.write(world, subscription, prorations.credits(world, subscription["items"], at or world.now))
    final = cycle.bill_waiting(world, subscription) if invoice_now else None
    if final is not None:
        world.change(subscription, latest_invoice=final["id"])
    cancel_now(world, subscription, comment=comment)
    for invoice in list(world.all("invoice", "_subscription", subscription["id"])):
        if invoice["status"] == "open":
            world.change(invoice, "invoice.updated", auto_advance=False, next_payment_attempt=None)
    if final is not None:
        cycle.collect(world, subscription, final)


def _begins_anew(world: World, subscription: Object, items: list[Object], wish: Wish) -> bool:
    if wish.trial_end == "now":
        return bool(subscription["status"] == "trialing")
    if subscription["status"] not in ("active", "past_due", "unpaid"):
        return False
    rhythm, other = (_rhythm(world, entries) for entries in (subscription["items"], items))
    was_free, is_free = (_is_free(world, entries) for entries in (subscription["items"], items))
    return wish.anchor == "now" or rhythm != other or (was_free and not is_free and wish.anchor != "unchanged")


def _rhythm(world: World, items: list[Object]) -> tuple[str, int]:
    recurring = world.raw("price", items[0]["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]


def _is_free(world: World, items: list[Object]) -> bool:
    return not any(world.raw("price", item["price"])["unit_amount"] != 0 for item in items)


def _begin_anew(world: World, subscription: Object, items: list[Object], wish: Wish, **values: Any) -> None:
    trialing = subscription["status"] == "trialing"
    if wish.behavior != "none" and not trialing:
        prorations.write(world, subscription, prorations.credits(world, subscription["items"], wish.at))
    if trialing:
        values["trial_end"] = world.now
    cycle.restart(world, subscription, "subscription_cycle" if trialing else "subscription_update", items=items,
                  off_session=wish.off_session, **values)  # fmt: skip


def _within_period(world: World, subscription: Object, items: list[Object], wish: Wish, **values: Any) -> None:
    entries: list[prorations.Proration] = []
    if wish.behavior != "none" and subscription["status"] in ("active", "past_due", "unpaid"):
        gone, come = prorations.changed(subscription["items"], items)
        entries = prorations.credits(world, gone, wish.at)
        entries += prorations.debits(world, subscription, items, come, wish.at)
        items = _charged(world, subscription, items, come)
    world.change(subscription, "customer.subscription.updated", items=items, **values)
    prorations.write(world, subscription, entries)
    if entries and wish.behavior == "always_invoice":
        _invoice_now(world, subscription, wish)


def _charged(world: World, subscription: Object, items: list[Object], come: list[Object]) -> list[Object]:
    """Return items that remember what their debits stand for."""
    costs, ids = prorations.full_costs(world, subscription, items), {item["id"] for item in come}
    return [prorations.noted(item, costs[item["id"]]) if item["id"] in ids else item for item in items]


def _try_out(world: World, subscription: Object, items: list[Object], wish: Wish, **values: Any) -> None:
    """Begin a trial, or move its end; time that was paid for is given back."""
    if subscription["status"] != "trialing":
        values["trial_start"] = world.now
        if wish.behavior != "none":
            prorations.write(world, subscription, prorations.credits(world, subscription["items"], wish.at))
    free = [item | {"_billed": None} for item in items]
    world.change(subscription, "customer.subscription.updated", trial_end=wish.trial_end, status="trialing",
                 billing_cycle_anchor=wish.trial_end, _number=0,
                 items=cycle.moved(free, (world.now, int(wish.trial_end or 0))), **values)  # fmt: skip
    cycle.plan(world, subscription)
    if wish.behavior == "always_invoice":
        _invoice_now(world, subscription, wish)


def _invoice_now(world: World, subscription: Object, wish: Wish) -> None:
    invoice = cycle.bill_waiting(world, subscription)
    if invoice is not None:
        world.change(subscription, "customer.subscription.updated", latest_invoice=invoice["id"])
        cycle.collect(world, subscription, invoice, off_session=wish.off_session)
