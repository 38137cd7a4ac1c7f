"""The address Stripe posts to. Answers as docs/webhooks.md: 200, 400, 405, 413 or 503, never a redirect or a 500.

No session, cookie or user is looked at: the signature over the raw body is what lets a request in.
"""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from financial import conf, refusals, stripe_services
from financial.errors import WebhookRejected

logger = logging.getLogger("financial.stripe_services.webhooks")
RETRY_AFTER_SECONDS = 30
TEXTS = {200: "ok", 400: "rejected", 405: "post only", 413: "too large", 503: "try again"}


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests  # the row must be committed before the answer, and a failing commit is a 503
def receive(request: HttpRequest) -> HttpResponseBase:
    """Hand the raw body to the facade and say in a status what became of it."""
    if request.method != "POST":
        return _answer(405)
    body = _read(request, int(conf.get("WEBHOOK_MAX_BYTES")))
    if isinstance(body, int):
        return _answer(body)
    try:
        stripe_services.receive_webhook(body, request.headers.get("Stripe-Signature", ""))
    except WebhookRejected as error:
        return _answer(error.status)
    except Exception:  # database away, locked or full, an unreadable secret: Stripe shall come again
        logger.exception("webhook could not be stored")
        return _answer(503)
    return _answer(200)


def _read(request: HttpRequest, most: int) -> bytes | int:
    """Return the body, or the status that refuses it: 413 before it is read whole, 400 when it breaks off."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdecimal() and len(declared) > 12 or declared.isdecimal() and int(declared) > most:
        return 413
    try:
        body = request.read(most + 1)
    except (OSError, RawPostDataException):
        return 400
    return 413 if len(body) > most else body


def _answer(status: int) -> HttpResponse:
    if status in refusals.REASONS:
        refusals.count(status)
    response = HttpResponse(TEXTS[status], status=status, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Length"] = str(len(response.content))  # the connection stays open for the next one
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 405:
        response.headers["Allow"] = "POST"
    return response
