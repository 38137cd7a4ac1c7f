"""Coupons and promotion codes as Stripe has them: what is taken off, and for how long. Pure, but for `find_offer`.

Stripe: https://docs.stripe.com/billing/subscriptions/coupons
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from financial.gateway.client import StripeGateway

COUPON, PROMOTION_CODE = "coupon", "promotion_code"


@dataclass(frozen=True, slots=True)
class Offer:
    """A coupon, or the code that gives it; `kind` is what Stripe calls the parameter that takes `stripe_id`.

    Either `percent` or `amount_minor` of `currency` is taken off each invoice: of the first (`duration` once), of those
    of `months` months (repeating), or of all (forever).
    """

    kind: str
    stripe_id: str
    name: str
    percent: Decimal | None
    amount_minor: int | None
    currency: str
    duration: str
    months: int | None
    is_valid: bool

    @property
    def parameter(self) -> dict[str, str]:
        """Return the argument that gives it to a subscription."""
        return {self.kind: self.stripe_id}


def find_offer(gateway: StripeGateway, text: str) -> Offer | None:
    """Ask Stripe for what somebody typed: a promotion code as customers know it, its promo_… id, or a coupon's id."""
    expand = ("promotion.coupon",)
    if text.startswith("promo_"):
        code = gateway.look("/v1/promotion_codes", text, expand=expand)
        return _of_code(code) if code else None
    asked = {"code": text, "active": "true", "expand[]": f"data.{expand[0]}"}
    codes = gateway.list_page("/v1/promotion_codes", asked, limit=1).items
    if codes:
        return _of_code(codes[0])
    coupon = gateway.look("/v1/coupons", text)
    return _offer(COUPON, text, coupon, str(coupon.get("name") or text), True) if coupon else None


def _of_code(code: Mapping[str, Any]) -> Offer:
    coupon = (code.get("promotion") or {}).get("coupon") or {}
    return _offer(
        PROMOTION_CODE, str(code["id"]), coupon, str(code.get("code") or code["id"]), bool(code.get("active"))
    )


def _offer(kind: str, stripe_id: str, coupon: Mapping[str, Any], name: str, is_active: bool) -> Offer:
    percent = coupon.get("percent_off")
    return Offer(
        kind=kind,
        stripe_id=stripe_id,
        name=name,
        percent=None if percent is None else Decimal(str(percent)).normalize(),
        amount_minor=coupon.get("amount_off"),
        currency=str(coupon.get("currency") or ""),
        duration=str(coupon.get("duration") or ""),
        months=coupon.get("duration_in_months"),
        is_valid=is_active and bool(coupon.get("valid")),
    )
