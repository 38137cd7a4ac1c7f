"""Writes settled transactions with their entries, links and totals, many at once. Callers hold the transaction.

Entries go in before their transaction, which arrives settled: the database checks the balance once, as it comes in, and
nothing is written twice. Foreign keys are checked at the end of the database transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection

from financial import accounts
from financial.errors import BookingError
from financial.ledger import fee_days, totals
from financial.ledger.fee_days import Cost, Estimate
from financial.ledger.posting import Entries
from financial.models import Account, CategoryAccount, Entry, StripeCredential, StripeTransaction, Transaction
from financial.models.inserting import insert, next_ids


class Row(NamedTuple):
    """The columns of `Transaction`, in their order, without the first two (its number and its credential)."""

    kind: str
    status: str
    livemode: bool
    balance_transaction_id: int | None
    source_type: str
    source_stripe_id: str
    reporting_category: str
    balance_type: str
    occurred_at: dt.datetime
    booked_on: dt.date
    currency: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    presentment_currency: str
    presentment_amount_minor: int
    exchange_rate: str
    description: str
    corrects_id: int | None
    created_at: dt.datetime


class Link(NamedTuple):
    """The columns of `StripeTransaction` after its number and its transaction."""

    payment_intent_id: int | None
    charge_stripe_id: str
    estimated_fee_minor: int
    is_rough: bool
    tax_minor: int
    settled_at: dt.datetime | None


class Draft(NamedTuple):
    """A settled transaction to be written; `reference` is what it is called wherever it is booked."""

    row: Row
    entries: Entries
    link: Link | None
    reference: str
    cost: Cost | None = None  # of payments, for the fee audit


def chart(codes: Iterable[str] = ()) -> dict[str, int]:
    """Return the primary key of every account by its code; missing ones of the standard chart and `codes` are made."""
    held = dict(Account.objects.values_list("code", "pk"))
    missing = (accounts.STANDARD.keys() | set(codes)) - held.keys()
    if not missing:
        return held
    fresh = [Account(code=code, name=code, type=accounts.type_of(code)) for code in sorted(missing)]
    Account.objects.bulk_create(fresh, ignore_conflicts=True)
    return dict(Account.objects.values_list("code", "pk"))


def mapping() -> dict[str, str]:
    """Return the account codes somebody chose for reporting categories."""
    return dict(CategoryAccount.objects.values_list("reporting_category", "account__code"))


def settled_of(draft: Draft) -> totals.Settled:
    row = draft.row
    return totals.Settled(
        draft.reference,
        row.kind,
        row.currency,
        row.booked_on,
        row.occurred_at,
        row.reporting_category,
        row.balance_type,
        row.amount_minor,
        row.fee_minor,
        row.net_minor,
        row.presentment_currency,
        row.presentment_amount_minor,
        draft.entries,
    )


def write(credential: StripeCredential | None, drafts: Sequence[Draft]) -> list[int]:
    """Write new settled transactions and return their primary keys, in the order given."""
    if not drafts:
        return []
    ids = next_ids(Transaction, len(drafts))
    of = credential.pk if credential else None
    rows = [(pk, of, *draft.row) for pk, draft in zip(ids, drafts, strict=True)]
    if connection.vendor in {"sqlite", "postgresql"}:
        _add_entries(zip(ids, drafts, strict=True), drafts)
        insert(Transaction, rows)
    else:  # no deferred foreign keys, no triggers
        insert(Transaction, rows)
        _add_entries(zip(ids, drafts, strict=True), drafts)
    linked = [(pk, draft.link) for pk, draft in zip(ids, drafts, strict=True) if draft.link]
    insert(
        StripeTransaction,
        [
            (number, pk, *link)
            for number, (pk, link) in zip(next_ids(StripeTransaction, len(linked)), linked, strict=True)
        ],
    )
    add_to_totals(credential, drafts)
    return ids


def settle(credential: StripeCredential, estimates: Mapping[int, tuple[int, Draft]]) -> None:
    """Turn estimates into what they settled as: link's primary key -> (transaction's primary key, draft)."""
    if not estimates:
        return
    drafts = [draft for _, draft in estimates.values()]
    _add_entries([(pk, draft) for pk, draft in estimates.values()], drafts)
    names = [name for name in Row._fields if name != "created_at"]  # they were booked when they were booked
    rows = Transaction.objects.in_bulk([pk for pk, _ in estimates.values()])
    for pk, draft in estimates.values():
        for name in names:
            setattr(rows[pk], name, getattr(draft.row, name))
    fields = [name.removesuffix("_id") if name.startswith(("balance", "corrects")) else name for name in names]
    fields = [name if name != "source_stripe" else "source_stripe_id" for name in fields]
    done = Transaction.objects.filter(status=Transaction.Status.ESTIMATED).bulk_update(rows.values(), fields)
    if done != len(rows):
        raise BookingError("An estimate was settled by somebody else meanwhile; nothing of this batch was booked.")
    links = StripeTransaction.objects.in_bulk(list(estimates))
    for number, link in links.items():
        if new := estimates[number][1].link:
            link.charge_stripe_id, link.tax_minor = new.charge_stripe_id, new.tax_minor
            link.settled_at = new.settled_at
    StripeTransaction.objects.bulk_update(links.values(), ["charge_stripe_id", "tax_minor", "settled_at"])
    add_to_totals(credential, [_with_estimate(draft, links[number]) for number, (_, draft) in estimates.items()])


def _with_estimate(draft: Draft, link: StripeTransaction) -> Draft:
    """Compare with what was estimated when the payment was booked, not with what today's rules would say."""
    if draft.cost is None or draft.cost.estimate is None:
        return draft
    return draft._replace(cost=draft.cost._replace(estimate=Estimate(link.estimated_fee_minor, link.is_rough)))


def add_to_totals(credential: StripeCredential | None, drafts: Sequence[Draft]) -> None:
    """Add what was settled to the totals; the books of the house are few and need none."""
    if credential is None:
        return
    sums = totals.Totals()
    for draft in drafts:
        sums.add(settled_of(draft))
        if draft.cost is not None:
            fee_days.add_cost(sums.fees, draft.cost)
    totals.add(credential, sums, chart())


def _add_entries(numbered: Iterable[tuple[int, Draft]], drafts: Sequence[Draft]) -> None:
    ids = chart({code for draft in drafts for code, _ in draft.entries})
    rows = [(pk, ids[code], amount) for pk, draft in numbered for code, amount in draft.entries]
    insert(Entry, [(number, *row) for number, row in zip(next_ids(Entry, len(rows)), rows, strict=True)])
