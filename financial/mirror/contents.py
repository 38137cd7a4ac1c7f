"""What a payout consists of and where it goes: the only writer of `PayoutReading`, `PayoutRow` and `PayoutDestination`.

Balance transactions do not say which payout they are in; Stripe answers only by listing those of one payout, and only once
it has reconciled it. What sums up is never read again; what does not is read anew by every sync.

A payout names its destination by id. What is behind one is kept apart from the payouts: it is asked for once, and what is
changed or deleted of a bank account makes no mirrored payout another one.

Nothing here asks Stripe.

Stripe: https://docs.stripe.com/payouts/reconciliation
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum

from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.mirror.translate import destination_of
from financial.models import (
    PayoutDestination,
    PayoutReading,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCredential,
    StripePayout,
)

MOVEMENT = BY_NAME["balance_transaction"]
ITEMISED = Q(automatic=True, reconciliation_status="completed", deleted_at=None)


def due(credential: StripeCredential, *, stripe_ids: Collection[str] | None = None) -> QuerySet[StripePayout]:
    """Return the payouts whose rows are to be read, newest first: not read to the end yet, or not summing up."""
    found = StripePayout.objects.filter(ITEMISED, ~PayoutReading.SUMS_UP, credential=credential)
    found = found if stripe_ids is None else found.filter(stripe_id__in=stripe_ids)
    return found.select_related("reading").defer("payload", "private").order_by("-created_at", "-pk")


def cursor(payout: StripePayout) -> str:
    """Return where a list goes on that was not read to its end; empty: at its beginning."""
    reading = getattr(payout, "reading", None)
    return reading.cursor if reading and not reading.is_complete else ""


@transaction.atomic
def add_page(
    payout: StripePayout,
    payloads: Sequence[dict[str, Any]],
    *,
    after: str,
    next_after: str,
    seen: int,
    api_version: str,
    shown_at: datetime,
) -> int:
    """Save one page of a payout's list and return how many rows of the mirror that wrote.

    `after` is the cursor it was asked for with: empty begins anew. `next_after` is the one that follows: empty ends it.
    """
    PayoutReading.objects.get_or_create(payout=payout)
    reading = PayoutReading.objects.select_for_update().get(payout=payout)
    written = store.save_many(
        payout.credential, MOVEMENT, payloads, seen=seen, api_version=api_version, shown_at=shown_at
    )
    if not after:
        PayoutRow.objects.filter(payout=payout).delete()
    ids = [payload["id"] for payload in payloads]
    held = StripeBalanceTransaction.objects.filter(credential_id=payout.credential_id, stripe_id__in=ids)
    place = dict(held.values_list("stripe_id", "pk"))
    PayoutRow.objects.bulk_create(
        [PayoutRow(payout=payout, balance_transaction_id=place[stripe_id]) for stripe_id in ids], ignore_conflicts=True
    )
    reading.cursor, reading.is_complete, reading.read_at = next_after, not next_after, shown_at
    if reading.is_complete:
        _sum(payout, reading)
    reading.save()
    return written


def _sum(payout: StripePayout, reading: PayoutReading) -> None:
    own = Q(balance_transaction__stripe_id=payout.balance_transaction_stripe_id)
    back = Q(balance_transaction__stripe_id=payout.failure_balance_transaction_stripe_id or "-")
    net, part = "balance_transaction__net_minor", ~own & ~back
    sums = PayoutRow.objects.filter(payout=payout).aggregate(
        rows=Count("pk", filter=part), net=Sum(net, filter=part), own=Sum(net, filter=own)
    )
    reading.rows, reading.net_minor, reading.own_minor = sums["rows"], sums["net"] or 0, sums["own"] or 0


def unnamed(credential: StripeCredential) -> list[str]:
    """Return one payout, the latest, for each destination that was never asked for."""
    known = PayoutDestination.objects.filter(credential=credential, stripe_id=OuterRef("destination_stripe_id"))
    payouts = StripePayout.objects.filter(~Exists(known), credential=credential, deleted_at=None)
    latest = payouts.exclude(destination_stripe_id="").order_by().values("destination_stripe_id")
    found = StripePayout.objects.filter(pk__in=latest.annotate(latest=Max("pk")).values("latest"))
    return list(found.order_by("pk").values_list("stripe_id", flat=True))


def name_destination(credential: StripeCredential, payload: dict[str, Any]) -> None:
    """Keep what a payout fetched with its destination says of it."""
    told = destination_of(payload)
    if told is not None:
        PayoutDestination.objects.update_or_create(
            credential=credential, stripe_id=told.stripe_id, defaults=told.values
        )
