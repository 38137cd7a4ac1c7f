"""What is done with a payment after it was made, against the sandbox over HTTP; runs with stripe 10.0.0 and the newest."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from financial.errors import (
    CardDeclined,
    CredentialRefused,
    InexactAmount,
    InvalidAmount,
    OutcomeUnknown,
    RequestRefused,
)
from financial.models import (
    StripeCharge,
    StripeCredential,
    StripePaymentIntent,
    StripeRefund,
    StripeRequest,
    Transaction,
)
from financial.stripe_services import StripeService
from sandbox.http.server import Server
from tests.conftest import TEST_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.oldest_sdk]
REFUNDS = "/v1/refunds"


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    return StripeService()


def pay(
    service: StripeService, amount: str = "49", currency: str = "usd", method: str = "pm_card_visa", **options: Any
) -> StripePaymentIntent:
    customer = service.create_customer("ada@example.com", "Ada")
    return service.create_payment_intent(customer, Decimal(amount), currency, payment_method=method, **options)


def booked() -> list[tuple[str, str, int]]:
    rows = Transaction.objects.order_by("pk")
    return [(row.kind, row.status, row.amount_minor) for row in rows]


def test_a_payment_stands_with_its_charge_and_an_estimated_fee_at_once(service: StripeService, sandbox: Server) -> None:
    sandbox.world.settings = replace(sandbox.world.settings, settle_seconds=60)

    payment = pay(service)

    charge = payment.charges.get()
    assert (charge.card_brand, charge.card_last4, charge.stripe_id) == ("visa", "4242", payment.latest_charge_stripe_id)
    assert booked() == [("payment", "estimated", 4900)]
    assert Transaction.objects.get().fee_minor == 172


def test_a_declined_payment_stands_with_the_attempt(service: StripeService) -> None:
    with pytest.raises(CardDeclined):
        pay(service, method="pm_card_visa_chargeDeclinedInsufficientFunds")

    charge = StripePaymentIntent.objects.get().charges.get()
    assert (charge.status, charge.card_last4) == ("failed", "9995")
    assert booked() == []


def test_a_payment_is_there_although_its_charge_cannot_be_looked_at(service: StripeService, sandbox: Server) -> None:
    sandbox.world.faults.load([{"kind": "error_before", "method": "GET", "path": "/v1/payment_intents", "count": 9}])

    payment = pay(service)

    assert payment.status == "succeeded"
    assert not StripeCharge.objects.exists()


def test_money_is_reserved_and_taken_later(service: StripeService) -> None:
    reserved = pay(service, capture_later=True)
    assert (reserved.status, reserved.charges.get().captured, booked()) == ("requires_capture", False, [])

    taken = service.capture_payment(reserved)

    assert (taken.status, taken.amount_received_minor) == ("succeeded", 4900)
    assert taken.charges.get().captured
    assert booked() == [("payment", "settled", 4900)]


def test_a_part_is_captured_and_the_rest_is_released(service: StripeService) -> None:
    taken = service.capture_payment(pay(service, capture_later=True), Decimal("20.50"))

    assert (taken.amount_minor, taken.amount_received_minor) == (4900, 2050)
    assert service.gateway.fetch("/v1/payment_intents", taken.stripe_id)["amount_capturable"] == 0
    assert booked() == [("payment", "settled", 2050)]


def test_more_than_was_reserved_cannot_be_captured(service: StripeService) -> None:
    reserved = pay(service, capture_later=True)

    with pytest.raises(RequestRefused) as refused:
        service.capture_payment(reserved, Decimal("49.01"))

    assert refused.value.param == "amount_to_capture"
    reserved.refresh_from_db()
    assert reserved.status == "requires_capture"


def test_a_reservation_is_released(service: StripeService) -> None:
    canceled = service.cancel_payment(pay(service, capture_later=True), "requested_by_customer")

    assert (canceled.status, canceled.payload["cancellation_reason"]) == ("canceled", "requested_by_customer")
    assert canceled.canceled_at is not None
    assert booked() == []


def test_a_payment_that_nobody_paid_is_canceled_without_a_reason(service: StripeService) -> None:
    assert service.cancel_payment(pay(service, method="")).status == "canceled"


def test_what_was_paid_cannot_be_canceled(service: StripeService) -> None:
    payment = pay(service)

    with pytest.raises(RequestRefused, match="status of succeeded"):
        service.cancel_payment(payment)


def test_a_refund_stands_in_mirror_and_books_at_once(service: StripeService) -> None:
    payment = pay(service)

    refund = service.refund_payment(payment, Decimal("10"), "requested_by_customer")

    assert (refund.amount_minor, refund.status, refund.reason) == (1000, "succeeded", "requested_by_customer")
    assert refund.payment_intent == payment
    charge = payment.charges.get()
    assert (charge.amount_refunded_minor, charge.refunded) == (1000, False)
    assert booked() == [("payment", "settled", 4900), ("refund", "settled", -1000)]


def test_without_an_amount_all_that_is_left_is_refunded(service: StripeService) -> None:
    payment = pay(service)
    service.refund_payment(payment, Decimal("10"))

    refund = service.refund_payment(payment)

    assert refund.amount_minor == 3900
    assert payment.charges.get().refunded


@pytest.mark.parametrize(
    ("amount", "currency", "part", "minor"), [("500", "jpy", "120", 120), ("5.120", "kwd", "1.120", 1120)]
)
def test_a_part_is_counted_in_its_currencys_own_units(
    service: StripeService, amount: str, currency: str, part: str, minor: int
) -> None:
    assert service.refund_payment(pay(service, amount, currency), Decimal(part)).amount_minor == minor


@pytest.mark.parametrize(("part", "error"), [("0", InvalidAmount), ("-1", InvalidAmount), ("1.234", InexactAmount)])
def test_a_part_stripe_would_refuse_is_refused_before_any_request(
    service: StripeService, part: str, error: type[Exception]
) -> None:
    payment = pay(service)

    with pytest.raises(error):
        service.refund_payment(payment, Decimal(part))
    with pytest.raises(error):
        service.capture_payment(payment, Decimal(part))
    assert not StripeRequest.objects.filter(operation__in=("refunds.create", "payment_intents.capture")).exists()


def test_two_refunds_at_once_give_back_no_more_than_was_paid(service: StripeService) -> None:
    """Another tab refunded meanwhile: Stripe refuses, and the mirror learns of the other refund's effect."""
    payment = pay(service)
    elsewhere = {"payment_intent": payment.stripe_id, "amount": 4000}
    service.gateway.create("refunds", elsewhere, idempotency_key="another tab")

    with pytest.raises(RequestRefused, match="greater than unrefunded amount") as refused:
        service.refund_payment(payment, Decimal("10"))

    assert refused.value.param == "amount"
    assert payment.charges.get().amount_refunded_minor == 4000


def test_the_same_refund_sent_twice_is_done_once(service: StripeService, sandbox: Server) -> None:
    payment = pay(service)

    first, second = (service.refund_payment(payment, Decimal("10"), idempotency_key="form-1") for _ in range(2))

    assert first == second
    assert len(list(service.gateway.iterate(REFUNDS, {}))) == 1


def test_a_refund_in_doubt_is_found_or_done_once_by_the_same_form(service: StripeService, sandbox: Server) -> None:
    payment = pay(service)
    sandbox.world.faults.load(
        [
            {"kind": "error_after", "method": "POST", "path": REFUNDS, "count": 1},
            {"kind": "error_before", "method": "GET", "path": REFUNDS, "count": 6},
        ]
    )
    with pytest.raises(OutcomeUnknown):
        service.refund_payment(payment, Decimal("10"), idempotency_key="form-1")
    assert not StripeRefund.objects.exists()

    refund = service.refund_payment(payment, Decimal("10"), idempotency_key="form-1")

    assert [item["id"] for item in service.gateway.iterate(REFUNDS, {})] == [refund.stripe_id]
    assert booked()[-1] == ("refund", "settled", -1000)


def test_a_capture_answered_with_a_500_after_it_was_done_is_found_out(service: StripeService, sandbox: Server) -> None:
    reserved = pay(service, capture_later=True)
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": "/v1/payment_intents", "count": 1}])

    assert service.capture_payment(reserved, idempotency_key="form-1").status == "succeeded"
    assert booked() == [("payment", "settled", 4900)]


def test_a_payment_of_another_account_is_not_touched(service: StripeService) -> None:
    payment = pay(service)
    other = StripeService(StripeCredential.objects.create(name="Other", secret_key=TEST_KEY))

    for act in (other.refund_payment, other.capture_payment, other.cancel_payment):
        with pytest.raises(CredentialRefused, match="another credential"):
            act(payment)
