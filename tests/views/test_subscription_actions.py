"""What staff do with one subscription: each form says what will happen, does it once, and shows what came of it."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from financial.models import AuditEvent, MrrSpan, StripeCredential, StripeInvoice, StripeRequest, StripeSubscription
from financial.stripe_services import StripeService, terms_of
from sandbox.http.server import Server
from tests.subscribers import payer, priced, subscribed
from tests.views import rows as make

pytestmark = pytest.mark.django_db
VERBS = ("pause", "resume", "keep", "cancel", "cancel-now")


@pytest.fixture
def credential(sandbox: Server) -> StripeCredential:
    return make.credential()


@pytest.fixture
def service(credential: StripeCredential) -> StripeService:
    return StripeService(credential)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


def address(verb: str, row: StripeSubscription) -> str:
    return reverse(f"financial:subscription-{verb}", args=[row.stripe_id])


def post(client: Client, verb: str, row: StripeSubscription, *, key: str = "", **values: str) -> Any:
    return client.post(address(verb, row), {"idempotency_key": key or uuid.uuid4().hex, **values})


def text_of(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def page(client: Client, row: StripeSubscription) -> str:
    return text_of(client.get(reverse("financial:subscription", args=[row.stripe_id])))


def test_a_pause_is_said_done_and_shown(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    assert "Nothing is charged to Ada until collection is resumed" in text_of(staff.get(address("pause", row)))
    until = timezone.localdate() + dt.timedelta(days=400)

    answer = post(staff, "pause", row, behavior="void", resumes_on=until.isoformat())

    assert answer["Location"] == reverse("financial:subscription", args=[row.stripe_id])
    shown = page(staff, row)
    assert "Collection is paused until" in shown
    assert "invoices are voided: the time is free" in shown
    assert "MRR —" in shown
    assert terms_of(StripeSubscription.objects.get()).resumes_at is not None
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id, event.user_name) == ("subscription.paused", row.stripe_id, "ada")


def test_a_pause_is_taken_back(service: StripeService, staff: Client) -> None:
    row = service.pause_subscription(subscribed(service), "void")
    assert "charged again from the next invoice on" in text_of(staff.get(address("resume", row)))

    post(staff, "resume", row)

    assert "MRR $9.00" in page(staff, row)
    assert not terms_of(StripeSubscription.objects.get()).pause


def test_a_day_gone_by_is_refused_at_its_field(service: StripeService, staff: Client) -> None:
    answer = post(staff, "pause", subscribed(service), behavior="void", resumes_on="2020-01-01")

    assert answer.status_code == 422
    assert "still to come" in str(answer.context["form"].errors["resumes_on"])


def test_an_end_with_the_period_names_day_amount_and_customer_and_is_taken_back(
    service: StripeService, staff: Client
) -> None:
    row = subscribed(service)
    asked = text_of(staff.get(address("cancel", row)))
    assert "until then Ada keeps access" in asked
    assert "MRR loses $9.00 USD on that day" in asked
    assert re.search(r"End \$9\.00 USD a month from Ada on \d+ \w+ \d{4}", asked)

    post(staff, "cancel", row, feedback="too_expensive", comment="Tight budget")

    shown = page(staff, row)
    assert "and is not billed again" in shown
    assert "Keep it" in shown
    details = StripeSubscription.objects.get().payload["cancellation_details"]
    assert (details["feedback"], details["comment"]) == ("too_expensive", "Tight budget")

    assert "is taken back; Ada is billed again as before" in text_of(staff.get(address("keep", row)))
    post(staff, "keep", row)
    assert "Keep it" not in page(staff, row)
    assert not StripeSubscription.objects.get().cancel_at_period_end


def test_an_end_now_shows_what_is_credited_before_and_nothing_to_do_after(
    sandbox: Server, service: StripeService, staff: Client
) -> None:
    row = subscribed(service)
    sandbox.advance(15 * 86_400)
    asked = staff.get(address("cancel-now", row))
    assert "Cancel now: $9.00 USD a month from Ada" in text_of(asked)
    credit_minor = asked.context["final"].credited_minor
    assert 400 < credit_minor < 500
    assert f"${credit_minor / 100:.2f}" in text_of(asked)

    post(staff, "cancel-now", row, settlement="invoice", feedback="", comment="")

    row.refresh_from_db()
    assert row.status == "canceled"
    assert "Cancel now" not in page(staff, row)
    assert MrrSpan.objects.get().ends_at == row.ended_at
    assert StripeInvoice.objects.get(stripe_id=row.latest_invoice_stripe_id).total_minor == -credit_minor


def test_an_end_now_without_settlement_credits_nothing(sandbox: Server, service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    sandbox.advance(15 * 86_400)

    post(staff, "cancel-now", row, settlement="", feedback="", comment="")

    assert StripeSubscription.objects.get().status == "canceled"
    assert not [*service.gateway.iterate("/v1/invoiceitems", {"customer": row.customer_stripe_id})]


def test_stripe_away_leaves_the_words_and_says_so(service: StripeService, staff: Client, settings: Any) -> None:
    row = subscribed(service)
    settings.FINANCIAL_STRIPE_BASE_URL = "http://127.0.0.1:9"

    asked = text_of(staff.get(address("cancel-now", row)))

    assert "What would be credited could not be asked for" in asked
    assert "This cannot be undone" in asked


def test_a_form_sent_twice_does_one_thing(service: StripeService, staff: Client) -> None:
    row, key = subscribed(service), uuid.uuid4().hex
    first, second = (post(staff, "cancel-now", row, key=key, settlement="") for _ in range(2))

    assert first["Location"] == second["Location"]
    assert StripeRequest.objects.filter(operation="subscriptions.cancel").count() == 1


def test_after_an_unknown_outcome_the_same_form_finishes(
    sandbox: Server, service: StripeService, staff: Client
) -> None:
    row, key = subscribed(service), uuid.uuid4().hex
    sandbox.world.faults.load([{"kind": "error_before", "method": "POST", "path": "/v1/subscriptions", "count": 3}])
    unknown = post(staff, "cancel", row, key=key, feedback="", comment="")
    assert unknown.status_code == 422
    assert "Send the same form again" in text_of(unknown)
    assert unknown.context["form"]["idempotency_key"].value() == key
    sandbox.world.idempotency.kept.clear()

    assert post(staff, "cancel", row, key=key, feedback="", comment="").status_code == 302
    assert StripeSubscription.objects.get().cancel_at_period_end


@pytest.mark.parametrize(
    ("verb", "values", "shown"),
    [
        ("pause", {"status": "incomplete"}, "before the first payment"),
        ("resume", {}, "Nothing is paused"),
        ("keep", {}, "No end is set"),
        ("cancel", {"cancel_at_period_end": True}, "Its end is set already"),
        *((verb, {"status": "canceled"}, "has ended") for verb in VERBS),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_sent(
    verb: str, values: dict[str, Any], shown: str, credential: StripeCredential, staff: Client
) -> None:
    row = make.subscription(make.price(make.product(credential), type="recurring"), make.customer(credential), **values)

    assert shown in text_of(staff.get(address(verb, row)))
    answer = post(staff, verb, row)

    assert answer.status_code == 409
    assert not StripeRequest.objects.exists()
    assert f"/{verb}/" not in staff.get(reverse("financial:subscription", args=[row.stripe_id])).content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_only_those_who_may_write_see_and_do_it(verb: str, credential: StripeCredential, client: Client) -> None:
    row = make.subscription(make.price(make.product(credential), type="recurring"), make.customer(credential))
    client.force_login(make.staff("view_stripesubscription"))

    assert client.get(address(verb, row)).status_code == 403
    assert post(client, verb, row).status_code == 403
    assert f"/{verb}/" not in client.get(reverse("financial:subscription", args=[row.stripe_id])).content.decode()
    assert not StripeRequest.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_row_of_another_credential_is_not_found(verb: str, credential: StripeCredential, staff: Client) -> None:
    other = make.credential("Other", is_active=False)
    row = make.subscription(make.price(make.product(other), type="recurring"), make.customer(other))

    assert staff.get(address(verb, row)).status_code == post(staff, verb, row).status_code == 404


def test_an_unconfirmed_payment_leads_to_the_page_where_it_is_confirmed(
    service: StripeService, staff: Client, client: Client
) -> None:
    row = service.create_subscription(payer(service, "pm_card_threeDSecure2Required"), priced(service))
    url = StripeInvoice.objects.get().private["hosted_invoice_url"]

    answer = staff.get(reverse("financial:subscription", args=[row.stripe_id]))
    assert "The customer must confirm" in text_of(answer)
    assert url in answer.content.decode()

    client.force_login(make.staff("view_stripesubscription"))
    answer = client.get(reverse("financial:subscription", args=[row.stripe_id]))
    assert "The customer must confirm" in text_of(answer)
    assert url not in answer.content.decode()


def test_the_next_invoice_is_asked_for_on_demand_only(service: StripeService, staff: Client) -> None:
    row = subscribed(service, quantity=3)
    assert "$27.00" not in page(staff, row).partition("Newest invoices")[0].replace("MRR $27.00", "")

    whole = staff.get(address("next-invoice", row))
    part = staff.get(address("next-invoice", row), headers={"HX-Request": "true"})

    assert "<html" in whole.content.decode()
    assert "<html" not in part.content.decode()
    for answer in (whole, part):
        assert "To be paid $27.00" in text_of(answer)


def test_no_further_invoice_is_said(service: StripeService, staff: Client) -> None:
    row = service.cancel_subscription_later(subscribed(service))

    assert "No further invoice will be made" in text_of(staff.get(address("next-invoice", row)))


@pytest.mark.parametrize("verb", VERBS)
def test_a_form_costs_few_queries(verb: str, service: StripeService, staff: Client, connection_queries: Any) -> None:
    row = subscribed(service)
    if verb == "resume":
        row = service.pause_subscription(row, "void")
    if verb == "keep":
        row = service.cancel_subscription_later(row)

    assert connection_queries(lambda: staff.get(address(verb, row))) <= 16
