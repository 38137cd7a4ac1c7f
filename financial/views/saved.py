"""Saving, renaming and deleting the filters of a list, by POST from the list itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from financial import saved_filters
from financial.errors import FinancialError
from financial.models import SavedFilter
from financial.views.base import StaffView
from financial.views.books.transactions import HouseList, TransactionList
from financial.views.inbox import EventList
from financial.views.mirror.listing import MirrorList
from financial.views.mirror.lists import CustomerList, PaymentList, ProductList, SubscriptionList
from financial.views.mirror.payouts import PayoutList
from financial.views.search import REFUSALS, refusal

LISTS: Mapping[str, type[MirrorList]] = {
    one.name: one
    for one in (
        ProductList,
        CustomerList,
        PaymentList,
        SubscriptionList,
        PayoutList,
        EventList,
        TransactionList,
        HouseList,
    )
}


class SavedFilters(StaffView):
    """One action on one filter; leads back to the list it belongs to, and nowhere else."""

    write_permission = ""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        listed = LISTS.get(request.POST.get("section", ""))
        action = self.actions.get(request.POST.get("action", ""))
        if listed is None or action is None:
            raise Http404("There is no such list or action.")
        if not self.can(listed.permission):
            return self.error(403, "You may not do this", f"Your account lacks the permission {listed.permission}.")
        query = saved_filters.kept(QueryDict(request.POST.get("query", "")[:4000]), listed.parameters())
        try:
            row, said = action(self, listed, query)
        except FinancialError as error:
            messages.error(request, str(error))
            return redirect(list_address(listed.name, query))
        messages.success(request, said)
        return redirect(list_address(listed.name, query if action is SavedFilters._delete else row.query))

    def _save(self, listed: type[MirrorList], query: str) -> tuple[SavedFilter, str]:
        name, is_shared = self._named()
        if why := refusal(" ".join(str(value) for _, value in QueryDict(query).items())):
            raise FinancialError(REFUSALS[why])
        row = saved_filters.save(self.request.user, listed.name, name, query, is_shared=is_shared)
        return row, f"Saved as “{row.name}”."

    def _rename(self, listed: type[MirrorList], query: str) -> tuple[SavedFilter, str]:
        name, is_shared = self._named()
        row = saved_filters.rename(self.request.user, self._pk(), name, is_shared=is_shared)
        return row, f"The filter is now called “{row.name}”."

    def _delete(self, listed: type[MirrorList], query: str) -> tuple[SavedFilter, str]:
        row = saved_filters.delete(self.request.user, self._pk())
        return row, f"“{row.name}” was deleted."

    def _named(self) -> tuple[str, bool]:
        name = self.request.POST.get("name", "")
        if why := refusal(name):
            raise FinancialError(REFUSALS[why])
        return name, "is_shared" in self.request.POST

    def _pk(self) -> int:
        number = self.request.POST.get("pk", "")
        return int(number[:18]) if number.isascii() and number.isdigit() else 0

    actions: ClassVar[Mapping[str, Any]] = {"save": _save, "rename": _rename, "delete": _delete}


def list_address(section: str, query: str) -> str:
    """Return where a list stands with these filters."""
    address = reverse(f"financial:{section}")
    return f"{address}?{query}" if query else address
