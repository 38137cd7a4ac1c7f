"""Where a customer lands after paying on a Checkout page: a thank-you without a login, and without anybody's data."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from financial.views.base import CSP


def paid(request: HttpRequest) -> HttpResponse:
    answer = render(request, "financial/paid.html")
    answer.headers["Content-Security-Policy"] = CSP
    return answer
