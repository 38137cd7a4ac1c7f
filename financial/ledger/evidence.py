"""What the mirror knows about a batch of movements: read in a fixed number of queries, as plain values.

A movement waits while the object that caused it is named but not in the mirror yet: only with it are the books the same
whatever came first. Once a complete sync has covered its time and the object still is not there, it is booked without.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import F, Max, Q, QuerySet

from financial.ledger.posting import NO_TAX, Movement, Tax
from financial.models import (
    MirrorRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripeRefund,
    SyncRun,
)

# What an id's beginning says about its object; others have no object we mirror.
KIND_BY_PREFIX: Mapping[str, str] = {
    "ch": "charge",
    "py": "charge",
    "re": "refund",
    "pyr": "refund",
    "dp": "dispute",
    "du": "dispute",
    "pdp": "dispute",
    "po": "payout",
}
_MOVEMENT = ("pk", "stripe_id", "livemode", "amount_minor", "fee_minor", "net_minor", "currency", "type",
             "reporting_category", "balance_type", "fee_parts", "created_at", "exchange_rate", "source_stripe_id",
             "description")  # fmt: skip


class Paid(NamedTuple):
    """What a customer paid or got back in the currency they see, and the payment it belongs to."""

    currency: str = ""
    amount_minor: int = 0
    charge_stripe_id: str = ""
    payment_id: int | None = None
    payment_amount_minor: int = 0
    payment_currency: str = ""
    is_own: bool = False  # the charge that made the payment succeed
    country: str = ""  # of the card
    brand: str = ""  # of the card, or another method's name


NOBODY = Paid()


@dataclass(frozen=True, slots=True)
class Known:
    """One movement and everything its transaction says."""

    balance_id: int
    livemode: bool
    movement: Movement
    exchange_rate: str
    source_type: str
    source_stripe_id: str
    description: str
    paid: Paid
    tax: Tax
    is_waiting: bool


def perhaps_unbooked(credential: StripeCredential, *, after: int = 0) -> QuerySet[StripeBalanceTransaction]:
    """Return a few movements more than `unbooked`: those that indexes alone tell, so that no whole row is read."""
    return StripeBalanceTransaction.objects.filter(credential=credential, pk__gt=after, transaction=None)


def unbooked(**among: Any) -> QuerySet[StripeBalanceTransaction]:
    """Return the movements without a transaction; rows that move nothing need none."""
    rows = StripeBalanceTransaction.objects.filter(transaction=None, deleted_at=None, **among)
    return rows.exclude(amount_minor=0, fee_minor=0, net_minor=0)


def gather(credential: StripeCredential, rows: QuerySet[StripeBalanceTransaction], *, now: dt.datetime) -> list[Known]:
    """Return what is known of each movement, in the order of the rows."""
    found = list(rows.values_list(*_MOVEMENT))
    sources = _Sources(credential, [row[13] for row in found])
    covered = _covered_until(credential)
    return [_known(row, sources, now, covered) for row in found]


def _covered_until(credential: StripeCredential) -> dt.datetime:
    runs = SyncRun.objects.filter(credential=credential, covers_until__isnull=False)
    return runs.aggregate(last=Max("covers_until"))["last"] or dt.datetime.min.replace(tzinfo=dt.UTC)


def _known(row: Sequence[Any], sources: _Sources, now: dt.datetime, covered: dt.datetime) -> Known:
    (
        pk,
        stripe_id,
        livemode,
        amount,
        fee,
        net,
        currency,
        type_,
        category,
        balance_type,
        parts,
        at,
        rate,
        source,
        text,
    ) = row
    movement = Movement(
        stripe_id, amount, fee, net, currency, type_, category, balance_type or "payments", parts, at or now
    )
    source_type = KIND_BY_PREFIX.get(source.partition("_")[0], "")
    paid, is_waiting = sources.of(source_type, source)
    return Known(
        balance_id=pk,
        livemode=livemode,
        movement=movement,
        exchange_rate=rate,
        source_type=source_type,
        source_stripe_id=source,
        description=text,
        paid=paid,
        tax=sources.tax_of(paid) if movement.meaning.is_taxed else NO_TAX,
        is_waiting=is_waiting and movement.created_at >= covered,
    )


class _Sources:
    """The objects behind a batch: charges, refunds, disputes, the payments and invoices above them."""

    def __init__(self, credential: StripeCredential, ids: Iterable[str]) -> None:
        self._credential = credential
        wanted: dict[str, set[str]] = {"charge": set(), "refund": set(), "dispute": set(), "payout": set()}
        for stripe_id in ids:
            if kind := KIND_BY_PREFIX.get(stripe_id.partition("_")[0]):
                wanted[kind].add(stripe_id)
        self._refunds = self._read(StripeRefund, wanted["refund"], "charge_stripe_id", "currency", "amount_minor")
        self._disputes = self._read(StripeDispute, wanted["dispute"], "charge_stripe_id", "currency", "amount_minor")
        self._payouts = self._read(StripePayout, wanted["payout"], "pk")
        charges = wanted["charge"] | {row[0] for row in (*self._refunds.values(), *self._disputes.values())} - {""}
        self._charges = self._read(
            StripeCharge, charges, "currency", "amount_captured_minor", "amount_minor", "payment_intent_stripe_id",
            "card_country", "card_brand", "method_type",
        )  # fmt: skip
        payments = {row[3] for row in self._charges.values()} - {""}
        self._payments = self._read(
            StripePaymentIntent, payments, "pk", "latest_charge_stripe_id", "currency", "amount_received_minor",
            "tax_minor", "amount_minor",
        )  # fmt: skip
        self._taxes = invoice_taxes(credential, payments)

    def of(self, kind: str, stripe_id: str) -> tuple[Paid, bool]:
        """Return what was paid, and whether something named is still missing."""
        if kind == "charge":
            return self._charge(stripe_id)
        if kind == "payout":
            return NOBODY, stripe_id not in self._payouts
        row = (self._refunds if kind == "refund" else self._disputes if kind == "dispute" else {}).get(stripe_id)
        if row is None:
            return NOBODY, bool(kind)
        charge_id, currency, amount = row
        paid, is_missing = self._charge(charge_id) if charge_id else (NOBODY, False)
        return paid._replace(currency=currency, amount_minor=amount, is_own=False), is_missing

    def tax_of(self, paid: Paid) -> Tax:
        charge = self._charges.get(paid.charge_stripe_id)
        if charge is None:
            return NO_TAX
        payment = self._payments.get(charge[3])
        own = Tax(payment[4], payment[5]) if payment and payment[4] > 0 else NO_TAX
        return self._taxes.get(charge[3], own)

    def _charge(self, stripe_id: str) -> tuple[Paid, bool]:
        row = self._charges.get(stripe_id)
        if row is None:
            return Paid(charge_stripe_id=stripe_id), True
        currency, captured, amount, payment_id, country, brand, method = row
        card = {"country": country, "brand": brand or method}
        payment = self._payments.get(payment_id)
        if payment is None:
            return Paid(currency, captured or amount, stripe_id, **card), bool(payment_id)
        is_own = payment[1] == stripe_id
        shown = payment[3] if is_own and payment[3] else captured or amount
        return Paid(currency, shown, stripe_id, payment[0], payment[3] or amount, payment[2], is_own, **card), False

    def _read(self, model: type[MirrorRow], ids: Iterable[str], *names: str) -> dict[str, tuple[Any, ...]]:
        rows = model.objects.filter(credential=self._credential, stripe_id__in=list(ids))
        return {row[0]: row[1:] for row in rows.values_list("stripe_id", *names)} if ids else {}


def invoice_taxes(credential: StripeCredential, payment_ids: Iterable[str]) -> dict[str, Tax]:
    """Return the tax of the invoices these payments pay, by the payment's id; those without tax are left out."""
    invoices = StripeInvoice.objects.filter(
        Q(tax_minor__gt=0), credential=credential, payment_intent_stripe_id__in=list(payment_ids), total_minor__gt=0
    )
    rows = invoices.values_list(F("payment_intent_stripe_id"), "tax_minor", "total_minor")
    return {payment_id: Tax(tax, total) for payment_id, tax, total in rows}
