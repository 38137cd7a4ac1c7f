"""The sync page: what was pulled and when, how much of it is proved, buttons to pull or compare, and the webhook inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from financial import audit, conf, reports, stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential, StripeWebhookEvent, SyncRun, SyncStep
from financial.views.base import RUN_PERMISSION, StaffView
from financial.views.endpoint import webhook_url
from financial.views.inbox import PERMISSION as EVENTS_PERMISSION
from financial.views.inbox import REPLAY_PERMISSION, event_rows

POLL_SECONDS = 2
SILENT_AFTER = timedelta(minutes=2)
State = SyncRun.State
Kind = SyncRun.Kind

# What a person may ask for, and what is answered. The run decides itself whether "automatic" is everything.
ASKED = {
    Kind.AUTOMATIC: "The sync was asked for. Its progress is below.",
    Kind.FULL: "Reading everything again was asked for. Its progress is below.",
    Kind.VERIFY: "The comparison was asked for. It changes nothing; its progress is below.",
}
EXPLAINED = {
    Kind.AUTOMATIC: "Reads what changed since the last complete sync; everything if there is none, or it is too old.",
    Kind.FULL: "Lists every collection to its end and compares it with the mirror, id by id.",
    Kind.INCREMENTAL: "Fetches again what Stripe’s events name. What has no reliable events is listed over the last "
    "days, and compared over these only.",
    Kind.VERIFY: "Lists every collection and compares each row with the mirror. Writes nothing.",
}


@dataclass(frozen=True)
class RunSummary:
    """One run and its steps added up; `rate` is rows a second since it started."""

    run: SyncRun
    steps: tuple[SyncStep, ...]
    now: datetime

    @property
    def read(self) -> int:
        return sum(step.read for step in self.steps)

    @property
    def written(self) -> int:
        return sum(step.written for step in self.steps)

    @property
    def verified(self) -> tuple[SyncStep, ...]:
        return tuple(step for step in self.steps if step.verified_at)

    @property
    def delivered(self) -> int:
        return sum(step.delivered for step in self.verified)

    @property
    def stored(self) -> int:
        return sum(step.stored for step in self.verified)

    @property
    def ended_count(self) -> int:
        return sum(step.state in (State.DONE, State.FAILED) for step in self.steps)

    @property
    def running_count(self) -> int:
        return sum(step.state == State.RUNNING for step in self.steps)

    @property
    def is_under_way(self) -> bool:
        return self.run.state in (State.WAITING, State.RUNNING)

    @property
    def is_silent(self) -> bool:
        """Whether the process that ran it seems to be gone; asking for another run ends this one."""
        seen = self.run.seen_at or self.run.started_at
        return self.run.state == State.RUNNING and seen is not None and seen < self.now - SILENT_AFTER

    @property
    def is_resumed(self) -> bool:
        """Whether it took over steps of a run before it."""
        started = self.run.started_at
        return started is not None and any(step.started_at and step.started_at < started for step in self.steps)

    @property
    def rate(self) -> int | None:
        """Nothing in the first second, and nothing where rows of an earlier run are among those counted."""
        if self.run.started_at is None or self.is_resumed:
            return None
        seconds = ((self.run.finished_at or self.now) - self.run.started_at).total_seconds()
        return round(self.read / seconds) if seconds >= 1 else None

    @property
    def time_left(self) -> timedelta | None:
        """At this rate; None where nobody knows how much there is to read, or more came than was expected."""
        going = [step for step in self.steps if step.state == State.RUNNING]
        left = [step.expected - step.read for step in going if step.expected is not None]
        if not self.rate or not self.is_under_way or not going or len(left) < len(going) or min(left) < 0:
            return None
        return timedelta(seconds=round(sum(left) / self.rate))


class SyncPage(StaffView):
    """State of the last runs and of the inbox; a POST asks for a run of a `kind`, of all or of the `resource`s named."""

    section = "sync"
    permission = "financial.view_syncrun"
    write_permission = RUN_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/sync.html", {"inbox": None})
        runs = reports.sync_runs(self.credential)
        context = run_context(self, runs[0] if runs else None)
        context |= {
            "history": [summary_of(run) for run in runs[1:]],
            "mirrored": reports.mirrored(self.credential, runs, stripe_services.RESOURCE_NAMES, timezone.now()),
            **self._proved(self.credential),
            "can_fetch": self.may_fetch,
            "waits_until": _waits_until(self.credential),
            **self._inbox(self.credential),
            "every_minutes": conf.get("SYNC_EVERY_MINUTES"),
            "is_active": self.credential == StripeCredential.objects.active(),
            "endpoint": webhook_url(request),
            "has_secret": self._has_secret(),
        }
        return self.page("financial/sync.html", context)

    def _inbox(self, credential: StripeCredential) -> dict[str, Any]:
        inbox = reports.inbox(credential)
        return {
            "inbox": inbox,
            "failed_events": event_rows(inbox.failed),
            "latest_events": event_rows(inbox.latest),
            "may_see_events": self.can(EVENTS_PERMISSION),
            "may_retry": self.can(EVENTS_PERMISSION) and self.can(REPLAY_PERMISSION) and _has_dead(inbox),
        }

    def _proved(self, credential: StripeCredential) -> dict[str, Any]:
        if not self.can("financial.view_transaction"):
            return {"books": None}
        return {"books": reports.strip(credential), "verified": reports.verified(credential)}

    def _has_secret(self) -> bool:
        return any(found.credential == self.credential for found in stripe_services.signing_secrets())

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        try:
            kind = _kind(request.POST.get("kind", ""))
            run = stripe_services.request_sync(
                self.credential,
                requested_by=request.user.get_username(),
                resources=request.POST.getlist("resource"),
                kind=kind,
            )
        except FinancialError as error:
            messages.error(request, str(error))
            return redirect("financial:sync")
        audit.record(request.user, "sync.requested", credential=self.credential, object_id=str(run.pk), kind=str(kind))
        messages.success(request, ASKED[kind])
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


def _has_dead(inbox: reports.Inbox) -> bool:
    return bool(dict(inbox.counts)[StripeWebhookEvent.State.DEAD].value)


def _waits_until(credential: StripeCredential) -> datetime | None:
    """Return until when Stripe is left alone; None if it is not."""
    until = credential.paused_until
    return until if until and until > timezone.now() else None


def _kind(said: str) -> Kind:
    """Return the kind of run that was asked for; as far as needed, if nothing was said."""
    kind = next((kind for kind in ASKED if kind == said), None) if said else Kind.AUTOMATIC
    if kind is None:
        raise FinancialError(f"Unknown kind of sync; choose from {', '.join(ASKED)}.")
    return kind


def summary_of(run: SyncRun) -> RunSummary:
    """Return the run with its steps, which were fetched with it."""
    return RunSummary(run, tuple(run.steps.all()), timezone.now())


def run_context(view: StaffView, run: SyncRun | None) -> dict[str, Any]:
    """Return what `_sync_run.html` shows of one run."""
    summary = summary_of(run) if run else None
    return {
        "run": run,
        "summary": summary,
        "explained": EXPLAINED.get(Kind(run.kind), "") if run else "",
        "proof": reports.latest_proof(view.credential) if view.credential else None,
        "is_under_way": summary is not None and summary.is_under_way,
        "needs_worker": run is not None and run.state == State.WAITING and conf.get("ENGINE") == "none",
        "can_sync": view.can(RUN_PERMISSION),
        "poll_seconds": POLL_SECONDS,
    }
