"""Mails to customers: payment confirmed, payment failed. Off unless FINANCIAL_SEND_PAYMENT_EMAILS is on.

A mail is a row first, written in the transaction that applied the event, unique by payment, kind and attempt; it is sent
after the commit. A server that refuses it is tried again by the engine, a few times. A first sync mails nobody: only
events make notices.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from financial import conf
from financial.models import PaymentNotice, StripePaymentIntent
from financial.money import display

logger = logging.getLogger("financial.stripe_services.notices")
Kind = PaymentNotice.Kind
ATTEMPTS_MAX = 5
KIND_BY_EVENT: Mapping[str, Kind] = {
    "payment_intent.succeeded": Kind.CONFIRMATION,
    "payment_intent.payment_failed": Kind.FAILURE,
}
_SUBJECT = {
    Kind.CONFIRMATION: "We received your payment of {amount}",
    Kind.FAILURE: "Your payment of {amount} did not go through",
}


def prepare(payment: StripePaymentIntent, kind: Kind) -> None:
    """Note that the customer shall be told of the latest attempt, once; sent after the surrounding commit.

    Nothing happens where mails are off, where the customer has no address, or where the payment no longer is what the
    event said.
    """
    still_true = payment.is_succeeded if kind == Kind.CONFIRMATION else payment.has_failed
    if not conf.get("SEND_PAYMENT_EMAILS") or not still_true or not _recipient(payment):
        return
    notice, is_new = PaymentNotice.objects.get_or_create(
        payment_intent=payment, kind=kind, attempt_stripe_id=payment.latest_charge_stripe_id
    )
    if is_new:
        transaction.on_commit(partial(send, notice))


def send_waiting(limit: int = 50) -> int:
    """Try again what could not be sent, and return how many were sent."""
    waiting = PaymentNotice.objects.filter(sent_at=None, attempts__lt=ATTEMPTS_MAX).order_by("attempts", "pk")
    return sum(send(notice) for notice in waiting.select_related("payment_intent__customer")[:limit])


def send(notice: PaymentNotice) -> bool:
    """Send one mail; False if somebody else is sending it or the server refused, which the row then says."""
    mine = PaymentNotice.objects.filter(pk=notice.pk, sent_at=None, attempts=notice.attempts)
    if not mine.update(attempts=F("attempts") + 1):
        return False
    try:
        _message(notice).send()
    except (OSError, SMTPException) as error:
        logger.warning("notice=%s kind=%s not sent: %s", notice.pk, notice.kind, type(error).__name__)
        PaymentNotice.objects.filter(pk=notice.pk).update(error=f"{type(error).__name__}: the mail server refused it")
        return False
    PaymentNotice.objects.filter(pk=notice.pk).update(sent_at=timezone.now(), error="")
    return True


def _recipient(payment: StripePaymentIntent) -> str:
    private = payment.private.get("receipt_email")
    return str(private or (payment.customer.email if payment.customer else ""))


def _message(notice: PaymentNotice) -> EmailMessage:
    payment = notice.payment_intent
    kind = Kind(notice.kind)
    amount = display(payment.amount_minor, payment.currency)
    body = render_to_string(
        f"financial/mail/{kind.value}.txt",
        {
            "name": " ".join(payment.customer.name.split()) if payment.customer else "",
            "amount": amount,
            "description": " ".join(payment.description.split()),
            "reason": payment.error_message,
            "reference": payment.stripe_id,
        },
    )
    return EmailMessage(_SUBJECT[kind].format(amount=amount), body, conf.email_from(), [_recipient(payment)])
