"""Whether the books are right: eight invariants, each with its figures and the rows that break it.

One pass over the books in pages, in constant memory. Reads only; Stripe is not asked (`financial.sync.balances` does that
and leaves what Stripe said as a row).

- I1 Each transaction has two entries or more that sum to zero.
- I2 Each clearing account is the sum of `net` over the movements of its balance, and the payments balance is Stripe's own.
- I3 Each movement has exactly one transaction with its figures, and the other way round.
- I4 What an automatic payout contains sums to the payout, to zero with its own row.
- I5 What is in transit is what has not arrived.
- I6 Nothing is in suspense.
- I7 No estimate is older than a day.
- I8 Summed anew from the books, every day's totals and seals are as they were kept.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from financial import accounts
from financial.ledger import journal, totals
from financial.models import (
    Account,
    AccountDay,
    BalanceReading,
    DayTotal,
    Entry,
    StripeBalanceTransaction,
    StripeCredential,
    StripePayout,
    Transaction,
)

ROWS_SHOWN = 20
ESTIMATE_AGE = dt.timedelta(hours=24)
PAGE = 2000
TITLES = {
    "I1": "every transaction balances",
    "I2": "clearing accounts equal Stripe's balances",
    "I3": "every movement is booked once",
    "I4": "payouts equal what they contain",
    "I5": "in transit is what has not arrived",
    "I6": "nothing is in suspense",
    "I7": "no estimate is older than a day",
    "I8": "totals and seals are those of the books",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Two amounts that must be equal; minor units of `currency`."""

    what: str
    currency: str
    booked_minor: int
    expected_minor: int

    @property
    def holds(self) -> bool:
        return self.booked_minor == self.expected_minor


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant. `rows` are the first few that break it, `count` says how many there are."""

    name: str
    title: str
    holds: bool
    figures: tuple[Figure, ...]
    rows: tuple[str, ...]
    count: int


@dataclass(slots=True)
class _Finding:
    figures: list[Figure] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, row: str) -> None:
        self.count += 1
        if len(self.rows) < ROWS_SHOWN:
            self.rows.append(row)

    def check(self, name: str) -> Check:
        holds = not self.count and all(figure.holds for figure in self.figures)
        return Check(name, TITLES[name], holds, tuple(self.figures), tuple(self.rows), self.count)


def verify(
    credential: StripeCredential, *, now: dt.datetime, currency: str = "", tick: Callable[[], None] = lambda: None
) -> tuple[Check, ...]:
    """Check all invariants of one account, of one currency or all of them."""
    found = {name: _Finding() for name in TITLES}
    books = _read(credential, currency, found, tick)
    _clearing(credential, currency, books, found["I2"])
    _movements(credential, currency, now, found["I3"])
    _payouts(credential, currency, found["I4"])
    _in_transit(credential, currency, books, now, found["I5"])
    _suspense(credential, currency, books, found["I6"])
    _estimates(credential, currency, now, found["I7"])
    _kept(credential, currency, books, found["I8"])
    return tuple(finding.check(name) for name, finding in found.items())


def verify_house() -> tuple[Check, ...]:
    """Check what applies to transactions written by hand: that they balance."""
    finding = _Finding()
    for pk, row in totals.read(None):
        _balances(pk, row.reference, row.entries, finding)
    return (finding.check("I1"),)


@dataclass(slots=True)
class _Books:
    """What one pass over the books sums up: balances by (currency, account code), and the totals."""

    balances: Counter[tuple[str, str]] = field(default_factory=Counter)
    sums: totals.Totals = field(default_factory=totals.Totals)


_MOVED = ("amount_minor", "fee_minor", "net_minor", "currency", "balance_type")


def _read(credential: StripeCredential, currency: str, found: dict[str, _Finding], tick: Callable[[], None]) -> _Books:
    books = _Books()
    among = {"currency": currency} if currency else {}
    for page in _pages(totals.read(credential, **among)):
        moved = _mirrored(page)
        for pk, row in page:
            _balances(pk, row.reference, row.entries, found["I1"])
            for code, amount in row.entries:
                books.balances[row.currency, code] += amount
            books.sums.add(row)
            movement = moved.get(pk)
            if movement is None:
                continue
            mine = (row.amount_minor, row.fee_minor, row.net_minor, row.currency, row.balance_type)
            if mine != movement:
                found["I3"].add(f"{row.reference}: booked as {mine}, in the mirror it is {movement}")
            clearing = accounts.clearing(row.balance_type)
            posted = sum(amount for code, amount in row.entries if code == clearing)
            if posted != movement[2]:
                found["I2"].add(f"{row.reference}: {clearing} moved by {posted}, Stripe's net is {movement[2]}")
        tick()
    return books


def _balances(pk: int, called: str, entries: tuple[tuple[str, int], ...], finding: _Finding) -> None:
    total = sum(amount for _, amount in entries)
    if total or len(entries) < 2:
        finding.add(f"{called} (transaction {pk}): {len(entries)} entries that sum to {total}")


def _pages(rows: Iterator[tuple[int, totals.Settled]]) -> Iterator[list[tuple[int, totals.Settled]]]:
    page: list[tuple[int, totals.Settled]] = []
    for row in rows:
        page.append(row)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _mirrored(page: list[tuple[int, totals.Settled]]) -> dict[int, tuple[Any, ...]]:
    """Return what the mirror says of the movements of these transactions."""
    rows = StripeBalanceTransaction.objects.filter(
        transaction__pk__gte=page[0][0], transaction__pk__lte=page[-1][0]
    ).values_list("transaction__pk", *_MOVED)
    return {row[0]: (*row[1:5], row[5] or "payments") for row in rows}


def _of(credential: StripeCredential, currency: str) -> dict[str, Any]:
    return {"credential": credential, **({"currency": currency} if currency else {})}


def _clearing(credential: StripeCredential, currency: str, books: _Books, finding: _Finding) -> None:
    rows = StripeBalanceTransaction.objects.filter(**_of(credential, currency), deleted_at=None).order_by()
    moved: Counter[tuple[str, str]] = Counter()
    for code, balance_type, net in rows.values_list("currency", "balance_type").annotate(Sum("net_minor")):
        moved[code, accounts.clearing(balance_type)] += net
    clearing = {key for key in books.balances if key[1].startswith(accounts.CLEARING) and key[1] != accounts.RESERVE}
    for key in sorted(clearing | set(moved)):
        finding.figures.append(Figure(key[1], key[0], books.balances[key], moved[key]))
    for reading in BalanceReading.objects.filter(**_of(credential, currency), is_steady=True).order_by("currency"):
        what = f"Stripe's own balance at {reading.read_at:%Y-%m-%d %H:%M:%S} UTC"
        finding.figures.append(Figure(what, reading.currency, reading.booked_minor, reading.stripe_minor))


def _movements(credential: StripeCredential, currency: str, now: dt.datetime, finding: _Finding) -> None:
    for movement, why in journal.unbookable(credential, now=now):
        if currency in ("", movement.currency):
            finding.add(f"{movement.stripe_id}: {why}")
    gone = Transaction.objects.filter(**_of(credential, currency), balance_transaction__deleted_at__isnull=False)
    for stripe_id in gone.values_list("balance_transaction__stripe_id", flat=True):
        finding.add(f"{stripe_id}: booked, but gone at Stripe")
    orphans = Transaction.objects.settled().filter(**_of(credential, currency), balance_transaction=None)
    for pk in orphans.exclude(kind__in=Transaction.DERIVED_KINDS).values_list("pk", flat=True):
        finding.add(f"transaction {pk}: settled without a movement")


def _payouts(credential: StripeCredential, currency: str, finding: _Finding) -> None:
    """Held against what Stripe listed for each payout; those not listed yet are left out."""
    listed = StripePayout.objects.filter(**_of(credential, currency), deleted_at=None, reading__is_complete=True)
    row = "rows__balance_transaction__"
    net, its_own = f"{row}net_minor", Q(**{f"{row}source_stripe_id": F("stripe_id")})
    payment = Q(**{f"{row}stripe_id": F("balance_transaction_stripe_id")})
    sums = (  # from the payouts: one whose list was empty has no rows
        listed.order_by()
        .values_list("stripe_id", "currency", "amount_minor")
        .annotate(
            contained=Sum(net, filter=~its_own, default=0),
            all=Sum(net, filter=~its_own | payment, default=0),
        )
    )
    contained: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for stripe_id, code, amount, inside, everything in sums.iterator(chunk_size=PAGE):
        contained[code] += inside
        paid[code] += amount
        if inside != amount or everything:
            finding.add(f"{stripe_id}: {amount} paid out, its rows sum to {inside}, with its own to {everything}")
    for code in sorted(paid):
        finding.figures.append(Figure("automatic payouts listed", code, contained[code], paid[code]))


def _in_transit(
    credential: StripeCredential, currency: str, books: _Books, now: dt.datetime, finding: _Finding
) -> None:
    """A payout is under way from its own movement until it arrives or comes back."""
    movement = StripeBalanceTransaction.objects.filter(
        credential=credential, stripe_id=OuterRef("balance_transaction_stripe_id")
    )
    back = StripeBalanceTransaction.objects.filter(
        credential=credential, stripe_id=OuterRef("failure_balance_transaction_stripe_id")
    )
    payouts = StripePayout.objects.filter(Exists(movement), ~Exists(back), **_of(credential, currency), deleted_at=None)
    under_way = payouts.exclude(status="paid", arrival_at__lte=now).order_by()
    expected = Counter(dict(under_way.values_list("currency").annotate(Sum("amount_minor"))))
    booked = Counter({code: sum_ for (code, account), sum_ in books.balances.items() if account == accounts.IN_TRANSIT})
    for code in sorted({*expected, *booked}):
        finding.figures.append(Figure(accounts.IN_TRANSIT, code, booked[code], expected[code]))


def _suspense(credential: StripeCredential, currency: str, books: _Books, finding: _Finding) -> None:
    for code in sorted({code for code, account in books.balances if account == accounts.SUSPENSE}):
        finding.figures.append(Figure(accounts.SUSPENSE, code, books.balances[code, accounts.SUSPENSE], 0))
    if any(not figure.holds for figure in finding.figures):
        legs = Entry.objects.filter(
            account__code=accounts.SUSPENSE, **{f"transaction__{k}": v for k, v in _of(credential, currency).items()}
        )
        rows = legs.order_by("transaction__reporting_category").values_list("transaction__reporting_category")
        for category, number in rows.annotate(Count("id")):
            if category:
                finding.rows.append(f"{number} of “{category}”")


def _estimates(credential: StripeCredential, currency: str, now: dt.datetime, finding: _Finding) -> None:
    old = Transaction.objects.estimated().filter(**_of(credential, currency), occurred_at__lt=now - ESTIMATE_AGE)
    for source, at in old.order_by("pk").values_list("source_stripe_id", "occurred_at"):
        finding.add(f"{source}: estimated since {at:%Y-%m-%d %H:%M} UTC")


def _kept(credential: StripeCredential, currency: str, books: _Books, finding: _Finding) -> None:
    """Compare the totals kept with each booking with those of this pass."""
    names = {account.pk: account.code for account in Account.objects.all()}
    days = DayTotal.objects.filter(**_of(credential, currency)).values_list(
        "currency", "day", "reporting_category", "balance_type", "presentment_currency",
        "count", "amount_minor", "fee_minor", "net_minor", "presentment_amount_minor", "seal",
    )  # fmt: skip
    kept: dict[tuple[Any, ...], Any] = {row[:5]: row[5:] for row in days.iterator(chunk_size=PAGE)}
    anew: dict[tuple[Any, ...], Any] = {
        key: (*sums[:5], totals.sealed(sums[5])) for key, sums in books.sums.days.items()
    }
    per_account = AccountDay.objects.filter(**_of(credential, currency))
    for account_id, code, day, count, amount in per_account.values_list(
        "account_id", "currency", "day", "count", "amount_minor"
    ).iterator(chunk_size=PAGE):
        kept[names[account_id], code, day] = (count, amount)
    anew |= {key: tuple(sums) for key, sums in books.sums.accounts.items()}
    for key in sorted(kept.keys() | anew.keys(), key=str):
        if kept.get(key) != anew.get(key):
            called = " ".join(str(part) for part in key if part)
            finding.add(f"{called}: kept {kept.get(key)}, the books say {anew.get(key)}")
