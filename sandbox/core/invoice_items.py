"""Invoice items: single amounts that wait for a customer's next invoice.

Stripe: https://docs.stripe.com/api/invoiceitems
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import invoice_make
from .catalog import currency_of
from .errors import bad_request, missing_parameter
from .operation import Params, given, listing, metadata, op, retrieving
from .pricing import line_amount
from .store import Object

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Object:
    """Create an item, on a draft invoice when one is given."""
    if "customer" not in params:
        raise missing_parameter("customer")
    customer = world.get("customer", params["customer"], "customer", status=400)
    price_id = params.get("pricing", {}).get("price") or params.get("price")
    if price_id is None and "amount" not in params:
        raise missing_parameter("amount")
    price = world.get("price", price_id, "pricing[price]", status=400) if price_id else None
    quantity = params.get("quantity", 1)
    currency = price["currency"] if price else currency_of(params.get("currency", world.settings.default_currency))
    amount = line_amount(price, quantity) if price else params["amount"]
    unit = price["unit_amount_decimal"] if price else str(amount // quantity if quantity else amount)
    span = params.get("period", {"start": world.now, "end": world.now})
    if "subscription" in params:
        world.get("subscription", params["subscription"], "subscription", status=400)
    text = params.get("description") or (price and world.raw("product", price["product"])["name"])
    item = write(
        world, customer, amount=amount, currency=currency, description=text, quantity=quantity, unit=unit, price=price,
        period=(span["start"], span["end"]), subscription=params.get("subscription"),
        discountable=params.get("discountable", amount >= 0), metadata=metadata({}, params.get("metadata")),
    )  # fmt: skip
    if "invoice" in params:
        _put(world, item, params["invoice"])
    return item


def write(world: World, customer: Object, *, amount: int, currency: str, description: str | None, quantity: int,
          unit: str | None, price: Object | None, period: tuple[int, int], subscription: str | None,
          item: str | None = None, proration: bool = False, credited: dict[str, Any] | None = None,
          **values: Any) -> Object:  # fmt: skip
    """Write an item that waits for an invoice; `item` is the subscription's item that a proration is for."""
    pricing: dict[str, Any] = {"type": "price_details", "unit_amount_decimal": unit}
    if price:
        pricing["price_details"] = {"price": price["id"], "product": price["product"]}
    parent = None
    if subscription:
        details = {"subscription": subscription} | ({"subscription_item": item} if item else {})
        parent = {"subscription_details": details, "type": "subscription_details"}
    return world.insert({
        "id": world.ids.new("ii_"), "object": "invoiceitem", "amount": amount, "currency": currency,
        "customer": customer["id"], "customer_account": None, "date": world.now, "description": description,
        "discountable": False, "discounts": [], "invoice": None, "livemode": False, "metadata": {},
        "net_amount": amount, "parent": parent, "period": {"end": period[1], "start": period[0]}, "pricing": pricing,
        "proration": proration, "quantity": quantity, "quantity_decimal": str(quantity), "tax_rates": [],
        "test_clock": customer["test_clock"], "created": world.now, "_price": price["id"] if price else None,
        "_subscription": subscription, "_subscription_item": item, "_credited": credited, **values,
    }, "invoiceitem.created")  # fmt: skip


def _put(world: World, item: Object, invoice_id: str) -> None:
    invoice = _draft(world, invoice_id)
    lines = [*invoice["lines"], invoice_make.item_line(world, item) | {"invoice": invoice_id}]
    world.change(item, invoice=invoice_id)
    world.change(invoice, "invoice.updated", **invoice_make.totals(world, invoice | {"lines": lines}))


def _draft(world: World, id: str) -> Object:
    invoice = world.get("invoice", id, "invoice", status=400)
    if invoice["status"] != "draft":
        raise bad_request("This invoice is no longer editable.", code="invoice_not_editable", param="invoice")
    return invoice


def _update(world: World, params: Params, id: str) -> Object:
    item = world.get("invoiceitem", id)
    if item["invoice"]:
        _draft(world, item["invoice"])
    values = given(params, "description", "discountable", "amount")
    if "amount" in values:
        values |= {"net_amount": values["amount"]}
    values["metadata"] = metadata(item["metadata"], params.get("metadata"))
    world.change(item, **values)
    if item["invoice"]:
        _redraw(world, item)
    return item


def _redraw(world: World, item: Object, *, gone: bool = False) -> None:
    invoice = world.raw("invoice", item["invoice"])
    lines: list[Any] = []
    for line in invoice["lines"]:
        details = (line["parent"] or {}).get("invoice_item_details")
        if not details or details["invoice_item"] != item["id"]:
            lines.append(line)
        elif not gone:
            lines.append(invoice_make.item_line(world, item) | {"id": line["id"], "invoice": invoice["id"]})
    world.change(invoice, "invoice.updated", **invoice_make.totals(world, invoice | {"lines": lines}))


def _delete(world: World, params: Params, id: str) -> Object:
    item = world.get("invoiceitem", id)
    if item["invoice"]:
        _draft(world, item["invoice"])
        _redraw(world, item, gone=True)
    return world.delete(item, "invoiceitem.deleted")


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    wanted = {k: params[k] for k in ("customer", "invoice") if k in params}
    pending = params.get("pending")
    if not wanted and pending is None:
        return None
    return lambda i: all(i[k] == v for k, v in wanted.items()) and pending in (None, i["invoice"] is None)


_FIELDS = "amount:int description:str discountable:bool metadata?:map quantity:int period:{start!:int end!:int}"
OPERATIONS = [
    op("POST", "/v1/invoiceitems", create,
       f"customer:str currency:str invoice:str subscription:str pricing>:{{price:str}} price<:str {_FIELDS}"),
    listing("invoiceitem", "/v1/invoiceitems", "created:range customer:str invoice:str pending:bool",
            by={"invoice": "invoice", "customer": "customer"}, keep=_keep),
    retrieving("invoiceitem", "/v1/invoiceitems/{invoiceitem}"),
    op("POST", "/v1/invoiceitems/{invoiceitem}", _update, "amount:int description:str discountable:bool metadata?:map",
       kind="invoiceitem"),
    op("DELETE", "/v1/invoiceitems/{invoiceitem}", _delete, kind="invoiceitem", expand=False),
]  # fmt: skip
