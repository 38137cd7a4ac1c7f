"""The webhook inbox: what came, what became of it, what it changed, and buttons to have it applied again."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property

from financial import audit, filters, refusals, reports, stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential, StripeWebhookEvent
from financial.paging import BoundedCount
from financial.views.base import StaffView
from financial.views.mirror.listing import Column, MirrorList

PERMISSION = "financial.view_stripewebhookevent"
REPLAY_PERMISSION = "financial.run_sync"
PAYLOAD_PERMISSION = "financial.view_event_payload"
EVENT_ID = re.compile(r"\Aevt_\w{1,200}\Z", re.ASCII)
REPLAYED = (StripeWebhookEvent.State.DONE, StripeWebhookEvent.State.DEAD, StripeWebhookEvent.State.WAITING)
OVERDUE = dt.timedelta(minutes=1)
State = StripeWebhookEvent.State


@dataclass(frozen=True)
class EventRow:
    """One line of the inbox; addresses are empty where there is no such page."""

    event: StripeWebhookEvent
    address: str
    object_address: str


@dataclass(frozen=True)
class Explanation:
    """What a state means for this event, and what to do next."""

    tone: str
    text: str
    next_step: str = ""


@dataclass(frozen=True)
class Change:
    """One object that applying an event wrote."""

    what: reports.Touched
    address: str


class EventList(MirrorList):
    """Every event of the account, newest first; a POST has those that need attention applied again."""

    section, permission, write_permission = "webhook", PERMISSION, REPLAY_PERMISSION
    model, filterset, name, noun = StripeWebhookEvent, filters.EventFilter, "events", "event"  # type: ignore[assignment]
    sorts = {"date": "received_at"}
    more_filters = ("source", "date_from", "date_to")
    columns = (
        Column("Event"),
        Column("Object"),
        Column("State"),
        Column("Attempts", is_number=True),
        Column("Received", "date"),
    )
    export_header = (
        "id", "type", "state", "object", "object id", "source", "api version", "created_at (zone)",
        "received_at (zone)", "handled_at (zone)", "deliveries", "attempts", "error", "mode",
    )  # fmt: skip

    def all_rows(self) -> QuerySet[Any]:
        return StripeWebhookEvent.objects.filter(credential=self.credential).defer("body")

    def dress(self, credential: StripeCredential, found: Sequence[StripeWebhookEvent]) -> list[EventRow]:
        places = reports.touched(credential, found)
        return [
            EventRow(event, event_address(event), object_address(places.get(event.object_stripe_id))) for event in found
        ]

    def export_cells(self, row: EventRow) -> Sequence[Any]:
        event = row.event
        return (
            event.event_id, event.type, event.state, event.object_type, event.object_stripe_id, event.source,
            event.api_version, event.created_at, event.received_at, event.handled_at, event.deliveries,
            event.attempts, event.error, "live" if event.livemode else "test",
        )  # fmt: skip

    @cached_property
    def _event_counts(self) -> Mapping[str, BoundedCount]:
        return reports.event_counts(self.credential) if self.credential else {}

    def counts(self, credential: StripeCredential | None, found: Any) -> Mapping[str, BoundedCount]:
        """Of all events: those of an inbox change while nothing in the mirror does. Nothing beside another filter."""
        return {} if found.chips() else self._event_counts

    def _context(self, credential: StripeCredential, found: Any) -> dict[str, Any]:
        context = super()._context(credential, found)
        return {
            **context,
            "dead": self._event_counts[State.DEAD],
            "health": reports.inbox_health(credential),
            "refusals": refusals.recent(),
            "can_replay": self.can(REPLAY_PERMISSION),
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        count = stripe_services.replay_dead_events(self.credential)
        reports.forget_inbox_health(self.credential)
        if not count:
            messages.info(request, "No event needs attention.")
            return redirect("financial:events")
        audit.record(request.user, "events.replayed", credential=self.credential, count=count)
        messages.success(request, f"{count} event{'' if count == 1 else 's'} will be applied again.")
        return redirect(f"{reverse('financial:events')}?status={State.WAITING}")


class EventDetail(StaffView):
    """One event; `?payload=1` shows its masked payload, which is written down in the audit log."""

    section, permission, write_permission = "webhook", PERMISSION, REPLAY_PERMISSION

    def get(self, request: HttpRequest, event_id: str) -> HttpResponse:
        event = self._event(event_id)
        if "payload" in request.GET and not self.can(PAYLOAD_PERMISSION):
            return self.error(
                403,
                "You may not see payloads",
                f"Your account lacks the permission {PAYLOAD_PERMISSION}.",
                "Ask an administrator to grant it in the admin.",
            )
        place = reports.touched(event.credential, [event]).get(event.object_stripe_id)
        return self.page(
            "financial/event_detail.html",
            {
                "event": event,
                "explanation": explain(event, timezone.now()),
                "object_address": object_address(place),
                "changes": [Change(what, object_address(what)) for what in reports.changed(event)],
                "covered_by": _covered_by(event),
                "covered_by_address": _address_of(_covered_by(event)),
                "related": event_rows(reports.events_of_object(event)),
                "delay": _between(event.created_at, event.received_at),
                "lag": _between(event.received_at, event.handled_at),
                "can_replay": self.can(REPLAY_PERMISSION)
                and event.state in REPLAYED
                and not event.credential.is_sample,
                "can_set_aside": self.can(REPLAY_PERMISSION) and event.state in reports.ATTENTION_STATES,
                "can_see_payload": self.can(PAYLOAD_PERMISSION),
                **self._payload(event),
            },
        )

    def _payload(self, event: StripeWebhookEvent) -> dict[str, Any]:
        if "payload" not in self.request.GET:
            return {}
        self._record("event.payload_seen", event)
        return {"payload_shown": True, "payload": stripe_services.event_payload(event), "size": len(event.body or b"")}

    def post(self, request: HttpRequest, event_id: str) -> HttpResponseBase:
        event = self._event(event_id)
        action = self.actions.get(request.POST.get("action", ""))
        if action is None:
            raise FinancialError("Unknown action; choose replay or set_aside.")
        action(self, event)
        reports.forget_inbox_health(event.credential)
        return redirect(event_address(event) or reverse("financial:events"))

    def _replay(self, event: StripeWebhookEvent) -> None:
        if event.credential.is_sample:
            raise FinancialError("Sample data has no Stripe account behind it, so nothing can be applied again.")
        if stripe_services.replay_event(event):
            self._record("event.replayed", event)
            messages.success(self.request, "The event will be applied again within seconds.")
        else:
            messages.warning(self.request, "This event is not applied: it is not for us, or a worker has it right now.")

    def _set_aside(self, event: StripeWebhookEvent) -> None:
        if stripe_services.set_event_aside(event):
            self._record("event.set_aside", event)
            messages.success(self.request, "Set aside. The event is kept, and needs nobody any more.")
        else:
            messages.info(self.request, "This event does not need anybody.")

    actions: ClassVar[Mapping[str, Any]] = {"replay": _replay, "set_aside": _set_aside}

    def _record(self, action: str, event: StripeWebhookEvent, **details: Any) -> None:
        name = _name_for_audit(event)
        audit.record(self.request.user, action, credential=event.credential, object_id=name, **details)

    def _event(self, event_id: str) -> StripeWebhookEvent:
        if self.credential is None:
            raise NoActiveCredential
        wanted = {"account": self.request.GET.get("account", "")[:255], "event_id": event_id[:255]}
        if any("\0" in value for value in wanted.values()):
            raise Http404("No such event in the inbox.")
        events = StripeWebhookEvent.objects.filter(credential=self.credential, **wanted).select_related("credential")
        shows_body = self.request.method == "POST" or "payload" in self.request.GET
        event = (events if shows_body else events.defer("body")).first()
        if event is None:
            raise Http404("No such event in the inbox.")
        return event


def event_rows(events: Sequence[StripeWebhookEvent]) -> list[EventRow]:
    """Return events with their addresses, without looking for their objects."""
    return [EventRow(event, event_address(event), "") for event in events]


def event_address(event: StripeWebhookEvent) -> str:
    """Return where an event is shown; nothing for an id that fits in no address."""
    address = _address_of(event.event_id)
    return f"{address}?{urlencode({'account': event.account})}" if event.account and address else address


def object_address(place: reports.Touched | None) -> str:
    if place is None or not place.page:
        return ""
    try:
        return reverse(f"financial:{place.page}", args=[place.page_id])
    except NoReverseMatch:
        return ""


def _name_for_audit(event: StripeWebhookEvent) -> str:
    """Return Stripe's id; of a body that is no event, the number of its row."""
    return event.event_id if EVENT_ID.match(event.event_id) else f"row {event.pk}"


def _covered_by(event: StripeWebhookEvent) -> str:
    """Return the id of the event whose look at the object served this one too."""
    found = (change for change in event.changes if isinstance(change, dict) and change.get("change") == "covered")
    return str(next((change.get("by") for change in found if change.get("by")), ""))


def _address_of(event_id: str) -> str:
    try:
        return reverse("financial:event", args=[event_id]) if event_id else ""
    except NoReverseMatch:
        return ""


def _between(start: dt.datetime | None, end: dt.datetime | None) -> dt.timedelta | None:
    """Stripe counts in whole seconds and by its own clock, so less than nothing means nothing."""
    return max(end - start, dt.timedelta(0)) if start and end else None


def explain(event: StripeWebhookEvent, now: dt.datetime) -> Explanation:
    """Say in plain words how an event stands and what to do."""
    if event.state == State.WAITING:
        return _explain_waiting(event, now)
    if event.state == State.MISROUTED and not event.account:
        return MISROUTED_MODE
    return EXPLANATIONS.get(State(event.state), EXPLANATIONS[State.DONE])


def _explain_waiting(event: StripeWebhookEvent, now: dt.datetime) -> Explanation:
    paused_until = event.credential.paused_until
    if paused_until and paused_until > now:
        return Explanation(
            "warn",
            f"Nothing of this account is applied for the moment, because Stripe could not be asked. "
            f"{event.credential.pause_reason}",
            "It goes on by itself. Where the key is refused, put a valid one into the credential.",
        )
    if event.due_at and event.due_at < now - OVERDUE:
        return Explanation(
            "warn",
            "It is due, but nobody has taken it yet.",
            "See that the server or `manage.py financial_worker` is running; it goes on by itself then.",
        )
    if event.error:
        return Explanation("warn", "It could not be applied yet and is tried again by itself.", "There is no hurry.")
    return Explanation("info", "It is stored safely and will be applied within seconds.")


MISROUTED_MODE = Explanation(
    "warn",
    "It is of the other mode than this credential: signed with its secret, but live where the credential is test, or the "
    "other way round. It was kept and not applied, because test data must never enter live books.",
    "In Stripe, under Developers → Webhooks, see that the endpoints of test and live mode each have a secret of their own, "
    "and that each secret stands in the credential of its mode. Set it aside when you have seen it.",
)
EXPLANATIONS: Mapping[State, Explanation] = {
    State.DONE: Explanation("ok", "Its object was asked for again at Stripe and written to the mirror."),
    State.IGNORED: Explanation(
        "muted", "Nothing that is mirrored changes with it. It is kept for the record and needs nobody."
    ),
    State.MISROUTED: Explanation(
        "warn",
        "It belongs to a connected account, not to this one. It was kept and not applied.",
        "In Stripe, let the endpoint listen to events of your account only. Set it aside when you have seen it.",
    ),
    State.QUARANTINED: Explanation(
        "warn",
        "Its signature is right, but its content is no event as we know it. It was kept as it came and not applied.",
        "The next sync reads the object in any case. If many come, something between Stripe and this server may change "
        "what is sent. Set it aside when you have seen it.",
    ),
    State.DEAD: Explanation(
        "bad",
        "It could not be applied, although it was tried for about a day.",
        "Mend what the error says, then replay it. Later events of the same object and every sync bring it up to date too.",
    ),
}
