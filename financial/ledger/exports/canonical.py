"""The one list every format is rendered from: what was booked, in one order, as plain values. Pure.

Amounts are minor units of the row's `currency`; a posting is positive for debit and negative for credit.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The five sorts of accounts."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account: `path` is its full name with colons, `code` the accountant's own number, if there is one.

    `is_stripe_balance` marks those that mirror money Stripe holds for us.
    """

    path: str
    kind: Kind
    code: str = ""
    is_stripe_balance: bool = False


OPENING = Account("Equity:Opening-Balances", Kind.EQUITY)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Posting:
    account: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Booked:
    """One booked transaction, or the sum of `count` of them; its postings add up to zero.

    `stripe_net` is what Stripe says moved on its own balances: the balance transaction's `net`, taken from the mirror and
    not from the postings, so that a verifier has something to compare them with. `exchange_rate` is Stripe's, as text.
    """

    reference: str
    booked_on: dt.date
    occurred_at: dt.datetime
    category: str
    description: str
    currency: str
    postings: tuple[Posting, ...]
    stripe_net: tuple[Posting, ...] = ()
    source_id: str = ""
    payout_id: str = ""
    customer_id: str = ""
    payment_id: str = ""
    presentment_amount_minor: int | None = None
    presentment_currency: str = ""
    exchange_rate: str = ""
    livemode: bool = False
    count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "postings", tuple(sorted(self.postings)))  # whatever order they were written in

    @property
    def key(self) -> tuple[dt.date, dt.datetime, str]:
        """What rows are ordered by."""
        return self.booked_on, self.occurred_at, self.reference


@dataclass(frozen=True, slots=True, order=True)
class Balance:
    account: Account
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Book:
    """What is known before the first row: whose books, which days, and the balances they begin with.

    `accounts` is the whole chart, so that names are chosen alike whatever the days. `opening` needs a `start`:
    without one the books begin with their first transaction.
    """

    name: str
    mode: str
    accounts: tuple[Account, ...] = ()
    start: dt.date | None = None
    end: dt.date | None = None
    opening: tuple[Balance, ...] = ()
    xero_tax_rate: str = "Tax Exempt"

    @property
    def title(self) -> str:
        return self.name if self.mode == "live" else f"{self.name} ({self.mode} mode)"

    def brought_forward(self) -> Iterator[Booked]:
        """Yield one transaction per currency that carries balances forward, dated the day before the books begin."""
        if self.start is None:
            return
        for currency in sorted({row.currency for row in self.opening if row.amount_minor}):
            carried = tuple(
                Posting(row.account, row.amount_minor)
                for row in self.opening
                if row.currency == currency and row.amount_minor
            )
            yield _carried_on(self.start - DAY, currency, carried)


def _carried_on(day: dt.date, currency: str, carried: tuple[Posting, ...]) -> Booked:
    total = sum(posting.amount_minor for posting in carried)
    return Booked(
        reference=f"opening-{day}-{currency}",
        booked_on=day,
        occurred_at=dt.datetime.combine(day, dt.time(), dt.UTC),
        category="opening",
        description="Balances brought forward",
        currency=currency,
        postings=(*carried, Posting(OPENING, -total)) if total else carried,
    )


class Closing:
    """Adds rows up as they pass; afterwards says what every account must hold."""

    def __init__(self, opening: Iterable[Balance] = ()) -> None:
        self.last: dt.date | None = None
        self.count = 0
        self._posted: Counter[tuple[Account, str]] = Counter()
        self._stripe: Counter[tuple[Account, str]] = Counter()
        self._opening = Counter({(row.account, row.currency): row.amount_minor for row in opening})

    def watch(self, rows: Iterable[Booked]) -> Iterator[Booked]:
        """Hand the rows on, added up."""
        for row in rows:
            self.last = row.booked_on
            self.count += 1
            for posting in row.postings:
                self._posted[posting.account, row.currency] += posting.amount_minor
            for posting in row.stripe_net:
                self._stripe[posting.account, row.currency] += posting.amount_minor
            yield row

    def balances(self) -> tuple[Balance, ...]:
        """Return the balance of every account that moved or began with one; Stripe's own figure where it gives one."""
        moved = Counter({**self._posted, **self._stripe})
        keys = moved.keys() | self._opening.keys()
        return tuple(sorted(Balance(key[0], key[1], self._opening[key] + moved[key]) for key in keys))
