"""The settled books as canonical rows, streamed out of the database in their one order. Reads, never writes.

One query, whatever the number of rows: entries with all that is known of their transaction, sorted by the database. What
supplements a movement (sales tax that became known late) is added to it, and an arrival that was undone vanishes; so the
rows do not tell in which order things became known.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, CharField, F, QuerySet, Sum, Value, When
from django.db.models.functions import Cast, Coalesce, Collate, Concat

from financial import accounts, models
from financial.ledger.exports.canonical import Account, Balance, Book, Booked, Kind, Posting
from financial.models import DayTotal, Entry, StripeBalanceTransaction, StripeCredential, Transaction

CHUNK_ROWS = 2000
TAX = Transaction.Kind.TAX
_KINDS = {str(value): str(label) for value, label in Transaction.Kind.choices}
# Bytes, not the habits of a language: the same order on every database.
COLLATION = {"sqlite": "BINARY", "postgresql": "C"}


@dataclass(frozen=True)
class Scope:
    """Which part of the books; both days count. Without a credential those of the house, which Stripe knows nothing of.

    `payout` is a payout's id at Stripe: then just the rows that Stripe lists under it, its own included.
    """

    credential: StripeCredential | None
    start: dt.date | None = None
    end: dt.date | None = None
    currency: str = ""
    payout: str = ""


def currencies(credential: StripeCredential | None) -> list[str]:
    """Return every currency something is settled in; of an account from its totals, of the house from its few rows."""
    rows: QuerySet[Any] = DayTotal.objects.filter(credential=credential)
    if credential is None:
        rows = Transaction.objects.filter(credential=None, status=Transaction.Status.SETTLED)
    return sorted(rows.order_by().values_list("currency", flat=True).distinct())


def book(scope: Scope, *, xero_tax_rate: str) -> Book:
    """Return what is known before the first row: the chart, and what every balance was when the first day began."""
    chart = _Chart()
    return Book(
        name=f"Books of {scope.credential.name}" if scope.credential else "Books of the house",
        mode=scope.credential.mode if scope.credential else "live",
        accounts=tuple(sorted(chart)),
        start=scope.start,
        end=scope.end,
        opening=tuple(_opening(scope, scope.start, chart)) if scope.start else (),
        xero_tax_rate=xero_tax_rate,
    )


def rows(scope: Scope) -> Iterator[Booked]:
    """Yield the settled transactions of a scope by day, time and reference. Memory holds one chunk of entries."""
    chart = _Chart()
    for _, entries in groupby(_entries(scope), key=attrgetter("booked_on", "occurred_at", "reference")):
        if row := _booked(list(entries), chart):
            yield row


def _opening(scope: Scope, start: dt.date, chart: _Chart) -> Iterator[Balance]:
    before = _of(Scope(scope.credential, currency=scope.currency)).filter(transaction__booked_on__lt=start)
    sums = before.order_by().values_list("account_id", "transaction__currency").annotate(Sum("amount_minor"))
    found: Counter[tuple[Account, str]] = Counter()
    for account_id, currency, amount_minor in sums:
        found[chart.of_key(account_id), currency] += amount_minor
    for (account, currency), amount_minor in sorted(found.items()):
        if account.kind not in (Kind.INCOME, Kind.EXPENSE):
            yield Balance(account, currency, amount_minor)


class _Chart:
    """The accounts as they are called now, by primary key and by code; read again when a new one turns up."""

    def __init__(self) -> None:
        self._by_key: dict[int, Account] = {}
        self._by_code: dict[str, Account] = {}
        self._read()

    def _read(self) -> None:
        for pk, code, name, kind in models.Account.objects.values_list("pk", "code", "name", "type"):
            account = Account(name, Kind(kind), _number(name), code.startswith(accounts.CLEARING))
            self._by_key[pk] = self._by_code[code] = account

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_key.values())

    def of_key(self, pk: int) -> Account:
        if pk not in self._by_key:
            self._read()
        return self._by_key[pk]

    def clearing(self, balance_type: str) -> Account:
        """The account that stands for a balance at Stripe; by our name for it, if nothing was ever booked there."""
        code = accounts.clearing(balance_type)
        return self._by_code.get(code) or Account(code, Kind.ASSET, is_stripe_balance=True)


def _number(name: str) -> str:
    """Return the accountant's number, if the last level of a name begins with one: `Income:200 Sales` -> 200."""
    found = re.match(r"\d+", name.rpartition(":")[2])
    return found.group() if found else ""


class _Line(NamedTuple):
    """One entry, and its transaction."""

    account_id: int
    amount_minor: int
    booked_on: dt.date
    occurred_at: dt.datetime
    reference: str
    kind: str
    category: str
    balance_type: str
    net_minor: int | None
    description: str
    currency: str
    source_type: str
    source_id: str
    presentment_amount_minor: int
    presentment_currency: str
    exchange_rate: str
    livemode: bool
    charge_id: str | None
    payment_id: str | None
    customer_id: str | None
    payout_id: str | None


_COLUMNS = (
    "account_id",
    "amount_minor",
    "transaction__booked_on",
    "transaction__occurred_at",
    "reference",
    "transaction__kind",
    "transaction__reporting_category",
    "transaction__balance_type",
    "transaction__balance_transaction__net_minor",
    "transaction__description",
    "transaction__currency",
    "transaction__source_type",
    "transaction__source_stripe_id",
    "transaction__presentment_amount_minor",
    "transaction__presentment_currency",
    "transaction__exchange_rate",
    "transaction__livemode",
    "transaction__stripe_transaction__charge_stripe_id",
    "transaction__stripe_transaction__payment_intent__stripe_id",
    "transaction__stripe_transaction__payment_intent__customer__stripe_id",
    "transaction__balance_transaction__payout_row__payout__stripe_id",
)


def _entries(scope: Scope) -> Iterator[_Line]:
    found = _of(scope)
    if scope.start:
        found = found.filter(transaction__booked_on__gte=scope.start)
    if scope.end:
        found = found.filter(transaction__booked_on__lte=scope.end)
    ordered = found.annotate(reference=_reference()).order_by(
        "transaction__booked_on",
        "transaction__occurred_at",
        "reference",
        F("transaction__balance_transaction").asc(nulls_last=True),  # the movement before what supplements it
        "transaction__amount_minor",
        "transaction_id",
        "id",
    )
    for values in ordered.values_list(*_COLUMNS).iterator(chunk_size=CHUNK_ROWS):
        yield _Line(*values)


def _of(scope: Scope) -> QuerySet[Entry]:
    found = Entry.objects.filter(
        transaction__credential=scope.credential, transaction__status=Transaction.Status.SETTLED
    )
    if scope.payout:
        found = found.filter(transaction__in=_of_payout(scope))
    return found.filter(transaction__currency=scope.currency) if scope.currency else found


def _of_payout(scope: Scope) -> QuerySet[Transaction, int]:
    """Name the transactions of a payout's rows and of the tax that became known late; each half has its index."""
    rows = StripeBalanceTransaction.objects.filter(
        payout_row__payout__credential=scope.credential, payout_row__payout__stripe_id=scope.payout
    )
    booked = Transaction.objects.filter(credential=scope.credential)
    moved = booked.filter(balance_transaction__in=rows).order_by().values_list("pk", flat=True)
    taxes = booked.filter(kind=TAX, source_stripe_id__in=rows.values("stripe_id")).order_by()
    return moved.union(taxes.values_list("pk", flat=True), all=True)


def _reference() -> Collate:
    """What a transaction is called wherever it is booked: its balance transaction's id, else its kind and what it is of."""
    kind, source = F("transaction__kind"), F("transaction__source_stripe_id")
    number = Cast("transaction_id", CharField())
    name = Case(
        When(transaction__balance_transaction__isnull=False, then=F("transaction__balance_transaction__stripe_id")),
        When(transaction__kind=TAX, then=source),
        When(transaction__source_stripe_id="", then=Concat(kind, Value("-"), number)),
        default=Concat(kind, Value("-"), source),
        output_field=CharField(),
    )
    return Collate(Coalesce(name, Value("")), COLLATION.get(connection.vendor, "C"))


def _booked(lines: list[_Line], chart: _Chart) -> Booked | None:
    """Return the sum of what has one reference; None where nothing is left of it."""
    sums: Counter[Account] = Counter()
    for line in lines:
        sums[chart.of_key(line.account_id)] += line.amount_minor
    first = lines[0]
    postings = tuple(Posting(account, amount) for account, amount in sums.items() if amount)
    if not postings:
        return None
    return Booked(
        reference=first.reference,
        booked_on=first.booked_on,
        occurred_at=first.occurred_at,
        category=first.category or first.kind,
        description=first.description or _KINDS.get(first.kind, ""),
        currency=first.currency,
        postings=postings,
        stripe_net=_stripe_net(first, chart),
        source_id=first.source_id,
        payout_id=first.payout_id or (first.source_id if first.source_type == "payout" else ""),
        customer_id=first.customer_id or "",
        payment_id=first.payment_id or first.charge_id or "",
        presentment_amount_minor=first.presentment_amount_minor if _is_foreign(first) else None,
        presentment_currency=first.presentment_currency if _is_foreign(first) else "",
        exchange_rate=first.exchange_rate,
        livemode=first.livemode,
    )


def _is_foreign(line: _Line) -> bool:
    return line.presentment_currency != line.currency


def _stripe_net(line: _Line, chart: _Chart) -> tuple[Posting, ...]:
    """What Stripe says moved, from the mirror: not from the entries, which are to be proved by it."""
    if line.net_minor is None:
        return ()
    return (Posting(chart.clearing(line.balance_type), line.net_minor),)
