"""Money going back to customers and on to the bank: refunds, disputes, payouts. Pure."""

from __future__ import annotations

from financial.sample_data import shapes
from financial.sample_data.shapes import Payload
from financial.sample_data.state import DAY, HOUR, SETTLED_IN, State, settled

REFUND_EVERY = 24  # of so many charges one is refunded, in full or by half
DISPUTE_FEE = {"usd": 1500, "eur": 2000}
DISPUTES = (
    ("needs_response", "fraudulent"),
    ("needs_response", "product_not_received"),
    ("under_review", "fraudulent"),
    ("under_review", "product_unacceptable"),
    ("won", "fraudulent"),
    ("won", "duplicate"),
    ("won", "subscription_canceled"),
    ("lost", "fraudulent"),
    ("lost", "product_not_received"),
    ("lost", "fraudulent"),
    ("lost", "credit_not_processed"),
    ("warning_needs_response", "general"),
    ("warning_closed", "general"),
)
PAYOUT_EVERY_DAYS = 7
FAILED_PAYOUT = 20  # in the twentieth week it bounces


def refund(state: State, charges: list[Payload]) -> None:
    for charge in charges[::REFUND_EVERY]:
        part = 1 if state.rng.random() < 0.7 else 2
        amount = charge["amount"] // part
        same = {name: charge[name] for name in ("currency", "payment_intent", "customer")}
        known = same | {
            "id": state.next_id("re", "refund"),
            "amount": amount,
            "charge": charge["id"],
            "created": min(charge["created"] + state.moment(1, 20) * DAY, state.end - HOUR),
            "reason": "requested_by_customer",
        }
        move = state.move("refund", "refund", known, -settled(amount, charge["currency"]))
        charge |= {"amount_refunded": amount, "refunded": part == 1}
        state.told["refund"].append(shapes.refund(**known, balance_transaction=move["id"]))


def dispute(state: State, charges: list[Payload]) -> None:
    """Dispute some charges: young ones where the dispute is open, old ones where it is over."""
    whole = [charge for charge in charges if not charge["amount_refunded"]]
    young = [charge for charge in whole if state.end - 30 * DAY < charge["created"] < state.end - 8 * DAY]
    old = [charge for charge in whole if charge["created"] < state.end - 60 * DAY]
    for status, reason in DISPUTES:
        candidates = young if status.endswith(("needs_response", "under_review")) else old
        _dispute(state, candidates.pop(state.rng.randrange(len(candidates))), status, reason)


def _dispute(state: State, charge: Payload, status: str, reason: str) -> None:
    at = min(charge["created"] + state.moment(5, 20) * DAY, state.end - 2 * DAY)
    same = {name: charge[name] for name in ("amount", "currency", "payment_intent")}
    known = same | {"id": state.next_id("du", "dispute"), "charge": charge["id"], "created": at, "status": status}
    moves = []
    if not status.startswith("warning"):  # an inquiry moves no money
        gone = settled(charge["amount"], charge["currency"])
        fee = DISPUTE_FEE[SETTLED_IN[charge["currency"]]]
        moves.append(state.move("adjustment", "dispute", known, -gone, fee=fee))
        if status == "won":
            later = known | {"created": at + 30 * DAY}
            moves.append(state.move("adjustment", "dispute_reversal", later, gone))
        charge["disputed"] = True
    dispute = shapes.dispute(due_by=at + 12 * DAY, reason=reason, balance_transactions=moves, **known)
    state.told["dispute"].append(dispute)


def pay_out(state: State) -> None:
    """Once a week send to the bank what has become available; one payout comes back and goes out with the next."""
    for currency in sorted(set(SETTLED_IN.values())):
        _pay_out(state, currency)


def _pay_out(state: State, currency: str) -> None:
    waiting = [move for move in state.told["balance_transaction"] if move["currency"] == currency]
    week = PAYOUT_EVERY_DAYS * DAY
    for number, at in enumerate(range(state.start + week, state.end, week), start=1):
        ready = [move for move in waiting if move["available_on"] <= at]
        amount = sum(move["net"] for move in ready)
        if amount <= 0:
            continue
        waiting = [move for move in waiting if move["available_on"] > at]
        waiting += _payout(state, currency, amount, at, fails=number == FAILED_PAYOUT)
        made = state.told["payout"][-1]
        state.contents[made["id"]] = [made["balance_transaction"], *(move["id"] for move in ready)]


def _payout(state: State, currency: str, amount: int, at: int, *, fails: bool) -> list[Payload]:
    """Tell of one payout and return the movements it leaves on the balance: those of one that came back."""
    arrival = at + 2 * DAY
    known: Payload = {
        "id": state.next_id("po", "payout"),
        "amount": amount,
        "currency": currency,
        "created": at,
        "arrival_date": arrival,
        "status": "failed" if fails else "paid" if arrival <= state.end else "in_transit",
        "description": "STRIPE PAYOUT",
    }
    known["balance_transaction"] = state.move("payout", "payout", known, -amount, wait=2)["id"]
    back = []
    if fails:
        returned = known | {"created": arrival + DAY}
        back.append(state.move("payout_failure", "payout_reversal", returned, amount, wait=0))
        known |= {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}
        known["failure_balance_transaction"] = back[0]["id"]
    state.told["payout"].append(shapes.payout(**known))
    return back
