"""What every form does that writes to Stripe: GET shows it, POST sends it once and leads to the mirrored row.

Stripe is asked first, its answer mirrored; a refusal is shown at the field it concerns and nothing is written here.
`Create` makes a new object, `Change` does one thing to an existing one after saying in words what will happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property

from financial import forms, stripe_services
from financial.errors import FinancialError, NoActiveCredential, RequestInFlight
from financial.models import MirrorRow
from financial.views.base import StaffView


class Action(StaffView):
    """What both kinds share."""

    permission = "financial.manage_stripe"
    form_class: ClassVar[type[forms.ActionForm]]
    noun: ClassVar[str]
    # Fields that an address may fill in beforehand, so that nobody types again what is known.
    prefilled: ClassVar[tuple[str, ...]] = ()

    def act(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        """Do it at Stripe and return the mirrored row.

        Raises:
            FinancialError: nothing was done, or nobody knows; the message says which.
        """
        raise NotImplementedError

    def done(self, row: Any, form: Any) -> HttpResponseBase:
        raise NotImplementedError

    def show(self, form: forms.ActionForm, status: int = 200) -> HttpResponse:
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self._require_credential()
        return self.show(self.form(None, initial=self._from_address()))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        self._require_credential()
        form = self.form(request.POST)
        if not form.is_valid():
            return self.show(form, status=422)
        service = stripe_services.StripeService(self.credential)
        try:
            first = self.before(service, form)
            if first is not None:
                return first
            row = self.act(service, form)
        except FinancialError as error:
            return self.refused(form, error)
        return self.done(row, form)

    def before(self, service: stripe_services.StripeService, form: Any) -> HttpResponse | None:
        """Return what is to be shown before the form may do its work, such as a preview; None where it may.

        Raises:
            FinancialError: that could not be found out; nothing was done.
        """
        return None

    def form(self, data: Any, **options: Any) -> forms.ActionForm:
        return self.form_class(data, credential=self.credential, **options)

    def refused(self, form: forms.ActionForm, error: FinancialError) -> HttpResponse:
        form.refuse(error)
        return self.show(form, status=409 if isinstance(error, RequestInFlight) else 422)

    def key_of(self, form: Any) -> str:
        """Return the key with which the thing was sent."""
        return str(form.key)

    def context(self) -> Mapping[str, Any]:
        return {}

    def back_url(self) -> str:
        return reverse(f"financial:{self.section}")

    def _from_address(self) -> dict[str, str]:
        return {name: self.request.GET[name][:500] for name in self.prefilled if name in self.request.GET}

    def _require_credential(self) -> None:
        if self.credential is None:
            raise NoActiveCredential


class Create(Action):
    """A form at `x/new/`; a subclass names its form and makes the one thing."""

    def create(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        """Create the thing and return its row; errors as `act`."""
        raise NotImplementedError

    def act(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return self.create(service, form)

    def done(self, row: Any, form: Any) -> HttpResponseBase:
        self.log(f"{self.noun}.created", row.stripe_id, self.key_of(form))
        messages.success(self.request, self.success(row))
        return redirect(f"financial:{self.noun}", stripe_id=row.stripe_id)

    def success(self, row: Any) -> str:
        return f"{self.noun.capitalize()} “{row}” created."

    def show(self, form: forms.ActionForm, status: int = 200) -> HttpResponse:
        context = {"form": form, "noun": self.noun, "back_url": self.back_url(), **self.context()}
        return self.page(f"financial/{self.noun}_form.html", context, status=status)


class Change(Action):
    """A form at `x/<stripe id>/<verb>/` about one object.

    `done_word` is what stands in the audit log and in the message: "archived", "refunded".
    """

    model: ClassVar[type[MirrorRow]]
    title: ClassVar[str]
    done_word: ClassVar[str]
    is_danger: ClassVar[bool] = False
    template: ClassVar[str] = "financial/change_form.html"

    def change(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        """Do it and return the row as it is then; errors as `act`."""
        raise NotImplementedError

    def consequences(self) -> Sequence[str]:
        """Return what will happen, sentence by sentence."""
        return ()

    def button(self) -> str:
        """Return what the button says; where money moves, how much and whose."""
        return self.title

    def hindrance(self) -> str:
        """Return why this cannot be done now, in words with the next step; empty where it can."""
        return ""

    def rows(self) -> QuerySet[Any]:
        return self.model.objects.of(self.credential)

    @cached_property
    def row(self) -> Any:
        found = self.rows().filter(stripe_id=str(self.kwargs["stripe_id"])[:255]).first()
        if found is None:
            raise Http404(f"No such {self.noun} in the mirror.")
        if found.is_deleted:
            raise Http404(f"This {self.noun} was deleted in Stripe.")
        return found

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self._require_credential()
        return self._hindered(200) or super().get(request, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        """A form that was sent before is answered as it was, whatever the object looks like since."""
        self._require_credential()
        if not stripe_services.was_sent(self.credential, request.POST.get("idempotency_key", "")):
            hindered = self._hindered(409)
            if hindered:
                return hindered
        return super().post(request, **kwargs)

    def act(self, service: stripe_services.StripeService, form: Any) -> MirrorRow:
        return self.change(service, form)

    def done(self, row: Any, form: Any) -> HttpResponseBase:
        self.log(f"{self.noun}.{self.done_word}", row.stripe_id, self.key_of(form))
        messages.success(self.request, self.success(row))
        return redirect(self.back_url())

    def success(self, row: Any) -> str:
        return f"{self.noun.capitalize()} “{row}” {self.done_word}."

    def back_url(self) -> str:
        return reverse(f"financial:{self.noun}", args=[self.row.stripe_id])

    def show(self, form: forms.ActionForm | None, status: int = 200) -> HttpResponse:
        context = {
            "form": form,
            "row": self.row,
            "noun": self.noun,
            "title": self.title,
            "section_url": reverse(f"financial:{self.section}"),
            "section_label": self.section.capitalize(),
            "back_url": self.back_url(),
            "button": self.button() if form else "",
            "is_danger": self.is_danger,
            "consequences": self.consequences() if form else (),
            "hindrance": "" if form else self.hindrance(),
            **self.context(),
        }
        return self.page(self.template, context, status=status)

    def _hindered(self, status: int) -> HttpResponse | None:
        return self.show(None, status) if self.hindrance() else None


class Edit(Change):
    """Values of one object, filled in as they are; only what was changed in the form is sent."""

    title, done_word = "Edit", "changed"
    form_class: ClassVar[type[forms.EditForm]]

    def form(self, data: Any, **options: Any) -> forms.EditForm:
        form = self.form_class(data, credential=self.credential, row=self.row, **options)
        if data is not None and form.is_valid() and not stripe_services.was_sent(self.credential, form.key):
            form.check_nothing_moved()
        return form

    def change(self, service: stripe_services.StripeService, form: forms.EditForm) -> MirrorRow:
        changes = form.changes()
        if not changes:
            row: MirrorRow = self.row
            return row
        return self.save(service, changes, form.key)

    def save(self, service: stripe_services.StripeService, changes: dict[str, Any], key: str) -> MirrorRow:
        """Send `changes`, field by field; errors as `act`."""
        raise NotImplementedError

    def done(self, row: Any, form: forms.EditForm) -> HttpResponseBase:
        if form.changes():
            return super().done(row, form)
        messages.info(self.request, "Nothing was changed.")
        return redirect(self.back_url())

    def button(self) -> str:
        return "Save"
