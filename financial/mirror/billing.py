"""What Stripe's payloads say about recurring revenue, as the values of `financial.recurring`. Pure.

`facts` is the part of a subscription that MRR depends on, small enough to be kept for every change and free of personal
data. Discounts stand in it as ids; `known` holds those that came expanded, since events name them by id only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from financial.mirror.translate import at, find, reduce_to_id
from financial.recurring import Discount, Item, Price, Subscription, Tier

Payload = dict[str, Any]
Facts = dict[str, Any]

_PLAIN = ("status", "currency", "start_date", "created", "trial_start", "trial_end", "ended_at")
_OF_PRICE = (
    "id",
    "currency",
    "unit_amount",
    "unit_amount_decimal",
    "billing_scheme",
    "tiers_mode",
    "transform_quantity",
)
_OF_COUPON = ("duration", "percent_off", "amount_off", "currency")


def facts(payload: Payload) -> Facts:
    """Return what MRR depends on, from a subscription in an answer or in an event of any API version."""
    items = [item for item in find(payload, "items.data") or [] if isinstance(item, dict) and not item.get("deleted")]
    found: Facts = {name: payload.get(name) for name in _PLAIN}
    found["currency"] = payload.get("currency") or find(payload, "items.data.0.price.currency")  # old versions lack it
    found["collection"] = find(payload, "pause_collection.behavior") or ""
    found["items"] = [_item_facts(item, payload.get("default_tax_rates")) for item in items]
    named = [*_named_discounts(payload), *(one for item in items for one in _named_discounts(item))]
    found["discounts"] = [reduce_to_id(one) for one in _named_discounts(payload)]
    found["known"] = {one["id"]: known for one in named if (known := _discount_facts(one)) is not None}
    return found


def tells_the_same(one: Facts, other: Facts) -> bool:
    """Whether two sights differ in nothing but how much they tell of their discounts."""
    return {**one, "known": None} == {**other, "known": None}


def _item_facts(item: Payload, default_tax_rates: Any) -> Facts:
    price = item.get("price") or item.get("plan") or {}
    rates = item.get("tax_rates") or default_tax_rates or []
    return {
        "price": price if isinstance(price, str) else _price_facts(price),
        "quantity": item.get("quantity"),
        "discounts": [reduce_to_id(one) for one in _named_discounts(item)],
        "tax": [str(rate["percentage"]) for rate in rates if isinstance(rate, dict) and rate.get("inclusive")],
    }


def _price_facts(price: Payload) -> Facts:
    recurring = price.get("recurring") or {}
    return {
        **{name: price.get(name) for name in _OF_PRICE},
        "product": reduce_to_id(price.get("product")),
        "recurring": {name: recurring.get(name) for name in ("interval", "interval_count", "usage_type")},
    }


def _named_discounts(owner: Payload) -> list[Any]:
    """Discounts stand in a list, before 2025-03-31.basil one stood by itself."""
    listed = owner.get("discounts") or ([owner["discount"]] if owner.get("discount") else [])
    return [one for one in listed if one]


def _discount_facts(discount: Any) -> Facts | None:
    """Return an expanded discount with its coupon; None where only ids came."""
    coupon = discount.get("coupon") or find(discount, "source.coupon") if isinstance(discount, dict) else None
    if not isinstance(coupon, dict):
        return None
    products = find(coupon, "applies_to.products") or []
    kept = {name: coupon.get(name) for name in _OF_COUPON}
    return {**kept, "start": discount.get("start"), "end": discount.get("end"), "products": products}


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What sights refer to by id: prices with their tiers, discounts with their coupons."""

    prices: Mapping[str, Price]
    discounts: Mapping[str, Discount]


def subscription(seen: Facts, knowledge: Knowledge) -> Subscription:
    """Return a sight as the value MRR is computed from. Discounts for once are left to `spent`, which the invoice dates."""
    return Subscription(
        status=str(seen.get("status") or ""),
        currency=str(seen.get("currency") or ""),
        items=tuple(_item(item, knowledge) for item in seen["items"]),
        discounts=_discounts(seen["discounts"], knowledge),
        collection=str(seen.get("collection") or ""),
        trial_end_at=_at(seen.get("trial_end")),
        ended_at=_at(seen.get("ended_at")),
    )


def _item(item: Facts, knowledge: Knowledge) -> Item:
    quantity = item.get("quantity")
    return Item(
        price=_price_of(item["price"], knowledge.prices),
        quantity=1 if quantity is None else int(quantity),
        discounts=_discounts(item["discounts"], knowledge),
        tax_percent=sum((Fraction(share) for share in item.get("tax", ())), Fraction(0)),
    )


def _discounts(ids: Sequence[str], knowledge: Knowledge) -> tuple[Discount, ...]:
    found = (knowledge.discounts.get(one) for one in ids)
    return tuple(one for one in found if one is not None and one.duration != "once")


def _price_of(named: str | Facts, prices: Mapping[str, Price]) -> Price:
    """Tiers are in no subscription: they come from the mirrored price, which never changes them."""
    if isinstance(named, str):
        return prices.get(named, Price("", None))
    return price(named) if _is_told(named) else prices.get(named["id"], price(named))


def _is_told(price: Facts) -> bool:
    return price.get("unit_amount") is not None or price.get("unit_amount_decimal") is not None


def price(payload: Payload) -> Price:
    recurring = payload.get("recurring") or {}
    transform = payload.get("transform_quantity") or {}
    return Price(
        product=reduce_to_id(payload.get("product")),
        unit_minor=_minor(payload, "unit_amount"),
        interval=str(recurring.get("interval") or ""),
        interval_count=int(recurring.get("interval_count") or 1),
        is_metered=recurring.get("usage_type") == "metered",
        tiers=tuple(_tier(tier) for tier in payload.get("tiers") or ()),
        is_volume=payload.get("tiers_mode") == "volume",
        divide_by=int(transform.get("divide_by") or 1),
        rounds_up=transform.get("round") == "up",
    )


def _tier(tier: Payload) -> Tier:
    flat = _minor(tier, "flat_amount") or Fraction(0)
    return Tier(tier.get("up_to"), _minor(tier, "unit_amount") or Fraction(0), flat)


def _minor(owner: Payload, name: str) -> Fraction | None:
    exact = owner.get(f"{name}_decimal")
    given = exact if exact is not None else owner.get(name)
    return None if given is None else Fraction(str(given))


def named_prices(seen: Facts) -> Iterator[str]:
    """Yield the ids of the prices that a sight alone does not tell enough of."""
    for item in seen["items"]:
        if isinstance(item["price"], str):
            yield item["price"]
        elif not _is_told(item["price"]):
            yield item["price"]["id"]


def discounts(seen: Facts) -> dict[str, Discount]:
    """Return what a sight tells of discounts, by id."""
    currency = seen.get("currency")
    return {name: _discount(known, currency) for name, known in seen.get("known", {}).items()}


def _discount(known: Facts, currency: Any) -> Discount:
    percent, amount = known.get("percent_off"), known.get("amount_off")
    is_foreign = known.get("currency") not in (None, currency)
    return Discount(
        duration=str(known.get("duration") or ""),
        percent=None if percent is None else Fraction(str(percent)),
        amount_minor=None if amount is None or is_foreign else Fraction(int(amount)),
        starts_at=_at(known.get("start")),
        ends_at=_at(known.get("end")),
        products=frozenset(known.get("products") or ()),
    )


# What invoices tell


@dataclass(frozen=True, slots=True)
class Billed:
    """What one invoice charged a subscription for, and the time it covers."""

    starts_at: datetime
    ends_at: datetime
    items: list[Facts]
    discounts: list[str]
    taken_off: list[tuple[str, int]]


def billed(invoice: Payload) -> Billed | None:
    """Return what an invoice says of its subscription's items; None if it bills no period of any."""
    lines = [line for line in find(invoice, "lines.data") or [] if _is_plain(line)]
    if not lines:
        return None
    taken = [
        (reduce_to_id(one.get("discount")), one.get("amount")) for one in invoice.get("total_discount_amounts") or []
    ]
    return Billed(
        starts_at=at(max(line["period"]["start"] for line in lines)),
        ends_at=at(max(line["period"]["end"] for line in lines)),
        items=[_line_item(line) for line in lines],
        discounts=[reduce_to_id(one) for one in _named_discounts(invoice)],
        taken_off=[(name, int(amount or 0)) for name, amount in taken],
    )


def _is_plain(line: Payload) -> bool:
    """Whether a line bills an item for a period, and is no proration; it says so in two ways, by API version."""
    details = find(line, "parent.subscription_item_details")
    if details is not None:
        return not details.get("proration")
    return line.get("type") == "subscription" and not line.get("proration")


def _line_item(line: Payload) -> Facts:
    price = find(line, "pricing.price_details.price") or line.get("price") or line.get("plan")
    return {"price": reduce_to_id(price), "quantity": line.get("quantity"), "discounts": [], "tax": []}


def spent(bill: Billed, known: Mapping[str, Discount]) -> Iterator[Discount]:
    """Yield the discounts that counted for this invoice only, from the start to the end of what it bills."""
    for name, amount in bill.taken_off:
        if name not in known or known[name].duration == "once":
            yield Discount("once", None, Fraction(amount), bill.starts_at, bill.ends_at)


def _at(seconds: Any) -> datetime | None:
    return None if seconds is None else at(seconds)


def started_at(seen: Facts) -> datetime | None:
    """Return when a subscription began, which may lie before it was made."""
    return _at(seen.get("start_date") or seen.get("created"))


def trial(seen: Facts) -> tuple[datetime | None, datetime | None]:
    return _at(seen.get("trial_start")), _at(seen.get("trial_end"))


def last_known_at(payload: Payload) -> datetime | None:
    """Return the latest moment a subscription speaks of as past, for payloads of which nobody knows when they were shown."""
    ends = [item.get("current_period_start") for item in find(payload, "items.data") or []]
    moments = (payload.get(name) for name in ("created", "ended_at", "canceled_at", "current_period_start"))
    return max((at(moment) for moment in (*moments, *ends) if moment is not None), default=None)
