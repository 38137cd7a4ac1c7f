from __future__ import annotations

import gzip
import json
import logging
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.views.debug import ExceptionReporter

from financial.errors import (
    AuthenticationRefused,
    CardDeclined,
    CredentialRefused,
    GatewayError,
    IdempotencyConflict,
    OutcomeUnknown,
    PermissionRefused,
    RateLimited,
    RequestInFlight,
    RequestRefused,
    ResourceMissing,
    StripeUnavailable,
    UnreadableAnswer,
)
from financial.gateway import API_VERSION, StripeGateway, bodies
from tests import payloads
from tests.conftest import TEST_KEY
from tests.stripe_stub import Fault, StripeStub, drop, error_body, raw, status

oldest_sdk = pytest.mark.oldest_sdk


def customers(count: int) -> list[dict[str, Any]]:
    return [payloads.customer(f"cus_{number:04}") for number in range(count)]


def queries(stub: StripeStub) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(path).query) for path in stub.requests]


# Reading: what is sent


def test_request_names_the_key_the_pinned_version_and_who_asks(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product())
    gateway.fetch("/v1/products", "prod_1")
    sent = stripe_stub.headers[0]
    assert sent["Authorization"] == f"Bearer {TEST_KEY}"
    assert sent["Stripe-Version"] == API_VERSION == gateway.api_version
    assert sent["User-Agent"].startswith("financial")
    assert sent["Accept-Encoding"] == "gzip"


def test_expansion_is_asked_for_by_name(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.payment_intent())
    gateway.fetch("/v1/payment_intents", "pi_1", expand=("latest_charge.balance_transaction", "customer"))
    assert queries(stripe_stub) == [{"expand[]": ["latest_charge.balance_transaction", "customer"]}]


def test_listing_sends_its_parameters_with_every_page(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(101))
    list(gateway.iterate("/v1/customers", {"status": "all", "expand[]": "data.tiers"}))
    assert [query.get("status") for query in queries(stripe_stub)] == [["all"], ["all"]]
    assert [query.get("expand[]") for query in queries(stripe_stub)] == [["data.tiers"], ["data.tiers"]]


def test_id_cannot_leave_its_collection(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    with pytest.raises(GatewayError):
        gateway.fetch("/v1/customers", "../account?x=1#")
    assert stripe_stub.requests == ["/v1/customers/..%2Faccount%3Fx%3D1%23"]


# Reading: pages


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_every_object_is_read_once_whatever_the_page_boundary(
    gateway: StripeGateway, stripe_stub: StripeStub, count: int, requests: int
) -> None:
    stripe_stub.put(*customers(count))
    read = [payload["id"] for payload in gateway.iterate("/v1/customers", {})]
    assert read == [payload["id"] for payload in reversed(customers(count))]
    assert len(stripe_stub.requests) == requests


def test_next_page_begins_after_the_last_id_of_this_one(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.put(*customers(250))
    page = gateway.list_page("/v1/customers", {})
    assert (len(page.items), page.next_after) == (100, "cus_0150")
    last = gateway.list_page(
        "/v1/customers", {}, after=gateway.list_page("/v1/customers", {}, after="cus_0150").next_after
    )
    assert (len(last.items), last.next_after) == (50, "")
    assert [query.get("starting_after") for query in queries(stripe_stub)] == [None, ["cus_0150"], ["cus_0050"]]
    assert {query["limit"][0] for query in queries(stripe_stub)} == {"100"}


def test_cursor_of_a_deleted_object_is_refused_by_name(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    with pytest.raises(RequestRefused) as refused:
        gateway.list_page("/v1/customers", {}, after="cus_gone")
    assert refused.value.param == "starting_after"


def test_object_made_while_listing_neither_doubles_nor_hides_another(
    gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(*customers(150))
    first = gateway.list_page("/v1/customers", {})
    stripe_stub.put(payloads.customer("cus_new"))
    second = gateway.list_page("/v1/customers", {}, after=first.next_after)
    assert len({item["id"] for item in first.items + second.items}) == 150


def test_deleted_object_may_come_as_a_stub(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.put({"id": "cus_1", "object": "customer", "deleted": True})
    assert gateway.fetch("/v1/customers", "cus_1")["deleted"] is True


def test_account_says_whose_key_it_is(gateway: StripeGateway) -> None:
    facts = gateway.account()
    assert (facts.account_id, facts.name, facts.livemode, facts.default_currency) == (
        "acct_stub", "a@example.com", False, "usd",
    )  # fmt: skip


# Reading: what goes wrong


def compressed(body: Any, *, cut: int = 0) -> Fault:
    def fault(handler: BaseHTTPRequestHandler) -> None:
        packed = gzip.compress(json.dumps(body).encode())
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed) - cut))
        handler.end_headers()
        handler.wfile.write(packed[: len(packed) - cut])

    return fault


def slow(seconds: float) -> Fault:
    def fault(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        drop(handler)

    return fault


def reset_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat\r\n')
    drop(handler)


def test_compressed_answer_is_read(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.fail(compressed(payloads.customer()))
    assert gateway.fetch("/v1/customers", "cus_1") == payloads.customer()


PASSING: dict[str, Fault] = {
    "429": status(429, error_body("rate_limit", "Too many requests")),
    "429 with lock_timeout": status(429, error_body("lock_timeout", "This object cannot be accessed right now")),
    "500": status(500),
    "502 of a proxy, in HTML": lambda handler: handler.send_error(502),
    "503": status(503, headers={"Retry-After": "0"}),
    "504": status(504),
    "dropped connection": drop,
    "body cut off": raw(b'{"object": "list", "data": [', length=5000),
    "chunks cut off": reset_in_the_middle,
    "gzip cut off": compressed({"object": "list", "data": []}, cut=20),
    "not JSON": raw(b"<html>Please log in to this hotel's network</html>"),
    "empty": raw(b""),
    "not UTF-8": raw(b'{"data": ["\xff"]}'),
    "JSON with NaN": raw(b'{"data": NaN}'),
    "no list but an object": raw(b'{"id": "cus_1", "object": "customer"}'),
    "no list but null": raw(b"null"),
    "no list but an array": raw(b"[]"),
    "data that is no list": raw(b'{"object": "list", "data": {"id": "cus_1"}, "has_more": false}'),
    "items that are no objects": raw(b'{"object": "list", "data": ["cus_1"], "has_more": false}'),
    "items without an id": raw(b'{"object": "list", "data": [{"object": "customer"}], "has_more": false}'),
    "an empty page that promises more": raw(b'{"object": "list", "data": [], "has_more": true}'),
}  # fmt: skip


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_passing_trouble_is_retried_until_the_page_comes(
    gateway: StripeGateway, stripe_stub: StripeStub, fault: Fault
) -> None:
    stripe_stub.put(*customers(3))
    stripe_stub.fail(fault, times=2)
    assert len(gateway.list_page("/v1/customers", {}).items) == 3
    assert len(stripe_stub.requests) == 3
    assert len(set(stripe_stub.requests)) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (PASSING["429"], RateLimited),
        (PASSING["500"], StripeUnavailable),
        (PASSING["503"], StripeUnavailable),
        (PASSING["502 of a proxy, in HTML"], StripeUnavailable),
        (PASSING["body cut off"], UnreadableAnswer),
        (PASSING["not JSON"], UnreadableAnswer),
        (PASSING["items without an id"], UnreadableAnswer),
        (PASSING["an empty page that promises more"], UnreadableAnswer),
        (PASSING["dropped connection"], GatewayError),
    ],
)
def test_lasting_trouble_is_reported_after_the_attempts_that_are_allowed(
    gateway: StripeGateway, stripe_stub: StripeStub, fault: Fault, kind: type[GatewayError]
) -> None:
    stripe_stub.fail(fault, times=10)
    with pytest.raises(kind) as failed:
        gateway.list_page("/v1/customers", {})
    assert len(stripe_stub.requests) == 3
    assert failed.value.retryable
    assert str(failed.value).startswith("Stripe API error: ")


def test_slow_answer_is_not_waited_for(stripe_stub: StripeStub) -> None:
    impatient = StripeGateway(TEST_KEY, base_url=stripe_stub.url, attempts=1, read_timeout_seconds=0.2)
    stripe_stub.fail(slow(1))
    began = time.monotonic()
    with pytest.raises(StripeUnavailable, match="could not be reached"):
        impatient.fetch("/v1/customers", "cus_1")
    assert time.monotonic() - began < 0.9


def test_nobody_listening_is_said_after_the_attempts() -> None:
    nobody = StripeGateway(TEST_KEY, base_url="http://127.0.0.1:9", attempts=2, backoff_seconds=0.01)
    with pytest.raises(StripeUnavailable, match="could not be reached"):
        nobody.account()


@pytest.mark.parametrize(
    ("code", "said", "kind", "step"),
    [
        (400, error_body("parameter_unknown", "Received unknown parameter: x", param="x"), RequestRefused, "Correct"),
        (401, error_body("", "Invalid API Key provided: sk_test_****0000"), AuthenticationRefused, "Check the secret key"),
        (402, error_body("card_declined", "Your card was declined.", type="card_error"), CardDeclined, "Ask"),
        (403, error_body("", "The key does not have the required permission 'rak_customer_read'"), PermissionRefused,
         "Give the restricted key the permission"),
        (404, error_body("resource_missing", "No such customer: 'cus_1'", param="id"), ResourceMissing, "Check the id"),
        (409, error_body("idempotency_key_in_use", "In use", type="idempotency_error"), RequestInFlight, "Wait"),
    ],
)  # fmt: skip
def test_refusal_is_final_and_carries_stripes_words_the_request_and_a_next_step(
    gateway: StripeGateway, stripe_stub: StripeStub, code: int, said: Any, kind: type[GatewayError], step: str
) -> None:
    stripe_stub.fail(status(code, said), times=2)
    with pytest.raises(GatewayError) as refused:
        gateway.fetch("/v1/customers", "cus_1")
    error = refused.value
    assert type(error) is kind
    assert (error.status, error.request_id, error.retryable) == (code, "req_stub", False)
    assert (error.message, error.code, error.param) == tuple(said["error"][key] for key in ("message", "code", "param"))
    assert re.match(rf"Stripe API error: .* \(request req_stub\)\. {step}", str(error))
    assert len(stripe_stub.requests) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_with_the_key(gateway: StripeGateway, stripe_stub: StripeStub, code: int) -> None:
    stripe_stub.fail(status(code, {"moved": True}, {"Location": f"{stripe_stub.url}/elsewhere"}), times=3)
    with pytest.raises(UnreadableAnswer, match=f"status {code}.* what stands between"):
        gateway.fetch("/v1/customers", "cus_1")
    assert set(stripe_stub.requests) == {"/v1/customers/cus_1"}


@pytest.mark.parametrize(
    "answer",
    [payloads.customer("cus_2"), [payloads.customer()], None, "cus_1", {}],
    ids=["other", "list", "null", "text", "empty"],
)
def test_another_object_than_asked_for_is_not_taken(
    gateway: StripeGateway, stripe_stub: StripeStub, answer: Any
) -> None:
    stripe_stub.fail(raw(json.dumps(answer).encode()), times=3)
    with pytest.raises(UnreadableAnswer):
        gateway.fetch("/v1/customers", "cus_1")


# The key


@pytest.mark.parametrize("key", ["sk_live_0000000000000000", "rk_live_0000000000000000"])
@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9", "https://api.stripe.com.example.com", "https://stripe.com", "https://x@evil.example/api.stripe.com"]
)  # fmt: skip
def test_live_key_goes_to_stripe_alone(key: str, base: str) -> None:
    with pytest.raises(CredentialRefused) as refused:
        StripeGateway(key, base_url=base)
    assert key not in str(refused.value)


def test_live_key_is_not_sent_unencrypted() -> None:
    with pytest.raises(CredentialRefused):
        StripeGateway("sk_live_0000000000000000", base_url="http://api.stripe.com")


def test_live_key_opens_a_gateway_to_stripe() -> None:
    assert repr(StripeGateway("sk_live_0000000000000000")) == "<StripeGateway https://api.stripe.com …0000>"


def test_repr_shows_no_more_than_the_last_four(gateway: StripeGateway) -> None:
    assert TEST_KEY not in repr(gateway)
    assert TEST_KEY[:-4] not in repr(gateway)


EITHER_WAY = pytest.mark.parametrize(
    "call", [lambda gateway: gateway.account(), lambda gateway: make(gateway)], ids=["read", "write"]
)


@oldest_sdk
@EITHER_WAY
@pytest.mark.parametrize("code", [400, 401, 403, 500])
def test_key_is_hidden_where_an_answer_repeats_it(
    gateway: StripeGateway,
    stripe_stub: StripeStub,
    quick_sdk: None,
    caplog: pytest.LogCaptureFixture,
    code: int,
    call: Callable[[StripeGateway], object],
) -> None:
    caplog.set_level(logging.DEBUG)
    stripe_stub.fail(status(code, error_body("", f"Invalid API Key provided: {TEST_KEY}")), times=20)
    with pytest.raises(GatewayError, match="provided: …0000") as failed:
        call(gateway)
    for text in (str(failed.value), repr(failed.value), caplog.text):
        assert TEST_KEY not in text


@oldest_sdk
@EITHER_WAY
@pytest.mark.parametrize(
    "fault",
    [status(401), status(429), status(500), drop, raw(b"{"), raw(b"[", length=9)],
    ids=["401", "429", "500", "dropped", "not JSON", "cut off"],
)
def test_key_is_in_no_error_log_or_error_report(
    gateway: StripeGateway,
    stripe_stub: StripeStub,
    quick_sdk: None,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    call: Callable[[StripeGateway], object],
) -> None:
    caplog.set_level(logging.DEBUG)
    stripe_stub.fail(fault, times=20)
    with pytest.raises(GatewayError) as failed:
        call(gateway)
    report = ExceptionReporter(None, failed.type, failed.value, failed.tb)
    for text in (str(failed.value), repr(failed.value), caplog.text, report.get_traceback_text(), variables(report)):
        assert TEST_KEY not in text


def variables(report: ExceptionReporter) -> str:
    """What an error report shows of the frames between the caller and the failure."""
    frames = [frame for frame in report.get_traceback_frames() if "/tests/" not in frame["filename"]]
    assert any(frame["filename"].endswith("gateway/client.py") for frame in frames)
    return repr([list(frame["vars"]) for frame in frames])


# Writing


@pytest.fixture
def quick_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK waits half a second before it tries again; not here."""
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0.01)
    monkeypatch.setattr("stripe._http_client.HTTPClient.MAX_DELAY", 0.02)


def make(gateway: StripeGateway, *, key: str = "key-1", **changes: Any) -> dict[str, Any]:
    body = {**bodies.payment_intent(
        "cus_1", 2999, "usd", description="Novel", payment_method="pm_card_visa", metadata={"order": "7"}
    ), **changes}  # fmt: skip
    return gateway.create("payment_intents", body, idempotency_key=key)


@oldest_sdk
def test_write_sends_key_version_idempotency_key_and_body(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    created = make(gateway)
    assert isinstance(created, dict)
    assert type(created).__module__.startswith("financial.")
    assert (created["object"], created["amount"]) == ("payment_intent", "2999")
    sent = stripe_stub.writes[0]
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert sent.path == "/v1/payment_intents"
    assert headers["authorization"] == f"Bearer {TEST_KEY}"
    assert headers["stripe-version"] == API_VERSION
    assert headers["idempotency-key"] == "key-1"
    assert {name: value.replace("True", "true") for name, value in sent.parameters.items()} == {  # "True" before 11.0
        "amount": "2999", "currency": "usd", "customer": "cus_1", "description": "Novel", "metadata[order]": "7",
        "automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never",
        "payment_method": "pm_card_visa", "confirm": "true", "off_session": "true",
    }  # fmt: skip


@oldest_sdk
@pytest.mark.parametrize("service", ["products", "prices", "customers", "payment_intents", "subscriptions"])
def test_every_service_we_write_to_exists(gateway: StripeGateway, stripe_stub: StripeStub, service: str) -> None:
    assert gateway.create(service, {"metadata": {"a": "b"}}, idempotency_key=service)["id"]
    assert stripe_stub.writes[0].path == f"/v1/{service}"


@oldest_sdk
@pytest.mark.parametrize(
    "fault",
    [status(429, error_body("rate_limit", "Too many")), status(500), drop],
    ids=["429", "500", "dropped"],
)
def test_write_is_tried_again_with_the_same_key_and_body(
    gateway: StripeGateway, stripe_stub: StripeStub, quick_sdk: None, fault: Fault
) -> None:
    stripe_stub.fail(fault, times=2)
    assert make(gateway)["id"]
    assert len(stripe_stub.writes) == 3
    assert {write.headers["Idempotency-Key"] for write in stripe_stub.writes} == {"key-1"}
    assert all(write.parameters == stripe_stub.writes[0].parameters for write in stripe_stub.writes)


@oldest_sdk
def test_same_key_makes_one_object(gateway: StripeGateway) -> None:
    assert make(gateway)["id"] == make(gateway)["id"] != make(gateway, key="key-2")["id"]


@oldest_sdk
def test_decline_names_the_reason_and_the_payment_that_exists_all_the_same(
    gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    said = error_body("card_declined", "Your card has insufficient funds.", type="card_error", param="")
    said["error"] |= {"decline_code": "insufficient_funds", "payment_intent": {"id": "pi_9", "client_secret": "x"}}
    stripe_stub.fail(status(402, said))
    with pytest.raises(CardDeclined) as declined:
        make(gateway)
    error = declined.value
    assert (error.code, error.decline_code, error.payment_intent_id) == ("card_declined", "insufficient_funds", "pi_9")
    assert (error.message, error.status, error.request_id) == ("Your card has insufficient funds.", 402, "req_stub")
    assert len(stripe_stub.writes) == 1


@oldest_sdk
@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (400, error_body("parameter_unknown", "Received unknown parameter: x", param="x"), RequestRefused),
        (400, error_body("resource_missing", "No such customer: 'cus_1'", param="customer"), RequestRefused),
        (400, error_body("", "Keys for idempotent requests …", type="idempotency_error"), IdempotencyConflict),
        (401, error_body("", "Invalid API Key provided"), AuthenticationRefused),
        (403, error_body("", "The key does not have the permission 'rak_payment_intent_write'"), PermissionRefused),
        (404, error_body("resource_missing", "No such object", param="id"), ResourceMissing),
        (409, error_body("idempotency_key_in_use", "There is another request", type="idempotency_error"),
         RequestInFlight),
    ],
)  # fmt: skip
def test_refused_write_is_final(
    gateway: StripeGateway, stripe_stub: StripeStub, quick_sdk: None, code: int, body: Any, kind: type[GatewayError]
) -> None:
    stripe_stub.fail(status(code, body), times=3)
    with pytest.raises(GatewayError) as refused:
        make(gateway)
    assert type(refused.value) is kind
    assert not refused.value.retryable
    assert (refused.value.message, refused.value.param) == (body["error"]["message"], body["error"]["param"])
    assert refused.value.request_id == "req_stub"


UNKNOWN: dict[str, Fault] = {
    "500": status(500, error_body("", "Something went wrong", type="api_error")),
    "503 of a proxy": lambda handler: handler.send_error(503),
    "connection dropped after the work": drop,
    "answer cut off": raw(b'{"id": "pi_1"', length=5000),
    "answer that is not JSON": raw(b"<html>200 OK</html>"),
    "empty answer": raw(b""),
    "answer that is a list": raw(b"[]"),
    "answer that is null": raw(b"null"),
    "answer without an id": raw(b"{}"),
    "answer with NaN": raw(b'{"id": "pi_1", "amount": NaN}'),
}  # fmt: skip


@oldest_sdk
@pytest.mark.parametrize("fault", UNKNOWN.values(), ids=UNKNOWN)
def test_write_without_a_readable_answer_may_have_been_done(
    gateway: StripeGateway, stripe_stub: StripeStub, quick_sdk: None, fault: Fault
) -> None:
    stripe_stub.fail(fault, times=10)
    with pytest.raises(OutcomeUnknown, match="done once, even if the first attempt went through"):
        make(gateway)
    assert len(stripe_stub.writes) <= 3
    assert {write.headers["Idempotency-Key"] for write in stripe_stub.writes} == {"key-1"}


@oldest_sdk
def test_rate_limited_write_gives_up_after_its_attempts(
    gateway: StripeGateway, stripe_stub: StripeStub, quick_sdk: None
) -> None:
    stripe_stub.fail(status(429, error_body("rate_limit", "Too many")), times=10)
    with pytest.raises(RateLimited):
        make(gateway)
    assert len(stripe_stub.writes) == 3


@oldest_sdk
def test_slow_write_ends_as_unknown(stripe_stub: StripeStub, quick_sdk: None) -> None:
    impatient = StripeGateway(TEST_KEY, base_url=stripe_stub.url, attempts=1, read_timeout_seconds=0.1)
    stripe_stub.fail(slow(0.3), times=5)
    with pytest.raises(OutcomeUnknown):
        make(impatient)


@oldest_sdk
def test_what_was_written_and_answered_is_not_logged(
    gateway: StripeGateway, stripe_stub: StripeStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="stripe")
    stripe_stub.on_write = lambda write: (200, {"id": "cus_1", "object": "customer", "client_secret": "pi_1_secret_x"})
    gateway.create("customers", {"phone": "+44 20 7946 0001"}, idempotency_key="key-1")
    for personal in ("pi_1_secret_x", "7946", TEST_KEY):
        assert personal not in caplog.text
