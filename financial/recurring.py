"""What a subscription brings a month (MRR), exactly, and how that changed. Pure: no Django, no Stripe keys, no clock.

Amounts are minor units of the subscription's currency as exact fractions: a yearly price of 100.00 is 833⅓ cents a month,
and only the sum that is shown is rounded. Rules and examples: docs/recurring.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction

COUNTED_STATUSES = frozenset({"active", "past_due"})  # unpaid, paused, incomplete and trialing bring nothing (yet)
STOPPED_COLLECTING = frozenset({"void", "mark_uncollectible"})  # `keep_as_draft` only postpones the bill
PER_MONTH = {
    "day": Fraction(365, 12),
    "week": Fraction(52, 12),
    "month": Fraction(1),
    "year": Fraction(1, 12),
}
Monthly = dict[str, Fraction]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class DiscountPolicy(StrEnum):
    """Which discounts lower MRR: those without an end, all that repeat, or every one while it lasts."""

    FOREVER = "forever"
    RECURRING = "recurring"
    ALL = "all"

    @property
    def durations(self) -> frozenset[str]:
        longer = {DiscountPolicy.FOREVER: (), DiscountPolicy.RECURRING: ("repeating",)}
        return frozenset({"forever", *longer.get(self, ("repeating", "once"))})


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a tiered price: up to and including `up_to` units, None for all above."""

    up_to: int | None
    unit_minor: Fraction
    flat_minor: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Price:
    """A recurring price; `unit_minor` is None where tiers decide, or where it cannot be known."""

    product: str
    unit_minor: Fraction | None
    interval: str = "month"
    interval_count: int = 1
    is_metered: bool = False
    tiers: tuple[Tier, ...] = ()
    is_volume: bool = False
    divide_by: int = 1
    rounds_up: bool = False

    def amount_minor(self, quantity: int) -> Fraction:
        """Return what one invoice charges for a quantity; usage that is metered afterwards is not known before.

        Stripe: https://docs.stripe.com/products-prices/pricing-models
        """
        if self.is_metered:
            return Fraction(0)
        if self.tiers:
            return _volume(self.tiers, quantity) if self.is_volume else _graduated(self.tiers, quantity)
        whole, rest = divmod(quantity, self.divide_by)
        return (self.unit_minor or Fraction(0)) * (whole + (1 if rest and self.rounds_up else 0))

    @property
    def invoices_a_month(self) -> Fraction:
        return PER_MONTH.get(self.interval, Fraction(0)) / max(self.interval_count, 1)


def _volume(tiers: Sequence[Tier], quantity: int) -> Fraction:
    reached = next((tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to), tiers[-1])
    return reached.unit_minor * quantity + reached.flat_minor


def _graduated(tiers: Sequence[Tier], quantity: int) -> Fraction:
    total, below = Fraction(0), 0
    for tier in tiers:
        top = quantity if tier.up_to is None else min(quantity, tier.up_to)
        if top > below or not below:  # the first tier's flat part is due at quantity zero, too
            total += tier.unit_minor * (top - below) + tier.flat_minor
        if tier.up_to is None or quantity <= tier.up_to:
            break
        below = tier.up_to
    return total


@dataclass(frozen=True, slots=True)
class Discount:
    """A share or an amount off each invoice, of all items or only of some products; exactly one of the two is set."""

    duration: str
    percent: Fraction | None = None
    amount_minor: Fraction | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    products: frozenset[str] = frozenset()

    def counts(self, policy: DiscountPolicy, at: datetime) -> bool:
        begun = self.starts_at is None or self.starts_at <= at
        return self.duration in policy.durations and begun and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Item:
    price: Price
    quantity: int = 1
    discounts: tuple[Discount, ...] = ()
    tax_percent: Fraction = Fraction(0)  # of tax that the price includes


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one look at a subscription showed; `collection` is the behaviour of a paused collection, else empty."""

    status: str
    currency: str = "usd"
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()
    collection: str = ""
    trial_end_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_counted(self) -> bool:
        return self.status in COUNTED_STATUSES and self.collection not in STOPPED_COLLECTING

    def turning_points(self) -> Iterator[datetime]:
        """Yield when a discount begins or ends: MRR changes then without anybody changing the subscription."""
        for discount in (*self.discounts, *(discount for item in self.items for discount in item.discounts)):
            yield from (at for at in (discount.starts_at, discount.ends_at) if at is not None)


def monthly(subscription: Subscription, policy: DiscountPolicy, at: datetime) -> Monthly:
    """Return MRR per product at a moment, in exact minor units; products that bring nothing are left out.

    Stripe: https://support.stripe.com/questions/calculating-monthly-recurring-revenue-(mrr)-in-billing
    """
    if not subscription.is_counted:
        return {}
    bills = [item.price.amount_minor(item.quantity) / (1 + item.tax_percent / 100) for item in subscription.items]
    for place, item in enumerate(subscription.items):
        for discount in item.discounts:
            if discount.counts(policy, at):
                _take_off(discount, bills, [place])
    for discount in subscription.discounts:
        if discount.counts(policy, at):
            _take_off(discount, bills, _places(discount, subscription.items))
    found: Monthly = {}
    for item, bill in zip(subscription.items, bills, strict=True):
        brought = bill * item.price.invoices_a_month
        if brought > 0:
            found[item.price.product] = found.get(item.price.product, Fraction(0)) + brought
    return found


def _places(discount: Discount, items: Sequence[Item]) -> list[int]:
    return [n for n, item in enumerate(items) if not discount.products or item.price.product in discount.products]


def _take_off(discount: Discount, bills: list[Fraction], places: Sequence[int]) -> None:
    """Lower the invoice amounts at these places, an amount off in proportion to them, never below zero."""
    whole = sum((bills[place] for place in places), Fraction(0))
    if whole <= 0:
        return
    off = discount.percent / 100 if discount.percent is not None else (discount.amount_minor or Fraction(0)) / whole
    for place in places:
        bills[place] *= 1 - min(off, Fraction(1))


def rounded(amount_minor: Fraction) -> int:
    """Return whole minor units, half up: the one rounding, done where a figure is shown."""
    return int((2 * amount_minor + 1) // 2)


@dataclass(frozen=True, slots=True)
class Sight:
    """A subscription as it was seen at a moment, or as it must have been (`is_reconstructed`)."""

    at: datetime
    subscription: Subscription
    is_reconstructed: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """One row per product and stretch of time with the same MRR; `ends_at` is None while it lasts."""

    product: str
    currency: str
    starts_at: datetime
    ends_at: datetime | None
    monthly_minor: Fraction
    is_reconstructed: bool


def spans(sights: Sequence[Sight], policy: DiscountPolicy) -> list[Span]:
    """Return the history that the sights of one subscription tell, oldest first.

    Sights come in the order of their time. What changed between two of them is dated by what the later one says (the end
    of the subscription or of its trial), else by the later one. Sights that show nothing new leave no trace, so that it
    does not matter how often, or in which order, they were collected.
    """
    observed_from = next((sight.at for sight in sights if not sight.is_reconstructed), None)
    found: list[Span] = []
    running: dict[str, Span] = {}
    for at, currency, levels in _levels(sights, policy):
        for product in sorted(running.keys() | levels.keys()):
            before, level = running.get(product), levels.get(product, Fraction(0))
            if before is not None and (before.monthly_minor, before.currency) == (level, currency):
                continue
            if before is not None:
                found.extend(_closed(running.pop(product), at))
            if level:
                is_old = observed_from is None or at < observed_from
                running[product] = Span(product, currency, at, None, level, is_old)
    return sorted([*found, *running.values()], key=lambda span: (span.starts_at, span.product))


def _closed(span: Span, at: datetime) -> list[Span]:
    """Return the span with its end; nothing where it lasted no time."""
    if at <= span.starts_at:
        return []
    return [Span(span.product, span.currency, span.starts_at, at, span.monthly_minor, span.is_reconstructed)]


def _levels(sights: Sequence[Sight], policy: DiscountPolicy) -> Iterator[tuple[datetime, str, Mapping[str, Fraction]]]:
    starts = _dated(sights)
    for place, (sight, start) in enumerate(zip(sights, starts, strict=True)):
        end = starts[place + 1] if place + 1 < len(starts) else None
        inside = {at for at in sight.subscription.turning_points() if start < at and (end is None or at < end)}
        for at in (start, *sorted(inside)):
            yield at, sight.subscription.currency, monthly(sight.subscription, policy, at)


def _dated(sights: Sequence[Sight]) -> list[datetime]:
    """Return since when each sight holds, never earlier than the one before."""
    dates: list[datetime] = []
    for place, sight in enumerate(sights):
        before = sights[place - 1] if place else None
        dates.append(max([_since(sight, before), *dates[-1:]]))
    return dates


def _since(sight: Sight, before: Sight | None) -> datetime:
    now, earlier = sight.subscription, before.at if before else _LONG_AGO
    if now.ended_at is not None and now.ended_at >= earlier:
        return now.ended_at
    was_trial = before is not None and before.subscription.status == "trialing"
    if was_trial and now.status != "trialing" and now.trial_end_at and earlier <= now.trial_end_at < sight.at:
        return now.trial_end_at
    return sight.at
