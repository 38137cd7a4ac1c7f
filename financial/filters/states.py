"""What each kind of row is shown as and found by, as one table of SQL conditions per kind.

The state of a payment is Stripe's status of the payment joined with what happened to its charges; `PAYMENT_STATES` is
the one table that says how, in SQL for the filters and in `payment_state` for a row at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from financial.models import (
    StripeCharge,
    StripeCustomer,
    StripePaymentIntent,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.models.mirror import IS_PARTLY_REFUNDED, PAYMENT_FAILED, PAYMENT_UNTRIED
from financial.reports.account import DISPUTES_OPEN, DISPUTES_TO_ANSWER
from financial.reports.payouts import OPEN as PAYOUTS_OPEN


def has_charge(*conditions: Q, **found: Any) -> Exists:
    return Exists(StripeCharge.objects.filter(*conditions, payment_intent=OuterRef("pk"), **found))


def _paid_by(charges: QuerySet[Any]) -> Q:
    return Q(pk__in=charges.values("payment_intent"))


def _subscriptions(*found: Q) -> Exists:
    return Exists(StripeSubscription.objects.alive().filter(*found, customer=OuterRef("pk")))


def _charges(*conditions: Q, **found: Any) -> QuerySet[Any]:
    return StripeCharge.objects.filter(*conditions, payment_intent__isnull=False, **found).order_by()


# The rare ones are read from the charges: one look at those, not one at each payment.
PAYMENT_STATES_FROM: dict[str, QuerySet[Any]] = {
    "refunded": _charges(refunded=True),
    "partly_refunded": _charges(IS_PARTLY_REFUNDED),
    "disputed": _charges(disputed=True),
}


_PAID = Q(status="succeeded")
_NOT_DISPUTED = ~Q(has_charge(disputed=True))
_NOT_REFUNDED = ~Q(has_charge(refunded=True))
_NOT_PARTLY = ~Q(has_charge(IS_PARTLY_REFUNDED))

# What a payment is shown as, in the order of the tabs; each is in one of them, or in none if Stripe has a new word.
PAYMENT_STATES: dict[str, tuple[str, Q]] = {
    "succeeded": ("Succeeded", _PAID & _NOT_DISPUTED & _NOT_REFUNDED & _NOT_PARTLY),
    "processing": ("Processing", Q(status="processing")),
    "requires_action": ("Needs the customer", Q(status="requires_action")),
    "failed": ("Failed", PAYMENT_FAILED),
    "refunded": ("Refunded", _PAID & _paid_by(PAYMENT_STATES_FROM["refunded"]) & _NOT_DISPUTED),
    "partly_refunded": (
        "Partly refunded",
        _PAID & _paid_by(PAYMENT_STATES_FROM["partly_refunded"]) & _NOT_DISPUTED & _NOT_REFUNDED,
    ),
    "disputed": ("Disputed", _PAID & _paid_by(PAYMENT_STATES_FROM["disputed"])),
    "canceled": ("Canceled", Q(status="canceled")),
    "requires_capture": ("Uncaptured", Q(status="requires_capture")),
    "incomplete": ("Incomplete", Q(status="requires_confirmation") | PAYMENT_UNTRIED),
}
# What has to be true of a payment besides that one of those charges leads to it.
PAYMENT_STATES_BESIDES: dict[str, Q] = {
    "refunded": _PAID & _NOT_DISPUTED,
    "partly_refunded": _PAID & _NOT_DISPUTED & _NOT_REFUNDED,
    "disputed": _PAID,
}
# Asked of each row at hand, as those above look at all charges first.
PAYMENT_STATES_BY_ROW: dict[str, Q] = {
    "refunded": _PAID & Q(has_charge(refunded=True)) & _NOT_DISPUTED,
    "partly_refunded": _PAID & Q(has_charge(IS_PARTLY_REFUNDED)) & _NOT_DISPUTED & _NOT_REFUNDED,
    "disputed": _PAID & Q(has_charge(disputed=True)),
}


def payment_state(payment: StripePaymentIntent, charges: Iterable[StripeCharge]) -> str:
    """Return the key of `PAYMENT_STATES` this payment is in, or Stripe's own word if it is in none."""
    if payment.status == "succeeded":
        charges = list(charges)
        if any(charge.disputed for charge in charges):
            return "disputed"
        if any(charge.refunded for charge in charges):
            return "refunded"
        return "partly_refunded" if any(charge.amount_refunded_minor for charge in charges) else "succeeded"
    if payment.status == "requires_payment_method":
        return "failed" if payment.error_code else "incomplete"
    return "incomplete" if payment.status == "requires_confirmation" else str(payment.status)


# How a payment's dispute stands: label, and Stripe's words for it. An inquiry that was closed is none of them.
DISPUTE_STATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "open": ("Open", DISPUTES_OPEN),
    "answer": ("Needs an answer", DISPUTES_TO_ANSWER),
    "won": ("Won", ("won",)),
    "lost": ("Lost", ("lost",)),
}


_SUBSCRIBED = Q(status__in=StripeSubscription.ACTIVE_STATUSES)
_CANCELING = Q(cancel_at_period_end=True) | Q(cancel_at__isnull=False)
SUBSCRIPTION_STATES: dict[str, tuple[str, Q]] = {
    "active": ("Active", _SUBSCRIBED),
    "inactive": ("Inactive", ~_SUBSCRIBED),
    "only_active": ("Paying", Q(status="active")),
    "trialing": ("Trial", Q(status="trialing")),
    "past_due": ("Past due", Q(status="past_due")),
    "canceling": ("Canceling", _SUBSCRIBED & _CANCELING),
    "unpaid": ("Unpaid", Q(status="unpaid")),
    "paused": ("Paused", Q(status="paused")),
    "incomplete": ("Incomplete", Q(status="incomplete")),
    "incomplete_expired": ("Expired", Q(status="incomplete_expired")),
    "canceled": ("Canceled", Q(status="canceled")),
}
_LATE = ("past_due", "unpaid")
_IS_LATE = Q(_subscriptions(Q(status__in=_LATE)))
_IS_ACTIVE = Q(_subscriptions(Q(status="active")))
_IS_TRYING = Q(_subscriptions(Q(status="trialing")))
_HAS_ENDED = Q(_subscriptions(Q(status="canceled")))
_HAS_PAID = Q(Exists(StripePaymentIntent.objects.filter(customer=OuterRef("pk"), status="succeeded")))
_KEPT = Q(deleted_at=None)
_NOTHING_RUNS = _KEPT & ~_IS_LATE & ~_IS_ACTIVE & ~_IS_TRYING


def _subscriptions_in(*statuses: str) -> QuerySet[Any]:
    rows = StripeSubscription.objects.alive().filter(status__in=statuses, customer__isnull=False)
    return rows.order_by()


# The rare ones are read from the subscriptions in a state: one look at those, not one at each customer.
CUSTOMER_STATES_FROM: dict[str, QuerySet[Any]] = {
    "past_due": _subscriptions_in(*_LATE),
    "trial": _subscriptions_in("trialing"),
    "churned": _subscriptions_in("canceled"),
}
CUSTOMER_STATES_BESIDES: dict[str, Q] = {
    "past_due": _KEPT,
    "trial": _KEPT & ~_IS_LATE & ~_IS_ACTIVE,
    "churned": _NOTHING_RUNS,
}


def _led_to(state: str) -> Q:
    return CUSTOMER_STATES_BESIDES[state] & Q(pk__in=CUSTOMER_STATES_FROM[state].values("customer"))


# What a customer is: each is in exactly one, the first that fits. `customer_state` says the same of figures at hand.
CUSTOMER_STATES: dict[str, tuple[str, Q]] = {
    "past_due": ("Past due", _led_to("past_due")),
    "active": ("Active", _KEPT & ~_IS_LATE & _IS_ACTIVE),
    "trial": ("Trial", _led_to("trial")),
    "churned": ("Churned", _led_to("churned")),
    "one_off": ("One-off", _NOTHING_RUNS & ~_HAS_ENDED & _HAS_PAID),
    "none": ("Never paid", _NOTHING_RUNS & ~_HAS_ENDED & ~_HAS_PAID),
    "deleted": ("Deleted in Stripe", Q(deleted_at__isnull=False)),
}

# Asked of each row at hand, as above.
CUSTOMER_STATES_BY_ROW: dict[str, Q] = {
    "past_due": CUSTOMER_STATES_BESIDES["past_due"] & _IS_LATE,
    "trial": CUSTOMER_STATES_BESIDES["trial"] & _IS_TRYING,
    "churned": CUSTOMER_STATES_BESIDES["churned"] & _HAS_ENDED,
}
# To know how many never paid, all would have to be looked at.
CUSTOMER_STATES_UNCOUNTED = frozenset({"none"})


def customer_state(customer: StripeCustomer, subscriptions: Mapping[str, int], *, has_paid: bool) -> str:
    """Return the key of `CUSTOMER_STATES` a customer is in; `subscriptions` are numbers by Stripe's status."""
    if customer.is_deleted:
        return "deleted"
    if subscriptions.get("past_due") or subscriptions.get("unpaid"):
        return "past_due"
    if subscriptions.get("active"):
        return "active"
    if subscriptions.get("trialing"):
        return "trial"
    if subscriptions.get("canceled"):
        return "churned"
    return "one_off" if has_paid else "none"


PRODUCT_STATES: dict[str, tuple[str, Q]] = {
    "active": ("Active", Q(active=True, deleted_at=None)),
    "archived": ("Archived", Q(active=False, deleted_at=None)),
    "deleted": ("Deleted in Stripe", Q(deleted_at__isnull=False)),
}
PAYOUT_STATES: dict[str, tuple[str, Q]] = {
    "paid": ("Paid", Q(status="paid")),
    "in_transit": ("On the way", Q(status__in=("in_transit", "pending"))),
    "failed": ("Failed", Q(status="failed")),
    "canceled": ("Canceled", Q(status="canceled")),
    "open": ("Unreconciled", PAYOUTS_OPEN),
}
EVENT_STATES: dict[str, tuple[str, Q]] = {
    state.value: (label, Q(state=state.value))
    for state, label in (
        (StripeWebhookEvent.State.WAITING, "Waiting"),
        (StripeWebhookEvent.State.DEAD, "Needs attention"),
        (StripeWebhookEvent.State.QUARANTINED, "Unreadable"),
        (StripeWebhookEvent.State.MISROUTED, "Other account"),
        (StripeWebhookEvent.State.DONE, "Done"),
        (StripeWebhookEvent.State.IGNORED, "Of no interest"),
    )
}
