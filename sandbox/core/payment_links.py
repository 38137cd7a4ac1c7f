"""Payment links: an address that opens a Checkout session for everybody who follows it.

Stripe: https://docs.stripe.com/api/payment-link
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import checkout
from .checkout import BANK_TEXT, CHOICES, COMMON, INTENT_DATA, LINE_ITEM, TRIAL_DATA
from .errors import StripeError, bad_request
from .operation import Operation, Params, Plain, given, listing, metadata, op, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World

GONE = "The link is no longer active."


def create(world: World, params: Params) -> Object:
    """Make a link for prices; one that recurs makes it a link to a subscription."""
    lines = _lines_of(world, params["line_items"])
    id = world.ids.new("plink_")
    recurs = any(entry["price"]["recurring"] for entry in lines)
    _check_mode(params, recurs)
    link: Object = {
        "id": id, "object": "payment_link", "active": True, "after_completion": _after(None),
        "allow_promotion_codes": False, "application": None, "application_fee_amount": None,
        "application_fee_percent": None, "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto", "consent_collection": None, "currency": lines[0]["currency"],
        "custom_fields": [], "custom_text": {"after_submit": None, "shipping_address": None, "submit": None,
                                             "terms_of_service_acceptance": None},
        "customer_creation": "always" if recurs else "if_required", "inactive_message": None,
        "invoice_creation": None if recurs else {"enabled": False, "invoice_data": None}, "livemode": False,
        "managed_payments": None, "metadata": {}, "on_behalf_of": None, "payment_intent_data": None,
        "payment_method_collection": "always", "payment_method_options": None, "payment_method_types": None,
        "phone_number_collection": {"enabled": False}, "restrictions": None, "shipping_address_collection": None,
        "shipping_options": [], "submit_type": "auto", "subscription_data": None,
        "tax_id_collection": {"enabled": False, "required": "never"}, "transfer_data": None,
        "url": f"{world.settings.base_url}/_sandbox/pay/{id}", "_line_items": lines,
    }  # fmt: skip
    return world.insert(link | _values(link, params), "payment_link.created")


def update(world: World, params: Params, id: str) -> Object:
    """Change a link; visits that have begun go on as they were."""
    link = world.get("payment_link", id)
    _check_mode(params, link["subscription_data"] is not None or _recurs(link))
    world.change(link, "payment_link.updated", **_values(link, params))
    return link


def visit(world: World, link: Object) -> Object:
    """Open the Checkout session of one visit.

    Raises:
        StripeError: 404, the link is not active; its own message if it has one.
    """
    if not link["active"]:
        raise StripeError(404, link["inactive_message"] or GONE)
    after = link["after_completion"]
    names = ("allow_promotion_codes", "customer_creation", "submit_type", "metadata", "payment_method_collection")
    params = {name: link[name] for name in names} | {
        name: _told(link[name]) for name in ("payment_intent_data", "subscription_data") if link[name]
    }  # fmt: skip
    if after["type"] == "redirect":
        params["success_url"] = after["redirect"]["url"]
    lines = [
        checkout.line(world, {"price": entry["price"]["id"], "quantity": entry["quantity"]}, place, "")
        for place, entry in enumerate(link["_line_items"])
    ]
    mode = "subscription" if _recurs(link) else "payment"
    return checkout.open_session(world, params, mode, lines, link["id"])


def count(world: World, link: Object) -> None:
    """Count a completed visit; the last one that is allowed closes the link."""
    limits = link["restrictions"]
    if limits is None:
        return
    done = limits["completed_sessions"] | {"count": limits["completed_sessions"]["count"] + 1}
    world.change(link, "payment_link.updated", restrictions={"completed_sessions": done},
                 active=link["active"] and done["count"] < done["limit"])  # fmt: skip


def _values(link: Object, params: Params) -> dict[str, Any]:
    names = ("active", "allow_promotion_codes", "customer_creation", "payment_method_collection", "submit_type",
             "inactive_message")  # fmt: skip
    values = given(params, *names)
    values["metadata"] = metadata(link["metadata"], params.get("metadata"))
    if "after_completion" in params:
        values["after_completion"] = _after(params["after_completion"])
    if "payment_intent_data" in params:
        before = {k: v for k, v in (link["payment_intent_data"] or {}).items() if k != "metadata"}
        values["payment_intent_data"] = _intent_data(before | params["payment_intent_data"])
    if "subscription_data" in params:
        known = {k: v for k, v in (link["subscription_data"] or {}).items() if k != "invoice_settings"}
        values["subscription_data"] = _subscription_data(known | params["subscription_data"])
    if "restrictions" in params:
        limits = params["restrictions"] or None
        done = (link["restrictions"] or {"completed_sessions": {"count": 0}})["completed_sessions"]["count"]
        values["restrictions"] = limits and {
            "completed_sessions": {"count": done, "limit": limits["completed_sessions"]["limit"]}
        }
    return values


def _after(wish: Params | None) -> dict[str, Any]:
    if wish is None or wish["type"] == "hosted_confirmation":
        text = (wish or {}).get("hosted_confirmation", {}).get("custom_message") or None
        return {"hosted_confirmation": {"custom_message": text}, "type": "hosted_confirmation"}
    url = wish.get("redirect", {}).get("url")
    if url is None:
        raise bad_request("Missing required param: after_completion[redirect][url].", code="parameter_missing",
                          param="after_completion[redirect][url]")  # fmt: skip
    checkout.check_address(url, "after_completion[redirect][url]")
    return {"redirect": {"url": url}, "type": "redirect"}


def _intent_data(wish: Params) -> dict[str, Any]:
    names = ("capture_method", "description", "setup_future_usage", "statement_descriptor",
             "statement_descriptor_suffix", "transfer_group")  # fmt: skip
    return {name: wish.get(name) for name in names} | {"metadata": metadata({}, wish.get("metadata"))}


def _subscription_data(wish: Params) -> dict[str, Any]:
    own = {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    }
    return {"description": wish.get("description"), "invoice_settings": own,
            "metadata": metadata({}, wish.get("metadata")), "trial_period_days": wish.get("trial_period_days"),
            "trial_settings": wish.get("trial_settings")}  # fmt: skip


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """Return what of a link's data was given."""
    return {name: value for name, value in data.items() if value is not None and name != "invoice_settings"}


def _recurs(link: Object) -> bool:
    return any(entry["price"]["recurring"] for entry in link["_line_items"])


def _check_mode(params: Params, recurs: bool) -> None:
    wrong = "payment_intent_data" if recurs else "subscription_data"
    if wrong in params:
        raise bad_request(f"You can not pass `{wrong}` " + ("with" if recurs else "without") + " recurring prices.",
                          param=wrong)  # fmt: skip


def _lines_of(world: World, entries: list[Params]) -> list[dict[str, Any]]:
    if not entries:
        raise bad_request("Payment Links require at least one line item.", param="line_items")
    lines = [checkout.line(world, entry, place, "") for place, entry in enumerate(entries)]
    if len({entry["currency"] for entry in lines}) > 1:
        raise bad_request("All prices on a Payment Link must use the same currency.", param="line_items")
    return lines


def _lines(world: World, params: Params, id: str) -> Plain:
    link = world.get("payment_link", id)
    return checkout.page_of_lines(link["_line_items"], params, f"/v1/payment_links/{id}/line_items")


def _keep(world: World, params: Params) -> Callable[[Object], bool] | None:
    return (lambda link: bool(link["active"] == params["active"])) if "active" in params else None


_AFTER = "{type!:hosted_confirmation|redirect hosted_confirmation:{custom_message?:str} redirect:{url!:str}}"
_FIELDS = (
    f"after_completion:{_AFTER} inactive_message?:str metadata:map restrictions?:{{completed_sessions!:{{limit!:int}}}}"
)
_LINE_ITEMS = listing("item", "/v1/payment_links/{payment_link}/line_items")
OPERATIONS = [
    op("POST", "/v1/payment_links", create, f"line_items!:[{{quantity!:int {LINE_ITEM}}}] {COMMON} {_FIELDS}"
       f" payment_intent_data:{{{INTENT_DATA}}} subscription_data:{{description:str {TRIAL_DATA}}}"),
    listing("payment_link", "/v1/payment_links", "active:bool", keep=_keep),
    retrieving("payment_link", "/v1/payment_links/{payment_link}"),
    op("POST", "/v1/payment_links/{payment_link}", update, f"active:bool {CHOICES} {_FIELDS}"
       f" payment_intent_data:{{description:str metadata:map {BANK_TEXT}}} subscription_data:{{{TRIAL_DATA}}}",
       kind="payment_link"),
    Operation("GET", _LINE_ITEMS.path, _lines, _LINE_ITEMS.params, listing=True, kind="payment_link"),
]  # fmt: skip
