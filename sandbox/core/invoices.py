"""Invoices: draft, open, paid, void, uncollectible; attempts, retries, payments.

Stripe: https://docs.stripe.com/invoicing/overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import customers, invoice_make, payment_intents
from .errors import StripeError
from .events import emit
from .settings import DAY, HOUR
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

NEVER_RETRIED = ("incorrect_number", "lost_card", "pickup_card", "stolen_card", "authentication_required")


def finalize(world: World, invoice: Object) -> None:
    """Open a draft: it gets its number and its payment intent; nothing due is paid at once."""
    customer = world.raw("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    before = customer["balance"] if customer["currency"] in (None, invoice["currency"]) else 0
    due, after = invoice_make.settle(world, invoice["total"], before, invoice["currency"])
    world.change(customer, "customer.updated", next_invoice_sequence=sequence + 1,
                 balance=customer["balance"] - before + after)  # fmt: skip
    values: dict[str, Any] = {
        "status": "open", "number": invoice["number"] or f"{customer['invoice_prefix']}-{sequence:04d}",
        "effective_at": world.now, "starting_balance": before, "ending_balance": after, "automatically_finalizes_at": None,
        "amount_due": due, "amount_remaining": due,
        "hosted_invoice_url": f"{world.settings.base_url}/_sandbox/invoice/{invoice['id']}",
        "invoice_pdf": f"{world.settings.base_url}/_sandbox/objects/invoice/{invoice['id']}/pdf",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": world.now},
    }  # fmt: skip
    if due > 0:
        values["_payment_intent"] = _intent(world, invoice, due)["id"]
    if invoice["collection_method"] == "send_invoice" and not invoice["due_date"]:
        values["due_date"] = world.now + 30 * DAY
    world.change(invoice, "invoice.updated", **values)
    emit(world, "invoice.finalized", invoice)
    if invoice["amount_due"] <= 0:
        mark_paid(world, invoice)


def _intent(world: World, invoice: Object, due: int) -> Object:
    text = "Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update"
    intent = payment_intents.make(
        world, due, invoice["currency"], customer=invoice["customer"], invoice=invoice["id"],
        description=invoice["description"] or (text if invoice["_subscription"] else f"Invoice {invoice['id']}"),
        params={"setup_future_usage": "off_session" if invoice["_subscription"] else None},
    )  # fmt: skip
    payment = {"payment_intent": intent["id"], "type": "payment_intent"}
    world.insert({
        "id": world.ids.new("inpay_"), "object": "invoice_payment", "amount_paid": None,
        "amount_requested": due, "created": world.now, "currency": invoice["currency"],
        "invoice": invoice["id"], "is_default": True, "livemode": False, "payment": payment, "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None}, "_payment": intent["id"],
    })  # fmt: skip
    return intent


def method_for(world: World, invoice: Object) -> Object | None:
    """Return the payment method an invoice is paid with, in Stripe's order."""
    subscription = world.find("subscription", invoice["_subscription"])
    own = invoice["default_payment_method"] or (subscription or {}).get("default_payment_method")
    return world.find("payment_method", own) or customers.default_method(
        world, world.raw("customer", invoice["customer"])
    )


def attempt(
    world: World, invoice: Object, method: Object | None = None, *, off_session: bool = True
) -> StripeError | None:
    """Try to collect an open invoice; return the error of a decline."""
    method = method or method_for(world, invoice)
    intent = world.raw("payment_intent", invoice["_payment_intent"])
    if intent["status"] in ("succeeded", "canceled"):
        return None
    error = None
    if method is not None:
        world.change(intent, payment_method=method["id"], status="requires_confirmation")
        error = payment_intents.pay(world, intent, off_session=off_session)
    if invoice["status"] == "paid":
        return None
    _failed(world, invoice, intent, error)
    return error


def _failed(world: World, invoice: Object, intent: Object, error: StripeError | None) -> None:
    waits, place = world.settings.retry_days, invoice["_retry"]
    automatic = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    in_dunning = automatic and invoice["billing_reason"] != "subscription_create"
    upcoming = world.now + waits[place] * DAY if in_dunning and place < len(waits) else None
    world.change(invoice, "invoice.updated", attempted=True, attempt_count=invoice["attempt_count"] + 1,
                 next_payment_attempt=upcoming, _retry=place + 1, _charge=intent["latest_charge"])  # fmt: skip
    emit(world, "invoice.payment_failed", invoice)
    if intent["status"] == "requires_action":
        emit(world, "invoice.payment_action_required", invoice)
    if upcoming is not None:
        world.schedule_at(upcoming, "retry_invoice", invoice["id"], place + 1)
    _subscription_hears(world, invoice, exhausted=in_dunning and upcoming is None)


def _subscription_hears(world: World, invoice: Object, *, exhausted: bool) -> None:
    from .subscriptions import on_payment_failed

    subscription = world.find("subscription", invoice["_subscription"])
    if subscription is not None:
        on_payment_failed(world, subscription, exhausted=exhausted)


@task
def retry_invoice(world: World, invoice_id: str, place: int) -> None:
    """Try again to collect, unless the card was refused for good and is still the same."""
    invoice = world.raw("invoice", invoice_id)
    if invoice["status"] != "open" or invoice["_retry"] != place:
        return
    with world.on_clock(invoice["test_clock"]):
        intent = world.raw("payment_intent", invoice["_payment_intent"])
        last, method = intent["last_payment_error"] or {}, method_for(world, invoice)
        hopeless = last.get("decline_code") in NEVER_RETRIED and method and last.get("payment_method") == method["id"]
        if hopeless:
            _failed(world, invoice, intent, None)
        else:
            attempt(world, invoice)


def _held(world: World, invoice: Object) -> bool:
    """Return whether a refused `invoice.created` still delays an invoice: for 72 hours at most."""
    young = world.now < invoice["created"] + 72 * HOUR
    return young and world.outbox.refused(world, "invoice.created", invoice["id"])


@task
def advance_invoice(world: World, invoice_id: str) -> None:
    """Finalise and collect a draft whose hour is over."""
    invoice = world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    if _held(world, invoice):
        world.schedule(HOUR, "advance_invoice", invoice_id)
        return
    with world.on_clock(invoice["test_clock"]):
        finalize(world, invoice)
        if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
            attempt(world, invoice)
        elif invoice["status"] == "open":
            emit(world, "invoice.sent", invoice)
            world.schedule_at(invoice["due_date"], "invoice_overdue", invoice_id)


@task
def invoice_overdue(world: World, invoice_id: str) -> None:
    """Tell that a sent invoice was not paid in time."""
    invoice = world.raw("invoice", invoice_id)
    if invoice["status"] == "open":
        emit(world, "invoice.overdue", invoice)
        _subscription_hears(world, invoice, exhausted=False)


def on_intent_succeeded(world: World, intent: Object) -> None:
    """Note that the payment intent of an invoice has been paid."""
    invoice = world.raw("invoice", intent["_invoice"])
    payment = next(world.all("invoice_payment", "_payment", intent["id"]))
    moved = payment["status_transitions"] | {"paid_at": world.now}
    world.change(payment, status="paid", amount_paid=intent["amount_received"], status_transitions=moved)
    if invoice["status"] in ("open", "uncollectible"):
        first = 0 if invoice["attempted"] and intent["status"] == "requires_action" else 1
        world.change(invoice, attempted=True, attempt_count=invoice["attempt_count"] + first,
                     _charge=intent["latest_charge"])  # fmt: skip
        mark_paid(world, invoice, paid=intent["amount_received"])
    emit(world, "invoice_payment.paid", payment)


def mark_paid(world: World, invoice: Object, *, paid: int = 0, out_of_band: bool = False) -> None:
    """Close an invoice as paid and let its subscription know."""
    from .subscriptions import on_invoice_paid

    world.change(invoice, "invoice.updated", status="paid", amount_paid=invoice["amount_due"] if out_of_band else paid,
                 amount_remaining=0, next_payment_attempt=None, attempted=True, auto_advance=False,
                 _paid_out_of_band=out_of_band,
                 status_transitions=invoice["status_transitions"] | {"paid_at": world.now})  # fmt: skip
    emit(world, "invoice.paid", invoice)
    emit(world, "invoice.payment_succeeded", invoice)
    subscription = world.find("subscription", invoice["_subscription"])
    if subscription is not None:
        on_invoice_paid(world, subscription, invoice)


def plan(world: World, invoice: Object) -> None:
    """Let a draft be finalised on its own after the settings' hour."""
    due = world.now + world.settings.draft_seconds
    world.change(invoice, "invoice.updated", automatically_finalizes_at=due)
    world.schedule_at(due, "advance_invoice", invoice["id"])


@task
def collect_open(world: World, invoice_id: str) -> None:
    """Collect an invoice that was finalised by hand and advances by itself."""
    invoice = world.raw("invoice", invoice_id)
    if invoice["status"] == "open" and not invoice["attempted"]:
        with world.on_clock(invoice["test_clock"]):
            attempt(world, invoice)


def void(world: World, invoice: Object) -> None:
    """Declare an open invoice void."""
    intent = world.find("payment_intent", invoice["_payment_intent"])
    if intent and intent["status"] in payment_intents.OPEN:
        payment_intents.cancel_now(world, intent, "void_invoice")
    for payment in world.all("invoice_payment", "invoice", invoice["id"]):
        if payment["status"] == "open":
            moved = payment["status_transitions"] | {"canceled_at": world.now}
            world.change(payment, status="canceled", status_transitions=moved)
    _give_balance_back(world, invoice)
    world.change(invoice, status="void", amount_remaining=0, next_payment_attempt=None, auto_advance=False,
                 status_transitions=invoice["status_transitions"] | {"voided_at": world.now})  # fmt: skip
    emit(world, "invoice.voided", invoice)


def _give_balance_back(world: World, invoice: Object) -> None:
    """Undo what finalising an invoice did to the customer's balance."""
    moved = invoice["starting_balance"] - (invoice["ending_balance"] or 0)
    customer = world.find("customer", invoice["customer"])
    if moved and customer:
        world.change(customer, "customer.updated", balance=customer["balance"] + moved)


def mark_uncollectible(world: World, invoice: Object) -> None:
    """Give an open invoice up."""
    moved = invoice["status_transitions"] | {"marked_uncollectible_at": world.now}
    world.change(
        invoice, status="uncollectible", next_payment_attempt=None, auto_advance=False, status_transitions=moved
    )
    emit(world, "invoice.marked_uncollectible", invoice)
