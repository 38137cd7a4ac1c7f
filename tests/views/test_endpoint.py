"""The endpoint page: what is registered at Stripe, and registering it, against the sandbox over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django.test import Client
from django.urls import reverse

from financial import stripe_services
from financial.mirror.resources import EVENT_TYPES
from financial.models import AuditEvent, StripeCredential, StripeRequest, StripeWebhookEvent, StripeWebhookSecret
from sandbox.http.server import Server
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub, error_body, status
from tests.views import factory

PAGE = reverse("financial:endpoint")
HOOK = "http://testserver/studio/financial/stripe/webhook/"
BUTTON = "Register the endpoint at Stripe</button>"
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential(secret_key=TEST_KEY)


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(factory.staff(*factory.VIEW_ALL, "manage_stripe", name="ada"))
    return client


def key_in(text: str) -> str:
    return text.split('name="idempotency_key" value="')[1].split('"')[0]


def register(page: Client, key: str = "", **extra: Any) -> Any:
    key = key or key_in(page.get(PAGE, **extra).text)
    return page.post(PAGE, {"action": "register", "idempotency_key": key}, follow=True, **extra)


def at_stripe(sandbox: Server) -> list[dict[str, Any]]:
    url = f"{sandbox.url}/v1/webhook_endpoints"
    found: list[dict[str, Any]] = requests.get(url, headers={"Authorization": f"Bearer {TEST_KEY}"}).json()["data"]
    return found


def make(sandbox: Server, **values: Any) -> str:
    form = {"url": HOOK, "enabled_events[]": list(EVENT_TYPES), **values}
    url = f"{sandbox.url}/v1/webhook_endpoints"
    return str(requests.post(url, data=form, headers={"Authorization": f"Bearer {TEST_KEY}"}).json()["id"])


def test_registering_sends_our_events_and_version_and_keeps_the_secret_unseen(page, shop, sandbox):
    assert "Not registered" in page.get(PAGE).text

    answer = register(page)

    (endpoint,) = at_stripe(sandbox)
    assert endpoint["url"] == HOOK
    assert sorted(endpoint["enabled_events"]) == sorted(EVENT_TYPES)
    assert endpoint["api_version"] == "2026-10-28.endive"
    shop.refresh_from_db()
    assert shop.webhook_secret == sandbox.world.raw("webhook_endpoint", endpoint["id"])["_secret"]
    assert "Its signing secret is stored" in answer.text and BUTTON not in answer.text
    assert shop.webhook_secret not in answer.text


def test_who_registered_it_is_written_down_without_the_secret(page, shop, sandbox):
    register(page)

    noted = AuditEvent.objects.get()
    assert (noted.user_name, noted.action) == ("ada", "webhook.registered")
    assert noted.details == {"url": HOOK, "request": StripeRequest.objects.get().stripe_request_id}
    assert noted.details["request"].startswith("req_")
    assert noted.object_id == at_stripe(sandbox)[0]["id"]


@pytest.mark.django_db(transaction=True)
def test_after_registering_a_payment_arrives_and_verifies(page, shop, sandbox, live_server):
    host = live_server.url.removeprefix("http://")
    register(page, HTTP_HOST=host)
    form = {
        "amount": 900,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": "true",
        "return_url": "https://x.example",
    }
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    paid = requests.post(f"{sandbox.url}/v1/payment_intents", data=form, headers=headers).json()

    sandbox.deliver()

    found = StripeWebhookEvent.objects.get(type="payment_intent.succeeded")
    assert (found.object_stripe_id, found.credential) == (paid["id"], shop)


def test_a_secret_stored_before_stays_valid_beside_the_new_one(page, shop, sandbox):
    StripeCredential.objects.filter(pk=shop.pk).update(webhook_secret=TEST_WEBHOOK_SECRET)

    register(page)

    (further,) = StripeWebhookSecret.objects.all()
    assert further.endpoint_stripe_id == at_stripe(sandbox)[0]["id"]
    valid = {known.secret for known in stripe_services.signing_secrets()}
    assert valid == {TEST_WEBHOOK_SECRET, further.secret}


def test_the_same_form_sent_twice_registers_once(page, shop, sandbox):
    key = key_in(page.get(PAGE).text)

    register(page, key)
    again = register(page, key)

    assert len(at_stripe(sandbox)) == 1
    assert again.status_code == 200
    assert StripeWebhookSecret.objects.count() == 0


def test_another_form_does_not_register_the_same_address_again(page, shop, sandbox):
    key = key_in(page.get(PAGE).text)
    make(sandbox)

    answer = register(page, key)

    assert answer.status_code == 422
    assert "registered already" in answer.text
    assert len(at_stripe(sandbox)) == 1


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_form(page, shop, sandbox):
    key = key_in(page.get(PAGE).text)
    fault = {"kind": "drop_after", "count": 3, "path": "/v1/webhook_endpoints", "method": "POST"}
    requests.post(f"{sandbox.url}/_sandbox/api/faults", json=[fault]).raise_for_status()
    assert register(page, key).status_code == 422
    assert len(at_stripe(sandbox)) == 1
    later = page.get(PAGE).text
    assert "Finish the registration" in later

    register(page, key_in(later))

    (endpoint,) = at_stripe(sandbox)
    shop.refresh_from_db()
    assert shop.webhook_secret == sandbox.world.raw("webhook_endpoint", endpoint["id"])["_secret"]
    assert "Finish the registration" not in page.get(PAGE).text


def test_missing_and_extra_events_are_named_and_corrected(page, shop, sandbox):
    make(sandbox, **{"enabled_events[]": [*EVENT_TYPES[2:], "invoice.upcoming"]})

    text = page.get(PAGE).text
    shown = text.split("At Stripe</h2>")[1].split("</section>")[0]
    assert "events missing" in text
    assert [name in shown for name in (*EVENT_TYPES[:3], "invoice.upcoming")] == [True, True, False, True]
    name = at_stripe(sandbox)[0]["id"]
    page.post(PAGE, {"action": "correct", "endpoint": name, "idempotency_key": key_in(text)})

    (endpoint,) = at_stripe(sandbox)
    assert sorted(endpoint["enabled_events"]) == sorted(EVENT_TYPES)
    assert "Update the endpoint" not in page.get(PAGE).text
    noted = AuditEvent.objects.get()
    assert noted.action == "webhook.corrected" and noted.details["request"].startswith("req_")


def test_an_endpoint_for_all_events_lacks_none(page, shop, sandbox):
    make(sandbox, **{"enabled_events[]": ["*"]})

    text = page.get(PAGE).text

    assert "all types" in text and "Update the endpoint" not in text and "events missing" not in text


def test_a_disabled_endpoint_is_said_and_enabled_again(page, shop, sandbox):
    name = make(sandbox)
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    requests.post(f"{sandbox.url}/v1/webhook_endpoints/{name}", data={"disabled": "true"}, headers=headers)
    text = page.get(PAGE).text
    assert "Disabled at Stripe" in text

    page.post(PAGE, {"action": "correct", "endpoint": name, "idempotency_key": key_in(text)})

    assert at_stripe(sandbox)[0]["status"] == "enabled"


def test_an_endpoint_whose_secret_is_not_here_says_what_to_do(page, shop, sandbox):
    make(sandbox)

    assert "Stripe shows a secret only once" in page.get(PAGE).text


def test_the_setting_names_the_address(page, shop, sandbox, settings):
    settings.FINANCIAL_WEBHOOK_URL = "https://hooks.example.com/in/"

    register(page)

    assert at_stripe(sandbox)[0]["url"] == "https://hooks.example.com/in/"


def test_environment_credentials_keep_no_secret_and_say_so(page, sandbox, settings):
    settings.FINANCIAL_STRIPE_SECRET_KEY = TEST_KEY

    answer = register(page)

    assert "STRIPE_WEBHOOK_SECRETS" in answer.text
    assert at_stripe(sandbox) == []


# What Stripe would refuse


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "192.168.1.4", "10.0.0.1", "studio", "studio.local"])
def test_an_address_stripe_cannot_reach_is_explained_and_not_offered(page, shop, settings, host, stripe_stub):
    settings.FINANCIAL_WEBHOOK_URL = f"https://{host}/hook/"
    settings.FINANCIAL_STRIPE_BASE_URL = "https://api.stripe.com"

    said = stripe_services.webhook_url_refusal(shop, settings.FINANCIAL_WEBHOOK_URL)

    assert "Stripe cannot reach" in said and "FINANCIAL_WEBHOOK_URL" in said


def test_live_mode_takes_https_only(page, sandbox, settings):
    live = factory.credential(secret_key="sk_live_0000000000000000", livemode=True)
    settings.FINANCIAL_STRIPE_BASE_URL = "https://api.stripe.com"

    assert "https addresses only" in stripe_services.webhook_url_refusal(live, "http://shop.example.com/hook/")
    assert stripe_services.webhook_url_refusal(live, "https://shop.example.com/hook/") == ""


def test_what_is_refused_is_not_sent_even_if_somebody_posts_it(page, shop, settings, stripe_stub):
    StripeCredential.objects.filter(pk=shop.pk).update(livemode=True)

    answer = page.post(PAGE, {"action": "register", "idempotency_key": "0" * 32})

    assert answer.status_code == 422
    assert "https addresses only" in answer.text
    assert stripe_stub.writes == []


def test_a_key_without_the_permission_is_explained(page, shop, stripe_stub: StripeStub):
    stripe_stub.fail(status(403, error_body("", "The key lacks rak_webhook_read.")))

    text = page.get(PAGE).text

    assert "rak_webhook_read" in text and "Stripe could not be asked" in text
    assert BUTTON not in text


# Who may


def test_looking_at_data_is_not_enough(client, shop, sandbox):
    client.force_login(factory.staff(*factory.VIEW_ALL, "view_stripewebhookevent"))

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"action": "register", "idempotency_key": "0" * 32}).status_code == 403
    assert at_stripe(sandbox) == []


@pytest.mark.parametrize(
    "data", [{}, {"action": "register"}, {"action": "explode", "idempotency_key": "0" * 32},
             {"action": "correct", "idempotency_key": "0" * 32},
             {"action": "correct", "endpoint": "../customers", "idempotency_key": "0" * 32}]
)  # fmt: skip
def test_an_incomplete_form_does_nothing(page, shop, sandbox, data):
    assert page.post(PAGE, data).status_code == 422
    assert at_stripe(sandbox) == []


def test_without_a_credential_the_page_says_what_to_do(page):
    assert "No active Stripe credential found" in page.get(PAGE).text


def test_sample_data_has_nothing_to_register(page):
    factory.credential(is_sample=True, is_active=False, secret_key="")

    text = page.get(PAGE).text

    assert "nothing can be registered" in text and BUTTON not in text
