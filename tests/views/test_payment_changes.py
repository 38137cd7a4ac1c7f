from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from financial import money
from financial.errors import CardDeclined
from financial.models import (
    AuditEvent,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripeRefund,
    StripeRequest,
    Transaction,
)
from financial.stripe_services import StripeService
from sandbox.http.server import Server, running
from tests.stripe_stub import StripeStub
from tests.views import rows as make

pytestmark = pytest.mark.django_db
VERBS = ("refund", "capture", "cancel")


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    with running(background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    return StripeService(make.credential())


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


def pay(
    service: StripeService, amount: str = "49", currency: str = "eur", method: str = "pm_card_visa", **options: Any
) -> StripePaymentIntent:
    customer = service.create_customer("ada@example.com", "Ada")
    return service.create_payment_intent(customer, Decimal(amount), currency, payment_method=method, **options)


def address(verb: str, payment: StripePaymentIntent) -> str:
    return reverse(f"financial:payment-{verb}", args=[payment.stripe_id])


def opened(client: Client, verb: str, payment: StripePaymentIntent, query: str = "") -> dict[str, str]:
    """The values a browser would send back from the form as it was opened."""
    form = client.get(address(verb, payment) + query).context["form"]
    return {field.html_name: field.value() or "" for field in form}


def errors(answer: Any) -> dict[str, str]:
    return {name: " ".join(map(str, found)) for name, found in answer.context["form"].errors.items()}


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def words(client: Client, verb: str, payment: StripePaymentIntent, query: str = "") -> str:
    answer = client.get(address(verb, payment) + query)
    return " ".join([*answer.context["consequences"], answer.context["button"]])


# Refunds


def test_a_refund_says_what_it_does_and_then_does_it(service: StripeService, staff: Client) -> None:
    payment = pay(service)

    said = words(staff, "refund", payment)
    answer = staff.post(address("refund", payment), opened(staff, "refund", payment))

    assert "€49.00 EUR goes back to Ada’s card ••••4242" in said
    fee_minor = payment.stripe_transaction.transaction.fee_minor  # at the rate of the day
    assert fee_minor and f"Stripe keeps its fee of {money.with_code(fee_minor, 'usd')}" in said
    assert "today’s rate, not at the one of the payment" in said
    assert said.endswith("Refund €49.00 EUR to Ada")
    assert answer["Location"] == reverse("financial:payment", args=[payment.stripe_id])
    assert messages_of(answer) == ["€49.00 EUR refunded to Ada."]
    assert payment.charges.get().refunded
    event = AuditEvent.objects.get(action="payment.refunded")
    assert (event.object_id, event.details["amount_minor"]) == (payment.stripe_id, 4900)
    assert [row.kind for row in Transaction.objects.order_by("pk")] == ["payment", "refund"]


def test_a_part_is_refunded_with_its_reason_and_the_rest_stays(service: StripeService, staff: Client) -> None:
    payment = pay(service)

    said = words(staff, "refund", payment, "?amount=10")
    values = opened(staff, "refund", payment, "?amount=10")
    staff.post(address("refund", payment), {**values, "reason": "duplicate"})

    assert "€39.00 EUR of the payment stays" in said
    assert said.endswith("Refund €10.00 EUR to Ada")
    refund = StripeRefund.objects.get()
    assert (refund.amount_minor, refund.reason) == (1000, "duplicate")
    page = staff.get(reverse("financial:payment", args=[payment.stripe_id]))
    assert page.context["line"].state == "partly_refunded"


def test_a_button_that_spoke_of_another_amount_is_asked_again(service: StripeService, staff: Client) -> None:
    payment = pay(service)
    values = {**opened(staff, "refund", payment), "amount": "10"}

    asked = staff.post(address("refund", payment), values)

    assert asked.status_code == 200
    assert asked.context["button"] == "Refund €10.00 EUR to Ada"
    assert not StripeRefund.objects.exists()
    staff.post(address("refund", payment), {**values, "stated": asked.context["form"]["stated"].value()})
    assert StripeRefund.objects.get().amount_minor == 1000


def test_a_resent_refund_does_one_thing(service: StripeService, staff: Client) -> None:
    payment = pay(service)
    values = opened(staff, "refund", payment)

    first, second = (staff.post(address("refund", payment), values) for _ in range(2))

    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert StripeRefund.objects.count() == 1


def test_a_refund_in_doubt_is_finished_by_the_same_form(service: StripeService, sandbox: Server, staff: Client) -> None:
    payment = pay(service)
    values = opened(staff, "refund", payment)
    sandbox.world.faults.load(
        [
            {"kind": "error_after", "method": "POST", "path": "/v1/refunds", "count": 1},
            {"kind": "error_before", "method": "GET", "path": "/v1/refunds", "count": 6},
        ]
    )

    unknown = staff.post(address("refund", payment), values)
    assert "Send the same form again" in errors(unknown)["__all__"]
    assert unknown.context["form"]["idempotency_key"].value() == values["idempotency_key"]
    answer = staff.post(address("refund", payment), values)

    assert answer.status_code == 302
    assert len(list(service.gateway.iterate("/v1/refunds", {}))) == 1


@pytest.mark.parametrize(
    ("amount", "said"),
    [("49.01", "At most €49.00 EUR"), ("0", "greater than zero"), ("1.234", "two decimals"), ("x", "with a dot")],
)
def test_an_amount_that_cannot_be_refunded_is_refused_at_its_field(
    service: StripeService, staff: Client, amount: str, said: str
) -> None:
    payment = pay(service)
    answer = staff.post(address("refund", payment), {**opened(staff, "refund", payment), "amount": amount})
    assert answer.status_code == 422
    assert said in errors(answer)["amount"]
    assert not StripeRequest.objects.filter(operation="refunds.create").exists()


def test_two_tabs_cannot_refund_more_than_was_paid(service: StripeService, staff: Client) -> None:
    payment = pay(service)
    values = opened(staff, "refund", payment)
    elsewhere = {"payment_intent": payment.stripe_id, "amount": 4000}
    service.gateway.create("refunds", elsewhere, idempotency_key="the other tab")  # and no webhook came yet

    answer = staff.post(address("refund", payment), values)

    assert answer.status_code == 422
    assert "greater than unrefunded amount" in errors(answer)["amount"]
    assert answer.context["standing"].refundable_minor == 900
    assert answer.context["form"]["idempotency_key"].value() != values["idempotency_key"]


@pytest.mark.parametrize(
    ("amount", "currency", "part", "minor", "button"),
    [
        ("500", "jpy", "120", 120, "Refund ¥120 JPY to Ada"),
        ("5.120", "kwd", "1.12", 1120, "Refund KWD 1.120 to Ada"),
        ("500", "isk", "100", 10000, "Refund ISK 100 to Ada"),
    ],
)
def test_refunds_count_in_the_currencys_own_decimals(
    service: StripeService, staff: Client, amount: str, currency: str, part: str, minor: int, button: str
) -> None:
    payment = pay(service, amount, currency)

    values = opened(staff, "refund", payment, f"?amount={part}")
    said = words(staff, "refund", payment, f"?amount={part}").replace("\u00a0", " ")
    staff.post(address("refund", payment), values)

    assert said.endswith(button)
    assert StripeRefund.objects.get().amount_minor == minor


def test_a_pending_refund_is_counted_and_said(service: StripeService, sandbox: Server, staff: Client) -> None:
    sandbox.world.settings = replace(sandbox.world.settings, refund_seconds=60)
    payment = pay(service, method="pm_card_pendingRefund")

    values = opened(staff, "refund", payment, "?amount=10")
    answer = staff.post(address("refund", payment), values)

    assert "is on its way" in messages_of(answer)[0]
    assert "€10.00 EUR of earlier refunds is still on its way" in words(staff, "refund", payment)
    assert staff.get(address("refund", payment)).context["standing"].refundable_minor == 3900


def test_what_was_refunded_already_cannot_be_refunded(service: StripeService, staff: Client) -> None:
    payment = pay(service)
    service.refund_payment(payment)
    for answer in (staff.get(address("refund", payment)), staff.post(address("refund", payment), {"amount": "1"})):
        assert answer.context["hindrance"] == "All of it was refunded already."


@pytest.mark.parametrize(
    ("status", "said"), [("needs_response", "took the money back until that is decided"), ("lost", "and won")]
)
def test_a_disputed_payment_is_not_refunded(staff: Client, status: str, said: str) -> None:
    payment = disputed(status)
    answer = staff.post(address("refund", payment), {"amount": "1"})
    assert answer.status_code == 409
    assert said in answer.content.decode()


@pytest.mark.parametrize("status", ["won", "warning_needs_response"])
def test_a_dispute_that_was_won_or_is_an_inquiry_lets_it_be_refunded(staff: Client, status: str) -> None:
    assert staff.get(address("refund", disputed(status))).context["hindrance"] == ""


def disputed(status: str) -> StripePaymentIntent:
    payment = make.payment(make.credential())
    charge = make.charge(payment, disputed=True, amount_captured_minor=payment.amount_minor)
    StripeDispute.objects.create(
        credential=payment.credential, stripe_id="dp_1", payment_intent=payment, charge=charge, status=status
    )
    return payment


def test_a_method_that_stripe_refunds_no_more_is_warned_about(staff: Client) -> None:
    payment = make.payment(make.credential())
    make.charge(
        payment, method_type="sepa_debit", card_last4="", created_at=make.NOON.replace(year=2020),
        amount_captured_minor=payment.amount_minor,
    )  # fmt: skip
    assert "limited time, which is over" in words(staff, "refund", payment)


# Reservations


def test_money_that_was_reserved_is_captured(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)

    said = words(staff, "capture", payment)
    answer = staff.post(address("capture", payment), opened(staff, "capture", payment))

    assert "usually lasts seven days" in said
    assert said.endswith("Capture €49.00 EUR from Ada")
    assert messages_of(answer) == ["€49.00 EUR captured from Ada."]
    payment.refresh_from_db()
    assert payment.is_succeeded
    assert AuditEvent.objects.get(action="payment.captured").details["amount_minor"] == 4900


def test_a_part_is_captured_and_the_rest_released_in_words(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)

    said = words(staff, "capture", payment, "?amount=20")
    staff.post(address("capture", payment), opened(staff, "capture", payment, "?amount=20"))

    assert "€29.00 EUR is released for good" in said
    assert StripePaymentIntent.objects.get().amount_received_minor == 2000


def test_the_moment_a_reservation_ends_is_said_where_stripe_names_it(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)
    charge = payment.charges.get()
    charge.private["payment_method_details"]["card"]["capture_before"] = 1_794_000_000  # 6 November 2026, 21:20 UTC
    charge.save(update_fields=["private"])

    assert "must be captured before November 6, 2026, 21:20" in words(staff, "capture", payment)


def test_a_resent_capture_does_one_thing(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)
    values = opened(staff, "capture", payment, "?amount=20")
    first, second = (staff.post(address("capture", payment), values) for _ in range(2))
    assert first.status_code == second.status_code == 302
    assert Transaction.objects.count() == 1


def test_a_reservation_is_given_up(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)

    said = words(staff, "cancel", payment)
    answer = staff.post(
        address("cancel", payment), {**opened(staff, "cancel", payment), "reason": "requested_by_customer"}
    )

    assert "€49.00 EUR reserved from Ada is released" in said
    assert messages_of(answer) == ["Payment of €49.00 EUR canceled."]
    payment.refresh_from_db()
    assert (payment.status, payment.payload["cancellation_reason"]) == ("canceled", "requested_by_customer")


def test_stripes_refusal_to_cancel_stands_on_the_form(service: StripeService, staff: Client) -> None:
    payment = pay(service, method="")
    values = opened(staff, "cancel", payment)
    StripeService(payment.credential).gateway.act(
        "payment_intents", "cancel", payment.stripe_id, {}, idempotency_key="elsewhere"
    )
    answer = staff.post(address("cancel", payment), values)
    assert answer.status_code == 422
    assert "status of canceled" in errors(answer)["__all__"]
    payment.refresh_from_db()
    assert payment.status == "canceled"


@pytest.mark.parametrize(
    ("verb", "status", "said"),
    [
        ("refund", "requires_payment_method", "Only what was paid can be refunded"),
        ("refund", "requires_capture", "Only what was paid can be refunded"),
        ("capture", "succeeded", "was taken already"),
        ("capture", "canceled", "was canceled"),
        ("cancel", "succeeded", "Refund it instead"),
        ("cancel", "canceled", "nothing to cancel"),
    ],
)
def test_what_is_not_possible_is_said_with_the_next_step(staff: Client, verb: str, status: str, said: str) -> None:
    payment = make.payment(make.credential(), status=status)
    make.charge(payment, captured=status == "succeeded")
    assert said in staff.get(address(verb, payment)).content.decode()
    answer = staff.post(address(verb, payment), {"amount": "1"})
    assert answer.status_code == 409
    assert not StripeRequest.objects.exists()


def test_the_payment_of_an_invoice_is_not_canceled_but_its_invoice_voided(staff: Client) -> None:
    payment = make.payment(make.credential(), status="requires_payment_method")
    StripeInvoice.objects.create(
        credential=payment.credential, stripe_id="in_1", number="A-7", payment_intent_stripe_id=payment.stripe_id
    )
    assert "invoice A-7: void the invoice" in staff.get(address("cancel", payment)).content.decode()


# Who may, and whose


@pytest.mark.parametrize("verb", VERBS)
def test_it_needs_its_permission(verb: str, client: Client) -> None:
    payment = make.payment(make.credential())
    client.force_login(make.staff("view_stripepaymentintent"))
    assert client.get(address(verb, payment)).status_code == 403
    assert client.post(address(verb, payment)).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
def test_a_payment_of_another_credential_is_a_404(verb: str, staff: Client) -> None:
    make.credential()
    theirs = make.payment(make.credential("Other", is_active=False))
    assert staff.get(address(verb, theirs)).status_code == 404
    assert staff.post(address(verb, theirs)).status_code == 404


@pytest.mark.parametrize("verb", VERBS)
def test_live_mode_is_said_before_the_button(verb: str, staff: Client) -> None:
    status = {"refund": "succeeded", "capture": "requires_capture", "cancel": "requires_capture"}[verb]
    live = make.credential("Live", secret_key="sk_live_obviously_fake_00000", livemode=True)
    payment = make.payment(live, status=status)
    make.charge(payment, captured=status == "succeeded", amount_captured_minor=payment.amount_minor)
    assert "real customers and real money" in staff.get(address(verb, payment)).content.decode()


@pytest.mark.parametrize(("verb", "status"), [("refund", "succeeded"), ("capture", "requires_capture")])
def test_opening_a_form_asks_stripe_nothing_and_costs_few_queries(
    verb: str, status: str, staff: Client, stripe_stub: StripeStub, connection_queries: Any
) -> None:
    payment = make.payment(make.credential(), status=status)
    make.charge(payment, captured=status == "succeeded", amount_captured_minor=payment.amount_minor)
    staff.get(address(verb, payment))
    once = connection_queries(lambda: staff.get(address(verb, payment)))
    for _ in range(3):
        make.charge(payment, captured=status == "succeeded", amount_captured_minor=payment.amount_minor)

    assert connection_queries(lambda: staff.get(address(verb, payment))) == once <= 14
    assert stripe_stub.requests == []


# Where they are found


@pytest.mark.parametrize(
    ("status", "captured", "shown"),
    [
        ("succeeded", True, {"refund"}),
        ("requires_capture", False, {"capture", "cancel"}),
        ("requires_payment_method", False, {"cancel"}),
        ("canceled", False, set()),
    ],
)
def test_a_payment_offers_what_is_possible_to_whom_it_is_allowed(
    client: Client, status: str, captured: bool, shown: set[str]
) -> None:
    payment = make.payment(make.credential(), status=status)
    make.charge(payment, captured=captured, amount_captured_minor=payment.amount_minor if captured else 0)
    pages = [reverse("financial:payments"), reverse("financial:payment", args=[payment.stripe_id])]
    offered = {}
    for permissions in ((), ("view_stripepaymentintent",)):
        client.force_login(make.staff(*permissions))
        for page in pages:
            text = client.get(page).content.decode()
            offered[permissions, page] = {verb for verb in VERBS if f'href="{address(verb, payment)}"' in text}

    assert [offered[(), page] for page in pages] == [shown, shown]
    assert [offered[("view_stripepaymentintent",), page] for page in pages] == [set(), set()]


def test_a_failed_payment_is_tried_again_with_a_link(service: StripeService, staff: Client) -> None:
    with pytest.raises(CardDeclined):
        pay(service, method="pm_card_visa_chargeDeclinedInsufficientFunds", description="Consulting")
    payment = StripePaymentIntent.objects.get()

    page = staff.get(reverse("financial:payment", args=[payment.stripe_id])).content.decode()
    form = staff.get(address("retry", payment), follow=True).context["form"]

    assert "has too little money" in page
    assert "Try again with a link" in page
    assert {name: form[name].value() for name in ("customer", "amount", "currency", "description")} == {
        "customer": payment.customer_stripe_id,
        "amount": "49.00",
        "currency": "eur",
        "description": "Consulting",
    }


def test_a_failed_payment_of_an_invoice_is_not_paid_past_it(staff: Client) -> None:
    payment = make.payment(make.credential(), status="requires_payment_method", error_code="card_declined")
    StripeInvoice.objects.create(
        credential=payment.credential, stripe_id="in_1", number="A-7", payment_intent_stripe_id=payment.stripe_id
    )
    assert "would be paid past it" in staff.get(address("retry", payment)).content.decode()
    page = staff.get(reverse("financial:payment", args=[payment.stripe_id])).content.decode()
    assert "Try again with a link" not in page


def test_what_did_not_fail_is_not_tried_again(staff: Client) -> None:
    payment = make.payment(make.credential())
    assert "This payment succeeded" in staff.get(address("retry", payment)).content.decode()
    assert staff.post(address("retry", payment)).status_code == 405


def test_a_reservation_is_not_told_as_a_charge(service: StripeService, staff: Client) -> None:
    payment = pay(service, capture_later=True)
    page = reverse("financial:payment", args=[payment.stripe_id])
    before = staff.get(page).content.decode()
    service.capture_payment(payment)
    after = staff.get(page).content.decode()

    assert "€49.00 EUR was reserved on Visa ••••4242" in before
    assert "was charged" not in before
    assert "Visa ••••4242 was charged €49.00 EUR" in after
