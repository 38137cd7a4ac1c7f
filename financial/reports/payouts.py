"""Do the rows of each payout sum up to it, and what is missing where they do not.

A payout is *reconciled* when Stripe's list of its balance transactions was read to the end, their net without the payout's
own row is its amount, and with that row nothing is left. Whatever is left is a remainder, shown with what it may be.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import add

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Sum

from financial.models import (
    BankDeposit,
    Entry,
    PayoutReading,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCredential,
    StripePayout,
    Transaction,
)
from financial.reports.cached import cached

Fees = tuple[tuple[str, int], ...]  # kind, minor units


class Reckoned(StrEnum):
    """How far a payout is reconciled."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNREAD = "unread"
    WAITING = "waiting"
    MANUAL = "manual"


_ITEMISED = Q(automatic=True, reconciliation_status="completed")
_READ = _ITEMISED & Q(reading__is_complete=True)
# In SQL, for the filters; `reckoned` says the same of a row at hand.
RECKONED: dict[Reckoned, Q] = {
    Reckoned.AGREES: _ITEMISED & PayoutReading.SUMS_UP,
    Reckoned.DIFFERS: _READ & ~PayoutReading.SUMS_UP,
    Reckoned.UNREAD: _ITEMISED & (Q(reading=None) | Q(reading__is_complete=False)),
    Reckoned.WAITING: Q(automatic=True) & ~Q(reconciliation_status__in=("completed", "not_applicable")),
    Reckoned.MANUAL: Q(automatic=False) | Q(automatic=True, reconciliation_status="not_applicable"),
}
OPEN = RECKONED[Reckoned.DIFFERS] | RECKONED[Reckoned.UNREAD]


def reckoned(payout: StripePayout) -> Reckoned:
    """Return how far a payout is reconciled, by what was summed up when its rows were read."""
    if not payout.automatic or payout.reconciliation_status == "not_applicable":
        return Reckoned.MANUAL
    if payout.reconciliation_status != "completed":
        return Reckoned.WAITING
    reading = getattr(payout, "reading", None)
    if reading is None or not reading.is_complete:
        return Reckoned.UNREAD
    agrees = reading.net_minor == payout.amount_minor and reading.own_minor == -payout.amount_minor
    return Reckoned.AGREES if agrees else Reckoned.DIFFERS


@dataclass(frozen=True)
class CategorySum:
    """One row per reporting category of a payout's rows; minor units."""

    category: str
    count: int
    amount_minor: int
    fee_minor: int
    net_minor: int


@dataclass(frozen=True)
class Reckoning:
    """A payout added up from its rows, as they are now."""

    state: Reckoned
    payout_minor: int
    own_minor: int
    categories: tuple[CategorySum, ...]
    fees: Fees

    @property
    def count(self) -> int:
        return sum(line.count for line in self.categories)

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.categories)

    @property
    def fee_minor(self) -> int:
        return sum(line.fee_minor for line in self.categories)

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.categories)

    @property
    def remainder_minor(self) -> int:
        """What the payout holds beyond its rows; negative where they hold more than it."""
        return self.payout_minor - self.net_minor

    @property
    def closing_minor(self) -> int:
        """All rows with the payout's own: nothing, where nothing is missing."""
        return self.net_minor + self.own_minor

    @property
    def agrees(self) -> bool:
        return self.remainder_minor == 0 and self.closing_minor == 0

    @property
    def missing(self) -> str:
        """Say in words what the remainder is."""
        if self.state in (Reckoned.MANUAL, Reckoned.WAITING) or self.agrees:
            return ""
        if self.state == Reckoned.UNREAD:
            return "Its rows have not been read to the end yet; the next sync goes on."
        if not self.count:
            return "Stripe’s list of this payout shows none of the rows it consists of."
        if self.remainder_minor == 0:
            return "Stripe’s list lacks the payout’s own row, or shows it with another amount."
        if self.remainder_minor > 0:
            return "Rows that were paid out are missing from Stripe’s list of this payout."
        return "Stripe’s list shows more than was paid out: rows that took money away again are missing from it."


def reckon(payout: StripePayout) -> Reckoning:
    """Add the rows of a payout up; two queries, whatever their number, and none but the state's where that is kept."""
    own, categories, fees = cached("reckoned", payout.credential, lambda: _summed(payout), payout.pk)
    state = reckoned(payout)
    found = Reckoning(state, payout.amount_minor, own, categories, fees)
    if state == Reckoned.AGREES and not found.agrees:  # rows were lost since they were summed up
        return replace(found, state=Reckoned.DIFFERS)
    return found


def _summed(payout: StripePayout) -> tuple[int, tuple[CategorySum, ...], Fees]:
    """Return what the payout's own row takes, what its other rows sum up to, and what fees these have: read in one pass."""
    rows = StripeBalanceTransaction.objects.of(payout.credential).filter(payout_row__payout=payout)
    own = rows.filter(stripe_id=payout.balance_transaction_stripe_id).aggregate(net=Sum("net_minor"))["net"] or 0
    parts = rows.exclude(stripe_id__in=_own(payout)).order_by().values_list("reporting_category", "fee_parts")
    figures = (Count("pk"), Sum("amount_minor"), Sum("fee_minor"), Sum("net_minor"))
    sums: dict[str, list[int]] = {}
    fees: Counter[str] = Counter()
    for category, kinds, *numbers in parts.annotate(*figures):
        held = sums.get(category, [0] * len(figures))
        sums[category] = [*map(add, held, numbers)]
        fees[kinds] += numbers[0]
    return own, tuple(CategorySum(name, *sums[name]) for name in sorted(sums)), _fees(fees.items())


def _fees(parts: Iterable[tuple[str, int]]) -> Fees:
    """Add up the kinds of fees of many rows: `stripe_fee:320 tax:12`, so many times."""
    sums: Counter[str] = Counter()
    for text, count in parts:
        for part in text.split():
            kind, _, amount = part.rpartition(":")
            if kind:
                sums[kind] += int(amount) * count
    return tuple(sorted((kind, amount) for kind, amount in sums.items() if amount))


def _own(payout: StripePayout) -> tuple[str, str]:
    """Return the ids of the payout's own movements, which are in no sum of what it consists of."""
    return payout.balance_transaction_stripe_id, payout.failure_balance_transaction_stripe_id


def payout_rows(payout: StripePayout, category: str | None = None) -> QuerySet[PayoutRow]:
    """Return the rows of a payout in Stripe's order, newest first, with what each is of.

    With a category those that its `CategorySum` is the sum of.
    """
    rows = PayoutRow.objects.filter(payout=payout).select_related("balance_transaction")
    if category is not None:
        rows = rows.filter(balance_transaction__reporting_category=category)
        rows = rows.exclude(balance_transaction__stripe_id__in=_own(payout))
    return rows.defer("balance_transaction__payload", "balance_transaction__private")


@dataclass(frozen=True)
class Booked:
    """One row per transaction that a payout caused, with its entries as (account's name, amount)."""

    transaction: Transaction
    entries: tuple[tuple[str, int], ...]


def payout_bookings(payout: StripePayout) -> tuple[Booked, ...]:
    """Return what was booked because of a payout: its own movements and its arrival; two queries."""
    account, stripe_id = payout.credential_id, payout.stripe_id
    movement = Q(balance_transaction__credential=account, balance_transaction__source_stripe_id=stripe_id)
    arrival = Q(credential=account, occurred_at=payout.arrival_at, source_stripe_id=stripe_id)
    found = list(Transaction.objects.filter(movement).order_by("occurred_at", "pk"))
    if payout.arrival_at:
        found += Transaction.objects.filter(arrival, kind=Transaction.Kind.ARRIVAL).order_by("pk")
    entries: dict[int, list[tuple[str, int]]] = {row.pk: [] for row in found}
    legs = Entry.objects.filter(transaction__in=found).order_by("pk")
    for pk, name, amount_minor in legs.values_list("transaction_id", "account__name", "amount_minor"):
        entries[pk].append((name, amount_minor))
    return tuple(Booked(row, tuple(entries[row.pk])) for row in found)


@dataclass(frozen=True)
class Unreconciled:
    """What somebody should look at; one row per credential."""

    payouts: int
    deposits: int
    unseen: int

    @property
    def total(self) -> int:
        return self.payouts + self.deposits + self.unseen


def without_deposit(credential: StripeCredential) -> QuerySet[StripePayout]:
    """Return the payouts that arrived since the bank was first looked at, and were not seen there; runs one query."""
    deposits = BankDeposit.objects.filter(credential=credential)
    first = deposits.aggregate(Min("booked_on"))["booked_on__min"]
    if first is None:
        return StripePayout.objects.none()
    since = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
    paid = StripePayout.objects.filter(credential=credential, status="paid", deleted_at=None, arrival_at__gte=since)
    return paid.filter(~Exists(BankDeposit.objects.filter(payout=OuterRef("pk"))))


def unreconciled(credential: StripeCredential) -> Unreconciled:
    """Count payouts that do not sum up, deposits without a payout, and payouts not seen at the bank; four queries."""
    payouts = StripePayout.objects.filter(OPEN, credential=credential, deleted_at=None)
    deposits = BankDeposit.objects.filter(credential=credential, payout=None)
    return Unreconciled(payouts.count(), deposits.count(), without_deposit(credential).count())
