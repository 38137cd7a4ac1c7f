"""Books what the mirror knows, exactly once: every movement of a Stripe balance, and payments before they have one.

The guarantee is the database's: a movement has one transaction, a payment one link, and what is settled stays. Books of one
credential are written by one worker at a time. So any number of deliveries, syncs and workers, in any order, end in the
same books. Reads the mirror's rows, never a payload.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from financial import conf
from financial.errors import BookingError
from financial.ledger import booking, fee_days, posting, supplements, totals, writing
from financial.ledger.evidence import Known, Paid, gather, perhaps_unbooked, unbooked
from financial.ledger.fee_days import Cost, Estimate
from financial.ledger.totals import hold
from financial.ledger.writing import Draft, Link, Row
from financial.models import (
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripePaymentIntent,
    StripeTransaction,
    Transaction,
)
from financial.models.inserting import insert, next_ids

logger = logging.getLogger("financial.stripe_services.journal")
BATCH = 2000
# The mirrored resources whose news can mean that something is to be booked.
MOVING = frozenset({"charge", "refund", "dispute", "payout", "invoice", "balance_transaction"})
ESTIMATED = str(Transaction.Status.ESTIMATED)
SETTLED = str(Transaction.Status.SETTLED)
PAYMENT = str(Transaction.Kind.PAYMENT)


@dataclass(frozen=True, slots=True)
class Booked:
    """How many payments were newly booked and settled by their balance transaction, and how much else moved."""

    booked: int = 0
    settled: int = 0
    moved: int = 0

    def __add__(self, other: Booked) -> Booked:
        return Booked(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def book_all(credential: StripeCredential, *, now: datetime, tick: Callable[[], None] = lambda: None) -> Booked:
    """Book everything the mirror knows and the books do not: movements, succeeded payments, arrivals, late sales tax.

    Works in batches, each in its own transaction, and calls `tick` after each; twice in a row changes nothing.
    """
    total = Booked()
    for ids in _batches(perhaps_unbooked(credential)):
        total += _book_movements(credential, unbooked(pk__in=ids), now)
        tick()
    for ids in _batches(_unbooked_payments(credential)):
        total += _estimate(credential, ids, now)
        tick()
    return total + Booked(moved=supplements.book_all(credential, now=now, tick=tick))


def book(
    credential: StripeCredential,
    payments: Sequence[StripePaymentIntent] = (),
    *,
    objects: Collection[str] = (),
    now: datetime,
) -> Booked:
    """Book these payments, and what moved because of these objects (ids at Stripe), as far as the mirror knows them.

    Safe to repeat and to run twice at once. One transaction, and a number of queries that does not grow with the number
    of payments.
    """
    sources = {payment.latest_charge_stripe_id for payment in payments} | set(objects)
    sources.discard("")
    with transaction.atomic():
        total = Booked()
        if sources:
            about = Q(source_stripe_id__in=sources) | Q(stripe_id__in=sources)
            total += _book_movements(credential, unbooked(credential=credential).filter(about), now)
        if payments:
            total += _estimate(credential, [payment.pk for payment in payments], now)
        return total + Booked(moved=supplements.book(credential, sources, now=now))


def _unbooked_payments(credential: StripeCredential) -> QuerySet[StripePaymentIntent]:
    return StripePaymentIntent.objects.filter(credential=credential, **_UNBOOKED)


_UNBOOKED: dict[str, Any] = {"status": "succeeded", "amount_received_minor__gt": 0, "stripe_transaction": None}


def _batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """Ask for the primary keys once: what cannot be booked is met once, and no batch looks through what is booked."""
    found = array("q", rows.order_by().values_list("pk", flat=True).iterator(chunk_size=10_000))
    ids = sorted(found)
    for first in range(0, len(ids), BATCH):
        yield ids[first : first + BATCH]


# Movements


def _book_movements(credential: StripeCredential, rows: QuerySet[StripeBalanceTransaction], now: datetime) -> Booked:
    with transaction.atomic():
        hold(credential)
        known = [found for found in gather(credential, rows, now=now) if not found.is_waiting]
        if not known:
            return Booked()
        links = _links_of(found.paid.payment_id for found in known if _settles(found))
        chosen, zone = writing.mapping(), conf.time_zone()
        fresh: list[Draft] = []
        estimates: dict[int, tuple[int, Draft]] = {}
        for found in known:
            held = links.get(found.paid.payment_id or 0) if _settles(found) else None
            is_first = _settles(found) and (held is None or held[2] == ESTIMATED)
            try:
                draft = _draft(found, chosen, found.movement.created_at.astimezone(zone).date(), now, is_own=is_first)
            except BookingError as error:
                logger.error("not booked: %s", error)  # it is listed; a payment stays a visible estimate
                continue
            if is_first:
                links[found.paid.payment_id or 0] = (0, 0, SETTLED)  # a further charge of it stands alone
            if held and held[2] == ESTIMATED:
                estimates[held[0]] = (held[1], draft)
            else:
                fresh.append(draft)
        topups = [supplements.topup_arrival(draft) for draft in fresh if draft.row.kind == "topup"]
        writing.write(credential, [*fresh, *topups])
        writing.settle(credential, estimates)
        new = sum(1 for draft in fresh if draft.link and draft.link.payment_intent_id)
        return Booked(booked=new, settled=new + len(estimates), moved=len(fresh) - new)


def _settles(found: Known) -> bool:
    """Whether it is the movement by which a payment came in."""
    return found.movement.meaning.kind == PAYMENT and found.paid.is_own and found.paid.payment_id is not None


def _links_of(payment_ids: Iterable[int | None]) -> dict[int, tuple[int, int, str]]:
    rows = StripeTransaction.objects.filter(payment_intent__in=[pk for pk in payment_ids if pk is not None])
    found = rows.values_list("payment_intent_id", "pk", "transaction_id", "transaction__status")
    return {payment_id: (pk, transaction_id, status) for payment_id, pk, transaction_id, status in found if payment_id}


def _draft(found: Known, chosen: dict[str, str], booked_on: Any, now: datetime, *, is_own: bool) -> Draft:
    move, paid = found.movement, found.paid
    tax = posting.tax_share(move.amount_minor, found.tax)
    converted = paid.currency not in ("", move.currency)
    row = Row(
        kind=move.meaning.kind,
        status=SETTLED,
        livemode=found.livemode,
        balance_transaction_id=found.balance_id,
        source_type=found.source_type,
        source_stripe_id=found.source_stripe_id,
        reporting_category=move.category,
        balance_type=move.balance_type,
        occurred_at=move.created_at,
        booked_on=booked_on,
        currency=move.currency,
        amount_minor=move.amount_minor,
        fee_minor=move.fee_minor,
        net_minor=move.net_minor,
        presentment_currency=paid.currency if converted else move.currency,
        presentment_amount_minor=_signed(paid.amount_minor, move.amount_minor) if converted else move.amount_minor,
        exchange_rate=found.exchange_rate,
        description=found.description,
        corrects_id=None,
        created_at=now,
    )
    fee = _fee(paid.payment_amount_minor, paid.payment_currency) if is_own else booking.Fee(0, is_rough=False)
    payment_id = paid.payment_id if is_own else None
    link = Link(payment_id, paid.charge_stripe_id, fee.fee_minor, fee.is_rough, tax, now)
    entries = posting.entries(move, tax_minor=tax, mapping=chosen)
    return Draft(row, entries, link, move.stripe_id, _cost(row, paid, fee if payment_id else None))


def _cost(row: Row, paid: Paid, fee: booking.Fee | None) -> Cost | None:
    """Return what a payment cost, for the fee audit; None of other movements. `fee` is its estimate."""
    if row.reporting_category != fee_days.CHARGE:
        return None
    is_compared = fee is not None and row.presentment_currency == row.currency
    estimate = Estimate(fee.fee_minor, fee.is_rough) if fee is not None and is_compared else None
    return Cost(row.currency, row.booked_on, row.amount_minor, row.fee_minor, paid.country, paid.brand, estimate)


def _signed(amount: int, like: int) -> int:
    return abs(amount) if like >= 0 else -abs(amount)


def _fee(amount_minor: int, currency: str) -> booking.Fee:
    return booking.estimate_fee(amount_minor, currency, conf.get("FEE_RULES"))


# Payments whose movement is not known yet


def _estimate(credential: StripeCredential, payment_ids: Sequence[int], now: datetime) -> Booked:
    """Book succeeded payments that have no transaction by an estimate, which has no entries and is in no total."""
    with transaction.atomic():
        hold(credential)
        names = ("pk", "stripe_id", "livemode", "amount_received_minor", "currency", "latest_charge_stripe_id",
                 "description", "created_at")  # fmt: skip
        rows = StripePaymentIntent.objects.filter(pk__in=payment_ids, **_UNBOOKED)
        waiting = list(rows.values_list(*names))
        waiting = _without_settled(credential, waiting) if waiting else []
        if not waiting:
            return Booked()
        charges = StripeCharge.objects.filter(credential=credential, stripe_id__in=[row[5] for row in waiting])
        charged_at = dict(charges.values_list("stripe_id", "created_at"))
        zone, drafts, links = conf.time_zone(), [], []
        for pk, stripe_id, livemode, amount, currency, charge_id, description, created_at in waiting:
            at = charged_at.get(charge_id) or created_at or now
            fee = _fee(amount, currency)
            drafts.append(
                Row(PAYMENT, ESTIMATED, livemode, None, "payment_intent", stripe_id, "", "", at,
                    at.astimezone(zone).date(), currency, amount, fee.fee_minor, amount - fee.fee_minor, currency,
                    amount, "", description, None, now)
            )  # fmt: skip
            links.append(Link(pk, charge_id, fee.fee_minor, fee.is_rough, 0, None))
        ids = next_ids(Transaction, len(drafts))
        insert(Transaction, [(pk, credential.pk, *row) for pk, row in zip(ids, drafts, strict=True)])
        numbers = next_ids(StripeTransaction, len(links))
        insert(StripeTransaction, [(n, pk, *link) for n, pk, link in zip(numbers, ids, links, strict=True)])
        return Booked(booked=len(drafts))


def _without_settled(credential: StripeCredential, waiting: list[Any]) -> list[Any]:
    """Link the payments whose money was booked before they were known, and return the others."""
    sums = totals.Totals()
    by_charge = {row[5]: row for row in waiting if row[5]}
    settled = StripeTransaction.objects.filter(
        charge_stripe_id__in=by_charge, payment_intent=None, transaction__kind=PAYMENT, transaction__status=SETTLED
    )
    done = set()
    for link in settled.select_related("transaction").order_by("pk"):
        row = by_charge[link.charge_stripe_id]
        if row[0] in done:
            continue
        fee = _fee(row[3], row[4])
        link.payment_intent_id, link.estimated_fee_minor, link.is_rough = row[0], fee.fee_minor, fee.is_rough
        link.save(update_fields=["payment_intent", "estimated_fee_minor", "is_rough"])
        done.add(row[0])
        entry = link.transaction
        if entry.reporting_category == fee_days.CHARGE and entry.presentment_currency == entry.currency:
            estimate = Estimate(fee.fee_minor, fee.is_rough)
            fee_days.add_estimate(sums.fees, entry.currency, entry.booked_on, estimate, entry.fee_minor)
    totals.add(credential, sums, {})
    return [row for row in waiting if row[0] not in done]


def unbookable(
    credential: StripeCredential, *, now: datetime, after: int = 0
) -> Iterator[tuple[StripeBalanceTransaction, str]]:
    """Yield movements that are not booked, with the reason: they contradict themselves, or wait for their cause.

    Looks at every movement, or at those that came behind the one with the primary key `after`.
    """
    for ids in _batches(perhaps_unbooked(credential, after=after)):
        known = gather(credential, unbooked(pk__in=ids).order_by("pk"), now=now)
        found = StripeBalanceTransaction.objects.defer("payload", "private").in_bulk([k.balance_id for k in known])
        for one in known:
            why = posting.refusal(one.movement)
            why = why or (f"waits for {one.source_stripe_id}" if one.is_waiting else "is booked by the next sync")
            yield found[one.balance_id], why


__all__ = ["BATCH", "Booked", "BookingError", "book", "book_all", "unbookable"]
