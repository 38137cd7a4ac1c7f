"""A price in words and a fee against its estimate, as lists, details and forms show them. Reads columns only."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from financial import money
from financial.models import StripePrice, StripeTransaction


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
