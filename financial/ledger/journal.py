"""The only writer of `Transaction` and `StripeTransaction`: what must be booked is booked exactly once.

The guarantee is the database's: a transaction is unique by what it books, a link by its payment and by its balance
transaction. So any number of deliveries, syncs and workers, in any order, end in the same rows. Reads the mirror's
rows, never a payload.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from financial import conf
from financial.errors import BookingError
from financial.ledger import booking
from financial.ledger.booking import Figures
from financial.models import (
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripePaymentIntent,
    StripeTransaction,
    Transaction,
)
from financial.models.bulk import insert_missing

logger = logging.getLogger("financial.stripe_services.journal")
BATCH = 500
ESTIMATED = Transaction.Status.ESTIMATED


@dataclass(frozen=True, slots=True)
class Booked:
    """How many payments were newly booked, and how many were settled by their balance transaction."""

    booked: int = 0
    settled: int = 0

    def __add__(self, other: Booked) -> Booked:
        return Booked(self.booked + other.booked, self.settled + other.settled)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the mirror knows of a succeeded payment; `exact` is None until its balance transaction has come."""

    payment: StripePaymentIntent
    fee: booking.Fee
    estimate: Figures
    exact: Figures | None
    balance_id: int | None


def book_all(credential: StripeCredential, *, now: datetime, tick: Callable[[], None] = lambda: None) -> Booked:
    """Book every succeeded payment that is not booked, and settle every estimate whose exact figures have come.

    Works in batches, each in its own transaction, and calls `tick` after each; twice in a row changes nothing.
    """
    total = Booked()
    for pending in (_unbooked(credential), _settleable(credential)):
        for payments in _batches(pending):
            total += book(credential, payments, now=now)
            tick()
    return total


def book(credential: StripeCredential, payments: Sequence[StripePaymentIntent], *, now: datetime) -> Booked:
    """Book and settle these payments as far as the mirror knows them; those not succeeded are left alone.

    Safe to repeat and to run twice at once. One transaction, and a number of queries that does not grow with the number
    of payments.
    """
    succeeded = [payment for payment in payments if payment.is_succeeded and payment.amount_received_minor > 0]
    if not succeeded:
        return Booked()
    with transaction.atomic():
        evidence = _evidence(credential, succeeded, now)
        created = _create(credential, evidence, now)
        return created + _settle(evidence, now)


def _unbooked(credential: StripeCredential) -> QuerySet[StripePaymentIntent]:
    return StripePaymentIntent.objects.filter(
        credential=credential, status="succeeded", amount_received_minor__gt=0, stripe_transaction=None
    )


def _settleable(credential: StripeCredential) -> QuerySet[StripePaymentIntent]:
    charge = StripeCharge.objects.filter(credential=credential, stripe_id=OuterRef("latest_charge_stripe_id"))
    return StripePaymentIntent.objects.filter(
        Exists(charge.exclude(balance_transaction_stripe_id="")),
        credential=credential,
        stripe_transaction__transaction__status=ESTIMATED,
    )


def _batches(payments: QuerySet[StripePaymentIntent]) -> Iterator[list[StripePaymentIntent]]:
    """Walk by primary key, so that a payment that cannot be settled is met once and not for ever."""
    last = 0
    while batch := list(payments.filter(pk__gt=last).order_by("pk").defer("payload", "private")[:BATCH]):
        yield batch
        last = batch[-1].pk


def _evidence(credential: StripeCredential, payments: Sequence[StripePaymentIntent], now: datetime) -> list[_Evidence]:
    charge_ids = [payment.latest_charge_stripe_id for payment in payments if payment.latest_charge_stripe_id]
    charges = {
        charge.stripe_id: charge
        for charge in StripeCharge.objects.filter(credential=credential, stripe_id__in=charge_ids).only(
            "stripe_id", "created_at", "balance_transaction_stripe_id"
        )
    }
    balance_ids = [c.balance_transaction_stripe_id for c in charges.values() if c.balance_transaction_stripe_id]
    balances = {
        balance.stripe_id: balance
        for balance in StripeBalanceTransaction.objects.filter(credential=credential, stripe_id__in=balance_ids).defer(
            "payload", "private"
        )
    }
    return [_evidence_of(payment, charges.get(payment.latest_charge_stripe_id), balances, now) for payment in payments]


def _evidence_of(
    payment: StripePaymentIntent,
    charge: StripeCharge | None,
    balances: Mapping[str, StripeBalanceTransaction],
    now: datetime,
) -> _Evidence:
    balance = balances.get(charge.balance_transaction_stripe_id) if charge else None
    zone = conf.time_zone()
    facts = booking.PaymentFacts(
        stripe_id=payment.stripe_id,
        amount_minor=payment.amount_received_minor,
        currency=payment.currency,
        paid_at=(charge and charge.created_at) or payment.created_at or now,
    )
    fee = booking.estimate_fee(facts.amount_minor, facts.currency, conf.get("FEE_RULES"))
    exact = _exact(balance, now) if balance else None
    return _Evidence(
        payment=payment,
        fee=fee,
        estimate=booking.estimated(facts, fee, zone),
        exact=exact,
        balance_id=balance.pk if balance and exact else None,
    )


def _exact(balance: StripeBalanceTransaction, now: datetime) -> Figures | None:
    facts = booking.BalanceFacts(
        stripe_id=balance.stripe_id,
        amount_minor=balance.amount_minor,
        fee_minor=balance.fee_minor,
        net_minor=balance.net_minor,
        currency=balance.currency,
        created_at=balance.created_at or now,
        exchange_rate=balance.exchange_rate,
    )
    try:
        return booking.settled(facts, conf.time_zone())
    except BookingError as error:
        logger.error("not settled: %s", error)  # the payment stays a visible estimate
        return None


def _create(credential: StripeCredential, evidence: Sequence[_Evidence], now: datetime) -> Booked:
    linked = _linked(evidence)
    fresh = [found for found in evidence if found.payment.pk not in linked]
    if not fresh:
        return Booked()
    insert_missing(Transaction, [_transaction(credential, found, now) for found in fresh])
    booked = _booked_by_source(credential, fresh)
    insert_missing(StripeTransaction, [_link(*booked[found.payment.stripe_id], found, now) for found in fresh])
    # Counted after the fact: whoever lost a race against another worker has booked nothing.
    missing = {found.payment.pk for found in fresh} - _linked(fresh)
    if missing:
        raise BookingError(f"{len(missing)} payments share a balance transaction with another payment.")
    return Booked(booked=len(fresh), settled=sum(1 for found in fresh if found.exact))


def _linked(evidence: Sequence[_Evidence]) -> set[int]:
    payments = [found.payment.pk for found in evidence]
    rows = StripeTransaction.objects.filter(payment_intent__in=payments)
    return {pk for pk in rows.values_list("payment_intent_id", flat=True) if pk is not None}


def _booked_by_source(credential: StripeCredential, evidence: Sequence[_Evidence]) -> dict[str, tuple[int, str]]:
    """Return primary key and status of the transactions of these payments, whoever inserted them."""
    sources = [found.payment.stripe_id for found in evidence]
    rows = Transaction.objects.filter(
        credential=credential, kind=Transaction.Kind.PAYMENT, source_stripe_id__in=sources
    )
    return {source: (pk, status) for source, pk, status in rows.values_list("source_stripe_id", "pk", "status")}


def _transaction(credential: StripeCredential, found: _Evidence, now: datetime) -> dict[str, Any]:
    payment = found.payment
    return {
        "credential_id": credential.pk,
        "kind": str(Transaction.Kind.PAYMENT),
        "source_stripe_id": payment.stripe_id,
        "livemode": payment.livemode,
        "presentment_currency": payment.currency,
        "presentment_amount_minor": payment.amount_received_minor,
        "description": payment.description,
        "created_at": now,
        **_as_values(found.exact or found.estimate),
    }


def _link(transaction_id: int, status: str, found: _Evidence, now: datetime) -> dict[str, Any]:
    settled = found.exact is not None and status != ESTIMATED
    return {
        "transaction_id": transaction_id,
        "payment_intent_id": found.payment.pk,
        "balance_transaction_id": found.balance_id if settled else None,
        "charge_stripe_id": found.payment.latest_charge_stripe_id,
        "estimated_fee_minor": found.fee.fee_minor,
        "is_rough": found.fee.is_rough,
        "settled_at": now if settled else None,
    }


def _settle(evidence: Sequence[_Evidence], now: datetime) -> Booked:
    exact = {found.payment.pk: found for found in evidence if found.exact}
    waiting = StripeTransaction.objects.filter(
        payment_intent__in=list(exact), transaction__status=ESTIMATED
    ).select_related("transaction")
    links = list(waiting)
    if not links:
        return Booked()
    for link in links:
        _replace_estimate(link, exact[link.payment_intent_id or 0], now)
    settled = Transaction.objects.filter(status=ESTIMATED).bulk_update(
        [link.transaction for link in links], fields=_FIGURES
    )
    StripeTransaction.objects.bulk_update(links, fields=("balance_transaction", "charge_stripe_id", "settled_at"))
    return Booked(settled=settled)


_FIGURES = tuple(Figures.__dataclass_fields__)


def _as_values(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in _FIGURES}  # `asdict` copies every date, deeply


def _replace_estimate(link: StripeTransaction, found: _Evidence, now: datetime) -> None:
    for name, value in (_as_values(found.exact) if found.exact else {}).items():
        setattr(link.transaction, name, value)
    link.balance_transaction_id = found.balance_id
    link.charge_stripe_id = found.payment.latest_charge_stripe_id
    link.settled_at = now
