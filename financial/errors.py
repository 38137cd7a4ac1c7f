"""Everything that can go wrong, as one tree.

    FinancialError
    ├── NoActiveCredential         nothing to talk to Stripe with
    ├── CredentialRefused          the key and the credential disagree (mode, format, no key)
    ├── SyncAlreadyRunning         one sync per credential at a time
    ├── MoneyError
    │   ├── UnknownCurrency
    │   └── InexactAmount          more decimals than the currency has
    ├── InvalidAmount              zero, negative, or outside Stripe's limits
    ├── FormTooOld                 sent again so late that it could be done twice
    ├── TranslationError           a payload without what makes it that object
    ├── BookingError               a balance transaction that contradicts itself
    ├── ExportRefused              what was asked for cannot be exported or verified
    ├── StatementRefused           a bank statement that cannot be read; nothing of it was imported
    ├── WebhookRejected
    │   ├── NotAuthentic           400: signature missing, wrong or stale
    │   ├── BodyTooLarge           413
    │   └── CannotVerify           503: no signing secret configured, Stripe shall come again
    └── GatewayError               Stripe said no, or could not be reached
        ├── AuthenticationRefused  401: the key is wrong, expired or revoked
        ├── PermissionRefused      403: a restricted key lacks a permission
        ├── ResourceMissing        404
        ├── RequestRefused         400: Stripe does not accept a parameter
        ├── CardDeclined           402
        ├── IdempotencyConflict    the same key was used for another request
        │   └── RequestInFlight    the same request is still under way
        ├── RateLimited            429, after our retries
        ├── StripeUnavailable      5xx, time-out, connection lost, after our retries
        │   └── OutcomeUnknown     the same, of a write: it may have been done
        └── UnreadableAnswer       a body that is cut off or is not what was asked for

Pure: no Django, no Stripe. Messages are written for people and never hold a key or a payload.
"""

from __future__ import annotations

from typing import ClassVar


class FinancialError(Exception):
    """Root of every error this app raises on purpose."""


class NoActiveCredential(FinancialError):
    """There is no credential to use; the fixed words are part of the documentation."""

    def __init__(self) -> None:
        super().__init__(
            "No active Stripe credential found. Add one in Django Admin → Financial → Stripe Credentials "
            "and mark it active, or set STRIPE_SECRET_KEY in the environment."
        )


class CredentialRefused(FinancialError):
    """A credential cannot be used as it stands."""


class SyncAlreadyRunning(FinancialError):
    """Another sync of the same credential is at work."""


class MoneyError(FinancialError, ValueError):
    """An amount or currency that cannot be turned into minor units."""


class UnknownCurrency(MoneyError):
    """The currency code is not one Stripe supports."""


class InexactAmount(MoneyError):
    """The amount has more decimals than its currency."""


class InvalidAmount(FinancialError, ValueError):
    """Zero, negative, below Stripe's minimum or above its maximum."""


class FormTooOld(FinancialError):
    """A form was sent again after Stripe forgot its key; sending it could do the thing twice."""


class TranslationError(FinancialError):
    """A payload lacks what makes it the object it claims to be."""


class BookingError(FinancialError):
    """A balance transaction contradicts itself; nothing was booked from it."""


class ExportRefused(FinancialError):
    """What was asked for cannot be exported or verified; the message says what could be."""


class StatementRefused(FinancialError):
    """A bank statement cannot be read; the message says why. Nothing of it was imported."""


class WebhookRejected(FinancialError):
    """The webhook was not stored; `status` is the HTTP answer."""

    status: ClassVar[int] = 400


class NotAuthentic(WebhookRejected):
    """The signature is missing, malformed, wrong or too old."""


class BodyTooLarge(WebhookRejected):
    """The body exceeds the limit; it was not read to the end."""

    status = 413


class CannotVerify(WebhookRejected):
    """No signing secret is configured, so nothing can be verified; Stripe will try again."""

    status = 503


class GatewayError(FinancialError):
    """Stripe refused or could not be reached.

    `message` is Stripe's own sentence, `next_step` ours. `retryable` says whether the same request may succeed later
    without a change. `param` names the refused parameter as Stripe spells it.
    """

    retryable: ClassVar[bool] = False
    next_step: ClassVar[str] = "Look the request up in Stripe's dashboard under Developers → Logs."

    def __init__(
        self, message: str, *, code: str = "", param: str = "", status: int | None = None, request_id: str = ""
    ) -> None:
        self.message = message
        self.code = code
        self.param = param
        self.status = status
        self.request_id = request_id
        super().__init__(message)

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"Stripe API error: {self.message}{request}. {self.next_step}".replace("..", ".")


class AuthenticationRefused(GatewayError):
    """401."""

    next_step = "Check the secret key of the credential: it may be mistyped, rolled or revoked."


class PermissionRefused(GatewayError):
    """403; Stripe's message names the missing permission."""

    next_step = "Give the restricted key the permission named above (Stripe: Developers → API keys)."


class ResourceMissing(GatewayError):
    """404: no such object for this key and mode."""

    next_step = "Check the id, and that the key belongs to the same account and mode."


class RequestRefused(GatewayError):
    """400: a parameter is missing, unknown or out of range."""

    next_step = "Correct the value and send it again."


class CardDeclined(GatewayError):
    """402: the bank or Stripe refused the payment; `decline_code` says why."""

    next_step = "Ask the customer for another payment method."

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        param: str = "",
        status: int | None = None,
        request_id: str = "",
        decline_code: str = "",
        payment_intent_id: str = "",
    ) -> None:
        super().__init__(message, code=code, param=param, status=status, request_id=request_id)
        self.decline_code = decline_code
        self.payment_intent_id = payment_intent_id


class IdempotencyConflict(GatewayError):
    """The idempotency key belongs to another request."""

    next_step = "Reload the form and check whether the first attempt already did it."


class RequestInFlight(IdempotencyConflict):
    """The same request was sent a moment ago and has not been answered yet."""

    next_step = "Wait a moment, then look whether it is done."


class RateLimited(GatewayError):
    """429 after all retries."""

    retryable = True
    next_step = "Stripe limits requests for this account; wait a minute and run it again."


class StripeUnavailable(GatewayError):
    """Time-out, lost connection or 5xx after all retries."""

    retryable = True
    next_step = "Stripe could not be reached or failed; run it again, nothing is done twice."


class OutcomeUnknown(StripeUnavailable):
    """A write was sent and no readable answer came; it may have been done."""

    next_step = "Send the same form again: it is done once, even if the first attempt went through."


class UnreadableAnswer(GatewayError):
    """The answer is cut off, is no JSON, or is not a list where one was asked for."""

    retryable = True
    next_step = "Run it again; if it stays, check what stands between this server and Stripe."
