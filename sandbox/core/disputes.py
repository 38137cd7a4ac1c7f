"""Disputes: withdrawn with a fee, won back or lost; inquiries that move no money.

The text in `evidence[uncategorized_text]` decides: winning_evidence, losing_evidence,
escalate_inquiry_evidence. Without an answer a dispute is lost when its time is over.
Stripe: https://docs.stripe.com/disputes/how-disputes-work
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import money
from .charges import settle_charge
from .errors import bad_request
from .events import emit
from .operation import Params, listing, metadata, op, retrieving
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal"
    " customer_communication customer_email_address customer_name customer_purchase_ip customer_signature"
    " duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt"
    " refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation"
    " shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number"
    " uncategorized_file uncategorized_text"
).split()
OPEN = ("needs_response", "warning_needs_response")
REVIEW = ("under_review", "warning_under_review")


@task
def open_dispute(world: World, charge_id: str, reason: str) -> None:
    """Let the cardholder dispute a charge; `inquiry` asks before it takes."""
    charge = world.raw("charge", charge_id)
    if charge["disputed"] or charge["refunded"] or charge["status"] != "succeeded" or not charge["captured"]:
        return
    settle_charge(world, charge_id)
    inquiry = reason == "inquiry"
    card = charge["payment_method_details"]["card"]
    dispute = world.insert({
        "id": world.ids.new("du_"), "object": "dispute", "amount": charge["amount_captured"] - charge["amount_refunded"],
        "balance_transactions": [], "charge": charge_id, "created": world.now, "currency": charge["currency"],
        "enhanced_eligibility_types": [], "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {"due_by": world.now + 9 * DAY, "enhanced_eligibility": {}, "has_evidence": False,
                             "past_due": False, "submission_count": 0, "submission_method": "not_submitted"},
        "intended_submission_method": "manual", "is_charge_refundable": inquiry, "livemode": False, "metadata": {},
        "network_reason_code": "10.4", "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": {"brand": card["brand"], "case_type": "inquiry" if inquiry else "chargeback",
                                            "network": card["brand"], "network_reason_code": "10.4"}, "type": "card"},
        "reason": "general" if inquiry else reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    })  # fmt: skip
    emit(world, "charge.dispute.created", dispute)
    world.change(charge, "charge.updated", disputed=True, _refundable=inquiry)
    if not inquiry:
        _withdraw(world, dispute)
    world.main.schedule(world.main.now + world.settings.dispute_days * DAY, "dispute_overdue", dispute["id"])


def _withdraw(world: World, dispute: Object) -> None:
    amount, currency, rate = money.settle(world, dispute["amount"], dispute["currency"])
    fee = world.settings.dispute_fee_minor.get(currency, 0)
    line = money.post(world, "adjustment", -amount, currency, fee=fee, fee_text="Dispute fee", source=dispute["id"],
                      category="dispute", rate=rate,
                      description=f"Chargeback withdrawal for {dispute['charge']}")  # fmt: skip
    _add_line(world, dispute, "charge.dispute.funds_withdrawn", line)


def _reinstate(world: World, dispute: Object) -> None:
    if not dispute["balance_transactions"]:
        return
    taken = world.raw("balance_transaction", dispute["balance_transactions"][0])
    line = money.post(world, "adjustment", -taken["amount"], taken["currency"], source=dispute["id"],
                      category="dispute_reversal", rate=taken["exchange_rate"],
                      description=f"Chargeback reversal for {dispute['charge']}")  # fmt: skip
    _add_line(world, dispute, "charge.dispute.funds_reinstated", line)


def _add_line(world: World, dispute: Object, event: str, line: Object) -> None:
    world.change(dispute, balance_transactions=[*dispute["balance_transactions"], line["id"]])
    emit(world, event, dispute)


def update(world: World, params: Params, id: str) -> Object:
    """Add evidence; with `submit` (the default) hand it in."""
    dispute = world.get("dispute", id)
    values: dict[str, Any] = {"metadata": metadata(dispute["metadata"], params.get("metadata"))}
    if "intended_submission_method" in params:
        values["intended_submission_method"] = params["intended_submission_method"]
    if "evidence" in params:
        if dispute["status"] not in OPEN:
            raise bad_request("This dispute is already closed or under review.")
        evidence = dispute["evidence"] | {k: v or None for k, v in params["evidence"].items()}
        values["evidence"] = evidence
        values["evidence_details"] = dispute["evidence_details"] | {"has_evidence": True}
        if params.get("submit", True):
            values["evidence_details"] |= {"submission_count": 1, "submission_method": "manual"}
            values["status"] = "warning_under_review" if "warning" in dispute["status"] else "under_review"
    world.change(dispute, "charge.dispute.updated", **values)
    if "status" in values:
        _countered(world, dispute)
    return dispute


def _countered(world: World, dispute: Object) -> None:
    """Take the fee for answering a chargeback and let the bank decide."""
    if dispute["status"] == "under_review" and dispute["balance_transactions"]:
        currency = world.raw("balance_transaction", dispute["balance_transactions"][0])["currency"]
        fee = world.settings.counter_fee_minor.get(currency, 0)
        if fee:
            line = money.stripe_fee(world, fee, currency, f"Dispute countered fee for {dispute['id']}")
            dispute["_counter_fee"] = line["id"]
    world.main.schedule(world.main.now + world.settings.dispute_seconds, "decide_dispute", dispute["id"])


@task
def decide_dispute(world: World, dispute_id: str) -> None:
    """Let the bank decide by the words of the evidence."""
    dispute = world.raw("dispute", dispute_id)
    if dispute["status"] not in REVIEW:
        return
    text = dispute["evidence"]["uncategorized_text"] or ""
    if text == "escalate_inquiry_evidence" and dispute["status"] == "warning_under_review":
        _escalate(world, dispute)
    elif text == "winning_evidence":
        finish(world, dispute, "won")
    elif text == "losing_evidence":
        finish(world, dispute, "lost")
    elif dispute["status"] == "warning_under_review":
        finish(world, dispute, "warning_closed")


def _escalate(world: World, dispute: Object) -> None:
    """Turn an inquiry into a chargeback."""
    details = dispute["payment_method_details"]
    card = details["card"] | {"case_type": "chargeback"}
    world.change(dispute, "charge.dispute.updated", status="needs_response", is_charge_refundable=False,
                 payment_method_details=details | {"card": card})  # fmt: skip
    world.change(world.raw("charge", dispute["charge"]), _refundable=False)
    _withdraw(world, dispute)


def finish(world: World, dispute: Object, outcome: str) -> None:
    """Close a dispute as won, lost or (an inquiry) without anything."""
    if "warning" in dispute["status"]:
        outcome = "warning_closed"
    if outcome == "won":
        _reinstate(world, dispute)
        if dispute.get("_counter_fee"):
            line = world.raw("balance_transaction", dispute["_counter_fee"])
            money.stripe_fee(
                world, line["amount"], line["currency"], f"Dispute countered fee returned for {dispute['id']}"
            )
    world.change(dispute, status=outcome, is_charge_refundable=False)
    emit(world, "charge.dispute.closed", dispute)
    if outcome == "warning_closed":
        world.change(world.raw("charge", dispute["charge"]), "charge.updated", disputed=False)


@task
def dispute_overdue(world: World, dispute_id: str) -> None:
    """Close a dispute nobody answered: a chargeback is lost, an inquiry just ends."""
    dispute = world.raw("dispute", dispute_id)
    if dispute["status"] in OPEN:
        dispute["evidence_details"] = dispute["evidence_details"] | {"past_due": True}
        finish(world, dispute, "lost")


def close(world: World, params: Params, id: str) -> Object:
    """Accept a dispute: it is lost."""
    dispute = world.get("dispute", id)
    if dispute["status"] not in OPEN:
        raise bad_request("This dispute is already closed.")
    finish(world, dispute, "lost")
    return dispute


OPERATIONS = [
    listing("dispute", "/v1/disputes", "charge:str payment_intent:str created:range",
            by={"charge": "charge", "payment_intent": "payment_intent"}),
    retrieving("dispute", "/v1/disputes/{dispute}"),
    op("POST", "/v1/disputes/{dispute}", update,
       "evidence:{" + " ".join(f"{name}?:str" for name in EVIDENCE) + "} metadata?:map submit:bool"
       " intended_submission_method>:manual|prefer_manual|prefer_smart_disputes|smart_disputes", kind="dispute"),
    op("POST", "/v1/disputes/{dispute}/close", close, kind="dispute"),
]  # fmt: skip
