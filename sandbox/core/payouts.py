"""Payouts: the balance goes to the bank, by hand or on a schedule; some come back.

An automatic payout takes every available line that no earlier one took; its amount is
the sum of their nets. Manual payouts have no link to lines.
Stripe: https://docs.stripe.com/payouts/reconciliation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import money
from .catalog import currency_of
from .errors import StripeError, bad_request
from .events import emit
from .operation import Params, listing, metadata, op, retrieving
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World

BANK = "ba_sandbox_checking"
# Destinations whose payouts fail after they were paid, as Stripe's test bank accounts do.
FAILING = {
    "ba_sandbox_account_closed": ("account_closed", "The bank account has been closed."),
    "ba_sandbox_no_account": ("no_account", "The bank account details on file are probably incorrect. No bank account"
                              " could be located with those details."),
    "ba_sandbox_insufficient_funds": ("insufficient_funds", "Your Stripe account has insufficient funds to"
                                      " cover the payout."),
    "ba_sandbox_could_not_process": ("could_not_process", "The bank could not process this payout."),
}  # fmt: skip


def create(world: World, params: Params) -> Object:
    """Pay out by hand."""
    currency = currency_of(params["currency"])
    amount, destination = params["amount"], params.get("destination", BANK)
    if destination != BANK and destination not in FAILING:
        raise bad_request(f"No such external account: '{destination}'", code="resource_missing", param="destination")
    if amount < 1:
        raise bad_request(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if currency in ("huf", "twd") and amount % 100:
        raise bad_request(f"Payouts in {currency} must be in multiples of 100.", param="amount")
    if amount > world.ledger.available[currency]:
        raise StripeError(400, "You have insufficient funds in your Stripe account. One likely reason you have"
                          " insufficient funds is that your funds are automatically being paid out; try enabling manual"
                          " payouts by going to https://dashboard.stripe.com/account/payouts.",
                          "balance_insufficient")  # fmt: skip
    payout = _write(world, amount, currency, automatic=False, params=params | {"destination": destination})
    return payout


def _write(world: World, amount: int, currency: str, *, automatic: bool, params: Params) -> Object:
    arrival = (world.now // DAY + world.settings.payout_days) * DAY
    instant = params.get("method") == "instant"
    payout = world.insert({
        "id": world.ids.new("po_"), "object": "payout", "amount": amount, "application_fee": None,
        "application_fee_amount": None, "arrival_date": world.now if instant else arrival, "automatic": automatic,
        "balance_transaction": None, "created": world.now, "currency": currency,
        "description": params.get("description", "STRIPE PAYOUT" if automatic else None),
        "destination": params.get("destination", BANK), "failure_balance_transaction": None, "failure_code": None,
        "failure_message": None, "livemode": False, "metadata": metadata({}, params.get("metadata")),
        "method": params.get("method", "standard"), "original_payout": None, "payout_method": None,
        "reconciliation_status": "in_progress" if automatic else "not_applicable", "reversed_by": None,
        "source_type": "card", "statement_descriptor": params.get("statement_descriptor"), "status": "pending",
        "trace_id": {"status": "pending", "value": None}, "type": "bank_account",
    })  # fmt: skip
    line = money.post(world, "payout", -amount, currency, source=payout["id"], description="STRIPE PAYOUT")
    if automatic:
        world.ledger.unswept[currency].pop()
    world.change(line, _payout=payout["id"])
    payout["balance_transaction"] = line["id"]
    emit(world, "payout.created", payout)
    if automatic:
        world.change(payout, "payout.updated", status="in_transit")
    else:
        world.main.schedule(world.main.now + world.settings.settle_seconds, "send_payout", payout["id"])
    world.main.schedule(payout["arrival_date"] if not instant else world.main.now + 1, "pay_payout", payout["id"])
    return payout


@task
def send_payout(world: World, payout_id: str) -> None:
    """Hand a manual payout to the bank: it cannot be canceled any more."""
    payout = world.raw("payout", payout_id)
    if payout["status"] == "pending" and world.main.now >= payout["created"] + DAY / 2:
        world.change(payout, "payout.updated", status="in_transit")
    elif payout["status"] == "pending":
        world.main.schedule(payout["created"] + DAY / 2, "send_payout", payout_id)


@task
def pay_payout(world: World, payout_id: str) -> None:
    """Let a payout arrive."""
    payout = world.raw("payout", payout_id)
    if payout["status"] not in ("pending", "in_transit"):
        return
    trace = {"status": "supported", "value": f"TRACE{payout_id[-10:].upper()}"}
    world.change(payout, status="paid", trace_id=trace)
    emit(world, "payout.paid", payout)
    if payout["destination"] in FAILING:
        world.main.schedule(world.main.now + 2 * DAY, "fail_payout", payout_id, "")


@task
def fail_payout(world: World, payout_id: str, code: str) -> None:
    """Let a payout fail, also after it was paid: the money returns to the balance."""
    payout = world.raw("payout", payout_id)
    if payout["status"] in ("failed", "canceled"):
        return
    known = FAILING.get(payout["destination"], ("could_not_process", "The bank could not process this payout."))
    back = money.post(world, "payout_failure", payout["amount"], payout["currency"], source=payout_id,
                      description="PAYOUT FAILURE")  # fmt: skip
    world.change(payout, status="failed", failure_code=code or known[0], failure_message=known[1],
                 failure_balance_transaction=back["id"])  # fmt: skip
    emit(world, "payout.failed", payout)


def cancel(world: World, params: Params, id: str) -> Object:
    """Cancel a payout that has not left."""
    payout = world.get("payout", id)
    if payout["status"] != "pending" or payout["automatic"]:
        raise bad_request(f"Payout {id} cannot be canceled: only a pending manual payout can.")
    back = money.post(
        world, "payout_cancel", payout["amount"], payout["currency"], source=id, description="PAYOUT CANCEL"
    )
    world.change(payout, status="canceled", failure_balance_transaction=back["id"])
    emit(world, "payout.canceled", payout)
    return payout


def update(world: World, params: Params, id: str) -> Object:
    """Change a payout's metadata."""
    payout = world.get("payout", id)
    world.change(payout, "payout.updated", metadata=metadata(payout["metadata"], params.get("metadata")))
    return payout


@task
def sweep(world: World) -> None:
    """Pay every balance out automatically and plan the next time."""
    for currency in sorted(world.ledger.unswept):
        pay_out(world, currency)
    plan(world)


def pay_out(world: World, currency: str) -> Object | None:
    """Make one automatic payout of all lines that are available, or none when they sum to zero."""
    lines = [world.raw("balance_transaction", id) for id in world.ledger.unswept[currency]]
    amount = sum(line["net"] for line in lines)
    if not amount or (amount < 0 and not lines):
        return None
    world.ledger.unswept[currency] = []
    payout = _write(world, amount, currency, automatic=True, params={})
    payout["_lines"] = [line["id"] for line in lines]
    world.main.schedule(world.main.now + world.settings.settle_seconds, "reconcile_payout", payout["id"])
    return payout


@task
def reconcile_payout(world: World, payout_id: str) -> None:
    """Link a payout with the lines it contains; until then its list is not complete."""
    payout = world.raw("payout", payout_id)
    for id in payout["_lines"]:
        world.change(world.raw("balance_transaction", id), _payout=payout_id)
    world.change(payout, "payout.updated", reconciliation_status="completed")
    emit(world, "payout.reconciliation_completed", payout)


def plan(world: World) -> None:
    """Schedule the next automatic payout: daily, or weekly on Mondays."""
    schedule = world.settings.payout_schedule
    if schedule == "manual":
        return
    day = int(world.main.now) // DAY + 1
    if schedule == "weekly":
        day += (4 - day) % 7  # day 0 was a Thursday, so Mondays are 4 modulo 7
    world.main.schedule(day * DAY + 3600, "sweep")


def bank_account(world: World, id: str) -> dict[str, Any]:
    """Return the bank account behind a destination."""
    return {
        "id": id, "object": "bank_account", "account": world.settings.account, "account_holder_name": None,
        "account_holder_type": "company", "account_type": None, "available_payout_methods": ["standard"],
        "bank_name": "STRIPE TEST BANK", "country": world.settings.country,
        "currency": world.settings.default_currency, "customer": None, "default_for_currency": id == BANK,
        "fingerprint": "BankSandbox00001", "future_requirements": None, "last4": "6789", "metadata": {},
        "requirements": None, "routing_number": "110000000", "status": "new",
    }  # fmt: skip


def _keep(world: World, params: Params) -> Any:
    arrival = params.get("arrival_date")
    bounds = {"gte": arrival, "lte": arrival} if isinstance(arrival, int) else arrival or {}
    wanted = {k: params[k] for k in ("status", "destination") if k in params}
    if not wanted and not bounds:
        return None
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    return lambda p: (all(p[k] == v for k, v in wanted.items())
                      and all(tests[k](p["arrival_date"], v) for k, v in bounds.items()))  # fmt: skip


OPERATIONS = [
    op("POST", "/v1/payouts", create, "amount!:int currency!:str description:str destination:str metadata:map"
       " method:instant|standard source_type:bank_account|card|fpx statement_descriptor:str"),
    listing("payout", "/v1/payouts", "arrival_date:range created:range destination:str status:str", keep=_keep),
    retrieving("payout", "/v1/payouts/{payout}"),
    op("POST", "/v1/payouts/{payout}", update, "metadata?:map", kind="payout"),
    op("POST", "/v1/payouts/{payout}/cancel", cancel, kind="payout"),
]  # fmt: skip
