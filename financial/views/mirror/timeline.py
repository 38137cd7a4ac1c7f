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
    StripePaymentIntent,
    StripeProduct,
    StripeSubscription,
    StripeTransaction,
    StripeWebhookEvent,
)
from financial.views.decline_words import decline_words
from financial.views.mirror.rows import InvoiceRow, method_words

EVENTS_MAX = 20
# Who may open the pages that sentences lead to.
_PERMISSIONS = {
    "transaction": "financial.view_transaction",
    "payment": "financial.view_stripepaymentintent",
    "payout": "financial.view_stripepayout",
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
    """Tell of a customer, their subscriptions and the payments at hand."""
    found = list(_made(customer.created_at, "Customer created"))
    for subscription in customer.subscriptions.select_related("price__product").newest()[:10]:
        name = subscription.price.product if subscription.price else subscription.stripe_id
        found.extend(_made(subscription.created_at, f"Subscribed to {name}", "info", "subscriptions"))
        found.extend(_made(subscription.ended_at, f"Subscription to {name} ended", "muted", "cross"))
    for payment in payments:
        tone, icon, word = _outcome(payment)
        found.extend(_made(payment.created_at, f"Payment of {_amount(payment)} {word}", tone, icon))
    found.extend(_made(customer.deleted_at, "Deleted in Stripe", "bad", "cross"))
    found += _audited(customer.credential, customer.stripe_id)
    return _sorted([*found, *_events(customer.credential, [customer.stripe_id])])


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
        amount = money.with_code(refund.amount_minor, refund.currency)
        if refund.status == "failed":
            yield from _made(refund.created_at, f"Refund of {amount} failed", "bad", "cross", refund.failure_reason)
        else:
            yield from _made(refund.created_at, f"{amount} refunded ({refund.status})", "info", "back", refund.reason)
    for dispute in payment.disputes.all():
        text = f"Customer disputed {money.with_code(dispute.amount_minor, dispute.currency)} ({_plain(dispute.reason)})"
        yield from _made(dispute.created_at, text, "bad", "alert", _plain(dispute.status))


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
        amount = money.with_code(row.amount_minor, row.currency)
        text = f"{row.get_kind_display()} of {amount} booked on {row.booked_on:%d %b %Y}"
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
        yield Happening(
            event.received_at, f"Webhook {event.type} received", "muted", "webhook", f"{state}, {event.event_id}"
        )


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


def _amount(payment: StripePaymentIntent) -> str:
    return money.with_code(payment.amount_minor, payment.currency)


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _sorted(found: list[Happening]) -> list[Happening]:
    """Turn what was told in its natural order into newest first, also within one second."""
    return sorted(found, key=lambda happening: happening.at.replace(microsecond=0))[::-1]
