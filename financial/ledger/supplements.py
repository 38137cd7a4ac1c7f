"""What belongs to movements but is no movement: arrivals at the bank, and sales tax that became known late.

An arrival moves money from "in transit" to the bank, on the day Stripe says it arrived; if the payout fails after all, the
arrival is undone on the same day. Late tax moves its share from sales to sales tax, on the day of its payment. So the sum
over a movement and its supplements is the same whatever came first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from financial import accounts
from financial.ledger import posting, writing
from financial.ledger.evidence import invoice_taxes
from financial.ledger.totals import hold
from financial.ledger.writing import Draft, Row
from financial.models import (
    Entry,
    StripeCharge,
    StripeCredential,
    StripeInvoice,
    StripePayout,
    StripeTransaction,
    Transaction,
)

ARRIVAL, TAX = str(Transaction.Kind.ARRIVAL), str(Transaction.Kind.TAX)
LOOK_BACK = timedelta(days=40)  # for invoices that came later than their payment; older ones come by their event
BATCH = 500
_TAXED = sorted({meaning.kind for meaning in accounts.CATEGORIES.values() if meaning.is_taxed})


def book_all(credential: StripeCredential, *, now: datetime, tick: Callable[[], None]) -> int:
    """Book every arrival and every late tax, and return how many transactions that made."""
    made = 0
    while more := _arrivals(credential, StripePayout.objects.filter(credential=credential), now):
        made += more
        tick()
    invoices = StripeInvoice.objects.filter(credential=credential, tax_minor__gt=0)
    charge = StripeCharge.objects.filter(credential=credential, stripe_id=OuterRef("charge_stripe_id"))
    invoice = invoices.filter(payment_intent_stripe_id=OuterRef("payment_intent_stripe_id"))
    recent = StripeTransaction.objects.filter(
        Exists(charge.exclude(payment_intent_stripe_id="").filter(Exists(invoice))),
        transaction__credential=credential,
        transaction__occurred_at__gte=now - LOOK_BACK,
        transaction__kind__in=_TAXED,
        tax_minor=0,
    )
    ids = list(recent.values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        made += _taxes(credential, StripeTransaction.objects.filter(pk__in=ids[first : first + BATCH]), now)
        tick()
    return made


def book(credential: StripeCredential, objects: Collection[str], *, now: datetime) -> int:
    """Book what became due by news of these payouts and invoices (ids at Stripe)."""
    made = 0
    if payouts := [stripe_id for stripe_id in objects if stripe_id.startswith("po_")]:
        made += _arrivals(credential, StripePayout.objects.filter(credential=credential, stripe_id__in=payouts), now)
    if invoices := [stripe_id for stripe_id in objects if stripe_id.startswith("in_")]:
        payments = StripeInvoice.objects.filter(credential=credential, stripe_id__in=invoices, tax_minor__gt=0)
        ids = [stripe_id for stripe_id in payments.values_list("payment_intent_stripe_id", flat=True) if stripe_id]
        charges = StripeCharge.objects.filter(credential=credential, payment_intent_stripe_id__in=ids)
        concerned = list(charges.values_list("stripe_id", flat=True)) if ids else []
        links = StripeTransaction.objects.filter(
            charge_stripe_id__in=concerned, transaction__credential=credential, transaction__kind__in=_TAXED
        )
        made += _taxes(credential, links, now) if concerned else 0
    return made


def topup_arrival(topup: Draft) -> Draft:
    """Return the bank's side of a top-up: its money has left the bank when it moves Stripe's balance."""
    row = topup.row._replace(
        kind=ARRIVAL, balance_transaction_id=None, source_type="topup", source_stripe_id=topup.reference,
        reporting_category="", balance_type="", fee_minor=0, net_minor=topup.row.amount_minor,
    )  # fmt: skip
    moved = ((accounts.BANK, -row.amount_minor), (accounts.IN_TRANSIT, row.amount_minor))
    return Draft(row, moved, None, topup.reference)


def _arrivals(credential: StripeCredential, payouts: QuerySet[StripePayout], now: datetime) -> int:
    arrival = Transaction.objects.filter(credential=credential, kind=ARRIVAL, source_stripe_id=OuterRef("stripe_id"))
    undone = arrival.filter(corrects__isnull=False)
    arrival = arrival.filter(corrects=None)
    with transaction.atomic():
        hold(credential)
        arrived = payouts.filter(~Exists(arrival), status="paid", arrival_at__lte=now, deleted_at=None)
        drafts = [_arrival(payout, now) for payout in _light(arrived)]
        failed = list(_light(payouts.filter(Exists(arrival), ~Exists(undone), status__in=("failed", "canceled"))))
        first = Transaction.objects.filter(
            credential=credential, kind=ARRIVAL, corrects=None, source_stripe_id__in=[row.stripe_id for row in failed]
        )
        drafts += [undo(row, now=now, kind=ARRIVAL) for row in first]
        writing.write(credential, drafts)
    return len(drafts)


def _light(payouts: QuerySet[StripePayout]) -> Iterable[StripePayout]:
    return payouts.exclude(amount_minor=0).order_by("pk").defer("payload", "private")[:BATCH]


def _arrival(payout: StripePayout, now: datetime) -> Draft:
    at = payout.arrival_at or now
    row = Row(
        ARRIVAL, "settled", payout.livemode, None, "payout", payout.stripe_id, "", "", at, at.date(),
        payout.currency, payout.amount_minor, 0, payout.amount_minor, payout.currency, payout.amount_minor, "",
        "", None, now,
    )  # fmt: skip
    moved = ((accounts.BANK, payout.amount_minor), (accounts.IN_TRANSIT, -payout.amount_minor))
    return Draft(row, moved, None, payout.stripe_id)


def undo(row: Transaction, *, now: datetime, kind: str, **changes: object) -> Draft:
    """Return the transaction that takes another one back, entry by entry, on the same day unless `changes` says more."""
    legs = Entry.objects.filter(transaction=row).order_by("pk").values_list("account__code", "amount_minor")
    answer = Row(
        kind, "settled", row.livemode, None, row.source_type, row.source_stripe_id, "", "", row.occurred_at,
        row.booked_on, row.currency, -row.amount_minor, -row.fee_minor, -row.net_minor, row.presentment_currency,
        -row.presentment_amount_minor, "", row.description, row.pk, now,
    )._replace(**changes)  # type: ignore[arg-type]  # fmt: skip
    return Draft(answer, tuple((code, -amount) for code, amount in legs), None, answer.source_stripe_id)


def _taxes(credential: StripeCredential, links: QuerySet[StripeTransaction], now: datetime) -> int:
    """Move the tax of these transactions that is known by now and not booked with them."""
    with transaction.atomic():
        hold(credential)
        found = list(
            links.filter(transaction__status="settled")
            .select_related("transaction__balance_transaction")
            .order_by("pk")
        )
        charges = StripeCharge.objects.filter(
            credential=credential, stripe_id__in=[link.charge_stripe_id for link in found]
        )
        payment_of = dict(charges.values_list("stripe_id", "payment_intent_stripe_id"))
        taxes = invoice_taxes(credential, set(payment_of.values()) - {""})
        chosen, drafts = writing.mapping(), []
        for link in found:
            tax = taxes.get(payment_of.get(link.charge_stripe_id, ""), posting.NO_TAX)
            late = posting.tax_share(link.transaction.amount_minor, tax) - link.tax_minor
            if late and tax is not posting.NO_TAX:
                drafts.append(_late_tax(link.transaction, late, chosen, now))
                link.tax_minor += late
                link.save(update_fields=["tax_minor"])
        writing.write(credential, drafts)
    return len(drafts)


def _late_tax(about: Transaction, tax_minor: int, chosen: dict[str, str], now: datetime) -> Draft:
    category = about.reporting_category
    contra = chosen.get(category) or accounts.CATEGORIES[category].contra
    movement = about.balance_transaction
    reference = movement.stripe_id if movement else ""
    row = Row(
        TAX, "settled", about.livemode, None, "balance_transaction", reference, "", "", about.occurred_at,
        about.booked_on, about.currency, tax_minor, 0, tax_minor, about.currency, tax_minor, "", "", about.pk, now,
    )  # fmt: skip
    return Draft(row, posting.tax_entries(contra, tax_minor), None, reference)
