"""Coupons, promotion codes and the discounts they become.

Stripe: https://docs.stripe.com/billing/subscriptions/coupons
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .catalog import currency_of
from .errors import bad_request, missing_object, missing_parameter
from .events import emit
from .operation import Params, listing, metadata, op, retrieving
from .pricing import add_months
from .store import Object

if TYPE_CHECKING:
    from .world import World

DISCOUNTS = "[{coupon:str promotion_code:str discount:str}]"
_RESTRICTIONS = "{first_time_transaction:bool minimum_amount:int minimum_amount_currency:str}"


def create(world: World, params: Params) -> Object:
    """Create a coupon."""
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if (percent is None) == (amount is None):
        raise bad_request("Must provide either percent_off or amount_off, and not both." if percent is None else
                          "You may only specify one of these parameters: percent_off, amount_off.",
                          code="parameter_missing" if percent is None else "parameters_exclusive",
                          param="percent_off")  # fmt: skip
    if percent is not None and not 0 < percent <= 100:
        raise bad_request("percent_off must be greater than 0 and at most 100.", param="percent_off")
    if amount is not None and "currency" not in params:
        raise missing_parameter("currency")
    duration = params.get("duration", "once")
    if duration == "repeating" and "duration_in_months" not in params:
        raise missing_parameter("duration_in_months")
    id = params.get("id") or world.ids.text(8)
    if world.find("coupon", id):
        raise bad_request(f"Coupon already exists: {id}", code="resource_already_exists", param="id")
    return world.insert({
        "id": id, "object": "coupon", "amount_off": amount, "applies_to": params.get("applies_to"),
        "created": world.now, "currency": currency_of(params["currency"]) if amount is not None else None,
        "duration": duration, "duration_in_months": params.get("duration_in_months"), "livemode": False,
        "max_redemptions": params.get("max_redemptions"), "metadata": metadata({}, params.get("metadata")),
        "name": params.get("name"), "percent_off": percent, "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0, "valid": True,
    }, "coupon.created")  # fmt: skip


def update(world: World, params: Params, id: str) -> Object:
    """Change a coupon's name or metadata."""
    coupon = world.get("coupon", id)
    values: dict[str, Any] = {"metadata": metadata(coupon["metadata"], params.get("metadata"))}
    if "name" in params:
        values["name"] = params["name"]
    if world.change(coupon, "coupon.updated", **values):
        world.touch_all("promotion_code")
    return coupon


def _delete(world: World, params: Params, id: str) -> Object:
    return world.delete(world.get("coupon", id), "coupon.deleted")


def create_code(world: World, params: Params) -> Object:
    """Create a promotion code for a coupon."""
    promotion = params.get("promotion") or {}
    coupon_id, param = promotion.get("coupon"), "promotion[coupon]"
    if "promotion" not in params:
        coupon_id, param = params["coupon"], "coupon"
    if coupon_id is None:
        raise missing_parameter(param)
    coupon = world.get("coupon", coupon_id, param, status=400)
    code = params.get("code") or world.ids.text(8).upper()
    if any(other["active"] for other in world.all("promotion_code", "code", code)):
        raise bad_request("An active promotion code with `code: " + code + "` already exists.", param="code")
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
    rules = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}
    return world.insert({
        "id": world.ids.new("promo_"), "object": "promotion_code", "active": params.get("active", True), "code": code,
        "created": world.now, "customer": params.get("customer"), "customer_account": None,
        "expires_at": params.get("expires_at"), "livemode": False, "max_redemptions": params.get("max_redemptions"),
        "metadata": metadata({}, params.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"}, "restrictions": rules | params.get("restrictions", {}),
        "times_redeemed": 0, "_coupon": coupon["id"],
    }, "promotion_code.created")  # fmt: skip


def update_code(world: World, params: Params, id: str) -> Object:
    """Switch a promotion code on or off, or change its metadata."""
    code = world.get("promotion_code", id)
    values: dict[str, Any] = {"metadata": metadata(code["metadata"], params.get("metadata"))}
    if "active" in params:
        values["active"] = params["active"]
    world.change(code, "promotion_code.updated", **values)
    return code


def redeem(world: World, entries: list[Params], customer: str | None, *, subscription: str | None = None,
           invoice: str | None = None) -> list[str]:  # fmt: skip
    """Turn `discounts` parameters into discounts; return their ids."""
    made = []
    for place, entry in enumerate(entries):
        if "discount" in entry:
            made.append(world.get("discount", entry["discount"], f"discounts[{place}][discount]", status=400)["id"])
            continue
        coupon, code = _coupon_of(world, entry, f"discounts[{place}]")
        made.append(_discount(world, coupon, code, customer, subscription, invoice)["id"])
    return made


def discount_customer(world: World, customer: Object, coupon_id: str) -> None:
    """Give a customer a discount on all that follows (API versions before 2025)."""
    coupon, _ = _coupon_of(world, {"coupon": coupon_id}, "")
    discount = _discount(world, coupon, None, customer["id"], None, None)
    world.change(customer, "customer.updated", _discount=discount["id"])


def valid(world: World, entry: Params, where: str) -> tuple[Object, str | None]:
    """Return the coupon that a `discounts` entry names, and its promotion code.

    Raises:
        StripeError: there is none, or it is used up, over or switched off.
    """
    code = None
    if "promotion_code" in entry:
        name = f"{where}[promotion_code]" if where else "promotion_code"
        promotion = world.get("promotion_code", entry["promotion_code"], name, status=400)
        if not promotion["active"] or _over(world, promotion, promotion["expires_at"]):
            raise bad_request("This promotion code is not active.", code="promotion_code_inactive", param=name)
        code, entry = promotion["id"], {"coupon": promotion["_coupon"]}
    if "coupon" not in entry:
        raise missing_parameter(f"{where}[coupon]")
    name = f"{where}[coupon]" if where else "coupon"
    coupon = world.find("coupon", entry["coupon"])
    if coupon is None:
        raise missing_object("coupon", entry["coupon"], name, 400)
    if _over(world, coupon, coupon["redeem_by"]):
        raise bad_request(f"Coupon {coupon['id']} is no longer valid.", code="coupon_expired", param=name)
    return coupon, code


def _over(world: World, thing: Object, until: int | None) -> bool:
    used_up = thing["max_redemptions"] is not None and thing["times_redeemed"] >= thing["max_redemptions"]
    return used_up or (until is not None and until < world.now)


def _coupon_of(world: World, entry: Params, where: str) -> tuple[Object, str | None]:
    """Return a valid coupon and its code after counting that they are redeemed."""
    coupon, code = valid(world, entry, where)
    if code:
        promotion = world.raw("promotion_code", code)
        world.change(promotion, "promotion_code.updated", times_redeemed=promotion["times_redeemed"] + 1)
    redeemed, most = coupon["times_redeemed"] + 1, coupon["max_redemptions"]
    world.change(coupon, "coupon.updated", times_redeemed=redeemed, valid=most is None or redeemed < most)
    world.touch_all("promotion_code")
    return coupon, code


def _discount(world: World, coupon: Object, code: str | None, customer: str | None,
              subscription: str | None, invoice: str | None) -> Object:  # fmt: skip
    end = None
    if coupon["duration"] == "repeating":
        end = int(add_months(datetime.fromtimestamp(world.now, UTC), coupon["duration_in_months"]).timestamp())
    discount = world.insert({
        "id": world.ids.new("di_"), "object": "discount", "checkout_session": None, "customer": customer,
        "customer_account": None, "end": end, "invoice": invoice, "invoice_item": None, "promotion_code": code,
        "source": {"coupon": coupon["id"], "type": "coupon"}, "start": world.now, "subscription": subscription,
        "subscription_item": None,
    })  # fmt: skip
    if not invoice:
        emit(world, "customer.discount.created", discount)
    return discount


def spend(world: World, owner: Object, event: str) -> list[str]:
    """Return the discounts of a subscription that count now, and take away those that are used up."""
    counting, staying = [], []
    for id in owner["discounts"]:
        discount = world.raw("discount", id)
        coupon = world.raw("coupon", discount["source"]["coupon"])
        over = discount["end"] is not None and discount["end"] <= world.now
        if not over:
            counting.append(id)
        if over or coupon["duration"] == "once":
            emit(world, "customer.discount.deleted", discount)
        else:
            staying.append(id)
    world.change(owner, event, discounts=staying)
    return counting


def lasting(world: World, subscription: Object) -> list[str]:
    """Return the discounts that count for a subscription now and will again: none for once, none that is over."""
    customer = world.raw("customer", subscription["customer"])
    ids = subscription["discounts"] or ([customer["_discount"]] if customer.get("_discount") else [])
    found = [discount for id in ids if (discount := world.find("discount", id))]
    return [
        d["id"] for d in found
        if world.raw("coupon", d["source"]["coupon"])["duration"] != "once" and (d["end"] is None or d["end"] > world.now)
    ]  # fmt: skip


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    names = {"active": "active", "code": "code", "coupon": "_coupon", "customer": "customer"}
    wanted = {names[k]: v for k, v in params.items() if k in names}
    return (lambda c: all(c[k] == v for k, v in wanted.items())) if wanted else None


OPERATIONS = [
    op("POST", "/v1/coupons", create, "amount_off:int applies_to:{products:[str]} currency:str"
       " duration:forever|once|repeating"
       " duration_in_months:int id:str max_redemptions:int metadata?:map name:str percent_off:num redeem_by:int"),
    listing("coupon", "/v1/coupons", "created:range"),
    retrieving("coupon", "/v1/coupons/{coupon}"),
    op("POST", "/v1/coupons/{coupon}", update, "metadata?:map name:str", kind="coupon"),
    op("DELETE", "/v1/coupons/{coupon}", _delete, kind="coupon", expand=False),
    op("POST", "/v1/promotion_codes", create_code, "promotion>!:{type!:coupon coupon:str} coupon<!:str active:bool code:str"
       f" customer:str expires_at:int max_redemptions:int metadata:map restrictions:{_RESTRICTIONS}"),
    listing("promotion_code", "/v1/promotion_codes", "active:bool code:str coupon:str created:range customer:str",
            by={"code": "code", "coupon": "_coupon"}, keep=_keep),
    retrieving("promotion_code", "/v1/promotion_codes/{promotion_code}"),
    op("POST", "/v1/promotion_codes/{promotion_code}", update_code, "active:bool metadata?:map",
       kind="promotion_code"),
]  # fmt: skip
