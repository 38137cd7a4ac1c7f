"""Stripe's errors: status, type, code, wording.

Stripe: https://docs.stripe.com/error-codes
"""

from __future__ import annotations

from typing import Any

# How error messages call a kind ("No such customer: ...").
LABELS = {
    "payment_method": "PaymentMethod", "setup_intent": "setupintent", "promotion_code": "promotion code",
    "balance_transaction": "balance transaction", "webhook_endpoint": "webhook endpoint",
    "checkout.session": "checkout.session", "payment_link": "payment link", "test_helpers.test_clock": "test clock",
    "tax_rate": "tax rate", "subscription_item": "subscription item", "invoice_payment": "invoice payment",
    "credit_note": "credit note",
}  # fmt: skip


class StripeError(Exception):
    """An answer other than 2xx; `fields` are further keys of the error object."""

    def __init__(self, status: int, message: str, code: str = "", param: str = "",
                 type: str = "invalid_request_error", **fields: Any) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.fields = fields

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the error object as Stripe prints it."""
        error: dict[str, Any] = {}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        error["message"] = self.message
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        error["type"] = self.type
        return {"error": error | {k: v for k, v in self.fields.items() if v is not None}}


def bad_request(message: str, *, code: str = "", param: str = "", **fields: Any) -> StripeError:
    """Return a 400 of type invalid_request_error."""
    return StripeError(400, message, code, param, **fields)


def missing_object(label: str, id: str, param: str, status: int = 404, hint: str = "") -> StripeError:
    """Return Stripe's answer for an id that is not there."""
    return StripeError(status, f"No such {label}: '{id}'{hint}", "resource_missing", param)


def unknown_parameter(param: str) -> StripeError:
    """Return Stripe's answer for a parameter the operation does not have."""
    return bad_request(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def missing_parameter(param: str) -> StripeError:
    """Return Stripe's answer for a required parameter that is absent."""
    return bad_request(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unexpected_state(message: str, payment_intent: dict[str, Any]) -> StripeError:
    """Return Stripe's answer for a step a PaymentIntent cannot take now."""
    return bad_request(message, code="payment_intent_unexpected_state", payment_intent=payment_intent)


def unknown_url(method: str, path: str) -> StripeError:
    """Return Stripe's answer for an address that is no operation."""
    return StripeError(
        404,
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the"
        " trailing slash. If you are trying to retrieve an object, make sure you passed a valid"
        " (non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at"
        " https://support.stripe.com/.",
    )
