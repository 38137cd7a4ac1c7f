"""What is given back and asked for when a subscription changes within a period, to the second.

What an item costs for its whole period is shared out by the seconds that are left of it:
`round(cost * unused seconds / seconds of the period)`, halves away from zero. A credit goes by what was
billed for the period (not by what the item is now), a debit by what the new item costs; both are net of the
discounts that last.
Stripe: https://docs.stripe.com/billing/subscriptions/prorations
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import coupons, invoice_items, invoice_make, pricing
from .currencies import half_up
from .store import Object

if TYPE_CHECKING:
    from .world import World


@dataclass(frozen=True)
class Proration:
    """One line: negative for unused time, positive for remaining time; minor units of the subscription's currency."""

    item: Object
    amount: int
    description: str
    period: tuple[int, int]
    credited: dict[str, Any] | None = None


def share(cost: int, left: int, whole: int) -> int:
    """Return the part of `cost` that `left` of `whole` seconds are worth."""
    return half_up(Decimal(cost) * left / whole) if whole else 0


def credits(world: World, items: list[Object], at: int) -> list[Proration]:
    """Return what is given back for the time that items are not used after `at`."""
    return [_credit(world, item, at) for item in items if item["_billed"] and item["_billed"]["amount"]]


def debits(world: World, subscription: Object, items: list[Object], chosen: list[Object], at: int) -> list[Proration]:
    """Return what `chosen` ones of a subscription's new items cost for the time that remains after `at`."""
    costs = full_costs(world, subscription, items)
    return [_debit(world, item, costs[item["id"]], at) for item in chosen if not _metered(world, item)]


def changed(before: list[Object], after: list[Object]) -> tuple[list[Object], list[Object]]:
    """Return the old items that are gone or bill something else, and the new ones that take their place."""
    old, new = ({item["id"]: _what(item) for item in items} for items in (before, after))
    return [i for i in before if new.get(i["id"]) != _what(i)], [i for i in after if old.get(i["id"]) != _what(i)]


def full_costs(world: World, subscription: Object, items: list[Object]) -> dict[str, int]:
    """Return what each item costs for a whole period, net of the discounts that last."""
    lines = [
        {"amount": pricing.line_amount(world.raw("price", item["price"]), item.get("quantity", 0)),
         "discountable": True, "_price": item["price"]} for item in items
    ]  # fmt: skip
    lasting = coupons.lasting(world, subscription)
    lines, _ = invoice_make.discounted(world, lines, lasting, subscription["currency"])
    return {item["id"]: invoice_make.net(line) for item, line in zip(items, lines, strict=True)}


def billed(items: list[Object], invoice: Object) -> list[Object]:
    """Return items that remember what an invoice takes for their period, and where."""
    found = {}
    for line in invoice["lines"]:
        details = line["parent"]["subscription_item_details"]
        if details and not details["proration"]:
            source = {"invoice": invoice["id"], "invoice_line_items": [line["id"]]}
            found[details["subscription_item"]] = invoice_make.net(line), source
    return [noted(item, *found[item["id"]]) if item["id"] in found else item for item in items]


def noted(item: Object, amount: int, source: dict[str, Any] | None = None) -> Object:
    """Return an item that remembers what is billed for its whole period, for what, and on which line."""
    bill = {"amount": amount, "source": source, "price": item["price"], "quantity": item.get("quantity", 0)}
    return item | {"_billed": bill}


def write(world: World, subscription: Object, entries: list[Proration]) -> None:
    """Let prorations wait for the subscription's next invoice."""
    customer = world.raw("customer", subscription["customer"])
    for entry in entries:
        quantity = entry.item.get("quantity", 1)
        unit = Decimal(entry.amount) / quantity if quantity else Decimal(entry.amount)
        invoice_items.write(
            world, customer, amount=entry.amount, currency=subscription["currency"], description=entry.description,
            quantity=quantity, unit=f"{round(unit, 12).normalize():f}", price=world.raw("price", entry.item["price"]),
            period=entry.period, subscription=subscription["id"], item=entry.item["id"], proration=True,
            credited=entry.credited, metadata=subscription["metadata"],
        )  # fmt: skip


def _credit(world: World, item: Object, at: int) -> Proration:
    start, end = item["current_period_start"], item["current_period_end"]
    paid = item["_billed"]
    item = item | {"price": paid["price"], "quantity": paid["quantity"]}
    amount = -share(paid["amount"], end - at, end - start)
    return Proration(item, amount, _text(world, "Unused", item, at), (at, end), paid["source"])


def _debit(world: World, item: Object, cost: int, at: int) -> Proration:
    start, end = item["current_period_start"], item["current_period_end"]
    return Proration(item, share(cost, end - at, end - start), _text(world, "Remaining", item, at), (at, end))


def _text(world: World, word: str, item: Object, at: int) -> str:
    name = world.raw("product", world.raw("price", item["price"])["product"])["name"]
    quantity = item.get("quantity", 1)
    many = f"{quantity} × " if quantity != 1 else ""
    return f"{word} time on {many}{name} after {datetime.fromtimestamp(at, UTC).strftime('%d %b %Y')}"


def _what(item: Object) -> tuple[str, int | None]:
    return item["price"], item.get("quantity")


def _metered(world: World, item: Object) -> bool:
    return bool(world.raw("price", item["price"])["recurring"]["usage_type"] == "metered")
