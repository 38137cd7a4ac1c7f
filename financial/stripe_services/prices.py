"""What a mirrored price says beyond its columns."""

from __future__ import annotations

from financial.mirror import billing
from financial.models import StripePrice
from financial.recurring import Tier


def tiers_of(price: StripePrice) -> tuple[Tier, ...]:
    """Return the steps of a tiered price, amounts as exact minor units; none of any other.

    Stripe: https://docs.stripe.com/products-prices/pricing-models#tiered-pricing
    """
    return billing.price(price.payload).tiers
