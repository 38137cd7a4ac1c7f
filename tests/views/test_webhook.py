"""What the webhook address answers, for everything that may be thrown at it."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import time

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.urls import reverse

from financial.models import StripeWebhookEvent
from financial.views import webhook
from tests.views import factory

pytestmark = pytest.mark.django_db
ADDRESS = reverse("financial:webhook")
SECRET = "whsec_" + "k" * 32
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "some.unknown_type",
    "livemode": False,
    "created": 1,
    "data": {"object": {}},
}


def sign(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    stamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def post(client, body: bytes, signature: str | None = None, **extra):
    headers = {} if signature is None else {"Stripe-Signature": signature}
    return client.post(ADDRESS, body, content_type="application/json", headers=headers, **extra)


@pytest.fixture
def shop():
    return factory.credential(webhook_secret=SECRET)


@pytest.fixture
def stripe():
    """A sender without cookies whose forged-request check is on, as in production."""
    return Client(enforce_csrf_checks=True)


def test_a_signed_event_is_stored_and_answered_200(stripe, shop):
    body = json.dumps(EVENT).encode()

    answer = post(stripe, body, sign(body))

    assert (answer.status_code, answer.content) == (200, b"ok")
    assert StripeWebhookEvent.objects.get().event_id == "evt_1"
    assert not answer.cookies


def test_the_same_event_again_is_200_and_one_row(stripe, shop):
    body = json.dumps(EVENT).encode()
    post(stripe, body, sign(body))

    answer = post(stripe, body, sign(body))

    assert answer.status_code == 200
    assert StripeWebhookEvent.objects.count() == 1


def test_signed_nonsense_is_kept_and_answered_200(stripe, shop):
    for body in (b"not json", b"\xff\xfe\x00", b"[]", b""):
        assert post(stripe, body, sign(body)).status_code == 200


@pytest.mark.parametrize("signature", [None, "", "t=1", "v1=abc", "t=1,v1=abc", "t=" + "9" * 5000 + ",v1=a", "ü,€"])
def test_what_is_not_authentic_is_400_with_constant_text_and_no_row(stripe, shop, signature):
    body = json.dumps(EVENT).encode()
    client = stripe if signature is None or signature.isascii() else Client(HTTP_STRIPE_SIGNATURE=signature)

    answer = post(client, body, signature if client is stripe else None)

    assert (answer.status_code, answer.content) == (400, b"rejected")
    assert not StripeWebhookEvent.objects.exists()


@pytest.mark.parametrize("age", [-400, 400])
def test_a_stale_or_future_signature_is_400(stripe, shop, age):
    body = json.dumps(EVENT).encode()

    assert post(stripe, body, sign(body, at=time.time() - age)).status_code == 400


def test_a_changed_body_is_400(stripe, shop):
    body = json.dumps(EVENT).encode()

    assert post(stripe, body + b" ", sign(body)).status_code == 400


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post_is_allowed(stripe, shop, method):
    answer = getattr(stripe, method)(ADDRESS)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_a_declared_giant_is_413_without_reading_it(shop):
    class Unread(io.BytesIO):
        def read(self, *args):
            raise AssertionError("the body was read")

    request = RequestFactory().post(ADDRESS, b"", content_type="application/json")
    request.META["CONTENT_LENGTH"] = str(10 * 1024 * 1024)
    request._stream = Unread()

    assert webhook.receive(request).status_code == 413


def test_a_giant_that_lies_about_its_length_is_413_after_one_mebibyte(shop):
    taken = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            taken.append(size)
            return super().read(size)

    request = RequestFactory().post(ADDRESS, b"", content_type="application/json")
    request.META["CONTENT_LENGTH"] = ""
    request._stream = Counting(b"x" * (3 * 1024 * 1024))

    assert webhook.receive(request).status_code == 413
    assert taken == [1024 * 1024 + 1]


def test_one_mebibyte_is_accepted(stripe, shop):
    body = b"x" * (1024 * 1024)

    assert post(stripe, body, sign(body)).status_code == 200


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 5000, "１２"])
def test_odd_lengths_are_answered_not_crashed_on(shop, length):
    request = RequestFactory().post(ADDRESS, b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = length

    assert webhook.receive(request).status_code in (400, 413)


def test_a_connection_that_breaks_off_is_400(shop):
    class Broken(io.BytesIO):
        def read(self, *args):
            raise OSError("gone")

    request = RequestFactory().post(ADDRESS, b"{}", content_type="application/json")
    request._stream = Broken()

    assert webhook.receive(request).status_code == 400


def test_without_any_secret_stripe_shall_come_again(stripe):
    factory.credential()
    body = json.dumps(EVENT).encode()

    answer = post(stripe, body, sign(body, secret=""))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert not StripeWebhookEvent.objects.exists()


@pytest.mark.parametrize("trouble", [OperationalError("database is locked"), OSError("disk full"), RuntimeError("?")])
def test_trouble_while_storing_is_503_never_500(stripe, shop, trouble, caplog):
    def fail(execute, sql, *arguments):
        if "stripewebhookevent" in sql:
            raise trouble
        return execute(sql, *arguments)

    body = json.dumps(EVENT).encode()

    with connection.execute_wrapper(fail):
        answer = post(stripe, body, sign(body))

    assert (answer.status_code, answer.content) == (503, b"try again")
    assert answer.headers["Retry-After"] == "30"


def test_an_address_without_its_slash_is_not_a_redirect_that_drops_the_body(stripe, shop):
    body = json.dumps(EVENT).encode()

    answer = stripe.post(
        ADDRESS.rstrip("/"), body, content_type="application/json", headers={"Stripe-Signature": sign(body)}
    )

    assert answer.status_code not in (301, 302, 307, 308, 500)
