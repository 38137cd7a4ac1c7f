"""Stripe's error bodies as our errors. The same table serves plain HTTP answers and the SDK's exceptions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

_BY_STATUS: dict[int, type[GatewayError]] = {
    401: AuthenticationRefused,
    402: CardDeclined,
    403: PermissionRefused,
    404: ResourceMissing,
    409: RequestInFlight,
    429: RateLimited,
}


def error_from(status: int, body: Any, headers: Mapping[str, str], *, hide: str = "") -> GatewayError:
    """Return the error that an answer of Stripe stands for.

    `body` is the parsed JSON, whatever it is: a body without Stripe's `error` object still gives an error. Only Stripe's
    own sentence and codes are taken over, never the parameters that were sent. `hide` is our key: whoever answered may have
    repeated it, and then only its last four characters stay.

    Stripe: https://docs.stripe.com/api/errors
    """
    said = body.get("error") if isinstance(body, dict) else None
    said = said if isinstance(said, dict) else {}
    code = str(said.get("code") or "")
    facts: dict[str, Any] = {
        "code": code,
        "param": str(said.get("param") or ""),
        "status": status,
        "request_id": headers.get("Request-Id") or headers.get("request-id") or "",
    }
    message = str(said.get("message") or f"Stripe answered with status {status} and no explanation.")
    message = message.replace(hide, f"…{hide[-4:]}") if hide else message
    kind = _kind(status, str(said.get("type") or ""), code)
    if kind is CardDeclined:
        intent = said.get("payment_intent")
        facts["decline_code"] = str(said.get("decline_code") or "")
        facts["payment_intent_id"] = str(intent.get("id") or "") if isinstance(intent, dict) else ""
    return kind(message, **facts)


def _kind(status: int, error_type: str, code: str) -> type[GatewayError]:
    if code == "resource_missing" and status == 400:
        return RequestRefused  # a parameter names an object that does not exist
    if code == "idempotency_key_in_use":
        return RequestInFlight
    if error_type == "idempotency_error":
        return IdempotencyConflict
    if status >= 500:
        return StripeUnavailable
    if status < 400:  # a redirect, or a 200 that the SDK could not read: not Stripe's own voice
        return UnreadableAnswer
    return _BY_STATUS.get(status, RequestRefused)
