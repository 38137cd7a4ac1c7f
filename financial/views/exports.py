"""The export page: choose a format, days and sums, get a file; or let other programs add the books up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase

from financial import audit, exporting, reports
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential
from financial.views.base import StaffView

HOUSE = "house"
# Fields an address may fill in: the ledger and a payout's page lead here.
PREFILLED = ("books", "by", "start", "end", "currency", "payout")
PROOF_SECONDS = 60  # a person waits for it


class ExportForm(forms.Form):
    """Which books, in which shape. Every field but the format may stay empty.

    Without a credential there are only the own books.
    """

    books = forms.ChoiceField(label="Books of", required=False)
    format = forms.ChoiceField(choices=list(exporting.FORMAT_LABELS.items()), initial="csv")
    by = forms.ChoiceField(
        label="One row per",
        choices=[(str(by), label.capitalize()) for by, label in exporting.BY.items()],
        required=False,
        initial="transaction",
        help_text="Days and payouts sum fees up by kind.",
    )
    currency = forms.ChoiceField(required=False)
    start = forms.DateField(label="First day", required=False, widget=forms.DateInput({"type": "date"}))
    end = forms.DateField(label="Last day", required=False, widget=forms.DateInput({"type": "date"}))
    payout = forms.CharField(
        required=False,
        max_length=255,
        help_text="Its po_… id: exactly the rows it consists of, whatever their days.",
        validators=[RegexValidator(r"\Apo_[A-Za-z0-9_]+\Z", "An id such as po_1PgafmB7WZ01zgkW.")],
    )

    def __init__(
        self,
        credential: StripeCredential | None,
        data: QueryDict | None = None,
        *,
        initial: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self._credential = credential
        stripe = [("", f"{credential.name} at Stripe, {credential.mode}")] if credential else []
        self.fields["books"].choices = [*stripe, (HOUSE, "Own books, outside Stripe")]  # type: ignore[attr-defined]
        held = sorted({*(exporting.currencies(credential) if credential else ()), *exporting.currencies(None)})
        self.fields["currency"].choices = [("", "All"), *((code, code.upper()) for code in held)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        start, end = cleaned.get("start"), cleaned.get("end")
        if start and end and start > end:
            self.add_error("end", "The last day is before the first one.")
        return cleaned

    @property
    def wanted(self) -> exporting.Wanted:
        """What a valid form asks for."""
        chosen = self.cleaned_data
        start: dt.date | None = chosen["start"]
        by = exporting.By(chosen["by"] or "transaction")
        credential = None if chosen["books"] == HOUSE else self._credential
        return exporting.Wanted(
            credential, chosen["format"], by, start, chosen["end"], chosen["currency"], chosen["payout"]
        )


class ExportPage(StaffView):
    """The form. A POST answers with the file, or with what the verifiers that are installed say of the books."""

    section = "exports"
    permission = "financial.view_transaction"
    write_permission = ""  # nothing is changed; a POST because each is written down, and a check costs much

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = {name: request.GET[name][:255] for name in PREFILLED if name in request.GET}
        has_books = self.credential is not None or bool(exporting.currencies(None))
        return self._form(ExportForm(self.credential, initial=asked) if has_books else None)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if self.credential is None and request.POST.get("books") != HOUSE:
            raise NoActiveCredential
        form = ExportForm(self.credential, request.POST)
        if not form.is_valid():
            return self._form(form, status=400)
        try:
            return self._verdicts(form) if request.POST.get("do") == "verify" else self._file(form.wanted)
        except FinancialError as error:
            form.add_error(None, str(error))
            return self._form(form, status=400)

    def _file(self, wanted: exporting.Wanted) -> HttpResponseBase:
        blocks = exporting.export(wanted)
        self._record("books.exported", wanted)
        return StreamingHttpResponse(
            blocks,
            content_type=wanted.content_type,
            headers={"Content-Disposition": f'attachment; filename="{wanted.file_name}"'},
        )

    def _verdicts(self, form: ExportForm) -> HttpResponse:
        verdicts = exporting.prove(form.wanted, timeout_seconds=PROOF_SECONDS)
        self._record("books.verified", form.wanted, said=[str(verdict) for verdict in verdicts])
        return self._form(form, verdicts=verdicts)

    def _form(self, form: ExportForm | None, *, status: int = 200, **context: Any) -> HttpResponse:
        proofs = reports.proofs(self.credential) if self.credential else ()
        context |= {"form": form, "provers": exporting.provers(), "proofs": proofs}
        return self.page("financial/exports.html", context, status=status)

    def _record(self, action: str, wanted: exporting.Wanted, **details: Any) -> None:
        names = ("format_name", "by", "start", "end", "currency", "payout")
        asked = {name: str(getattr(wanted, name) or "") for name in names}
        audit.record(self.request.user, action, credential=wanted.credential, **asked, **details)
