"""How an invoice comes to be: its lines, discounts and totals.

Stripe: https://docs.stripe.com/api/invoices/object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import coupons, currencies, pricing
from .events import emit
from .store import Object

if TYPE_CHECKING:
    from .world import World

Line = dict[str, Any]


def draft(world: World, customer: Object, **values: Any) -> Object:
    """Write a draft invoice (see `compose`) and tell of it."""
    invoice = world.insert(compose(world, customer, **values))
    emit(world, "invoice.created", invoice)
    return invoice


def compose(world: World, customer: Object, *, currency: str, reason: str, lines: list[Line],
            subscription: Object | None = None, period: tuple[int, int] | None = None, **values: Any) -> Object:  # fmt: skip
    """Return a draft invoice with its lines and sums; nothing is written."""
    now = world.now
    start, end = period or (now, now)
    own = customer["currency"] in (None, currency)
    id = world.ids.new("in_")
    parent = None
    if subscription:
        details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
        parent = {"quote_details": None, "subscription_details": details, "type": "subscription_details"}
    invoice: Object = {
        "id": id, "object": "invoice", "account_country": world.settings.country,
        "account_name": world.settings.account_name, "account_tax_ids": None, "amount_due": 0, "amount_overpaid": 0,
        "amount_paid": 0, "amount_remaining": 0, "amount_shipping": 0, "application": None, "attempt_count": 0,
        "attempted": False, "auto_advance": True,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
        "automatically_finalizes_at": None, "billing_reason": reason, "collection_method": "charge_automatically",
        "created": now, "currency": currency, "custom_fields": None, "customer": customer["id"],
        "customer_account": None, "customer_address": customer["address"], "customer_email": customer["email"],
        "customer_name": customer["name"], "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"], "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [], "default_payment_method": None, "default_source": None, "default_tax_rates": [],
        "description": None, "discounts": [], "due_date": None, "effective_at": None, "ending_balance": None,
        "footer": None, "from_invoice": None, "hosted_invoice_url": None, "invoice_pdf": None,
        "issuer": {"type": "self"}, "last_finalization_error": None, "latest_revision": None, "lines": [],
        "livemode": False, "metadata": {}, "next_payment_attempt": None, "number": None, "on_behalf_of": None,
        "parent": parent,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": end, "period_start": start, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "receipt_number": None, "rendering": None, "shipping_cost": None,
        "shipping_details": None, "starting_balance": customer["balance"] if own else 0,
        "statement_descriptor": None, "status": "draft",
        "status_transitions": {"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        "subtotal": 0, "subtotal_excluding_tax": 0, "test_clock": customer["test_clock"], "total": 0,
        "total_discount_amounts": [], "total_excluding_tax": 0, "total_pretax_credit_amounts": [], "total_taxes": [],
        "webhooks_delivered_at": now, "_subscription": subscription["id"] if subscription else None,
        "_payment_intent": None, "_charge": None, "_paid_out_of_band": False, "_retry": 0, "_coupon_discounts": [],
    }  # fmt: skip
    invoice |= values
    invoice["lines"] = [line | {"invoice": id} for line in lines]
    return invoice | totals(world, invoice)


def totals(world: World, invoice: Object) -> dict[str, Any]:
    """Return the sums of an invoice's lines, with its discounts shared out over them."""
    lines, taken = discounted(world, invoice["lines"], invoice["discounts"], invoice["currency"])
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - sum(entry["amount"] for entry in taken)
    credits = [{"amount": d["amount"], "discount": d["discount"], "type": "discount"} for d in taken]
    due, _ = settle(world, total, invoice["starting_balance"], invoice["currency"])
    return {
        "lines": lines, "subtotal": subtotal, "subtotal_excluding_tax": subtotal, "total": total,
        "total_excluding_tax": total, "total_discount_amounts": taken, "total_pretax_credit_amounts": credits,
        "amount_due": due, "amount_remaining": due - invoice["amount_paid"],
    }  # fmt: skip


def settle(world: World, total: int, balance: int, currency: str) -> tuple[int, int]:
    """Return what is due of a total, and the customer's balance afterwards (negative: what we owe).

    A credit pays first, a debt comes on top, and what is too little to be charged is owed.
    Stripe: https://docs.stripe.com/billing/customer/balance
    """
    due = total + balance
    if due <= 0:
        return 0, due
    return (due, 0) if due >= currencies.minimum(currency, world.settings) else (0, due)


def discounted(world: World, lines: list[Line], discounts: list[str], currency: str) -> tuple[list[Line], list[Line]]:
    """Return lines with their shares of the discounts, and what each discount takes in all."""
    lines = [line | {"discount_amounts": []} for line in lines]
    taken = []
    for id in discounts:
        coupon = world.raw("coupon", world.raw("discount", id)["source"]["coupon"])
        if coupon["currency"] not in (None, currency):
            continue
        rests = [net(line) if _counts(world, line, coupon) else 0 for line in lines]
        base = max(sum(rests), 0)
        amount = min(base, pricing.discount_amount(coupon, base))
        taken.append({"amount": amount, "discount": id})
        for line, share in zip(lines, pricing.spread(amount, [max(rest, 0) for rest in rests]), strict=True):
            line["discount_amounts"] = [*line["discount_amounts"], {"amount": share, "discount": id}]
    return lines, taken


def _counts(world: World, line: Line, coupon: Object) -> bool:
    """Return whether a coupon takes something off a line."""
    if not line["discountable"] or not coupon["applies_to"]:
        return bool(line["discountable"])
    return bool(line["_price"]) and world.raw("price", line["_price"])["product"] in coupon["applies_to"]["products"]


def net(line: Line) -> int:
    """Return what a line costs after its discounts."""
    amount: int = line["amount"] - sum(entry["amount"] for entry in line["discount_amounts"])
    return amount


def line(world: World, *, amount: int, currency: str, description: str | None, quantity: int | None,
         period: tuple[int, int], parent: dict[str, Any], price: Object | None, subscription: str | None,
         data: dict[str, str], discountable: bool = True) -> Line:  # fmt: skip
    """Return a new invoice line."""
    pricing_details = None
    if price:
        details = {"price": price["id"], "product": price["product"]}
        pricing_details = {"price_details": details, "type": "price_details",
                           "unit_amount_decimal": price["unit_amount_decimal"]}  # fmt: skip
    return {
        "id": world.ids.new("il_"), "object": "line_item", "amount": amount, "currency": currency,
        "description": description, "discount_amounts": [], "discountable": discountable, "discounts": [],
        "invoice": None, "livemode": False, "metadata": data, "parent": parent,
        "period": {"end": period[1], "start": period[0]}, "pretax_credit_amounts": [], "pricing": pricing_details,
        "quantity": quantity, "quantity_decimal": None if quantity is None else str(quantity),
        "subscription": subscription, "subtotal": amount, "taxes": [], "_price": price["id"] if price else None,
    }  # fmt: skip


def subscription_lines(world: World, subscription: Object, items: list[Object], *, trial: bool = False) -> list[Line]:
    """Return the lines of a subscription's items for their period; a trial costs nothing."""
    found = []
    for item in items:
        period = (item["current_period_start"], item["current_period_end"])
        price = world.raw("price", item["price"])
        product = world.raw("product", price["product"])
        quantity = item.get("quantity", 0)
        amount = 0 if trial else pricing.line_amount(price, quantity)
        details = {"invoice_item": None, "proration": False, "proration_details": {"credited_items": None},
                   "subscription": subscription["id"], "subscription_item": item["id"]}  # fmt: skip
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        }
        text = f"Trial period for {product['name']}" if trial else f"{quantity} × {product['name']}"
        found.append(line(world, amount=amount, currency=subscription["currency"], description=text, quantity=quantity,
                          period=period, parent=parent, price=price, subscription=subscription["id"],
                          data=subscription["metadata"]))  # fmt: skip
    return found


def pending_lines(
    world: World, customer: Object, currency: str, subscription: str | None
) -> tuple[list[Line], list[Object]]:
    """Return lines for the customer's invoice items that wait for an invoice, with those items."""
    items = [
        item for item in world.all("invoiceitem", "customer", customer["id"])
        if item["invoice"] is None and item["currency"] == currency and item["_subscription"] in (None, subscription)
    ]  # fmt: skip
    return [item_line(world, item) for item in items], items


def item_line(world: World, item: Object) -> Line:
    """Return the invoice line of an invoice item."""
    price = world.raw("price", item["_price"]) if item["_price"] else None
    made = line(world, amount=item["amount"], currency=item["currency"], description=item["description"],
                quantity=item["quantity"], period=(item["period"]["start"], item["period"]["end"]),
                parent=_item_parent(item), price=price, subscription=item["_subscription"], data=item["metadata"],
                discountable=item["discountable"])  # fmt: skip
    if price and item["proration"]:
        made["pricing"] = made["pricing"] | {"unit_amount_decimal": item["pricing"]["unit_amount_decimal"]}
    return made


def _item_parent(item: Object) -> dict[str, Any]:
    """Return where a line comes from: an invoice item, behind prorations also a subscription's item."""
    details = {"invoice_item": item["id"], "proration": item["proration"],
               "proration_details": {"credited_items": item["_credited"]},
               "subscription": item["_subscription"]}  # fmt: skip
    if not item["proration"]:
        return {"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"}
    details["subscription_item"] = item["_subscription_item"]
    return {"invoice_item_details": None, "subscription_item_details": details, "type": "subscription_item_details"}


def take_items(world: World, items: list[Object], invoice: Object) -> None:
    """Note on invoice items which invoice they are on."""
    for item in items:
        world.change(item, invoice=invoice["id"])


def discounts_of(world: World, subscription: Object | None, customer: Object) -> list[str]:
    """Return the discounts that count for an invoice of now, using up the ones for once."""
    if subscription and subscription["discounts"]:
        told = subscription["latest_invoice"] is not None
        return coupons.spend(world, subscription, "customer.subscription.updated" if told else "")
    if customer["_discount"] and world.find("discount", customer["_discount"]):
        discount = world.raw("discount", customer["_discount"])
        coupon = world.raw("coupon", discount["source"]["coupon"])
        if discount["end"] is not None and discount["end"] <= world.now:
            world.change(customer, "customer.updated", _discount=None)
            return []
        if coupon["duration"] == "once":
            world.change(customer, "customer.updated", _discount=None)
        return [discount["id"]]
    return []
