"""Filters of the inbox of webhook events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from financial.filters.base import (
    MirrorFilter,
    choice_field,
    day_field,
    start_of,
    state_field,
    text_field,
)
from financial.filters.states import EVENT_STATES
from financial.models import StripeWebhookEvent
from financial.models.webhooks import IS_FETCHED


class EventFilter(MirrorFilter):
    """Filters of the webhook inbox; its days are those of the receipt."""

    states = EVENT_STATES

    q = text_field("search", "Search", "evt_… id, or the id of its object")
    status = state_field(EVENT_STATES)
    type = text_field("of_type", "Type", "charge.updated")
    source = choice_field("by_source", "Source", StripeWebhookEvent.Source.choices, "Any source")
    date_from = day_field("since", "Received from")
    date_to = day_field("until", "Received to")

    class Meta:
        model = StripeWebhookEvent
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if not value.startswith(("evt_", "sha256:")):
            return self.rare(rows, object_stripe_id=value)
        # The account stands between the two in the index that finds an event.
        return self.rare(rows, Q(account="", event_id=value) | Q(account__gt="", event_id=value))

    def of_type(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self.rare(rows, type=value)

    def by_source(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Most were delivered; the others have an index of their own."""
        if value == StripeWebhookEvent.Source.WEBHOOK:
            return rows.filter(source=value)
        return self.rare(rows, IS_FETCHED, source=value)

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(received_at__gte=start_of(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(received_at__lt=start_of(value + dt.timedelta(days=1)))
