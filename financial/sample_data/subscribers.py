"""Subscriptions in every status, their invoices, and the payments of these. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from financial.sample_data import catalog, shapes
from financial.sample_data.sales import pay
from financial.sample_data.shapes import Payload
from financial.sample_data.state import DAY, HOUR, State

INTERVAL_DAYS = {"month": 30, "year": 365}
TRIAL_DAYS = 14
TRIED = ("trialing", "paused")
BEHIND = ("past_due", "unpaid")
LAST_INVOICE = {"past_due": "open", "unpaid": "open", "incomplete": "open", "incomplete_expired": "void"}


@dataclass(frozen=True)
class _Bill:
    """What every invoice of one subscription has in common; `period` in seconds."""

    customer: Payload
    price: Payload
    amount: int
    quantity: int
    subscription: str
    item: str
    period: int
    starts_free: bool


def subscribe(state: State) -> None:
    """Tell of every subscription, each of another customer."""
    statuses = [status for status, count in catalog.SUBSCRIPTION_STATUSES.items() for _ in range(count)]
    for status, customer in zip(statuses, state.rng.sample(state.told["customer"], len(statuses)), strict=True):
        _subscription(state, status, customer)


def _subscription(state: State, status: str, customer: Payload) -> None:
    key, seats = _plan(state, status, customer["currency"])
    plan = catalog.price_by_key()[key]
    quantity = 1 if seats == 1 else state.moment(seats // 2, seats * 2)
    period = INTERVAL_DAYS[plan.interval] * plan.interval_count * DAY
    began = _began(state, status, customer["created"], period)
    ended = state.moment(began + DAY, state.end) if status == "canceled" else None
    known = _facts(state, status, customer, began, ended)
    bill = _Bill(
        customer=customer,
        price=next(price for price in state.told["price"] if price["id"] == f"price_sample_{key}"),
        amount=catalog.amount_of(plan, quantity),
        quantity=quantity,
        subscription=known["id"],
        item=state.next_id("si", "subscription"),
        period=period,
        starts_free=status in TRIED,
    )
    last = began + (min(ended or state.end, state.end - 2 * HOUR) - began) // period * period
    for at in range(began, last + 1, period):
        invoice_status = LAST_INVOICE.get(status, "paid") if at == last else "paid"
        known["latest_invoice"] = _invoice(state, bill, at, invoice_status, is_first=at == began)
    item = _item(bill, began, last, known["trial_end"] if status == "trialing" else last + period)
    state.told["subscription"].append(shapes.subscription([item], **known))


def _plan(state: State, status: str, currency: str) -> tuple[str, int]:
    """Return a price and its usual number of seats."""
    while True:
        key, _, seats = state.pick(catalog.RECURRING[currency])
        plan = catalog.price_by_key()[key]
        if not plan.active and status != "canceled":
            continue  # the club is closed: only former members have been in it
        if status in BEHIND and (plan.interval, plan.interval_count) != ("month", 1):
            continue  # whoever is behind is so since the last monthly invoice
        return key, seats


def _began(state: State, status: str, customer_since: int, period: int) -> int:
    if status == "incomplete":
        return state.end - state.moment(3, 20) * HOUR
    if status == "trialing":
        return state.end - state.moment(2, TRIAL_DAYS - 1) * DAY
    if status == "paused":  # the trial is over and there was no card
        return state.end - state.moment(TRIAL_DAYS + 4, 30) * DAY
    if status in BEHIND:
        return max(customer_since, state.end - state.moment(2, 6) * period - state.moment(1, 14) * DAY)
    return state.moment(customer_since, state.end - 2 * DAY)


def _facts(state: State, status: str, customer: Payload, began: int, ended: int | None) -> Payload:
    method = customer["invoice_settings"]["default_payment_method"]
    facts: Payload = {
        "id": state.next_id("sub", "subscription"),
        "customer": customer["id"],
        "currency": customer["currency"],
        "status": status,
        "created": began,
        "default_payment_method": None if status == "paused" else method,
        "trial_start": began if status in TRIED else None,
        "trial_end": began + TRIAL_DAYS * DAY if status in TRIED else None,
        "metadata": {"sample": "yes"},
    }
    if ended:
        why = {
            "reason": "cancellation_requested",
            "feedback": "too_expensive",
            "feedback_option": None,
            "comment": None,
        }
        facts |= {"canceled_at": ended, "ended_at": ended, "cancellation_details": why}
    elif status == "incomplete_expired":
        facts["ended_at"] = began + 23 * HOUR
    elif status == "active" and state.rng.random() < 0.08:
        facts |= {"cancel_at_period_end": True, "canceled_at": state.end - DAY}
    if status in BEHIND:
        customer["delinquent"] = True
    return facts


def _item(bill: _Bill, began: int, start: int, end: int) -> Payload:
    price = {name: value for name, value in bill.price.items() if name != "tiers"}  # never there unless asked for
    return shapes.subscription_item(
        price,
        id=bill.item,
        subscription=bill.subscription,
        quantity=bill.quantity,
        created=began,
        current_period_start=start,
        current_period_end=end,
    )


def _invoice(state: State, bill: _Bill, at: int, status: str, *, is_first: bool) -> str:
    customer, invoice = bill.customer, state.next_id("in", "invoice")
    total = 0 if is_first and bill.starts_free else bill.amount
    line = shapes.invoice_line(
        bill.price,
        bill.subscription,
        bill.item,
        id=state.next_id("il", "invoice"),
        invoice=invoice,
        amount=total,
        currency=customer["currency"],
        quantity=bill.quantity,
        description="Subscription" if total else "Trial period",
        period={"start": at, "end": at + bill.period},
    )
    state.told["invoice"].append(
        shapes.invoice(
            line,
            bill.subscription,
            customer,
            id=invoice,
            number=f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}",
            customer=customer["id"],
            currency=customer["currency"],
            created=at,
            status=status,
            total=total,
            billing_reason="subscription_create" if is_first else "subscription_cycle",
            period_start=at if is_first else at - bill.period,
            period_end=at,
            next_payment_attempt=state.end + 2 * DAY if status == "open" else None,
        )
    )
    customer["next_invoice_sequence"] += 1
    if total:
        text = "Subscription creation" if is_first else "Subscription update"
        outcome = "succeeded" if status == "paid" else "requires_payment_method"
        pay(state, customer, total, at + (60 if is_first else HOUR + 60), text, outcome)
    return invoice
