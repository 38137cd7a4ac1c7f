"""The bank's side: import a statement, see which deposits are no payout and which payouts were not seen, match by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from financial import audit, conf, reports
from financial.bank import deposits
from financial.bank.statements import (
    BYTES_MAX,
    DATES,
    DECIMALS,
    DELIMITERS,
    Columns,
    Statement,
    headings,
    only,
    read_csv,
    read_ofx,
)
from financial.errors import FinancialError, NoActiveCredential, StatementRefused
from financial.models import BankDeposit, StripePayout
from financial.paging import bounded_count
from financial.views.base import StaffView

SHOWN = 50
PREVIEWED = 10
CHANGE = "financial.change_bankdeposit"


class StatementForm(forms.Form):
    """A file, and for CSV which column says what. OFX needs none of it."""

    file = forms.FileField(label="Statement", help_text="CSV or OFX, 5 MB at most.")
    words = forms.CharField(
        label="Only lines with", required=False, initial="stripe", max_length=200,
        help_text="Words, comma-separated; empty takes every line.",
    )  # fmt: skip
    date = forms.CharField(label="Column of the date", required=False, max_length=100)
    amount = forms.CharField(label="Column of the amount", required=False, max_length=100)
    description = forms.CharField(label="Column of the text", required=False, max_length=100)
    reference = forms.CharField(label="Column of the trace id", required=False, max_length=100)
    currency = forms.CharField(label="Column of the currency", required=False, max_length=100)
    currency_code = forms.CharField(label="Currency of the account", initial="usd", max_length=3, min_length=3)
    date_format = forms.ChoiceField(label="Dates look like", choices=list(DATES.items()))
    decimal = forms.ChoiceField(label="Amounts look like", choices=list(DECIMALS.items()))
    delimiter = forms.ChoiceField(
        label="Columns end with", required=False, choices=[("", "Find out"), *DELIMITERS.items()]
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if (file.size or 0) > BYTES_MAX:
            raise forms.ValidationError("The file is larger than 5 MB; export fewer days.")
        return file

    def statement(self) -> Statement:
        """Return what the file says.

        Raises:
            StatementRefused: it cannot be read; for CSV without columns, the message names those it has.
        """
        data, said = self.cleaned_data["file"].read(), self.cleaned_data
        if b"<OFX>" in data[:4096].upper():
            statement = read_ofx(data)
        elif not (said["date"] and said["amount"]):
            held = ", ".join(headings(data, said["delimiter"]))
            raise StatementRefused(f"Name the columns of date and amount. The file has: {held[:300]}.")
        else:
            names = ("date", "amount", "description", "reference", "currency", "currency_code", "date_format")
            statement = read_csv(
                data, Columns(**{name: said[name] for name in (*names, "decimal", "delimiter")})
            )  # fmt: skip
        return only(statement, said["words"].split(","))


class DepositPage(StaffView):
    """Unmatched deposits, payouts not seen, and the form; `do=preview` shows what would be imported and writes nothing."""

    section = "payouts"
    permission = "financial.view_bankdeposit"
    write_permission = "financial.add_bankdeposit"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(StatementForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        form = StatementForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._show(form, status=422)
        try:
            statement = form.statement()
            if statement.problems or request.POST.get("do") != "import":
                return self._show(form, statement=statement, status=422 if statement.problems else 200)
            done = deposits.take_in(self.credential, statement)
        except StatementRefused as error:
            form.add_error("file", str(error))
            return self._show(form, status=422)
        figures: dict[str, Any] = {"added": done.added, "known": done.known, "matched": done.matched}
        figures["digest"] = statement.digest
        audit.record(request.user, "deposits.imported", credential=self.credential, **figures)
        messages.success(
            request, f"{done.added:,} lines imported, {done.known:,} were here already, {done.matched:,} matched."
        )
        return redirect("financial:deposits")

    def _show(self, form: StatementForm, *, statement: Statement | None = None, status: int = 200) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        unmatched = BankDeposit.objects.filter(credential=self.credential, payout=None)
        unseen = reports.without_deposit(self.credential)
        context: dict[str, Any] = {
            "form": form,
            "statement": statement,
            "preview": statement.lines[:PREVIEWED] if statement else (),
            "problems": statement.problems[:SHOWN] if statement else (),
            "unmatched": unmatched.order_by("-booked_on", "-pk")[:SHOWN],
            "unmatched_count": bounded_count(unmatched),
            "unseen": unseen.defer("payload", "private").order_by("-arrival_at", "-pk")[:SHOWN],
            "unseen_count": bounded_count(unseen),
            "may_import": self.can(self.write_permission),
        }
        return self.page("financial/deposits.html", context, status=status)


class PayoutDeposit(StaffView):
    """Match a payout with a deposit, note one that somebody saw, or take a match back."""

    section = "payouts"
    permission = "financial.view_stripepayout"
    write_permission = CHANGE

    def post(self, request: HttpRequest, stripe_id: str) -> HttpResponse:
        payout = StripePayout.objects.of(self.credential).filter(stripe_id=stripe_id[:255]).first()
        if payout is None:
            raise Http404("No such payout in the mirror.")
        try:
            said = self._do(payout, request.POST.get("do", ""))
        except FinancialError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, said)
        return redirect("financial:payout", stripe_id=payout.stripe_id)

    def _do(self, payout: StripePayout, what: str) -> str:
        if what == "unmatch":
            deposits.unmatch(payout)
            self._record("deposit.unmatched", payout)
            return "The match was taken back."
        if what == "match":
            picked = self.request.POST.get("deposit", "")
            if not (picked.isascii() and picked.isdecimal()):
                raise FinancialError("Choose one of the deposits.")
            done = deposits.match(payout, int(picked[:18]))
        else:
            done = deposits.note(payout, on=_day(self.request.POST.get("on", "")))
        self._record("deposit.matched", payout, deposit=done.pk, on=str(done.booked_on))
        return "The payout is matched with its deposit."

    def _record(self, action: str, payout: StripePayout, **details: Any) -> None:
        audit.record(self.request.user, action, credential=self.credential, object_id=payout.stripe_id, **details)


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise FinancialError("Write the day as 2026-04-08.") from error
    today = timezone.now().astimezone(conf.time_zone()).date()
    if not dt.date(2000, 1, 1) <= day <= today:
        raise FinancialError("A deposit cannot be seen on a day to come.")
    return day
