"""What a price costs: units, tiers, packages, discounts; and when its periods end. Pure.

Stripe: https://docs.stripe.com/products-prices/pricing-models
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .currencies import half_up


def line_amount(price: dict[str, Any], quantity: int) -> int:
    """Return what `quantity` of a price costs, in minor units, rounded once."""
    recurring: dict[str, Any] = price["recurring"] or {}
    if recurring.get("usage_type") == "metered":
        return 0
    if price["billing_scheme"] == "tiered":
        return half_up(_tiered(price["tiers"], price["tiers_mode"], quantity))
    if price["unit_amount_decimal"] is None:
        return 0
    return half_up(Decimal(price["unit_amount_decimal"]) * _packages(price["transform_quantity"], quantity))


def _packages(transform: dict[str, Any] | None, quantity: int) -> int:
    if not transform:
        return quantity
    size: int = transform["divide_by"]
    whole, rest = divmod(quantity, size)
    return whole + (1 if rest and transform["round"] == "up" else 0)


def _tiered(tiers: list[dict[str, Any]], mode: str, quantity: int) -> Decimal:
    total, below = Decimal(0), 0
    for tier in tiers:
        top = tier["up_to"]
        unit, flat = Decimal(tier["unit_amount_decimal"] or 0), Decimal(tier["flat_amount_decimal"] or 0)
        last = top is None or quantity <= top
        if mode == "volume":
            if last:
                return unit * quantity + flat
            continue
        if quantity > below or (quantity == 0 and below == 0):
            total += unit * ((quantity if last else top) - below) + flat
        if last:
            break
        below = top
    return total


def spread(total: int, amounts: list[int]) -> list[int]:
    """Share `total` out in proportion to `amounts`, to the last minor unit."""
    whole = sum(amounts)
    if not whole:
        return [0] * len(amounts)
    shares = [total * amount // whole for amount in amounts]
    left = total - sum(shares)
    order = sorted(range(len(amounts)), key=lambda i: (-(total * amounts[i] % whole), i))
    for place in order[:left]:
        shares[place] += 1
    return shares


def discount_amount(coupon: dict[str, Any], subtotal: int) -> int:
    """Return what a coupon takes off `subtotal`."""
    if coupon["percent_off"] is not None:
        return half_up(Decimal(subtotal) * Decimal(str(coupon["percent_off"])) / 100)
    return min(subtotal, coupon["amount_off"] or 0)


def period(anchor: int, interval: str, count: int, number: int) -> int:
    """Return the start of period `number` (0 is the anchor itself), month ends clamped."""
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in ("day", "week"):
        days = number * count * (7 if interval == "week" else 1)
        return int((start + timedelta(days=days)).timestamp())
    months = number * count * (12 if interval == "year" else 1)
    return int(add_months(start, months).timestamp())


def add_months(start: datetime, months: int) -> datetime:
    """Return the same day `months` later, or the last day of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)
