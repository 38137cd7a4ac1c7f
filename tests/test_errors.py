from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from financial import errors
from financial.errors import FinancialError, GatewayError, WebhookRejected


def family(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from family(child)


GATEWAY = sorted({GatewayError, *family(GatewayError)}, key=lambda kind: kind.__name__)
FINAL = {"AuthenticationRefused", "PermissionRefused", "ResourceMissing", "RequestRefused", "CardDeclined"}
PASSING = {"RateLimited", "StripeUnavailable", "OutcomeUnknown", "UnreadableAnswer"}


def drawn() -> dict[str, str]:
    """The tree in the module's docstring: class -> parent."""
    path: list[tuple[int, str]] = [(-1, "")]
    found: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        matched = re.match(r"^([\s│├└─]*)([A-Z]\w+Error|[A-Z]\w+)(\s{2,}.*)?$", line)
        if not matched or not line.startswith("    "):
            continue
        depth, name = len(matched[1]), matched[2]
        while path[-1][0] >= depth:
            path.pop()
        found[name] = path[-1][1]
        path.append((depth, name))
    return found


def test_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    real = {kind.__name__: kind.__bases__[0].__name__ for kind in family(FinancialError)}
    assert drawn() == {"FinancialError": "", **real}


def test_every_class_says_what_it_stands_for() -> None:
    assert all(kind.__doc__ for kind in family(FinancialError))


@pytest.mark.parametrize("kind", GATEWAY)
def test_every_gateway_error_tells_the_request_and_what_to_do_next(kind: type[GatewayError]) -> None:
    error = kind("No luck.", code="x", param="y", status=400, request_id="req_1")
    assert str(error) == f"Stripe API error: No luck. (request req_1). {kind.next_step}".replace("..", ".")
    assert kind.next_step.endswith(".")
    assert (error.message, error.code, error.param, error.status, error.request_id) == (
        "No luck.",
        "x",
        "y",
        400,
        "req_1",
    )


def test_error_without_a_request_does_not_speak_of_one() -> None:
    assert "request" not in str(errors.RequestRefused("No luck"))
    assert ".." not in str(errors.RequestRefused("No luck."))


def test_passing_errors_are_retryable_and_refusals_are_not() -> None:
    assert {kind.__name__ for kind in GATEWAY if kind.retryable} == PASSING
    assert {kind.__name__ for kind in GATEWAY if not kind.retryable} == FINAL | {
        "GatewayError",
        "IdempotencyConflict",
        "RequestInFlight",
    }


def test_webhook_refusals_name_the_answer_stripe_expects() -> None:
    answers = {kind.__name__: kind.status for kind in (WebhookRejected, *family(WebhookRejected))}  # type: ignore[attr-defined]
    assert answers == {"WebhookRejected": 400, "NotAuthentic": 400, "BodyTooLarge": 413, "CannotVerify": 503}


def test_missing_credential_is_told_in_the_documented_words() -> None:
    assert str(errors.NoActiveCredential()) == (
        "No active Stripe credential found. Add one in Django Admin → Financial → Stripe Credentials "
        "and mark it active, or set STRIPE_SECRET_KEY in the environment."
    )


def test_money_errors_are_value_errors_too() -> None:
    for kind in (errors.UnknownCurrency, errors.InexactAmount, errors.InvalidAmount):
        assert issubclass(kind, ValueError)
