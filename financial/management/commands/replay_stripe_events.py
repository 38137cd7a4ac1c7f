"""`manage.py replay_stripe_events`: apply webhooks once more, and say how it went. Twice in a row changes nothing."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, QuerySet

from financial import stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential, StripeWebhookEvent

State = StripeWebhookEvent.State


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no moment; write 2026-11-01 or 2026-11-01T12:30") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _event_id(text: str) -> str:
    if not text.startswith("evt_"):
        raise ArgumentTypeError(f"{text!r} is no event; Stripe's events begin with evt_")
    return text


class Command(BaseCommand):
    help = "Apply stored webhooks once more: those that failed, those received since a moment, or one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--failed", action="store_true", help="those that need attention")
        which.add_argument(
            "--since", type=_moment, metavar="ISO", help="all received since then (UTC unless it says so)"
        )
        which.add_argument(
            "--id", type=_event_id, metavar="evt_…", help="one; fetched from Stripe if it never came here"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = self._chosen(options)
        ids = list(chosen.values_list("pk", flat=True))
        count = stripe_services.replay_events(chosen, wake=False)
        events = StripeWebhookEvent.objects.filter(pk__in=ids) if len(ids) <= 500 else StripeWebhookEvent.objects.all()
        stripe_services.apply_events(events)
        self._report(ids, count)

    def _chosen(self, options: dict[str, Any]) -> QuerySet[StripeWebhookEvent]:
        events = StripeWebhookEvent.objects.all()
        if options["failed"]:
            return events.filter(state=State.DEAD)
        if options["since"]:
            return events.filter(received_at__gte=options["since"])
        return self._one(options["id"])

    def _one(self, event_id: str) -> QuerySet[StripeWebhookEvent]:
        known = StripeWebhookEvent.objects.filter(event_id=event_id)
        if not known.exists():
            credential = StripeCredential.objects.active()
            if credential is None:
                raise CommandError(str(NoActiveCredential()))
            try:
                stripe_services.fetch_event(credential, event_id)
            except FinancialError as error:
                raise CommandError(f"{event_id} never came here, and Stripe does not give it: {error}") from error
        return known

    def _report(self, ids: list[int], count: int) -> None:
        states: dict[str, int] = {}
        for start in range(0, len(ids), 500):
            rows = StripeWebhookEvent.objects.filter(pk__in=ids[start : start + 500]).order_by()
            for state, number in rows.values_list("state").annotate(Count("pk")):
                states[state] = states.get(state, 0) + number
        told = ", ".join(f"{number} {State(state).label.lower()}" for state, number in sorted(states.items()))
        self.stdout.write(f"{count} events replayed" + (f": {told}." if told else "."))
        if states.get(State.WAITING) or states.get(State.DEAD):
            raise CommandError("Some could not be applied; each says why in the inbox, and is tried again.")
