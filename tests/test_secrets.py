"""A canary in every secret: it may come out nowhere but where it was meant to go."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from financial.errors import FinancialError
from financial.models import MIRROR_MODELS, StripeCredential, StripeCustomer, StripePaymentIntent, SyncRun
from financial.stripe_services import StripeService, sync_now, test_connection
from tests import payloads
from tests.stripe_stub import StripeStub, drop, error_body, raw, status

pytestmark = pytest.mark.django_db

SECRET_KEY = "sk_test_CANARYsecret000000000000"
PUBLISHABLE_KEY = "pk_test_CANARYpublishable0000"
WEBHOOK_SECRET = "whsec_CANARYwebhook00000000000000"
PHONE, STREET, RECEIPT = "+44 20 CANARY 1", "1 CANARYstreet Road", "CANARYreceipt@example.com"
CLIENT_SECRET = "pi_1_secret_CANARYclient"
SECRETS = (SECRET_KEY, WEBHOOK_SECRET)
PERSONAL = (PHONE, STREET, RECEIPT, CLIENT_SECRET)
WEBHOOK = "/studio/financial/stripe/webhook/"


@pytest.fixture
def credential(db: None, stripe_stub: StripeStub) -> StripeCredential:
    return StripeCredential.objects.create(
        name="Canary",
        secret_key=SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        webhook_secret=WEBHOOK_SECRET,
        is_active=True,
    )


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything at DEBUG, checked for canaries when the test ends."""
    caplog.set_level(logging.DEBUG)
    for name in ("stripe", "urllib3", "financial.stripe_services", "django.request", "stamina"):
        caplog.set_level(logging.DEBUG, logger=name)
    yield caplog
    said = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.get_records("call"))
    for canary in (*SECRETS, *PERSONAL):
        assert canary not in said + caplog.text


def full_account(stub: StripeStub) -> None:
    address = {"line1": STREET, "city": "London", "country": "GB"}
    stub.put(
        payloads.product(),
        payloads.price(),
        payloads.customer(phone=PHONE, address=address, shipping={"address": address, "phone": PHONE}),
        payloads.payment_intent(client_secret=CLIENT_SECRET, receipt_email=RECEIPT, shipping={"address": address}),
        payloads.charge(billing_details={"address": address, "phone": PHONE}, receipt_email=RECEIPT),
        payloads.balance_transaction(),
        payloads.subscription(),
        {"id": "in_1", "object": "invoice", "created": payloads.CREATED, "customer": "cus_1", "customer_phone": PHONE,
         "customer_address": address, "customer_email": RECEIPT,
         "confirmation_secret": {"client_secret": CLIENT_SECRET, "type": "payment_intent"}},
        {"id": "dp_1", "object": "dispute", "created": payloads.CREATED, "evidence": {"billing_address": STREET}},
    )  # fmt: skip


def post(body: bytes, header: str | None = None) -> int:
    signed = payloads.signature(body, WEBHOOK_SECRET, at=timezone.now().timestamp()) if header is None else header
    headers = {"Stripe-Signature": signed}
    return Client().post(WEBHOOK, body, content_type="application/json", headers=headers).status_code


def every_column() -> Iterator[tuple[str, str, str]]:
    """Every value of every table, as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    yield (
                        table,
                        name,
                        bytes(value).decode("latin-1") if isinstance(value, memoryview | bytes) else str(value),
                    )


# Logs and errors


@pytest.mark.parametrize(
    "fault",
    [
        status(401, error_body("", f"Invalid API Key provided: {SECRET_KEY}")),
        status(403, error_body("", f"The key {SECRET_KEY} does not have the required permission")),
        status(429),
        status(500),
        drop,
        raw(b"not json"),
    ],
    ids=["401", "403", "429", "500", "dropped", "not JSON"],
)
def test_failing_sync_and_connection_test_say_nothing_of_the_keys(
    credential: StripeCredential, stripe_stub: StripeStub, logged: pytest.LogCaptureFixture, fault: Any
) -> None:
    full_account(stripe_stub)
    stripe_stub.fail(fault, times=200)
    run = sync_now(credential, requested_by="test", resources=("customer",))
    assert run.error
    with pytest.raises(FinancialError) as failed:
        test_connection(credential)
    for text in (str(failed.value), repr(failed.value), run.error, repr(vars(run))):
        assert not any(secret in text for secret in SECRETS)
    assert not [found for found in every_column() if any(secret in found[2] for secret in SECRETS)]


def test_creating_and_being_refused_say_nothing_of_keys_and_persons(
    credential: StripeCredential, stripe_stub: StripeStub, logged: pytest.LogCaptureFixture
) -> None:
    service = StripeService()
    stripe_stub.on_write = lambda write: (200, payloads.customer(phone=PHONE))
    service.create_customer("ada@example.com", phone=PHONE)
    stripe_stub.fail(status(402, error_body("card_declined", "Declined", type="card_error")))
    with pytest.raises(FinancialError) as failed:
        service.create_customer("bob@example.com", phone=PHONE)
    assert not any(canary in repr(failed.value) for canary in (*SECRETS, *PERSONAL))


def test_webhooks_say_nothing_of_secrets_and_persons(
    credential: StripeCredential, stripe_stub: StripeStub, logged: pytest.LogCaptureFixture
) -> None:
    full_account(stripe_stub)
    body = payloads.body_of(payloads.event("customer.updated", stripe_stub.objects["cus_1"]))
    assert [post(body), post(body, "t=1,v1=0"), post(body[:-9]), post(PHONE.encode())] == [200, 400, 200, 200]
    service = StripeService()
    signed = payloads.signature(body, WEBHOOK_SECRET, at=timezone.now().timestamp())
    event = service.handle_webhook(body, signed)
    assert event.state == "done"
    for shown in (str(event), repr(event), repr(service), repr(service.gateway)):
        assert not any(canary in shown for canary in (*SECRETS, *PERSONAL))


def test_sync_logs_no_personal_data(
    credential: StripeCredential, stripe_stub: StripeStub, logged: pytest.LogCaptureFixture
) -> None:
    full_account(stripe_stub)
    assert sync_now(credential, requested_by="test").error == ""
    assert StripeCustomer.objects.get().phone == PHONE  # kept, but encrypted


# The database and what is written from it


def test_no_plain_column_holds_a_secret_or_what_is_private(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    full_account(stripe_stub)
    assert sync_now(credential, requested_by="test").error == ""
    for payload in stripe_stub.objects.values():
        post(payloads.body_of(payloads.event("product.updated", payload, f"evt_{payload['id']}")))
    assert len({table for table, _, _ in every_column()}) > 8
    for table, name, value in every_column():
        for canary in (*SECRETS, *PERSONAL):
            assert canary not in value, (table, name)


def test_client_secret_is_not_even_kept_encrypted(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    for model in MIRROR_MODELS:
        for row in model.objects.all():
            assert CLIENT_SECRET not in json.dumps(row.whole_payload()), row


def test_private_part_is_put_back_where_it_is_asked_for(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    assert StripePaymentIntent.objects.get().whole_payload()["receipt_email"] == RECEIPT
    assert StripeCustomer.objects.get().whole_payload()["address"]["line1"] == STREET


@pytest.mark.parametrize("format", ["json", "xml", "jsonl"])
def test_dump_of_the_database_holds_no_secret(
    credential: StripeCredential, stripe_stub: StripeStub, format: str
) -> None:
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    post(payloads.body_of(payloads.event("customer.updated", stripe_stub.objects["cus_1"])))
    out = StringIO()
    call_command("dumpdata", "financial", format=format, stdout=out)
    assert "Canary" in out.getvalue()
    for canary in (*SECRETS, *PERSONAL):
        assert canary not in out.getvalue()


# Repr and pages


def test_repr_and_str_of_a_credential_hold_no_key(credential: StripeCredential) -> None:
    run = SyncRun(credential=credential)
    for shown in (repr(credential), str(credential), f"{credential!r}", repr([credential]), repr(run), str(run)):
        assert not any(secret in shown for secret in (*SECRETS, PUBLISHABLE_KEY))


def test_no_admin_page_shows_a_secret(
    credential: StripeCredential, stripe_stub: StripeStub, admin_client: Client
) -> None:
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    post(payloads.body_of(payloads.event("customer.updated", stripe_stub.objects["cus_1"])))
    listed = admin_client.get("/admin/financial/")
    if listed.status_code == 404:
        pytest.skip("the app has no admin pages")
    changelists = {
        word
        for word in listed.content.decode().split('"')
        if word.startswith("/admin/financial/") and word.endswith("/")
    }
    seen = 0
    for changelist in sorted(changelists):
        page = admin_client.get(changelist)
        if page.status_code != 200:
            continue
        rows = {w for w in page.content.decode().split('"') if w.startswith(changelist) and w.endswith("/change/")}
        for url in (changelist, *rows):
            shown = admin_client.get(url).content.decode()
            seen += 1
            for canary in (*SECRETS, CLIENT_SECRET):
                assert canary not in shown, url
    assert seen > 5


def test_admin_form_refuses_a_key_without_repeating_it(credential: StripeCredential, admin_client: Client) -> None:
    refused = admin_client.post(
        f"/admin/financial/stripecredential/{credential.pk}/change/",
        {"name": "Canary", "secret_key": "sk_live_CANARYtyped0000", "webhook_secret": "CANARYtyped", "is_active": "on"},
    )
    assert refused.status_code == 200
    assert "CANARYtyped" not in refused.content.decode()
    credential.refresh_from_db()
    assert credential.secret_key == SECRET_KEY


@pytest.mark.parametrize(
    "path", ["", "stripe/", "stripe/products/", "stripe/customers/", "stripe/customers/cus_1/", "stripe/payments/",
             "stripe/payments/pi_1/", "stripe/subscriptions/", "stripe/sync/", "stripe/payments/new/"],
)  # fmt: skip
def test_no_page_of_the_app_shows_a_key(
    credential: StripeCredential, stripe_stub: StripeStub, admin_client: Client, path: str
) -> None:
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    page = admin_client.get(f"/studio/financial/{path}")
    assert page.status_code == 200
    for canary in (*SECRETS, CLIENT_SECRET):
        assert canary not in page.content.decode()


# Rotation of the encryption key


def test_database_outlives_a_rotation_and_names_a_key_removed_too_early(
    credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    old = settings.FINANCIAL_ENCRYPTION_KEYS[0]
    full_account(stripe_stub)
    sync_now(credential, requested_by="test")
    settings.FINANCIAL_ENCRYPTION_KEYS = ["a-new-key-that-is-long-enough", old]
    assert StripeCredential.objects.get().secret_key == SECRET_KEY
    assert StripeCustomer.objects.get().phone == PHONE
    assert sync_now(credential, requested_by="test").error == ""
    settings.FINANCIAL_ENCRYPTION_KEYS = ["a-new-key-that-is-long-enough"]
    for read in (StripeCredential.objects.get, StripeCustomer.objects.get, StripeService):
        with pytest.raises(ImproperlyConfigured, match="add that key back") as refused:
            read()
        assert not any(secret in str(refused.value) for secret in (*SECRETS, old))
