"""Subscriptions after their start, as the API sees them: change, cancel, resume, list.

Stripe: https://docs.stripe.com/api/subscriptions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import coupons, cycle, subscription_changes
from .errors import StripeError, bad_request
from .events import emit
from .expand import ENDED
from .operation import Params, given, listing, metadata, op, retrieving
from .store import Object
from .subscription_changes import BEHAVIOR
from .subscriptions import COMMON, ITEM, check_rhythm, create, discounts_of, new_item, own_method, prices_of

if TYPE_CHECKING:
    from .world import World


def update(world: World, params: Params, id: str) -> Object:
    """Change a subscription; what that costs is billed as `proration_behavior` says."""
    subscription = world.get("subscription", id)
    if subscription["status"] in ENDED and params.keys() - {"metadata", "cancellation_details"}:
        raise bad_request("A canceled subscription can only update its cancellation_details and metadata.", param="id")
    customer = world.raw("customer", subscription["customer"])
    values = given(params, "description", "days_until_due", "collection_method")
    values["metadata"] = metadata(subscription["metadata"], params.get("metadata"))
    if "default_payment_method" in params:
        method = own_method(world, params, customer)
        values["default_payment_method"] = method["id"] if method else None
    values |= _cancellation(world, subscription, params)
    if "discounts" in params or params.get("coupon") or params.get("promotion_code"):
        values["discounts"] = coupons.redeem(world, discounts_of(params), customer["id"], subscription=id)
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        values["pause_collection"] = pause and {"behavior": pause["behavior"], "resumes_at": pause.get("resumes_at")}
        if pause and pause.get("resumes_at"):
            world.schedule_at(pause["resumes_at"], "resume_collection", id, pause["resumes_at"])
    if "trial_settings" in params:
        values["trial_settings"] = {
            "end_behavior": {"billing_cycle_anchor": None} | params["trial_settings"]["end_behavior"]
        }
    if params.keys() & {"items", "trial_end", "billing_cycle_anchor"}:
        items = edited_items(world, subscription, params["items"]) if "items" in params else subscription["items"]
        change_items(world, subscription, items, params, **values)
    else:
        world.change(subscription, "customer.subscription.updated", **values)
    return subscription


def change_items(world: World, subscription: Object, items: list[Object], params: Params, **values: Any) -> None:
    """Give a subscription other items, billed as the update's parameters say."""
    wish = subscription_changes.wish_of(world, subscription, params)
    if params.get("payment_behavior") == "error_if_incomplete":
        subscription_changes.refuse_unpaid(world, subscription, items, wish)
    subscription_changes.apply(world, subscription, items, wish, **values)


def _cancellation(world: World, subscription: Object, params: Params) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "cancel_at_period_end" in params:
        flag = params["cancel_at_period_end"]
        end = max(item["current_period_end"] for item in subscription["items"])
        reason = "cancellation_requested" if flag else None
        values = {"cancel_at_period_end": flag, "cancel_at": end if flag else None,
                  "canceled_at": world.now if flag else None,
                  "cancellation_details": subscription["cancellation_details"] | {"reason": reason}}  # fmt: skip
    if "cancel_at" in params:
        at = params["cancel_at"] or None
        at = cycle.current_end(subscription) if isinstance(at, str) else at
        values |= {"cancel_at": at, "canceled_at": world.now if at else None}
        if at:
            world.schedule_at(at, "cancel_due", subscription["id"])
    if "cancellation_details" in params:
        details = {k: v or None for k, v in params["cancellation_details"].items()}
        values["cancellation_details"] = subscription["cancellation_details"] | details
    return values


def edited_items(world: World, subscription: Object, entries: list[Params]) -> list[Object]:
    """Return the items after an update's list of changes."""
    items = [dict(item) for item in subscription["items"]]
    for place, entry in enumerate(entries):
        item = next((i for i in items if i["id"] == entry.get("id")), None)
        if entry.get("id") and item is None:
            raise bad_request(
                f"No such subscription item: '{entry['id']}'", code="resource_missing", param=f"items[{place}][id]"
            )
        if item is not None and entry.get("deleted"):
            items.remove(item)
            continue
        if "price" in entry:
            price = prices_of(world, [entry], None)[0][0]
            if item is None:
                period = (
                    subscription["items"][0]["current_period_start"],
                    subscription["items"][0]["current_period_end"],
                )
                items.append(new_item(world, subscription["id"], price, entry, period))
                continue
            item["price"] = price["id"]
        if item is not None and "quantity" in entry:
            item["quantity"] = entry["quantity"]
        if item is not None and "metadata" in entry:
            item["metadata"] = metadata(item["metadata"], entry["metadata"])
    if not items:
        raise bad_request("A subscription must have at least one active item.", param="items")
    check_rhythm([world.raw("price", item["price"]) for item in items])
    return items


def _cancel(world: World, params: Params, id: str) -> Object:
    subscription = world.get("subscription", id)
    if subscription["status"] in ENDED:
        raise StripeError(404, f"No such subscription: '{id}'", "resource_missing", "id")
    comment = {k: v or None for k, v in params.get("cancellation_details", {}).items()}
    subscription_changes.end(world, subscription, comment, prorate=params.get("prorate", False),
                             invoice_now=params.get("invoice_now", False))  # fmt: skip
    return subscription


def resume(world: World, params: Params, id: str) -> Object:
    """Let a paused subscription begin a new cycle."""
    subscription = world.get("subscription", id)
    if subscription["status"] != "paused":
        raise bad_request("Only paused subscriptions can be resumed.", param="subscription")
    cycle.restart(world, subscription)
    emit(world, "customer.subscription.resumed", subscription)
    return subscription


def _end_discount(world: World, params: Params, id: str) -> Object:
    subscription = world.get("subscription", id)
    if not subscription["discounts"]:
        raise StripeError(404, f"No active discount for subscription: {id}", "resource_missing", "id")
    discount = world.raw("discount", subscription["discounts"][0])
    world.change(subscription, "customer.subscription.updated", discounts=[])
    return world.delete(discount, "customer.discount.deleted")


def _keep(world: World, params: Params) -> Callable[[Object], bool]:
    """Lists leave ended subscriptions out unless asked, and those on a test clock."""
    status, clock = params.get("status"), params.get("test_clock")
    price, method = params.get("price"), params.get("collection_method")

    def keep(sub: Object) -> bool:
        return (
            (sub["status"] not in ENDED if status is None else status == "all" or sub["status"] == status
             or (status == "ended" and sub["status"] in ENDED))
            and (sub["test_clock"] == clock or (clock is None and "customer" in params))
            and params.get("customer", sub["customer"]) == sub["customer"]
            and (price is None or any(item["price"] == price for item in sub["items"]))
            and (method is None or sub["collection_method"] == method)
        )  # fmt: skip

    return keep


_ANCHOR = "billing_cycle_anchor>:{type!:now|unchanged} billing_cycle_anchor<:now|unchanged"
_DETAILS = "cancellation_details:{comment?:str feedback?:str}"


OPERATIONS = [
    op("POST", "/v1/subscriptions", create,
       f"customer!:str items!:[{{{ITEM}}}] currency:str trial_period_days:int {COMMON}"),
    listing("subscription", "/v1/subscriptions", "collection_method:charge_automatically|send_invoice created:range"
            " customer:str price:str test_clock:str status:active|all|canceled|ended|incomplete|incomplete_expired|past_due"
            "|paused|trialing|unpaid", by={"customer": "customer", "test_clock": "test_clock"}, keep=_keep),
    retrieving("subscription", "/v1/subscriptions/{subscription_exposed_id}"),
    op("POST", "/v1/subscriptions/{subscription_exposed_id}", update,
       f"items:[{{id:str deleted:bool {ITEM}}}] pause_collection?:{{behavior!:keep_as_draft|mark_uncollectible|void"
       f" resumes_at:int}} {_DETAILS} {_ANCHOR} proration_date:int {COMMON}", kind="subscription"),
    op("DELETE", "/v1/subscriptions/{subscription_exposed_id}", _cancel,
       f"{_DETAILS} invoice_now:bool prorate:bool", kind="subscription"),
    op("POST", "/v1/subscriptions/{subscription}/resume", resume, BEHAVIOR, kind="subscription"),
    op("DELETE", "/v1/subscriptions/{subscription_exposed_id}/discount", _end_discount, kind="subscription", expand=False),
]  # fmt: skip
