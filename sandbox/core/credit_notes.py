"""Credit notes: written for paid or open invoices, listed, voided.

Stripe: https://docs.stripe.com/api/credit_notes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import refunds
from .errors import bad_request, missing_parameter
from .operation import Params, listing, metadata, op, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Object:
    """Credit part of an invoice; `refund_amount` goes back to the card."""
    invoice = world.get("invoice", params["invoice"], "invoice", status=400)
    if invoice["status"] not in ("open", "paid"):
        raise bad_request("Credit notes can only be created for open or paid invoices.", param="invoice")
    if "amount" not in params:
        raise missing_parameter("amount")
    amount = params["amount"]
    earlier = list(world.all("credit_note", "invoice", invoice["id"]))
    left = invoice["total"] - sum(note["amount"] for note in earlier if note["status"] == "issued")
    if not 1 <= amount <= left:
        raise bad_request(f"The credit note amount must be between 1 and {left}.", param="amount")
    paid = invoice["status"] == "paid"
    refund = None
    if params.get("refund_amount") and paid and invoice["_charge"]:
        charge = world.raw("charge", invoice["_charge"])
        refund = refunds.create(world, {"charge": charge["id"], "amount": params["refund_amount"]})
    note = _write(world, invoice, amount, len(earlier) + 1, refund, params)
    field = "post_payment_credit_notes_amount" if paid else "pre_payment_credit_notes_amount"
    values = {field: invoice[field] + amount}
    if not paid:
        values |= {
            "amount_due": invoice["amount_due"] - amount,
            "amount_remaining": invoice["amount_remaining"] - amount,
        }
    world.change(invoice, "invoice.updated", **values)
    return note


def _write(world: World, invoice: Object, amount: int, number: int, refund: Object | None, params: Params) -> Object:
    paid = invoice["status"] == "paid"
    id = world.ids.new("cn_")
    line = {
        "id": world.ids.new("cnli_"), "object": "credit_note_line_item", "amount": amount,
        "description": params.get("memo", "Credit"), "discount_amount": 0, "discount_amounts": [], "livemode": False,
        "metadata": {}, "pretax_credit_amounts": [], "quantity": 1, "tax_rates": [], "taxes": [],
        "type": "custom_line_item", "unit_amount": amount, "unit_amount_decimal": str(amount),
    }  # fmt: skip
    refunded = []
    if refund:
        refunded = [{"amount_refunded": refund["amount"], "payment_record_refund": None, "refund": refund["id"],
                     "type": "refund"}]  # fmt: skip
    return world.insert({
        "id": id, "object": "credit_note", "amount": amount, "amount_shipping": 0, "created": world.now,
        "currency": invoice["currency"], "customer": invoice["customer"], "customer_account": None,
        "customer_balance_transaction": None, "discount_amount": 0, "discount_amounts": [], "effective_at": world.now,
        "invoice": invoice["id"], "lines": {"object": "list", "data": [line], "has_more": False,
                                            "url": f"/v1/credit_notes/{id}/lines"},
        "livemode": False, "memo": params.get("memo"), "metadata": metadata({}, params.get("metadata")),
        "number": f"{invoice['number']}-CN-{number:02d}", "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{world.settings.base_url}/_sandbox/objects/credit_note/{id}/pdf",
        "post_payment_amount": amount if paid else 0, "pre_payment_amount": 0 if paid else amount,
        "pretax_credit_amounts": [], "reason": params.get("reason"), "refunds": refunded,
        "shipping_cost": None, "status": "issued", "subtotal": amount, "subtotal_excluding_tax": amount,
        "total": amount, "total_excluding_tax": amount, "total_taxes": [],
        "type": "post_payment" if paid else "pre_payment", "voided_at": None,
        "_refund": refund["id"] if refund else None,
    }, "credit_note.created")  # fmt: skip


def _void(world: World, params: Params, id: str) -> Object:
    note = world.get("credit_note", id)
    if note["status"] != "issued" or note["type"] != "pre_payment":
        raise bad_request("Only issued pre-payment credit notes can be voided.")
    invoice = world.raw("invoice", note["invoice"])
    world.change(note, "credit_note.voided", status="void", voided_at=world.now)
    world.change(invoice, "invoice.updated", amount_due=invoice["amount_due"] + note["amount"],
                 amount_remaining=invoice["amount_remaining"] + note["amount"],
                 pre_payment_credit_notes_amount=invoice["pre_payment_credit_notes_amount"] - note["amount"])  # fmt: skip
    return note


OPERATIONS = [
    op("POST", "/v1/credit_notes", create, "invoice!:str amount:int memo:str metadata:map out_of_band_amount:int"
       " reason:duplicate|fraudulent|order_change|product_unsatisfactory refund_amount:int"),
    listing("credit_note", "/v1/credit_notes", "created:range customer:str invoice:str", by={"invoice": "invoice"},
            keep=lambda world, params: (lambda n: params.get("customer", n["customer"]) == n["customer"])),
    retrieving("credit_note", "/v1/credit_notes/{id}"),
    op("POST", "/v1/credit_notes/{id}/void", _void, kind="credit_note"),
]  # fmt: skip
