"""Refunds: money back, at once, later, or failing days after it succeeded.

Stripe: https://docs.stripe.com/refunds
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import currencies, money
from .charges import behaviour, settle_charge
from .errors import StripeError, bad_request, missing_parameter
from .events import emit
from .operation import Params, listing, metadata, op, retrieving
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Object:
    """Refund a charge, wholly or in part."""
    charge = _charge(world, params)
    _check(charge)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if amount < 1:
        raise bad_request(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        shown, rest = (currencies.display(a, charge["currency"]) for a in (amount, left))
        raise bad_request(f"Refund amount ({shown}) is greater than unrefunded amount on charge ({rest})",
                          param="amount", code="charge_already_refunded" if left == 0 else "")  # fmt: skip
    return refund(world, charge, amount, params.get("reason"), metadata({}, params.get("metadata")))


def refund(world: World, charge: Object, amount: int, reason: str | None, data: dict[str, str] | None = None) -> Object:
    """Write a refund and, unless it has to wait, move its money."""
    settle_charge(world, charge["id"])
    how = behaviour(world, charge).refund
    entry = world.insert({
        "id": world.ids.new("re_"), "object": "refund", "amount": amount, "balance_transaction": None,
        "charge": charge["id"], "created": world.now, "currency": charge["currency"], "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
                                         "type": "refund"}, "type": "card"},
        "metadata": data or {}, "payment_intent": charge["payment_intent"], "payment_method": charge["payment_method"],
        "reason": reason, "receipt_number": None, "source_transfer_reversal": None, "status": "pending",
        "transfer_reversal": None,
    })  # fmt: skip
    if world.settings.refunds_wait_for_funds and not _covered(world, entry):
        entry["pending_reason"] = "insufficient_funds"
        world.schedule(DAY, "retry_refund", entry["id"])
    else:
        _move(world, entry)
        entry["status"] = "pending" if how == "pending" else "succeeded"
    if how == "pending":
        entry["pending_reason"] = "processing"
        world.schedule(world.settings.refund_seconds, "complete_refund", entry["id"])
    if how == "fails":
        world.schedule(world.settings.refund_seconds, "fail_refund", entry["id"], "lost_or_stolen_card")
    emit(world, "refund.created", entry)
    refunded = charge["amount_refunded"] + amount
    world.change(charge, "charge.refunded", amount_refunded=refunded, refunded=refunded == charge["amount_captured"])
    return entry


def _move(world: World, entry: Object) -> None:
    amount, currency, rate = money.settle(world, entry["amount"], entry["currency"])
    line = money.post(world, "refund", -amount, currency, source=entry["id"], rate=rate,
                      description="REFUND FOR CHARGE")  # fmt: skip
    entry["balance_transaction"] = line["id"]


def _covered(world: World, entry: Object) -> bool:
    amount, currency, _ = money.settle(world, entry["amount"], entry["currency"])
    return world.ledger.available[currency] >= amount


@task
def retry_refund(world: World, refund_id: str) -> None:
    """Pay a refund that waited for funds, or wait another day."""
    entry = world.raw("refund", refund_id)
    if entry["status"] != "pending":
        return
    if not _covered(world, entry):
        world.schedule(DAY, "retry_refund", refund_id)
        return
    before = entry["balance_transaction"]
    _move(world, entry)
    line, entry["balance_transaction"] = entry["balance_transaction"], before
    _tell(world, entry, status="succeeded", pending_reason=None, balance_transaction=line)


@task
def complete_refund(world: World, refund_id: str) -> None:
    """Let a pending refund succeed."""
    entry = world.raw("refund", refund_id)
    if entry["status"] == "pending" and entry["balance_transaction"]:
        _tell(world, entry, status="succeeded", pending_reason=None)


@task
def fail_refund(world: World, refund_id: str, reason: str) -> None:
    """Let a refund fail after it succeeded: the money comes back to the balance."""
    entry = world.raw("refund", refund_id)
    if entry["status"] not in ("succeeded", "pending"):
        return
    values: dict[str, Any] = {"status": "failed", "failure_reason": reason, "pending_reason": None}
    values["failure_balance_transaction"] = _give_back(world, entry, "REFUND FAILURE")
    charge = world.raw("charge", entry["charge"])
    if _tell(world, entry, **values):
        emit(world, "refund.failed", entry)
    world.change(charge, "charge.updated", amount_refunded=charge["amount_refunded"] - entry["amount"], refunded=False)


def _give_back(world: World, entry: Object, description: str) -> str | None:
    if not entry["balance_transaction"]:
        return None
    line = world.raw("balance_transaction", entry["balance_transaction"])
    rate = line["exchange_rate"]
    back = money.post(world, "refund_failure", -line["amount"], line["currency"], source=entry["id"], rate=rate,
                      description=description)  # fmt: skip
    return str(back["id"])


def _tell(world: World, entry: Object, **values: Any) -> bool:
    """Change a refund with both of its update events; None as pending_reason takes the field away."""
    changed = world.change(entry, "refund.updated", **{k: v for k, v in values.items() if k != "pending_reason"})
    if "pending_reason" in values:
        entry.pop("pending_reason", None)
        world.touch("refund", entry["id"])
    if changed:
        emit(world, "charge.refund.updated", entry)
    return changed


def cancel(world: World, params: Params, id: str) -> Object:
    """Cancel a refund that still waits for funds."""
    entry = world.get("refund", id)
    if entry["status"] != "pending" or entry["balance_transaction"]:
        raise bad_request("You can only cancel a refund that is pending or requires action.", param="id")
    _tell(world, entry, status="canceled", pending_reason=None)
    charge = world.raw("charge", entry["charge"])
    world.change(charge, "charge.updated", amount_refunded=charge["amount_refunded"] - entry["amount"], refunded=False)
    return entry


def update(world: World, params: Params, id: str) -> Object:
    """Change a refund's metadata."""
    entry = world.get("refund", id)
    _tell(world, entry, metadata=metadata(entry["metadata"], params.get("metadata")))
    return entry


def _charge(world: World, params: Params) -> Object:
    if "charge" in params:
        return world.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise missing_parameter("charge")
    intent = world.get("payment_intent", params["payment_intent"], "payment_intent")
    if not intent["latest_charge"] or intent["status"] not in ("succeeded", "requires_capture"):
        raise bad_request("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
    return world.raw("charge", intent["latest_charge"])


def _check(charge: Object) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise bad_request(f"Charge {charge['id']} was not captured and cannot be refunded.", param="charge")
    if charge["disputed"] and not charge.get("_refundable", False):
        raise StripeError(
            400, f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge_disputed"
        )
    if charge["refunded"]:
        raise bad_request(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")


OPERATIONS = [
    op("POST", "/v1/refunds", create, "amount:int charge:str payment_intent:str metadata?:map"
       " reason:duplicate|fraudulent|requested_by_customer instructions_email:str"),
    listing("refund", "/v1/refunds", "charge:str payment_intent:str created:range",
            by={"charge": "charge", "payment_intent": "payment_intent"}),
    retrieving("refund", "/v1/refunds/{refund}"),
    op("POST", "/v1/refunds/{refund}", update, "metadata?:map", kind="refund"),
    op("POST", "/v1/refunds/{refund}/cancel", cancel, kind="refund"),
]  # fmt: skip
