"""The chart of accounts with its balances, an account's name, and what is in suspense until somebody maps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from financial import handwriting, reports
from financial.errors import FinancialError
from financial.forms import books
from financial.models import Account, CategoryAccount
from financial.views.base import StaffView

RENAME_PERMISSION = "financial.change_account"
MAP_PERMISSION = "financial.change_categoryaccount"


@dataclass(frozen=True)
class AccountGroup:
    """The accounts of one type."""

    label: str
    rows: list[reports.AccountRow]


class AccountList(StaffView):
    """Every account with its balance per currency: of the Stripe account on show, and apart from it of the house."""

    section, permission = "ledger", "financial.view_account"

    def get(self, request: HttpRequest) -> HttpResponse:
        handwriting.chart()
        house = [row for row in reports.account_rows(None) if row.balances]
        return self.page(
            "financial/account_list.html",
            {
                "groups": _groups(reports.account_rows(self.credential)) if self.credential else [],
                "house": _groups(house),
                "can_rename": self.can(RENAME_PERMISSION),
            },
        )


def _groups(rows: list[reports.AccountRow]) -> list[AccountGroup]:
    groups = ((label, [row for row in rows if row.account.type == key]) for key, label in Account.Type.choices)
    return [AccountGroup(str(label), found) for label, found in groups if found]


class AccountDetail(StaffView):
    """The name of one account; what it is called in the rules stays."""

    section, permission, write_permission = "ledger", "financial.view_account", RENAME_PERMISSION

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        account = get_object_or_404(Account, pk=pk)
        return self._show(account, books.AccountNameForm(initial={"name": account.name}))

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        account = get_object_or_404(Account, pk=pk)
        form = books.AccountNameForm(request.POST)
        if not form.is_valid():
            return self._show(account, form, status=422)
        handwriting.rename(request.user, account, form.cleaned_data["name"])
        messages.success(request, f"{account.code} is now called “{form.cleaned_data['name']}”.")
        return redirect("financial:accounts")

    def _show(self, account: Account, form: books.AccountNameForm, status: int = 200) -> HttpResponse:
        can_rename = self.can(RENAME_PERMISSION)
        context = {
            "account": account,
            "form": form,
            "can_rename": can_rename,
            "back_url": reverse("financial:accounts"),
        }
        return self.page("financial/account_detail.html", context, status=status)


class SuspensePage(StaffView):
    """What Stripe moved and nobody has said yet what it is; a POST says it, once and for all of its category."""

    section, permission, write_permission = "ledger", "financial.view_transaction", MAP_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest) -> HttpResponseBase:
        category, picked = request.POST.get("category", "").strip(), request.POST.get("account", "")
        account = Account.objects.filter(pk=int(picked[:18])).first() if picked.isdecimal() else None
        if category not in self._categories() or account is None:
            raise FinancialError("Choose a category and the account it belongs to.")
        moved = handwriting.map_category(request.user, category, account)
        rows = f"{moved} transaction{'' if moved == 1 else 's'} left suspense for it."
        messages.success(request, f"“{category}” is booked on {account} from now on. {rows}")
        return redirect("financial:suspense")

    def _categories(self) -> set[str]:
        waiting = reports.suspended(self.credential) if self.credential else []
        mapped = CategoryAccount.objects.values_list("reporting_category", flat=True)
        return {line.category for line in waiting} | set(mapped)

    def _show(self) -> HttpResponse:
        return self.page(
            "financial/suspense.html",
            {
                "waiting": reports.suspended(self.credential) if self.credential else [],
                "mapped": CategoryAccount.objects.select_related("account").order_by("reporting_category"),
                "accounts": self._accounts(),
                "can_map": self.can(MAP_PERMISSION),
            },
        )

    def _accounts(self) -> Any:
        return books.writable(handwriting.chart()).order_by("type", "name")
