"""Checkout sessions as the API sees them. What their visitors do is in `checkout_visit`.

Stripe: https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import coupons, payment_intents, pricing
from .catalog import create_price
from .embeds import price_view
from .errors import bad_request, missing_parameter
from .events import emit
from .operation import Operation, Params, Plain, listing, metadata, op, retrieving
from .pricing import line_amount
from .settings import DAY, HOUR
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

_ADDRESS = re.compile(r"https?://(?!/)[!-~]+")


def create(world: World, params: Params) -> Object:
    """Open a session for a payment, a subscription or a setup."""
    _check(world, params)
    mode = params.get("mode", "payment")
    lines = [line(world, entry, place, mode) for place, entry in enumerate(params.get("line_items", []))]
    return open_session(world, params, mode, lines)


def open_session(
    world: World, params: Params, mode: str, lines: list[dict[str, Any]], link: str | None = None
) -> Object:
    """Write an open session; `link` is the payment link it was opened by."""
    id = world.ids.new("cs_test_")
    if params.get("subscription_data", {}).keys() & {"trial_end", "trial_period_days"}:
        lines = [_later(entry) if entry["price"]["recurring"] else entry for entry in lines]
    total = sum(entry["amount_total"] for entry in lines)
    session = world.insert({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": False}, "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"), "allowed_payment_method_types": None,
        "amount_subtotal": total if lines else None, "amount_total": total if lines else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None, "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"), "client_secret": None, "collected_information": None,
        "consent": None, "consent_collection": None, "created": world.now,
        "currency": lines[0]["currency"] if lines else params.get("currency"), "currency_conversion": None,
        "custom_fields": [], "custom_text": {"after_submit": None, "shipping_address": None, "submit": None,
                                             "terms_of_service_acceptance": None},
        "customer": params.get("customer"), "customer_account": None,
        "customer_creation": params.get("customer_creation", "if_required" if mode == "payment" else "always"),
        "customer_details": None, "customer_email": params.get("customer_email"), "discounts": [],
        "expires_at": params.get("expires_at", world.now + DAY), "integration_identifier": None, "invoice": None,
        "invoice_creation": None, "livemode": False, "locale": params.get("locale"), "managed_payments": None,
        "metadata": metadata({}, params.get("metadata")), "mode": mode, "origin_context": None, "payment_intent": None,
        "payment_link": link,
        "payment_method_collection": params.get("payment_method_collection",
                                                "always" if mode == "subscription" else "if_required"),
        "payment_method_configuration_details": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": "unpaid" if mode != "setup" else "no_payment_required", "permissions": None,
        "phone_number_collection": {"enabled": False}, "recovered_from": None, "saved_payment_method_options": None,
        "setup_intent": None, "shipping_address_collection": None, "shipping_cost": None, "shipping_options": [],
        "status": "open", "submit_type": params.get("submit_type"), "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if lines else None,
        "ui_mode": "hosted_page", "url": f"{world.settings.base_url}/_sandbox/checkout/{id}", "wallet_options": None,
        "_line_items": lines, "_params": params, "_intent": None, "_subscription": None, "_visitor": {},
    })  # fmt: skip
    if params.get("discounts"):
        reduce(world, session, params["discounts"])
    world.schedule_at(session["expires_at"], "expire_session", id)
    return session


def line(world: World, entry: Params, place: int, mode: str) -> dict[str, Any]:
    """Return a line item of a session or of a payment link; `price_data` becomes a price."""
    if "price" in entry:
        price = world.get("price", entry["price"], f"line_items[{place}][price]", status=400)
    elif "price_data" in entry:
        price = create_price(world, entry["price_data"])
    else:
        raise missing_parameter(f"line_items[{place}][price]")
    if mode == "payment" and price["recurring"]:
        raise bad_request("You specified `payment` mode but passed a recurring price. Either switch to `subscription`"
                          " mode or use only one-time prices.", param="mode")  # fmt: skip
    if not price["active"]:
        raise bad_request("The price specified is inactive. This field only accepts active prices.",
                          param=f"line_items[{place}][price]")  # fmt: skip
    quantity = entry.get("quantity", 1)
    amount = line_amount(price, quantity)
    return {
        "id": world.ids.new("li_"), "object": "item", "adjustable_quantity": None, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": price["currency"],
        "description": world.raw("product", price["product"])["name"], "metadata": {},
        "price": price_view(world, price["id"], world.version), "quantity": quantity,
    }  # fmt: skip


def _later(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a line that costs nothing yet, during a trial."""
    return entry | {"amount_subtotal": 0, "amount_total": 0}


def reduce(world: World, session: Object, discounts: list[Params]) -> None:
    """Take a coupon or promotion code off a session that is still open.

    Raises:
        StripeError: more than one, or one that is not valid.
    """
    if len(discounts) > 1:
        raise bad_request("You may only specify one discount.", param="discounts")
    coupon, code = coupons.valid(world, discounts[0], "discounts[0]")
    lines = session["_line_items"]
    if coupon["currency"] not in (None, session["currency"]):
        raise bad_request(f"The coupon is in {coupon['currency']}, the session in {session['currency']}.",
                          param="discounts[0]")  # fmt: skip
    only = (coupon["applies_to"] or {}).get("products")
    bases = [0 if only and entry["price"]["product"] not in only else entry["amount_subtotal"] for entry in lines]
    taken = pricing.discount_amount(coupon, sum(bases))
    shares = pricing.spread(taken, bases)
    reduced = [
        entry | {"amount_discount": share, "amount_total": entry["amount_subtotal"] - share}
        for entry, share in zip(lines, shares, strict=True)
    ]
    world.change(session, _line_items=reduced, amount_total=session["amount_subtotal"] - taken,
                 discounts=[{"coupon": coupon["id"], "promotion_code": code}],
                 total_details=session["total_details"] | {"amount_discount": taken})  # fmt: skip


def _check(world: World, params: Params) -> None:
    mode = params.get("mode", "payment")
    if "success_url" not in params:
        raise missing_parameter("success_url")
    for name in ("success_url", "cancel_url"):
        check_address(params.get(name), name)
    if mode != "setup" and not params.get("line_items"):
        raise missing_parameter("line_items")
    if mode == "setup" and params.get("line_items"):
        raise bad_request("`line_items` can not be passed in `setup` mode.", param="line_items")
    for name, wanted in (("payment_intent_data", "payment"), ("subscription_data", "subscription"),
                         ("setup_intent_data", "setup")):  # fmt: skip
        if name in params and mode != wanted:
            raise bad_request(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if "customer" in params:
        world.get("customer", params["customer"], "customer", status=400)
        if "customer_email" in params or "customer_creation" in params:
            raise bad_request("You may only specify one of these parameters: customer, customer_email.",
                              code="parameters_exclusive", param="customer")  # fmt: skip
    until = params.get("expires_at")
    if until is not None and not world.now + HOUR // 2 <= until <= world.now + DAY:
        raise bad_request("The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout"
                          " Session creation.", param="expires_at")  # fmt: skip


def check_address(url: str | None, param: str) -> None:
    """Refuse to send visitors anywhere but to a web page."""
    if url is not None and not _ADDRESS.fullmatch(url):
        raise bad_request("Not a valid URL", code="url_invalid", param=param)


@task
def expire_session(world: World, session_id: str) -> None:
    """Close a session nobody completed."""
    session = world.raw("checkout.session", session_id)
    if session["status"] == "open":
        _expire(world, session)


def _expire(world: World, session: Object) -> None:
    intent = world.find("payment_intent", session["payment_intent"])
    if intent and intent["status"] in payment_intents.OPEN:
        payment_intents.cancel_now(world, intent, "abandoned")
    world.change(session, status="expired", url=None)
    emit(world, "checkout.session.expired", session)


def _expire_op(world: World, params: Params, id: str) -> Object:
    session = world.get("checkout.session", id)
    if session["status"] != "open":
        raise bad_request("Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a"
                          f" status of {session['status']}.")  # fmt: skip
    _expire(world, session)
    return session


def page_of_lines(lines: list[dict[str, Any]], params: Params, url: str) -> Plain:
    """Return the page of line items that the paging parameters ask for."""
    ids = [entry["id"] for entry in lines]
    if params.get("starting_after") in ids:
        lines = lines[ids.index(params["starting_after"]) + 1 :]
    limit = params.get("limit", 10)
    return Plain({"object": "list", "data": lines[:limit], "has_more": len(lines) > limit, "url": url})


def _lines(world: World, params: Params, id: str) -> Plain:
    session = world.get("checkout.session", id)
    return page_of_lines(session["_line_items"], params, f"/v1/checkout/sessions/{id}/line_items")


def _update(world: World, params: Params, id: str) -> Object:
    session = world.get("checkout.session", id)
    world.change(session, metadata=metadata(session["metadata"], params.get("metadata")))
    return session


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    names = ("customer", "payment_intent", "payment_link", "subscription", "status")
    wanted = {k: params[k] for k in names if k in params}
    return (lambda s: all(s[k] == v for k, v in wanted.items())) if wanted else None


_LINES = listing("item", "/v1/checkout/sessions/{session}/line_items")
_PRICE_DATA = (
    "{currency!:str product:str product_data:{name!:str description:str images:[str] metadata:map} unit_amount:int"
    " unit_amount_decimal:dec recurring:{interval!:day|week|month|year interval_count:int}"
    " tax_behavior:exclusive|inclusive|unspecified}"
)
LINE_ITEM = f"price:str price_data:{_PRICE_DATA}"
BANK_TEXT = "statement_descriptor:str statement_descriptor_suffix:str transfer_group:str"
INTENT_DATA = (
    f"capture_method:automatic|automatic_async|manual description:str metadata:map {BANK_TEXT}"
    " setup_future_usage:off_session|on_session"
)
_TRIAL = "{end_behavior!:{missing_payment_method!:cancel|create_invoice|pause}}"
TRIAL_DATA = f"metadata:map trial_period_days:int trial_settings:{_TRIAL}"
CHOICES = (
    "allow_promotion_codes:bool customer_creation:always|if_required payment_method_collection:always|if_required"
    " submit_type:auto|book|donate|pay|subscribe"
)
COMMON = f"{CHOICES} currency:str"
OPERATIONS = [
    op("POST", "/v1/checkout/sessions", create,
       f"mode:payment|setup|subscription line_items:[{{quantity:int {LINE_ITEM}}}] success_url:str cancel_url:str"
       f" customer:str customer_email:str client_reference_id:str metadata?:map expires_at:int {COMMON} locale:str"
       f" ui_mode>:hosted_page ui_mode<:hosted discounts:[{{coupon:str promotion_code:str}}]"
       f" payment_intent_data:{{{INTENT_DATA} receipt_email:str}}"
       f" subscription_data:{{description:str {TRIAL_DATA} trial_end:int}}"
       " setup_intent_data:{description:str metadata:map} payment_method_types<:[str]"),
    listing("checkout.session", "/v1/checkout/sessions", "created:range customer:str payment_intent:str payment_link:str"
            " subscription:str status:complete|expired|open",
            by={"customer": "customer", "payment_intent": "payment_intent"}, keep=_keep),
    retrieving("checkout.session", "/v1/checkout/sessions/{session}"),
    op("POST", "/v1/checkout/sessions/{session}", _update, "metadata?:map", kind="checkout.session"),
    op("POST", "/v1/checkout/sessions/{session}/expire", _expire_op, kind="checkout.session"),
    Operation("GET", _LINES.path, _lines, _LINES.params, listing=True, kind="checkout.session"),
]  # fmt: skip
