"""Products and prices.

Stripe: https://docs.stripe.com/api/products and .../prices
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .currencies import KNOWN
from .errors import StripeError, bad_request, missing_parameter
from .operation import Params, given, listing, metadata, op, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World

_DIMENSIONS = "{height!:num length!:num weight!:num width!:num}"
_RECURRING = (
    "{interval!:day|week|month|year interval_count:int meter:str trial_period_days:int usage_type:licensed|metered}"
)
_TIERS = "[{up_to!:int|inf unit_amount:int unit_amount_decimal:dec flat_amount:int flat_amount_decimal:dec}]"
_PRODUCT_FIELDS = (
    f"active:bool images?:[str] metadata?:map package_dimensions?:{_DIMENSIONS} shippable:bool"
    " marketing_features?:[{name!:str}] statement_descriptor:str tax_code?:str unit_label?:str url?:str"
)
_PRICE_DATA = (
    "currency!:str unit_amount:int unit_amount_decimal:dec recurring:{interval!:day|week|month|year interval_count:int}"
    " tax_behavior:exclusive|inclusive|unspecified metadata:map"
)


def create_product(world: World, params: Params) -> Object:
    """Create a product, and its first price when `default_price_data` is given."""
    id = params.get("id") or world.ids.new("prod_")
    if world.store.row("product", id):
        raise bad_request(f"Product already exists: {id}", code="resource_already_exists", param="id")
    now = world.now
    product = world.insert({
        "id": id, "object": "product", "active": params.get("active", True), "created": now, "default_price": None,
        "description": params.get("description"), "images": params.get("images") or [], "livemode": False,
        "marketing_features": params.get("marketing_features") or [],
        "metadata": metadata({}, params.get("metadata")), "name": params["name"],
        "package_dimensions": params.get("package_dimensions"), "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"), "tax_code": params.get("tax_code"),
        "tax_details": None, "type": params.get("type", "service"), "unit_label": params.get("unit_label"),
        "updated": now, "url": params.get("url"),
    }, "product.created")  # fmt: skip
    if "default_price_data" in params:
        price = create_price(world, params["default_price_data"] | {"product": id})
        world.change(product, default_price=price["id"])
    return product


def update_product(world: World, params: Params, id: str) -> Object:
    """Change a product."""
    product = world.get("product", id)
    names = ("active", "name", "description", "package_dimensions", "shippable", "statement_descriptor",
             "tax_code", "unit_label", "url", "default_price")  # fmt: skip
    values = given(params, *names)
    if values.get("default_price"):
        price = world.get("price", values["default_price"], "default_price", status=400)
        if price["product"] != id:
            raise bad_request("The default price must belong to this product.", param="default_price")
    for name in ("images", "marketing_features"):
        if name in params:
            values[name] = params[name] or []
    values["metadata"] = metadata(product["metadata"], params.get("metadata"))
    if any(product[k] != v for k, v in values.items()):
        world.change(product, "product.updated", updated=world.now, **values)
    return product


def delete_product(world: World, params: Params, id: str) -> Object:
    """Delete a product that has no prices."""
    product = world.get("product", id)
    if next(world.all("price", "product", id), None):
        raise bad_request(
            "This product cannot be deleted because it has one or more user-created prices. You can archive"
            " it by setting its `active` to false."
        )
    return world.delete(product, "product.deleted")


def create_price(world: World, params: Params) -> Object:
    """Create a price, and its product when `product_data` is given."""
    currency = currency_of(params["currency"])
    amounts = _amounts(params)
    product = _product_of(world, params)
    _take_lookup_key(world, params)
    recurring = params.get("recurring")
    price: Object = {
        "id": world.ids.new("price_"), "object": "price", "active": params.get("active", True),
        "billing_scheme": params.get("billing_scheme", "per_unit"), "created": world.now, "currency": currency,
        "currency_options": _options(currency, amounts, params), "custom_unit_amount": _custom(params),
        "livemode": False, "lookup_key": params.get("lookup_key"), "metadata": metadata({}, params.get("metadata")),
        "nickname": params.get("nickname"), "product": product, "recurring": _recurring(recurring),
        "tax_behavior": params.get("tax_behavior", "unspecified"), "tiers": _tiers(params),
        "tiers_mode": params.get("tiers_mode"), "transform_quantity": params.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time", **amounts,
    }  # fmt: skip
    return world.insert(price, "price.created")


def update_price(world: World, params: Params, id: str) -> Object:
    """Change what may change of a price: not its amount."""
    price = world.get("price", id)
    _take_lookup_key(world, params)
    if params.get("active") is False and world.raw("product", price["product"])["default_price"] == id:
        raise bad_request("This price cannot be archived because it is the default price of its product.")
    values = given(params, "active", "nickname", "lookup_key", "tax_behavior")
    if values.get("tax_behavior", price["tax_behavior"]) != price["tax_behavior"] != "unspecified":
        raise bad_request("tax_behavior cannot be changed once it is set.", param="tax_behavior")
    values["metadata"] = metadata(price["metadata"], params.get("metadata"))
    if world.change(price, "price.updated", **values):
        world.touch_all("subscription", "invoice", "invoiceitem")
    return price


def currency_of(text: str, param: str = "currency") -> str:
    """Return a currency code in lower case.

    Raises:
        StripeError: Stripe has no such currency.
    """
    code = text.lower()
    if code not in KNOWN:
        raise bad_request(
            f"Invalid currency: {code}. Stripe currently supports these currencies: {', '.join(sorted(KNOWN))}",
            param=param,
        )
    return code


def _product_of(world: World, params: Params) -> str:
    if "product_data" in params:
        return str(create_product(world, params["product_data"])["id"])
    if "product" not in params:
        raise missing_parameter("product")
    return str(world.get("product", params["product"], "product", status=400)["id"])


def _amounts(params: Params) -> dict[str, Any]:
    """Return unit_amount and unit_amount_decimal, whichever was given."""
    tiered = params.get("billing_scheme") == "tiered"
    if tiered or "custom_unit_amount" in params:
        if tiered and ("tiers" not in params or "tiers_mode" not in params):
            raise missing_parameter("tiers" if "tiers" not in params else "tiers_mode")
        return {"unit_amount": None, "unit_amount_decimal": None}
    if "unit_amount" in params and "unit_amount_decimal" in params:
        raise bad_request("You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
                          code="parameters_exclusive", param="unit_amount")  # fmt: skip
    if "unit_amount" not in params and "unit_amount_decimal" not in params:
        raise missing_parameter("unit_amount")
    text = str(params.get("unit_amount", params.get("unit_amount_decimal")))
    value = Decimal(text)
    if value < 0:
        raise bad_request("This value must be greater than or equal to 0.", code="parameter_invalid_integer",
                          param="unit_amount")  # fmt: skip
    whole = int(value) if value == int(value) else None
    return {"unit_amount": whole, "unit_amount_decimal": str(whole) if whole is not None else f"{value.normalize():f}"}


def _tiers(params: Params) -> list[dict[str, Any]] | None:
    if params.get("billing_scheme") != "tiered":
        return None
    tiers = []
    for tier in params["tiers"]:
        unit, flat = _tier_amount(tier, "unit_amount"), _tier_amount(tier, "flat_amount")
        up_to = None if tier["up_to"] == "inf" else tier["up_to"]
        tiers.append({"flat_amount": flat[0], "flat_amount_decimal": flat[1], "unit_amount": unit[0],
                      "unit_amount_decimal": unit[1], "up_to": up_to})  # fmt: skip
    if not tiers or tiers[-1]["up_to"] is not None:
        raise bad_request("The last tier must have `up_to` set to `inf`.", param="tiers")
    return tiers


def _tier_amount(tier: Params, name: str) -> tuple[int | None, str | None]:
    text = tier.get(name, tier.get(f"{name}_decimal"))
    if text is None:
        return None, None
    value = Decimal(str(text))
    return (int(value) if value == int(value) else None), f"{value.normalize():f}"


def _recurring(given: Params | None) -> dict[str, Any] | None:
    if given is None:
        return None
    count = given.get("interval_count", 1)
    longest = {"day": 1095, "week": 156, "month": 36, "year": 3}[given["interval"]]
    if not 1 <= count <= longest:
        raise bad_request("The maximum allowed interval is 3 years.", param="recurring[interval_count]")
    return {
        "interval": given["interval"], "interval_count": count, "meter": given.get("meter"),
        "trial_period_days": given.get("trial_period_days"), "usage_type": given.get("usage_type", "licensed"),
    }  # fmt: skip


def _custom(params: Params) -> dict[str, Any] | None:
    custom = params.get("custom_unit_amount")
    if not custom:
        return None
    return {"maximum": custom.get("maximum"), "minimum": custom.get("minimum"), "preset": custom.get("preset")}


def _options(currency: str, amounts: dict[str, Any], params: Params) -> dict[str, Any]:
    """Return `currency_options`: the price's own currency and those given beside it."""
    blank = {"custom_unit_amount": None, "tax_behavior": params.get("tax_behavior", "unspecified")}
    options = {currency: blank | amounts}
    for code, option in (params.get("currency_options") or {}).items():
        options[currency_of(code, "currency_options")] = blank | _amounts(option)
    return options


def _take_lookup_key(world: World, params: Params) -> None:
    key = params.get("lookup_key")
    if not key:
        return
    for other in world.all("price"):
        if other["lookup_key"] == key:
            if not params.get("transfer_lookup_key"):
                raise StripeError(400, f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key")
            world.change(other, "price.updated", lookup_key=None)


def _keep_product(world: World, params: Params) -> Callable[[Object], bool] | None:
    wanted = {k: params[k] for k in ("active", "shippable", "url", "type") if k in params}
    ids = set(params["ids"]) if "ids" in params else None
    if not wanted and ids is None:
        return None
    return lambda o: (ids is None or o["id"] in ids) and all(o[k] == v for k, v in wanted.items())


def _keep_price(world: World, params: Params) -> Callable[[Object], bool] | None:
    wanted = {k: params[k] for k in ("active", "currency", "type") if k in params}
    keys, recurring = params.get("lookup_keys"), params.get("recurring", {})
    if not wanted and keys is None and not recurring:
        return None

    def keep(price: Object) -> bool:
        fits = price["recurring"] or {}
        return (
            all(price[k] == v for k, v in wanted.items())
            and (keys is None or price["lookup_key"] in keys)
            and all(fits.get(k) == v for k, v in recurring.items())
        )

    return keep


OPERATIONS = [
    op("POST", "/v1/products", create_product, f"name!:str id:str description:str type:good|service {_PRODUCT_FIELDS}"
       " default_price_data:{" + _PRICE_DATA + "}"),
    listing("product", "/v1/products", "active:bool created:range ids:[str] shippable:bool type:good|service url:str",
            keep=_keep_product),
    retrieving("product", "/v1/products/{id}"),
    op("POST", "/v1/products/{id}", update_product, f"name:str description?:str default_price:str {_PRODUCT_FIELDS}",
       kind="product"),
    op("DELETE", "/v1/products/{id}", delete_product, kind="product", expand=False),
    op("POST", "/v1/prices", create_price,
       "currency!:str product:str product_data:{name!:str id:str active:bool metadata:map statement_descriptor:str"
       " tax_code:str unit_label:str} active:bool billing_scheme:per_unit|tiered lookup_key:str metadata:map nickname:str"
       f" recurring:{_RECURRING} tax_behavior:exclusive|inclusive|unspecified tiers:{_TIERS} tiers_mode:graduated|volume"
       " custom_unit_amount:{enabled!:bool maximum:int minimum:int preset:int} transfer_lookup_key:bool"
       " transform_quantity:{divide_by!:int round!:up|down} unit_amount:int unit_amount_decimal:dec"
       " currency_options:{_each:{unit_amount:int unit_amount_decimal:dec tax_behavior:exclusive|inclusive|unspecified}}"),
    listing("price", "/v1/prices", "active:bool created:range currency:str lookup_keys:[str] product:str"
            " recurring:{interval:day|week|month|year meter:str usage_type:licensed|metered} type:one_time|recurring",
            by={"product": "product"}, keep=_keep_price),
    retrieving("price", "/v1/prices/{price}"),
    op("POST", "/v1/prices/{price}", update_price, "active:bool lookup_key:str metadata?:map nickname:str"
       " tax_behavior:exclusive|inclusive|unspecified transfer_lookup_key:bool", kind="price"),
]  # fmt: skip
