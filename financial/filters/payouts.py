"""Filters of payouts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from financial.filters.base import (
    MirrorFilter,
    choice_field,
    currency_field,
    day_field,
    state_field,
    text_field,
)
from financial.filters.states import PAYOUT_STATES
from financial.models import (
    BankDeposit,
    StripePayout,
)
from financial.reports.payouts import RECKONED, Reckoned, without_deposit

RECKONED_WORDS = (
    (str(Reckoned.AGREES), "Sums up"),
    (str(Reckoned.DIFFERS), "Does not sum up"),
    (str(Reckoned.UNREAD), "Rows not read yet"),
    (str(Reckoned.WAITING), "Stripe is not done"),
    (str(Reckoned.MANUAL), "Not itemisable"),
)


class PayoutFilter(MirrorFilter):
    """Filters of payouts; their days are those on which they arrive, which Stripe counts in UTC."""

    states = PAYOUT_STATES

    q = text_field("search", "Search", "po_… or txn_… id, trace id")
    status = state_field(PAYOUT_STATES)
    currency = currency_field()
    reconciled = choice_field("by_reckoning", "Reconciled", RECKONED_WORDS, "Any")
    deposit = choice_field("by_deposit", "Bank deposit", (("yes", "Matched"), ("no", "Not seen")), "Any")
    date_from = day_field("since", "Arrives from")
    date_to = day_field("until", "Arrives to")

    class Meta:
        model = StripePayout
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("po_"):
            return rows.filter(stripe_id=value)
        if value.startswith("txn_"):
            moved = {"stripe_id": value, "credential": self.credential}
            return rows.filter(**{f"rows__balance_transaction__{name}": wanted for name, wanted in moved.items()})
        return rows.filter(trace_id__iexact=value)

    def by_reckoning(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(RECKONED[Reckoned(value)])

    def by_deposit(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        seen = Exists(BankDeposit.objects.filter(payout=OuterRef("pk")))
        if value == "yes" or self.credential is None:
            return rows.filter(seen)
        return rows.filter(pk__in=without_deposit(self.credential).values("pk"))

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(arrival_at__gte=_utc(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(arrival_at__lt=_utc(value + dt.timedelta(days=1)))


def _utc(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
