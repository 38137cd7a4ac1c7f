"""The sync page: what was pulled and when, a button to pull again, live progress, and the webhook inbox."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from financial import audit, conf, reports, stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import SyncRun
from financial.views.base import StaffView

RUN_PERMISSION = "financial.run_sync"
POLL_SECONDS = 2


class SyncPage(StaffView):
    """State of the last runs and of the inbox; a POST asks for a run, of all or of the `resource`s it names."""

    section = "sync"
    permission = "financial.view_syncrun"
    write_permission = RUN_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/sync.html", {"inbox": None})
        runs = reports.sync_runs(self.credential)
        context = run_context(self, runs[0] if runs else None)
        context |= {
            "history": runs[1:],
            "inbox": reports.inbox(self.credential),
            "endpoint": request.build_absolute_uri(reverse("financial:webhook")),
            "has_secret": self._has_secret(),
        }
        return self.page("financial/sync.html", context)

    def _has_secret(self) -> bool:
        return any(found.credential == self.credential for found in stripe_services.signing_secrets())

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        name = request.user.get_username()
        try:
            run = stripe_services.request_sync(
                self.credential, requested_by=name, resources=request.POST.getlist("resource")
            )
        except FinancialError as error:
            messages.error(request, str(error))
            return redirect("financial:sync")
        audit.record(request.user, "sync.requested", credential=self.credential, object_id=str(run.pk))
        messages.success(request, "The sync was asked for. Its progress is below.")
        return redirect("financial:sync")


class SyncProgress(StaffView):
    """One run as it goes, for htmx to fetch every two seconds; without htmx, the way back to the page."""

    section = "sync"
    permission = "financial.view_syncrun"
    write_permission = RUN_PERMISSION

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        run = SyncRun.objects.filter(pk=pk, credential=self.credential).prefetch_related("steps").first()
        if run is None:
            raise Http404("There is no such sync run.")
        if not getattr(request, "htmx", False):
            return redirect("financial:sync")
        return self.fragment("financial/_sync_run.html", run_context(self, run))


def run_context(view: StaffView, run: SyncRun | None) -> dict[str, Any]:
    """Return what `_sync_run.html` shows of one run."""
    steps = list(run.steps.all()) if run else []
    ended = [step for step in steps if step.state in (SyncRun.State.DONE, SyncRun.State.FAILED)]
    return {
        "run": run,
        "steps": steps,
        "is_under_way": run is not None and run.state in (SyncRun.State.WAITING, SyncRun.State.RUNNING),
        "needs_worker": run is not None and run.state == SyncRun.State.WAITING and conf.get("ENGINE") == "none",
        "ended_count": len(ended),
        "read_total": sum(step.read for step in steps),
        "written_total": sum(step.written for step in steps),
        "can_sync": view.can(RUN_PERMISSION),
        "poll_seconds": POLL_SECONDS,
    }
