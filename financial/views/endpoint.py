"""The webhook endpoint at Stripe: whether it is registered, with which events, and a button to do it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from financial import conf, forms, stripe_services
from financial.errors import FinancialError, NoActiveCredential, RequestInFlight
from financial.views.base import WRITE_PERMISSION, StaffView


class Endpoint(StaffView):
    """GET asks Stripe what is registered; POST registers the endpoint, or corrects the events of the one there is."""

    section, permission, write_permission = "webhook", WRITE_PERMISSION, WRITE_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(forms.EndpointForm(credential=self.credential))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if self.credential is None:
            raise NoActiveCredential
        form = forms.EndpointForm(request.POST, credential=self.credential)
        if not form.is_valid():
            return self._show(form, status=422)
        try:
            said = self._do(form)
        except FinancialError as error:
            form.refuse(error)
            return self._show(form, status=409 if isinstance(error, RequestInFlight) else 422)
        messages.success(request, said)
        return redirect("financial:endpoint")

    def _do(self, form: forms.EndpointForm) -> str:
        """Do what the form asks, write it down, and say what was done."""
        assert self.credential is not None  # noqa: S101  (post has looked)
        if form.cleaned_data["action"] == "register":
            url = self.url
            name = stripe_services.register_webhook(self.credential, url, idempotency_key=form.key)
            self.log("webhook.registered", name, form.key, url=url)
            return "Registered. Its signing secret is stored; events arrive from now on."
        endpoint = form.cleaned_data["endpoint"]
        name = stripe_services.correct_webhook(self.credential, endpoint, idempotency_key=form.key)
        self.log("webhook.corrected", name, form.key)
        return "The endpoint is sent exactly the events that are applied here."

    @property
    def url(self) -> str:
        return webhook_url(self.request)

    def _show(self, form: forms.EndpointForm, status: int = 200) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        context: dict[str, Any] = {"form": form, "url": self.url, "registration": None, "trouble": ""}
        if not self.credential.is_sample:
            context["unfinished"] = stripe_services.unfinished_registration(self.credential)
            context["refusal"] = stripe_services.webhook_url_refusal(self.credential, self.url)
            try:
                context["registration"] = stripe_services.webhook_registration(self.credential, self.url)
            except FinancialError as error:
                context["trouble"] = str(error)
        context["has_secret"] = any(one.credential == self.credential for one in stripe_services.signing_secrets())
        return self.page("financial/endpoint.html", context, status=status)


def webhook_url(request: HttpRequest) -> str:
    """Return where Stripe shall post to: what the setting says, else the name under which this page was opened."""
    return str(conf.get("WEBHOOK_URL")) or request.build_absolute_uri(reverse("financial:webhook"))
