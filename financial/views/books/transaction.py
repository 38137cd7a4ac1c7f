"""One transaction: its entries, where it came from, what answered it; and the form that writes one by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from financial import conf, handwriting
from financial.errors import FinancialError
from financial.forms import books
from financial.models import Account, StripeTransaction, Transaction
from financial.pricing import fee_drift_minor
from financial.views.base import StaffView
from financial.views.books.transactions import dressed

ADD_PERMISSION = "financial.add_transaction"
MOVEMENT_PERMISSION = "financial.view_stripebalancetransaction"
RELATED = 20


@dataclass(frozen=True)
class Leg:
    """One entry in its column; the other column is None."""

    account: Account
    debit_minor: int | None
    credit_minor: int | None


class TransactionDetail(StaffView):
    """One transaction of the account on show, or of the house; a POST takes it back or moves it to another account."""

    section, permission, write_permission = "ledger", "financial.view_transaction", ADD_PERMISSION

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._show(self._row(pk))

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        row = self._row(pk)
        action = self.actions.get(request.POST.get("action", ""))
        if action is None:
            raise FinancialError("Unknown action; choose reverse or reclassify.")
        return action(self, row)

    def _row(self, pk: int) -> Transaction:
        heavy = ("stripe_transaction__payment_intent", "stripe_transaction__payment_intent__customer")
        mine = Transaction.objects.filter(Q(credential=self.credential) | Q(credential=None), pk=pk)
        found = mine.select_related("balance_transaction", "corrects", "credential", heavy[1])
        row = found.defer(*(f"{path}__{name}" for path in heavy for name in ("payload", "private"))).first()
        if row is None:
            raise Http404("No such transaction in these books.")
        return row

    def _show(self, row: Transaction, form: Any = None, status: int = 200) -> HttpResponse:
        self.is_house = row.credential_id is None
        legs = [_leg(entry) for entry in row.entries.select_related("account").order_by("-amount_minor", "pk")]
        may_write = self.can(ADD_PERMISSION) and not row.is_estimated
        return self.page(
            "financial/transaction_detail.html",
            {
                "row": row,
                "line": dressed(row.credential, [row])[0],
                "link": getattr(row, "stripe_transaction", None),
                "legs": legs,
                "total_minor": sum(leg.debit_minor or 0 for leg in legs),
                "drift_minor": _drift(row),
                "answers": row.answers.order_by("pk"),
                "related": self._related(row),
                "can_reverse": may_write
                and row.kind in Transaction.MANUAL_KINDS
                and not handwriting.is_taken_back(row),
                "form": form or (self._form(row) if may_write else None),
                "today": timezone.now().astimezone(conf.time_zone()).date(),
                "movement": self._movement(row),
            },
            status=status,
        )

    def _form(self, row: Transaction, data: Any = None) -> books.ReclassifyForm | None:
        sources = [found.account for found in handwriting.movable(row)]
        if not sources:
            return None
        return books.ReclassifyForm(data, accounts=Account.objects.all(), sources=sources)

    def _movement(self, row: Transaction) -> str:
        """The balance transaction as Stripe sent it, for those who may see such."""
        if row.balance_transaction is None or not self.can(MOVEMENT_PERMISSION):
            return ""
        return orjson.dumps(row.balance_transaction.payload, option=orjson.OPT_INDENT_2).decode()

    def _related(self, row: Transaction) -> list[Transaction]:
        """What else moved because of the same charge."""
        link = getattr(row, "stripe_transaction", None)
        if link is None or not link.charge_stripe_id:
            return []
        same = StripeTransaction.objects.filter(
            charge_stripe_id=link.charge_stripe_id, transaction__credential=row.credential
        )
        others = same.exclude(transaction=row).order_by("transaction__occurred_at", "pk")
        return [found.transaction for found in others.select_related("transaction")[:RELATED]]

    def _reverse(self, row: Transaction) -> HttpResponseBase:
        answer = handwriting.reverse(self.request.user, row)
        messages.success(self.request, "Taken back: every entry is booked the other way round, today.")
        return redirect("financial:transaction", pk=answer.pk)

    def _reclassify(self, row: Transaction) -> HttpResponseBase:
        form = self._form(row, self.request.POST)
        if form is None:
            raise FinancialError("Nothing of this transaction can be moved to another account.")
        if not form.is_valid():
            return self._show(row, form, status=422)
        data = form.cleaned_data
        try:
            answer = handwriting.reclassify(
                self.request.user,
                row,
                source=data["source"],
                target=data["target"],
                description=data["description"],
            )
        except FinancialError as error:
            form.add_error("target", str(error))
            return self._show(row, form, status=422)
        messages.success(self.request, f"Moved from {data['source']} to {data['target']}, today.")
        return redirect("financial:transaction", pk=answer.pk)

    actions: ClassVar[Mapping[str, Callable[[Any, Transaction], HttpResponseBase]]] = {
        "reverse": _reverse,
        "reclassify": _reclassify,
    }


def _leg(entry: Any) -> Leg:
    amount = entry.amount_minor
    return Leg(entry.account, amount if amount > 0 else None, -amount if amount < 0 else None)


def _drift(row: Transaction) -> int | None:
    link = getattr(row, "stripe_transaction", None)
    return fee_drift_minor(link) if link and link.payment_intent_id else None


class TransactionCreate(StaffView):
    """Write an income, an expense or a transfer; sent twice, it is written once."""

    section, permission, write_permission = "ledger", ADD_PERMISSION, ADD_PERMISSION
    is_house = True

    @cached_property
    def accounts(self) -> Any:
        return handwriting.chart()

    def get(self, request: HttpRequest) -> HttpResponse:
        today = timezone.now().astimezone(conf.time_zone()).date()
        return self._show(
            books.TransactionForm(credential=None, accounts=self.accounts, initial={"on": today.isoformat()})
        )

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = books.TransactionForm(request.POST, credential=None, accounts=self.accounts)
        if not form.is_valid():
            return self._show(form, status=422)
        data = {name: value for name, value in form.cleaned_data.items() if name not in ("kind", "idempotency_key")}
        try:
            row = handwriting.record(request.user, form.cleaned_data["kind"], key=form.key, **data)
        except FinancialError as error:
            form.refuse(error)
            return self._show(form, status=422)
        messages.success(request, f"{row.get_kind_display()} booked.")
        return redirect("financial:transaction", pk=row.pk)

    def _show(self, form: books.TransactionForm, status: int = 200) -> HttpResponse:
        context = {"form": form, "noun": "transaction", "back_url": reverse("financial:house")}
        return self.page("financial/transaction_form.html", context, status=status)
