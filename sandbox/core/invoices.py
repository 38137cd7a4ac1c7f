"""Invoices: draft, open, paid, void, uncollectible; attempts, retries, payments.

Stripe: https://docs.stripe.com/invoicing/overview
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import coupons, customers, invoice_make, payment_intents, payment_methods
from .catalog import currency_of
from .coupons import DISCOUNTS
from .errors import StripeError, bad_request, missing_parameter
from .events import emit
from .operation import Operation, Page, Params, Plain, given, listing, metadata, op, page, retrieving
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

NEVER_RETRIED = ("incorrect_number", "lost_card", "pickup_card", "stolen_card", "authentication_required")


def finalize(world: World, invoice: Object) -> None:
    """Open a draft: it gets its number and its payment intent; nothing due is paid at once."""
    customer = world.raw("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    world.change(customer, next_invoice_sequence=sequence + 1)
    page_url = f"{world.settings.base_url}/_sandbox/objects/invoice/{invoice['id']}"
    values: dict[str, Any] = {
        "status": "open", "number": invoice["number"] or f"{customer['invoice_prefix']}-{sequence:04d}",
        "effective_at": world.now, "ending_balance": 0, "automatically_finalizes_at": None,
        "hosted_invoice_url": page_url, "invoice_pdf": f"{page_url}/pdf",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": world.now},
    }  # fmt: skip
    if invoice["amount_due"] > 0:
        values["_payment_intent"] = _intent(world, invoice)["id"]
    if invoice["collection_method"] == "send_invoice" and not invoice["due_date"]:
        values["due_date"] = world.now + 30 * DAY
    world.change(invoice, **values)
    emit(world, "invoice.finalized", invoice)
    if invoice["amount_due"] <= 0:
        mark_paid(world, invoice)


def _intent(world: World, invoice: Object) -> Object:
    text = "Subscription creation" if invoice["billing_reason"] == "subscription_create" else "Subscription update"
    intent = payment_intents.make(
        world, invoice["amount_due"], invoice["currency"], customer=invoice["customer"], invoice=invoice["id"],
        description=invoice["description"] or (text if invoice["_subscription"] else f"Invoice {invoice['id']}"),
        params={"setup_future_usage": "off_session" if invoice["_subscription"] else None},
    )  # fmt: skip
    payment = {"payment_intent": intent["id"], "type": "payment_intent"}
    world.insert({
        "id": world.ids.new("inpay_"), "object": "invoice_payment", "amount_paid": None,
        "amount_requested": invoice["amount_due"], "created": world.now, "currency": invoice["currency"],
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
    in_dunning = invoice["billing_reason"] != "subscription_create" and invoice["auto_advance"]
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


@task
def advance_invoice(world: World, invoice_id: str) -> None:
    """Finalise and collect a draft whose hour is over."""
    invoice = world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] != "draft" or not invoice["auto_advance"]:
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

    world.change(invoice, status="paid", amount_paid=invoice["amount_due"] if out_of_band else paid,
                 amount_remaining=0, next_payment_attempt=None, attempted=True, auto_advance=False,
                 _paid_out_of_band=out_of_band,
                 status_transitions=invoice["status_transitions"] | {"paid_at": world.now})  # fmt: skip
    emit(world, "invoice.paid", invoice)
    emit(world, "invoice.payment_succeeded", invoice)
    subscription = world.find("subscription", invoice["_subscription"])
    if subscription is not None:
        on_invoice_paid(world, subscription, invoice)


# ---- operations


def create(world: World, params: Params) -> Object:
    """Create a draft for a customer, with the invoice items that wait for one."""
    if "customer" not in params:
        raise missing_parameter("customer")
    customer = world.get("customer", params["customer"], "customer", status=400)
    subscription = None
    if "subscription" in params:
        subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    currency = currency_of(params.get("currency", customer["currency"] or world.settings.default_currency))
    lines, items = [], []
    if (
        params.get("pending_invoice_items_behavior", "exclude" if "subscription" not in params else "include")
        == "include"
    ):
        lines, items = invoice_make.pending_lines(world, customer, currency, params.get("subscription"))
    method = params.get("collection_method", "charge_automatically")
    values = given(
        params, "description", "footer", "default_payment_method", "statement_descriptor", "number", "custom_fields"
    )
    if method == "send_invoice":
        if "due_date" not in params and "days_until_due" not in params:
            raise missing_parameter("days_until_due")
        values["due_date"] = params.get("due_date", world.now + params.get("days_until_due", 0) * DAY)
    invoice = invoice_make.draft(
        world, customer, currency=currency, reason="manual", lines=lines, subscription=subscription,
        collection_method=method, auto_advance=params.get("auto_advance", False),
        discounts=coupons.redeem(world, params.get("discounts") or [], customer["id"], invoice="pending"),
        metadata=metadata({}, params.get("metadata")), **values,
    )  # fmt: skip
    invoice_make.take_items(world, items, invoice)
    for id in invoice["discounts"]:
        world.change(world.raw("discount", id), invoice=invoice["id"])
    if invoice["auto_advance"]:
        plan(world, invoice)
    return invoice


def plan(world: World, invoice: Object) -> None:
    """Let a draft be finalised on its own after the settings' hour."""
    due = world.now + world.settings.draft_seconds
    world.change(invoice, automatically_finalizes_at=due)
    world.schedule_at(due, "advance_invoice", invoice["id"])


def update(world: World, params: Params, id: str) -> Object:
    """Change a draft, or the metadata of any invoice."""
    invoice = world.get("invoice", id)
    values = given(params, "description", "footer", "auto_advance", "default_payment_method", "due_date",
                   "statement_descriptor", "number", "custom_fields", "collection_method")  # fmt: skip
    if invoice["status"] != "draft" and values.keys() - {"auto_advance", "default_payment_method"}:
        raise bad_request("Finalized invoices can't be updated in this way", param=next(iter(values)))
    if "discounts" in params:
        values["discounts"] = coupons.redeem(world, params["discounts"] or [], invoice["customer"], invoice=id)
    values["metadata"] = metadata(invoice["metadata"], params.get("metadata"))
    if "discounts" in values:
        values |= invoice_make.totals(world, invoice | values)
    world.change(invoice, "invoice.updated", **values)
    if values.get("auto_advance") and invoice["status"] == "draft":
        plan(world, invoice)
    return invoice


def _finalize(world: World, params: Params, id: str) -> Object:
    invoice = _in_status(world, id, "draft", "finalized")
    if "auto_advance" in params:
        world.change(invoice, auto_advance=params["auto_advance"])
    finalize(world, invoice)
    if (
        invoice["status"] == "open"
        and invoice["auto_advance"]
        and invoice["collection_method"] == "charge_automatically"
    ):
        world.schedule(world.settings.draft_seconds, "collect_open", id)
    return invoice


@task
def collect_open(world: World, invoice_id: str) -> None:
    """Collect an invoice that was finalised by hand and advances by itself."""
    invoice = world.raw("invoice", invoice_id)
    if invoice["status"] == "open" and not invoice["attempted"]:
        with world.on_clock(invoice["test_clock"]):
            attempt(world, invoice)


def _pay(world: World, params: Params, id: str) -> Object:
    invoice = world.get("invoice", id)
    if invoice["status"] == "draft":
        finalize(world, invoice)
    if invoice["status"] == "paid":
        raise bad_request("Invoice is already paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise bad_request(f"This invoice is {invoice['status']} and cannot be paid.", param="invoice")
    if params.get("paid_out_of_band"):
        payment_intents.cancel_now(world, world.raw("payment_intent", invoice["_payment_intent"]), "void_invoice")
        mark_paid(world, invoice, out_of_band=True)
        return invoice
    method = payment_methods.resolve(world, params["payment_method"]) if "payment_method" in params else None
    if method is None and method_for(world, invoice) is None:
        raise bad_request("There is no `default_payment_method` set on this Customer or Invoice. Please set a"
                          " payment method to pay with.", code="resource_missing",
                          param="payment_method")  # fmt: skip
    error = attempt(world, invoice, method, off_session=params.get("off_session", True))
    if error is not None:
        raise error
    return invoice


def void(world: World, invoice: Object) -> None:
    """Declare an open invoice void."""
    intent = world.find("payment_intent", invoice["_payment_intent"])
    if intent and intent["status"] in payment_intents.OPEN:
        payment_intents.cancel_now(world, intent, "void_invoice")
    for payment in world.all("invoice_payment", "invoice", invoice["id"]):
        if payment["status"] == "open":
            moved = payment["status_transitions"] | {"canceled_at": world.now}
            world.change(payment, status="canceled", status_transitions=moved)
    world.change(invoice, status="void", amount_remaining=0, next_payment_attempt=None, auto_advance=False,
                 status_transitions=invoice["status_transitions"] | {"voided_at": world.now})  # fmt: skip
    emit(world, "invoice.voided", invoice)


def _void(world: World, params: Params, id: str) -> Object:
    invoice = world.get("invoice", id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise bad_request("You can only void open or uncollectible invoices.", param="invoice")
    void(world, invoice)
    return invoice


def _uncollectible(world: World, params: Params, id: str) -> Object:
    invoice = _in_status(world, id, "open", "marked uncollectible")
    mark_uncollectible(world, invoice)
    return invoice


def mark_uncollectible(world: World, invoice: Object) -> None:
    """Give an open invoice up."""
    moved = invoice["status_transitions"] | {"marked_uncollectible_at": world.now}
    world.change(
        invoice, status="uncollectible", next_payment_attempt=None, auto_advance=False, status_transitions=moved
    )
    emit(world, "invoice.marked_uncollectible", invoice)


def _send(world: World, params: Params, id: str) -> Object:
    invoice = world.get("invoice", id)
    if invoice["status"] == "draft":
        finalize(world, invoice)
    emit(world, "invoice.sent", invoice)
    return invoice


def _delete(world: World, params: Params, id: str) -> Object:
    invoice = _in_status(world, id, "draft", "deleted")
    for item in world.all("invoiceitem", "invoice", id):
        world.change(item, invoice=None)
    return world.delete(invoice, "invoice.deleted")


def _in_status(world: World, id: str, status: str, action: str) -> Object:
    invoice = world.get("invoice", id)
    if invoice["status"] != status:
        raise bad_request(f"This invoice is {invoice['status']}: only {status} invoices can be {action}.",
                          code="invoice_not_editable" if status == "draft" else "", param="invoice")  # fmt: skip
    return invoice


def _lines(world: World, params: Params, id: str) -> Plain:
    from .render import live_view

    invoice = world.get("invoice", id)
    lines, after = invoice["lines"], params.get("starting_after")
    if after:
        lines = lines[[line["id"] for line in lines].index(after) + 1 :]
    limit = params.get("limit", 10)
    shown = [live_view(world, line, world.version) for line in lines[:limit]]
    return Plain({"object": "list", "data": shown, "has_more": len(lines) > limit, "url": f"/v1/invoices/{id}/lines"})


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    names = {"customer": "customer", "status": "status", "collection_method": "collection_method",
             "subscription": "_subscription"}  # fmt: skip
    wanted = {names[k]: v for k, v in params.items() if k in names}
    return (lambda i: all(i[k] == v for k, v in wanted.items())) if wanted else None


def _payments(world: World, params: Params) -> Page:
    table = world.store.table("invoice_payment")
    keys = table.keys("invoice", params["invoice"]) if "invoice" in params else table.keys()
    inner = params.get("payment", {}).get("payment_intent")
    if inner:
        keys = table.keys("_payment", inner)
    status, invoice = params.get("status"), params.get("invoice")
    test = lambda p: (status in (None, p["status"])) and (invoice in (None, p["invoice"]))  # noqa: E731
    return page(world, "invoice_payment", keys, params, "/v1/invoice_payments", test if status or inner else None)


_WRITE = (
    "auto_advance:bool collection_method:charge_automatically|send_invoice custom_fields?:[{name!:str value!:str}]"
    f" days_until_due:int default_payment_method:str description?:str discounts?:{DISCOUNTS} due_date:int footer?:str"
    " metadata?:map number:str statement_descriptor:str"
)
_LINES = listing("line_item", "/v1/invoices/{invoice}/lines")
_PAYMENTS = listing("invoice_payment", "/v1/invoice_payments", "created:range invoice:str status:canceled|open|paid"
                    " payment:{type!:charge|payment_intent|payment_record payment_intent:str}")  # fmt: skip
OPERATIONS = [
    op("POST", "/v1/invoices", create, f"customer:str currency:str subscription:str"
       f" pending_invoice_items_behavior:exclude|include {_WRITE}"),
    listing("invoice", "/v1/invoices", "collection_method:charge_automatically|send_invoice created:range customer:str"
            " status:draft|open|paid|uncollectible|void subscription:str",
            by={"subscription": "_subscription", "customer": "customer"}, keep=_keep),
    retrieving("invoice", "/v1/invoices/{invoice}"),
    op("POST", "/v1/invoices/{invoice}", update, _WRITE, kind="invoice"),
    op("DELETE", "/v1/invoices/{invoice}", _delete, kind="invoice", expand=False),
    op("POST", "/v1/invoices/{invoice}/finalize", _finalize, "auto_advance:bool", kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/pay", _pay, "off_session:bool paid_out_of_band:bool payment_method:str", kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/void", _void, kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/mark_uncollectible", _uncollectible, kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/send", _send, kind="invoice"),
    Operation("GET", _LINES.path, _lines, _LINES.params, listing=True, kind="invoice"),
    Operation("GET", _PAYMENTS.path, _payments, _PAYMENTS.params, listing=True, kind="invoice_payment"),
    retrieving("invoice_payment", "/v1/invoice_payments/{invoice_payment}"),
]  # fmt: skip
