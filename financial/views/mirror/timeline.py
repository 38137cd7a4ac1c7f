"""What happened to one object, in sentences, newest first: read from the mirror, the books and the webhook inbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.urls import reverse

from financial import money
from financial.models import (
    AuditEvent,
    PaymentNotice,
    PayoutRow,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripePayout,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeTransaction,
    StripeWebhookEvent,
    Transaction,
)
from financial.paging import FEW
from financial.reports import Booked, Reckoned
from financial.views.decline_words import decline_words
from financial.views.mirror.rows import InvoiceRow, method_words

EVENTS_MAX = 20
# Who may open the pages that sentences lead to.
_PERMISSIONS = {
    "transaction": "financial.view_transaction",
    "event": "financial.view_stripewebhookevent",
    "payment": "financial.view_stripepaymentintent",
    "payout": "financial.view_stripepayout",
    "subscription": "financial.view_stripesubscription",
}


@dataclass(frozen=True)
class Link:
    """Where a sentence leads, for those with the permission."""

    address: str
    permission: str


@dataclass(frozen=True)
class Happening:
    """One sentence; `tone` and `icon` as badges have them."""

    at: dt.datetime
    text: str
    tone: str = "muted"
    icon: str = "dot"
    note: str = ""
    link: Link | None = None


def of_payment(payment: StripePaymentIntent, booking: StripeTransaction | None) -> list[Happening]:
    found = list(_payment_itself(payment))
    for charge in payment.charges.all():
        found.extend(_attempt(charge, failure_code(payment, charge)))
    charges = [charge.stripe_id for charge in payment.charges.all()]
    found += [*_money_back(payment), *_notices(payment), *_booked(booking), *_moved(payment.credential, charges)]
    ids = [payment.stripe_id, *charges]
    found += _audited(payment.credential, payment.stripe_id)
    return _sorted([*found, *_events(payment.credential, ids)])


def failure_code(payment: StripePaymentIntent, charge: StripeCharge) -> str:
    """Return why an attempt failed: the charge says only “declined”, and of the last one the payment says more."""
    is_last = payment.has_failed and charge.stripe_id == payment.latest_charge_stripe_id
    return str((payment.error_decline_code if is_last else "") or charge.failure_code)


def of_customer(customer: StripeCustomer, payments: Iterable[StripePaymentIntent]) -> list[Happening]:
    """Tell of a customer, their subscriptions, the payments at hand, and what went back or was disputed of any payment."""
    found = list(_made(customer.created_at, "Customer created"))
    for subscription in customer.subscriptions.select_related("price__product").newest()[:10]:
        name = subscription.price.product if subscription.price else subscription.stripe_id
        link = _to("subscription", subscription.stripe_id)
        found.extend(_made(subscription.created_at, f"Subscribed to {name}", "info", "subscriptions", link=link))
        found.extend(_made(subscription.ended_at, f"Subscription to {name} ended", "muted", "cross", link=link))
    for payment in payments:
        tone, icon, word = _outcome(payment)
        link = _to("payment", payment.stripe_id)
        found.extend(_made(payment.created_at, f"Payment of {_amount(payment)} {word}", tone, icon, link=link))
    found += _taken_from(customer)
    found.extend(_made(customer.deleted_at, "Deleted in Stripe", "bad", "cross"))
    found += _audited(customer.credential, customer.stripe_id)
    return _sorted([*found, *_events(customer.credential, [customer.stripe_id])])


def _taken_from(customer: StripeCustomer) -> list[Happening]:
    """Tell of the newest refunds and disputes of a customer's payments, each leading to its payment; three queries."""
    newest = StripePaymentIntent.objects.filter(customer=customer).newest()
    paid: dict[int | None, str] = dict(newest.values_list("pk", "stripe_id")[:FEW])
    of_these = {"payment_intent__in": list(paid)}
    found: list[Happening] = []
    # Without an order: a database would walk all refunds from the newest one instead of looking these up.
    for refund in StripeRefund.objects.filter(**of_these).order_by().defer("payload", "private")[:FEW]:
        found.extend(_refunded(refund, _to("payment", paid[refund.payment_intent_id])))
    for dispute in StripeDispute.objects.filter(**of_these).order_by().defer("payload", "private")[:FEW]:
        found.extend(_disputed(dispute, _to("payment", paid[dispute.payment_intent_id])))
    return _sorted(found)[:EVENTS_MAX][::-1]


def of_payout(payout: StripePayout, state: str, bookings: Iterable[Booked]) -> list[Happening]:
    """Tell of a payout read with its reading and its deposit; `state` is how far it is reconciled."""
    how = "by schedule" if payout.automatic else "by hand"
    found = list(_made(payout.created_at, f"Payout of {_amount(payout)} made {how}", "info", "payouts"))
    found += [*_arrival(payout), *_reconciled(payout, state)]
    for row in (booked.transaction for booked in bookings):
        text = f"{row.get_kind_display()} of {_amount(row)} booked on {row.booked_on:%d %b %Y}"
        found.append(Happening(row.occurred_at, text, "muted", "ledger", link=_to("transaction", row.pk)))
    found += _audited(payout.credential, payout.stripe_id)
    return _sorted([*found, *_events(payout.credential, [payout.stripe_id])])


def _arrival(payout: StripePayout) -> Iterator[Happening]:
    """Tell of the bank's side; Stripe says when a payout arrives, and of one that failed only why."""
    if payout.status == "paid":
        yield from _made(payout.arrival_at, "Arrived at the bank", "ok", "check", payout.trace_id)
    elif payout.status == "failed":
        why = _plain(payout.failure_code)
        yield from _made(payout.arrival_at, "Was to arrive at the bank, and failed", "bad", "cross", why)
    elif payout.status == "canceled":
        yield from _made(payout.arrival_at, "Was to arrive at the bank, and was canceled", "muted", "cross")
    else:
        way = "In transit" if payout.status == "in_transit" else "Waits to be sent"
        yield from _made(payout.arrival_at, f"{way}, expected at the bank", "info", "clock")
    deposit = getattr(payout, "deposit", None)
    if deposit is not None:
        text = f"Deposit of {deposit.booked_on:%d %b %Y} matched"
        yield Happening(deposit.created_at, text, "ok", "check", deposit.get_match_display().lower())


def _reconciled(payout: StripePayout, state: str) -> Iterator[Happening]:
    reading = getattr(payout, "reading", None)
    if reading is None or not reading.is_complete:
        return
    count = f"{reading.rows:,} row{'' if reading.rows == 1 else 's'} read"
    if state == Reckoned.AGREES:
        yield from _made(reading.read_at, f"{count}, they sum up to it", "ok", "check")
    else:
        yield from _made(reading.read_at, f"{count}, they do not sum up to it", "bad", "alert")


def of_subscription(subscription: StripeSubscription, invoices: Iterable[InvoiceRow]) -> list[Happening]:
    """Tell of a subscription and the invoices at hand, each with its payment."""
    found = list(_made(subscription.created_at, "Subscription created", "info", "subscriptions"))
    found.extend(_made(subscription.trial_end_at, "Trial ends", "info", "clock"))
    found.extend(_made(subscription.canceled_at, "Cancellation asked for", "warn", "alert"))
    found.extend(_made(subscription.ended_at, "Subscription ended", "muted", "cross"))
    for line in invoices:
        invoice, link = line.invoice, _to("payment", line.payment.payment.stripe_id) if line.payment else None
        total = f"{money.with_code(invoice.total_minor, invoice.currency)} ({invoice.status or 'no status'})"
        found.extend(_made(invoice.created_at, f"Invoice {invoice.number or invoice.stripe_id} of {total}", link=link))
    found += _audited(subscription.credential, subscription.stripe_id)
    return _sorted([*found, *_events(subscription.credential, [subscription.stripe_id])])


def of_product(product: StripeProduct) -> list[Happening]:
    found = [
        *_made(product.created_at, "Product created"),
        *_made(product.deleted_at, "Deleted in Stripe", "bad", "cross"),
    ]
    found += _audited(product.credential, product.stripe_id)
    return _sorted([*found, *_events(product.credential, [product.stripe_id])])


def _payment_itself(payment: StripePaymentIntent) -> Iterator[Happening]:
    yield from _made(payment.created_at, f"Payment of {_amount(payment)} created")
    yield from _made(payment.canceled_at, "Payment canceled", "muted", "cross")


def _attempt(charge: StripeCharge, code: str) -> Iterator[Happening]:
    how = method_words(charge) or "The payment method"
    amount = money.with_code(charge.amount_minor, charge.currency)
    if charge.status == "failed":
        why = decline_words(code, charge.failure_message)
        yield from _made(charge.created_at, f"{how} was declined for {amount}", "bad", "cross", why)
    elif charge.status == "pending":
        yield from _made(charge.created_at, f"{how} is being charged {amount}", "info", "clock")
    elif not charge.captured:
        yield from _made(charge.created_at, f"{amount} was reserved on {how}", "info", "clock")
    else:
        yield from _made(charge.created_at, f"{how} was charged {amount}", "ok", "check")


def _money_back(payment: StripePaymentIntent) -> Iterator[Happening]:
    for refund in payment.refunds.all():
        yield from _refunded(refund)
    for dispute in payment.disputes.all():
        yield from _disputed(dispute)


def _refunded(refund: StripeRefund, link: Link | None = None) -> Iterator[Happening]:
    if refund.status == "failed":
        why = _plain(refund.failure_reason)
        yield from _made(refund.created_at, f"Refund of {_amount(refund)} failed", "bad", "cross", why, link)
    else:
        text = f"{_amount(refund)} refunded ({_plain(refund.status)})"
        yield from _made(refund.created_at, text, "info", "back", _plain(refund.reason), link)


def _disputed(dispute: StripeDispute, link: Link | None = None) -> Iterator[Happening]:
    text = f"Customer disputed {_amount(dispute)} ({_plain(dispute.reason)})"
    yield from _made(dispute.created_at, text, "bad", "alert", _plain(dispute.status), link)


def _notices(payment: StripePaymentIntent) -> Iterator[Happening]:
    for notice in PaymentNotice.objects.filter(payment_intent=payment).order_by("-id")[:10]:
        yield from _made(notice.sent_at, f"E-mail to the customer: {notice.get_kind_display().lower()}", "info", "info")


def _booked(booking: StripeTransaction | None) -> Iterator[Happening]:
    if booking is None:
        return
    entry, link = booking.transaction, _to("transaction", booking.transaction_id)
    exact = f"Stripe’s exact fee of {money.with_code(entry.fee_minor, entry.currency)}"
    if booking.settled_at == entry.created_at:  # the exact fee was known at once
        yield from _made(entry.created_at, f"Booked with {exact}", "ok", "check", link=link)
        return
    yield from _made(entry.created_at, "Booked with an estimated fee", "ok", "check", link=link)
    if booking.settled_at:
        yield from _made(booking.settled_at, f"{exact} replaced the estimate", "ok", "check", link=link)


def _audited(credential: StripeCredential, stripe_id: str) -> Iterator[Happening]:
    """What staff did with the object from here, with the id under which Stripe logged it."""
    done = AuditEvent.objects.filter(credential=credential, object_id=stripe_id)
    for event in done[:EVENTS_MAX]:
        word = _plain(event.action.rpartition(".")[2]).capitalize()
        note = f"Stripe’s request {event.details['request']}" if event.details.get("request") else ""
        yield Happening(event.at, f"{word} by {event.user_name or 'the system'}", "info", "customers", note)


def _moved(credential: StripeCredential, charges: list[str]) -> Iterator[Happening]:
    """Tell what else was booked because of these charges, and with which payouts their money left; two queries."""
    links = StripeTransaction.objects.filter(charge_stripe_id__in=charges, transaction__credential=credential)
    found = list(links.select_related("transaction").order_by("transaction__occurred_at", "pk")[:EVENTS_MAX])
    for row in (link.transaction for link in found if link.payment_intent_id is None):
        text = f"{row.get_kind_display()} of {_amount(row)} booked on {row.booked_on:%d %b %Y}"
        note = f"fee {money.with_code(row.fee_minor, row.currency)}" if row.fee_minor else ""
        yield Happening(row.occurred_at, text, "muted", "ledger", note, _to("transaction", row.pk))
    movements = [link.transaction.balance_transaction_id for link in found]
    rows = PayoutRow.objects.filter(balance_transaction__in=movements).select_related("payout", "balance_transaction")
    for listed in rows.defer("payout__payload", "payout__private", "balance_transaction__payload")[:EVENTS_MAX]:
        payout, moved = listed.payout, listed.balance_transaction
        net = money.with_code(moved.net_minor, moved.currency)
        whole = money.with_code(payout.amount_minor, payout.currency)
        link = _to("payout", payout.stripe_id)
        text = f"{net} in the payout of {whole}"
        yield from _made(payout.arrival_at, text, "info", "payouts", payout.stripe_id, link)


def _events(credential: StripeCredential, ids: list[str]) -> Iterator[Happening]:
    events = StripeWebhookEvent.objects.filter(credential=credential, object_stripe_id__in=ids).defer("body")
    for event in events.order_by("-received_at", "-id")[:EVENTS_MAX]:
        state = event.get_state_display().lower()
        text, note = f"Webhook {event.type} received", f"{state}, {event.event_id}"
        yield Happening(event.received_at, text, "muted", "webhook", note, _to("event", event.event_id))


def _made(
    at: dt.datetime | None, text: str, tone: str = "muted", icon: str = "dot", note: str = "", link: Link | None = None
) -> Iterator[Happening]:
    if at is not None:
        yield Happening(at, text, tone, icon, note, link)


def _to(page: str, key: str | int) -> Link:
    return Link(reverse(f"financial:{page}", args=[key]), _PERMISSIONS[page])


def _outcome(payment: StripePaymentIntent) -> tuple[str, str, str]:
    if payment.is_succeeded:
        return "ok", "check", "succeeded"
    if payment.has_failed:
        return "bad", "cross", "failed"
    return "muted", "dot", f"is {_plain(payment.status)}"


def _amount(row: StripePaymentIntent | StripeRefund | StripeDispute | StripePayout | Transaction) -> str:
    return money.with_code(row.amount_minor, row.currency)


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _sorted(found: list[Happening]) -> list[Happening]:
    """Turn what was told in its natural order into newest first, also within one second."""
    return sorted(found, key=lambda happening: happening.at.replace(microsecond=0))[::-1]
