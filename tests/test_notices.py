from __future__ import annotations

from typing import Any

import django
import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from financial import notices, stripe_services
from financial.models import PaymentNotice, StripeCredential
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db(transaction=True)


class RefusingBackend(BaseEmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError


def send_through(settings: Any, backend: str) -> None:
    if django.VERSION < (6, 1):
        settings.EMAIL_BACKEND = backend
    else:
        settings.MAILERS = {"default": {"BACKEND": backend}}


@pytest.fixture
def mails_on(settings: Any) -> None:
    settings.FINANCIAL_SEND_PAYMENT_EMAILS = True
    settings.FINANCIAL_EMAIL_FROM = "shop@example.com"


def happen(stub: StripeStub, event_type: str, payment: dict[str, Any], event_id: str = "evt_1") -> None:
    stub.put(payloads.customer(), payment)
    body = payloads.body_of(payloads.event(event_type, payment, event_id))
    header = payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
    stripe_services.StripeService().handle_webhook(body, header)


def failed_payment() -> dict[str, Any]:
    error = {
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has too little money.",
    }
    return payloads.payment_intent(status="requires_payment_method", amount_received=0, last_payment_error=error)


def test_mails_are_off_unless_asked_for(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    happen(stripe_stub, "payment_intent.succeeded", payloads.payment_intent())

    assert mail.outbox == []
    assert not PaymentNotice.objects.exists()


@pytest.mark.usefixtures("mails_on")
def test_a_succeeded_payment_is_confirmed_to_its_customer(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    happen(stripe_stub, "payment_intent.succeeded", payloads.payment_intent(description="Novel, signed"))

    message = mail.outbox[0]
    assert (message.to, message.from_email) == (["ada@example.com"], "shop@example.com")
    assert message.subject == "We received your payment of $29.99"
    assert "Hello Ada" in message.body
    assert "Novel, signed" in message.body


@pytest.mark.usefixtures("mails_on")
def test_a_failed_payment_is_told_with_its_reason(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    happen(stripe_stub, "payment_intent.payment_failed", failed_payment())

    assert mail.outbox[0].subject == "Your payment of $29.99 did not go through"
    assert "Your card has too little money." in mail.outbox[0].body


@pytest.mark.usefixtures("mails_on")
def test_one_attempt_is_told_once_whatever_the_number_of_events(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    for number in range(3):
        happen(stripe_stub, "payment_intent.succeeded", payloads.payment_intent(), f"evt_{number}")

    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("mails_on")
def test_a_late_event_of_a_failure_since_paid_tells_nothing(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    happen(stripe_stub, "payment_intent.payment_failed", payloads.payment_intent())

    assert mail.outbox == []


@pytest.mark.usefixtures("mails_on")
def test_a_sync_mails_nobody(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer(), payloads.payment_intent())

    stripe_services.sync_now(credential, requested_by="test")

    assert mail.outbox == []


@pytest.mark.usefixtures("mails_on")
def test_the_receipt_address_wins_over_the_customers(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    payment = payloads.payment_intent(receipt_email="books@example.org")

    happen(stripe_stub, "payment_intent.succeeded", payment)

    assert mail.outbox[0].to == ["books@example.org"]


@pytest.mark.usefixtures("mails_on")
def test_a_refused_mail_is_kept_and_sent_later(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    send_through(settings, "tests.test_notices.RefusingBackend")
    happen(stripe_stub, "payment_intent.succeeded", payloads.payment_intent())
    notice = PaymentNotice.objects.get()
    assert (notice.sent_at, notice.attempts) == (None, 1)
    assert "refused" in notice.error

    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")

    assert notices.send_waiting() == 1
    assert notices.send_waiting() == 0
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("mails_on")
def test_a_name_with_a_line_break_does_not_become_a_header(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer(name="Ada\nBcc: all@example.com"))
    payment = payloads.payment_intent(description="A\nSubject: no")
    stripe_stub.put(payment)
    body = payloads.body_of(payloads.event("payment_intent.succeeded", payment))
    header = payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())

    stripe_services.StripeService().handle_webhook(body, header)

    assert "Hello Ada Bcc: all@example.com" in mail.outbox[0].body
    assert mail.outbox[0].bcc == []
