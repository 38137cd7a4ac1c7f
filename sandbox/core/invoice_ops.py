"""Invoices as the API sees them: create, change, finalise, pay, void, list.

What happens to them afterwards is in `invoices`.
Stripe: https://docs.stripe.com/api/invoices
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import coupons, invoice_make, payment_intents, payment_methods
from .catalog import currency_of
from .coupons import DISCOUNTS
from .errors import bad_request, missing_parameter
from .events import emit
from .invoices import attempt, finalize, mark_paid, mark_uncollectible, method_for, plan, void
from .operation import Operation, Page, Params, Plain, given, listing, metadata, op, page, retrieving
from .settings import DAY
from .store import Object
from .views import live_view

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Object:
    """Create a draft for a customer, with the invoice items that wait for one."""
    if "customer" not in params:
        raise missing_parameter("customer")
    customer = world.get("customer", params["customer"], "customer", status=400)
    subscription = None
    if "subscription" in params:
        subscription = world.get("subscription", params["subscription"], "subscription", status=400)
    currency = currency_of(params.get("currency") or customer["currency"] or world.settings.default_currency)
    lines: list[Any] = []
    items: list[Object] = []
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
    op("POST", "/v1/invoices/{invoice}/pay", _pay, "off_session:bool paid_out_of_band:bool payment_method:str",
       kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/void", _void, kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/mark_uncollectible", _uncollectible, kind="invoice"),
    op("POST", "/v1/invoices/{invoice}/send", _send, kind="invoice"),
    Operation("GET", _LINES.path, _lines, _LINES.params, listing=True, kind="invoice"),
    Operation("GET", _PAYMENTS.path, _payments, _PAYMENTS.params, listing=True, kind="invoice_payment"),
    retrieving("invoice_payment", "/v1/invoice_payments/{invoice_payment}"),
]  # fmt: skip
