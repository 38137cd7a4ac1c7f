"""The sync page: what was pulled, when, and a button to pull again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from financial.views.base import StaffView


class SyncPage(StaffView):
    section = "sync"
    permission = "financial.view_syncrun"
    write_permission = "financial.run_sync"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page("financial/sync.html")


class SyncProgress(StaffView):
    section = "sync"
    permission = "financial.view_syncrun"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.page("financial/sync.html")
