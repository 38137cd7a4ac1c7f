"""A price in words and a fee against its estimate, as lists, details and forms show them. Reads columns only."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from financial import money
from financial.models import StripePrice, StripeTransaction
from financial.recurring import Tier, rounded


def price_words(price: StripePrice) -> str:
    """Return what a price costs and how often: `$29.99 USD per month`, `¥500 JPY once`, `tiered, every 3 months`."""
    cycle = cycle_words(price)
    amount = _amount(price)
    if not price.recurring:
        return f"{amount} once" if amount else cycle
    metered = ", metered" if price.usage_type == "metered" else ""
    return f"{amount} {cycle}{metered}" if amount else f"{_scheme(price)}, {cycle}{metered}"


def cycle_words(price: StripePrice) -> str:
    """Return how often a price is billed: `once`, `per month`, `every 3 months`."""
    if not price.recurring:
        return "once"
    count = price.interval_count or 1
    return f"per {price.interval}" if count == 1 else f"every {count} {price.interval}s"


def _amount(price: StripePrice) -> str:
    if price.unit_amount_minor is not None:
        return money.with_code(price.unit_amount_minor, price.currency)
    if price.currency not in money.CURRENCIES:
        return ""
    try:  # a fraction of the smallest unit, such as 0.5 cents a call
        exact = Decimal(price.unit_amount_decimal).scaleb(-money.exponent(price.currency))
    except InvalidOperation:
        return ""
    return f"{exact:f} {price.currency.upper()}"


def _scheme(price: StripePrice) -> str:
    return "tiered" if price.billing_scheme == "tiered" else "any amount"


def fee_drift_minor(booking: StripeTransaction) -> int | None:
    """Return the exact fee less the first estimate; None before it is exact, or where they are in two currencies."""
    entry = booking.transaction
    if entry.is_estimated or entry.currency != entry.presentment_currency:
        return None
    return entry.fee_minor - booking.estimated_fee_minor


def tier_words(tiers: Sequence[Tier], currency: str, *, is_volume: bool) -> list[str]:
    """Return each step of a tiered price: `1 to 5: $7.00 USD each`, `from 11: $6.00 USD each, and $5.00 USD flat`."""
    said, first = [], 1
    for tier in tiers:
        units = f"from {first:,}" if tier.up_to is None else f"{first:,} to {tier.up_to:,}"
        flat = f", and {_exact(tier.flat_minor, currency)} flat" if tier.flat_minor else ""
        said.append(f"{units}: {_exact(tier.unit_minor, currency)} each{flat}")
        first = (tier.up_to or 0) + 1
    rule = "All units at the step reached" if is_volume else "Each unit at its own step"
    return [f"{rule}.", *said] if said else []


def _exact(minor: Fraction, currency: str) -> str:
    """Write minor units with what is below them: half a cent is `0.005 USD`."""
    if minor.denominator == 1 or currency not in money.CURRENCIES:
        return money.with_code(rounded(minor), currency)
    digits = Decimal(minor.numerator) / Decimal(minor.denominator)
    return f"{digits.scaleb(-money.exponent(currency)).normalize():f} {currency.upper()}"
