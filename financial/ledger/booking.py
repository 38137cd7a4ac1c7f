"""Which entry a payment must have. Pure: facts in, figures out; no Django, no models, no clock.

A payment is booked when it succeeds, with an estimated fee, and settled once by its balance transaction: from then on the
figures are Stripe's, in the settlement currency. Nothing is ever computed from an exchange rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from financial.errors import BookingError
from financial.money import percent_and_fixed_minor

FeeRules = Mapping[str, tuple[str, int]]
ANY_CURRENCY = "*"


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """A succeeded payment; minor units of the presentment `currency`."""

    stripe_id: str
    amount_minor: int
    currency: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class BalanceFacts:
    """A balance transaction; minor units of the settlement `currency`."""

    stripe_id: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created_at: datetime
    exchange_rate: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What a transaction shows; minor units of `currency`."""

    status: str
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    occurred_at: datetime
    booked_on: date
    exchange_rate: str


@dataclass(frozen=True, slots=True)
class Fee:
    """An estimated fee; `is_rough` where no rule covers the currency and only the percentage is known."""

    fee_minor: int
    is_rough: bool


def estimate_fee(amount_minor: int, currency: str, rules: FeeRules) -> Fee:
    """Return 2.9 % + 30¢, or whatever the rules say, rounded half up on the exact total.

    Minor units in and out: 500 usd -> 45.
    """
    rate, fixed_minor = rules.get(currency) or rules.get(ANY_CURRENCY) or ("0", 0)
    fee_minor = percent_and_fixed_minor(amount_minor, Decimal(rate), fixed_minor)
    return Fee(min(fee_minor, amount_minor), is_rough=currency not in rules)


def estimated(payment: PaymentFacts, fee: Fee, zone: ZoneInfo) -> Figures:
    """Return the figures of a payment whose balance transaction is not known yet."""
    return Figures(
        status="estimated",
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        fee_minor=fee.fee_minor,
        net_minor=payment.amount_minor - fee.fee_minor,
        occurred_at=payment.paid_at,
        booked_on=payment.paid_at.astimezone(zone).date(),
        exchange_rate="",
    )


def settled(balance: BalanceFacts, zone: ZoneInfo) -> Figures:
    """Return the exact figures.

    Raises:
        BookingError: net is not amount less fee; such a row is not booked.
    """
    if balance.net_minor != balance.amount_minor - balance.fee_minor:
        raise BookingError(
            f"{balance.stripe_id}: net {balance.net_minor} is not amount {balance.amount_minor} "
            f"less fee {balance.fee_minor}; it was not booked."
        )
    return Figures(
        status="settled",
        currency=balance.currency,
        amount_minor=balance.amount_minor,
        fee_minor=balance.fee_minor,
        net_minor=balance.net_minor,
        occurred_at=balance.created_at,
        booked_on=balance.created_at.astimezone(zone).date(),
        exchange_rate=balance.exchange_rate,
    )
