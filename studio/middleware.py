"""What stands before every view: Stripe first, then headers for pages that have not set their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from financial.views.webhook import receive

GetResponse = Callable[[HttpRequest], HttpResponseBase]
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def careful_headers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let pages load nothing but the site's own files, and let no browser or proxy keep them."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer


def webhooks_first(get_response: GetResponse) -> GetResponse:
    """Answer Stripe before anything looks at the request that is there for people: no session, no cookie, no user."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        return receive(request) if request.path == _address() else get_response(request)

    return answer


@lru_cache(maxsize=1)
def _address() -> str:
    return reverse("financial:webhook")
