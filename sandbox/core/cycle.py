"""What time does to subscriptions: periods, renewals, trials, endings.

Stripe: https://docs.stripe.com/billing/subscriptions/overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import customers, invoice_make, invoices, payment_intents
from .events import emit
from .pricing import period
from .prorations import billed
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

RENEWING = ("active", "past_due", "trialing", "unpaid")


def boundary(anchor: int, recurring: dict[str, Any], number: int) -> int:
    """Return the start of period `number` after an anchor."""
    return period(anchor, recurring["interval"], recurring["interval_count"], number)


def current_end(subscription: Object) -> int:
    """Return when the current period ends."""
    ends: list[int] = [item["current_period_end"] for item in subscription["items"]]
    return max(ends)


def moved(items: list[Object], span: tuple[int, int]) -> list[Object]:
    """Return items with another period."""
    return [item | {"current_period_start": span[0], "current_period_end": span[1]} for item in items]


def plan(world: World, subscription: Object) -> None:
    """Schedule what happens to a subscription by itself: warnings, renewal, cancellation."""
    id, end = subscription["id"], current_end(subscription)
    world.schedule_at(end, "renew", id, end)
    if subscription["status"] == "trialing":
        world.schedule_at(max(end - 3 * DAY, world.now), "warn_of_trial_end", id, end)
    else:
        upcoming = end - world.settings.upcoming_days * DAY
        if upcoming > world.now:
            world.schedule_at(upcoming, "warn_of_invoice", id, end)
    if subscription["cancel_at"] and not subscription["cancel_at_period_end"]:
        world.schedule_at(subscription["cancel_at"], "cancel_due", id)


def bill(world: World, subscription: Object, customer: Object, reason: str, items: list[Object], *,
         trial: bool = False, before: tuple[int, int] | None = None) -> Object:  # fmt: skip
    """Write the draft invoice of `items` for their period, and of what waits for the subscription's next one."""
    lines = invoice_make.subscription_lines(world, subscription, items, trial=trial)
    more, waiting = invoice_make.pending_lines(world, customer, subscription["currency"], subscription["id"])
    values: dict[str, Any] = {"collection_method": subscription["collection_method"], "metadata": {}}
    if subscription["collection_method"] == "send_invoice":
        values["due_date"] = world.now + (subscription["days_until_due"] or 0) * DAY
    invoice = invoice_make.draft(
        world, customer, currency=subscription["currency"], reason=reason, lines=lines + more,
        subscription=subscription, period=before or (world.now, world.now),
        discounts=invoice_make.discounts_of(world, subscription, customer), **values,
    )  # fmt: skip
    invoice_make.take_items(world, waiting, invoice)
    return invoice


@task
def renew(world: World, subscription_id: str, end: int) -> None:
    """Begin the next period, or end the subscription if that was wanted."""
    subscription = world.raw("subscription", subscription_id)
    if subscription["status"] not in RENEWING or current_end(subscription) != end:
        return
    with world.on_clock(subscription["test_clock"]):
        cancel_at = subscription["cancel_at"]
        if subscription["cancel_at_period_end"] or (cancel_at is not None and cancel_at <= world.now):
            _end(world, subscription)
        elif subscription["status"] != "trialing" or _trial_may_end(world, subscription):
            _next_period(world, subscription)


def _end(world: World, subscription: Object) -> None:
    from .subscriptions import cancel_now

    final = bill_waiting(world, subscription)
    if final is not None:
        world.change(subscription, latest_invoice=final["id"])
    cancel_now(world, subscription, subscription["cancellation_details"]["reason"] or "cancellation_requested")
    if final is not None:
        collect_later(world, subscription, final)


def _trial_may_end(world: World, subscription: Object) -> bool:
    """Return False after pausing or canceling a trial that ends without a payment method."""
    customer = world.raw("customer", subscription["customer"])
    own = world.find("payment_method", subscription["default_payment_method"])
    if own or customers.default_method(world, customer) or subscription["collection_method"] == "send_invoice":
        return True
    wish = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if wish == "cancel":
        _end(world, subscription)
    elif wish == "pause":
        world.change(subscription, status="paused")
        emit(world, "customer.subscription.paused", subscription)
    return bool(wish == "create_invoice")


def _next_period(world: World, subscription: Object) -> None:
    start = current_end(subscription)
    recurring = world.raw("price", subscription["items"][0]["price"])["recurring"]
    number = 1 if subscription["status"] == "trialing" else subscription["_number"] + 1
    anchor = subscription["billing_cycle_anchor"]
    end = boundary(anchor, recurring, number if subscription["status"] == "trialing" else number + 1)
    while end <= start:
        number += 1
        end = boundary(anchor, recurring, number + 1)
    trialing = subscription["status"] == "trialing"
    before = (subscription["items"][0]["current_period_start"], start)
    items = moved(subscription["items"], (start, end))
    customer = world.raw("customer", subscription["customer"])
    invoice = bill(world, subscription, customer, "subscription_cycle", items, before=before)
    status = "active" if trialing else subscription["status"]
    world.change(subscription, "customer.subscription.updated", items=billed(items, invoice),
                 latest_invoice=invoice["id"], status=status, _number=0 if trialing else number)  # fmt: skip
    collect_later(world, subscription, invoice)
    plan(world, subscription)


def collect_later(world: World, subscription: Object, invoice: Object) -> None:
    """Let a renewal's draft wait for its hour, or treat it as a pause asks."""
    pause = subscription["pause_collection"]
    if subscription["status"] == "unpaid" or (pause and pause["behavior"] == "keep_as_draft"):
        world.change(invoice, "invoice.updated", auto_advance=False)
        return
    if pause:
        invoices.finalize(world, invoice)
        if invoice["status"] == "open":
            (invoices.void if pause["behavior"] == "void" else invoices.mark_uncollectible)(world, invoice)
        return
    invoices.plan(world, invoice)


def restart(world: World, subscription: Object, reason: str = "subscription_cycle", *, off_session: bool = True,
            **values: Any) -> None:  # fmt: skip
    """Begin a new cycle now and collect its invoice, with what waits for one, at once."""
    items = values.pop("items", subscription["items"])
    recurring = world.raw("price", items[0]["price"])["recurring"]
    span = (world.now, boundary(world.now, recurring, 1))
    if values.get("cancel_at_period_end", subscription["cancel_at_period_end"]):
        values["cancel_at"] = span[1]
    status = "active" if subscription["status"] in ("trialing", "paused") else subscription["status"]
    world.change(subscription, "customer.subscription.updated", status=status, billing_cycle_anchor=world.now,
                 items=moved(items, span), _number=0, **values)  # fmt: skip
    customer = world.raw("customer", subscription["customer"])
    invoice = bill(world, subscription, customer, reason, subscription["items"])
    world.change(subscription, "customer.subscription.updated", latest_invoice=invoice["id"],
                 items=billed(subscription["items"], invoice))  # fmt: skip
    collect(world, subscription, invoice, off_session=off_session)
    plan(world, subscription)


def roll(world: World, subscription: Object, *, alone: bool = False) -> None:
    """Go to the end of the current period and renew there; `alone` leaves out what waits for an invoice.

    For rehearsals only: nothing else happens on the way.
    """
    if alone:
        for item in world.all("invoiceitem", "customer", subscription["customer"]):
            if item["invoice"] is None:
                world.change(item, invoice="")
    world.timeline.now = current_end(subscription)
    renew(world, subscription["id"], current_end(subscription))


def bill_waiting(world: World, subscription: Object) -> Object | None:
    """Write the draft of what waits for a subscription's next invoice, if anything does."""
    customer = world.raw("customer", subscription["customer"])
    if not invoice_make.pending_lines(world, customer, subscription["currency"], subscription["id"])[1]:
        return None
    return bill(world, subscription, customer, "subscription_update", [])


def collect(world: World, subscription: Object, invoice: Object, *, off_session: bool = True) -> None:
    """Collect an invoice that does not wait: at once, by mail after its hour, or as a pause asks."""
    if subscription["collection_method"] == "send_invoice" or subscription["pause_collection"]:
        collect_later(world, subscription, invoice)
        return
    invoices.finalize(world, invoice)
    if invoice["status"] == "open":
        invoices.attempt(world, invoice, off_session=off_session)


@task
def cancel_due(world: World, subscription_id: str) -> None:
    """End a subscription whose `cancel_at` has come."""
    subscription = world.raw("subscription", subscription_id)
    with world.on_clock(subscription["test_clock"]):
        if subscription["status"] in RENEWING and subscription["cancel_at"] and subscription["cancel_at"] <= world.now:
            _end(world, subscription)


@task
def resume_collection(world: World, subscription_id: str, moment: int) -> None:
    """End a pause whose day has come; drafts it kept stay drafts."""
    subscription = world.raw("subscription", subscription_id)
    pause = subscription["pause_collection"]
    if pause and pause["resumes_at"] == moment and subscription["status"] in RENEWING:
        with world.on_clock(subscription["test_clock"]):
            world.change(subscription, "customer.subscription.updated", pause_collection=None)


@task
def expire_incomplete(world: World, subscription_id: str) -> None:
    """Give up on a subscription whose first payment never came."""
    subscription = world.raw("subscription", subscription_id)
    if subscription["status"] != "incomplete":
        return
    with world.on_clock(subscription["test_clock"]):
        invoice = world.raw("invoice", subscription["latest_invoice"])
        if invoice["status"] == "open":
            invoices.void(world, invoice)
        world.change(subscription, "customer.subscription.updated", status="incomplete_expired", ended_at=world.now)
        intent = world.find("payment_intent", invoice["_payment_intent"])
        if intent and intent["status"] in payment_intents.OPEN:
            payment_intents.cancel_now(world, intent, "abandoned")


@task
def warn_of_trial_end(world: World, subscription_id: str, end: int) -> None:
    """Tell three days ahead that a trial ends."""
    subscription = world.raw("subscription", subscription_id)
    if subscription["status"] == "trialing" and current_end(subscription) == end:
        with world.on_clock(subscription["test_clock"]):
            emit(world, "customer.subscription.trial_will_end", subscription)


@task
def warn_of_invoice(world: World, subscription_id: str, end: int) -> None:
    """Tell some days ahead that an invoice is coming, with its preview."""
    subscription = world.raw("subscription", subscription_id)
    if (
        subscription["status"] in RENEWING
        and current_end(subscription) == end
        and not subscription["cancel_at_period_end"]
    ):
        with world.on_clock(subscription["test_clock"]):
            if world.now >= world.events_from:
                from .preview import upcoming

                invoice = upcoming(world, subscription)
                if invoice is not None:
                    emit(world, "invoice.upcoming", invoice)
