from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from financial.errors import (
    AuthenticationRefused,
    CardDeclined,
    GatewayError,
    IdempotencyConflict,
    PermissionRefused,
    RateLimited,
    RequestInFlight,
    RequestRefused,
    ResourceMissing,
    StripeUnavailable,
    UnreadableAnswer,
)
from financial.gateway.failures import error_from
from tests.stripe_stub import error_body

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
said = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("message", "code", "param", "type", "decline_code", "payment_intent"), anything)
)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (200, UnreadableAnswer, True),
        (302, UnreadableAnswer, True),
        (400, RequestRefused, False),
        (401, AuthenticationRefused, False),
        (402, CardDeclined, False),
        (403, PermissionRefused, False),
        (404, ResourceMissing, False),
        (405, RequestRefused, False),
        (409, RequestInFlight, False),
        (424, RequestRefused, False),
        (429, RateLimited, True),
        (500, StripeUnavailable, True),
        (502, StripeUnavailable, True),
        (503, StripeUnavailable, True),
        (504, StripeUnavailable, True),
        (529, StripeUnavailable, True),
    ],
)
def test_status_alone_decides_where_the_body_says_nothing(
    status: int, kind: type[GatewayError], retryable: bool
) -> None:
    error = error_from(status, None, {})
    assert (type(error), error.retryable, error.status) == (kind, retryable, status)
    assert error.message == f"Stripe answered with status {status} and no explanation."


def test_parameter_that_names_nothing_is_a_refused_parameter_and_not_a_missing_object() -> None:
    error = error_from(400, error_body("resource_missing", "No such customer", param="customer"), {})
    assert (type(error), error.param) == (RequestRefused, "customer")


def test_reused_idempotency_key_is_told_by_its_type() -> None:
    body = error_body(
        "", "Keys for idempotent requests can only be used with the same parameters", type="idempotency_error"
    )
    assert type(error_from(400, body, {})) is IdempotencyConflict


@pytest.mark.parametrize("intent", [None, "pi_1", [], {}, {"id": None}])
def test_decline_without_a_payment_names_none(intent: Any) -> None:
    body = {"error": {"message": "Declined", "payment_intent": intent, "decline_code": None}}
    error = error_from(402, body, {})
    assert isinstance(error, CardDeclined)
    assert (error.decline_code, error.payment_intent_id) == ("", "")


@pytest.mark.parametrize("name", ["Request-Id", "request-id"])
def test_request_id_is_found_however_it_is_written(name: str) -> None:
    assert error_from(400, None, {name: "req_1"}).request_id == "req_1"


def test_only_stripes_sentence_is_kept_of_the_body() -> None:
    body = error_body("card_declined", "Declined", type="card_error")
    body["error"]["payment_method"] = {"billing_details": {"email": "ada@example.com"}}
    assert "ada@example.com" not in repr(vars(error_from(402, body, {})))


def test_our_key_is_masked_wherever_the_sentence_repeats_it() -> None:
    body = error_body("", "sk_test_abcd1234 is no key; sk_test_abcd1234 was tried")
    assert error_from(401, body, {}, hide="sk_test_abcd1234").message == "…1234 is no key; …1234 was tried"


@given(st.integers(min_value=200, max_value=599), anything | st.fixed_dictionaries({"error": said | anything}))
def test_every_answer_gives_an_error_with_words(status: int, body: Any) -> None:
    error = error_from(status, body, {}, hide="sk_test_x")
    assert isinstance(error, GatewayError)
    assert error.message
    assert str(error).startswith("Stripe API error: ")
    assert all(isinstance(value, str) for value in (error.message, error.code, error.param, error.request_id))
