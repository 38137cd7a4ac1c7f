"""The strip on every page: do the books equal Stripe's balance, and as of when?

Read from totals and from what Stripe and the last verification said; nothing is summed over the books.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Sum

from financial import accounts
from financial.models import AccountDay, BalanceReading, BooksCheck, BooksProof, StripeCredential, Transaction
from financial.reports.cached import cached


class Standing(StrEnum):
    """How the books of one currency stand to Stripe's balance."""

    EQUAL = "equal"
    DIFFERS = "differs"
    MOVING = "moving"  # money moved while it was read: nothing can be said, nothing is wrong
    UNREAD = "unread"


@dataclass(frozen=True)
class CurrencyStanding:
    """One currency. `booked_minor` is what the books say now; both others are of the time of reading."""

    currency: str
    booked_minor: int
    suspense_minor: int
    standing: Standing
    stripe_minor: int = 0
    difference_minor: int = 0
    read_at: dt.datetime | None = None


@dataclass(frozen=True)
class Balance:
    """One currency at Stripe as last read, minor units; `held_minor` is what the books have in reserve now."""

    currency: str
    available_minor: int
    pending_minor: int
    held_minor: int
    read_at: dt.datetime


def balances(credential: StripeCredential) -> tuple[Balance, ...]:
    """Return Stripe's own balance per currency, by currency; nothing before it was read. Two queries."""
    reserve = AccountDay.objects.filter(credential=credential, account__code=accounts.RESERVE).order_by()
    held = dict(reserve.values_list("currency").annotate(Sum("amount_minor")))
    return tuple(
        Balance(row.currency, row.available_minor, row.pending_minor, held.get(row.currency, 0), row.read_at)
        for row in BalanceReading.objects.filter(credential=credential).order_by("currency")
    )


def proofs(credential: StripeCredential) -> tuple[BooksProof, ...]:
    """Return what programs of others last said of all the books; one query."""
    return tuple(BooksProof.objects.filter(credential=credential).order_by("program"))


@dataclass(frozen=True)
class Strip:
    """All currencies, the one with most movements first; `broken` names invariants that did not hold when last verified."""

    currencies: tuple[CurrencyStanding, ...]
    estimated: int
    verified_at: dt.datetime | None
    broken: tuple[str, ...]

    @property
    def is_alarming(self) -> bool:
        """Whether somebody must look: books that differ, money in suspense, a broken invariant."""
        return bool(self.broken) or any(
            row.suspense_minor or row.standing is Standing.DIFFERS for row in self.currencies
        )

    @property
    def is_proved(self) -> bool:
        """Whether every currency was equal when last read, and nothing else alarms."""
        read = [row.standing for row in self.currencies]
        return bool(read) and all(one is Standing.EQUAL for one in read) and not self.is_alarming


def strip(credential: StripeCredential) -> Strip:
    """Return how the books stand: every page asks; four small queries, two and that for the data's state when kept."""
    readings = {reading.currency: reading for reading in BalanceReading.objects.filter(credential=credential)}
    check = BooksCheck.objects.filter(credential=credential).defer("found").first()
    return _strip(credential, readings, check)


def _strip(credential: StripeCredential, readings: dict[str, BalanceReading], check: BooksCheck | None) -> Strip:
    booked, estimated = cached("strip", credential, lambda: _booked(credential))
    codes = (accounts.clearing("payments"), accounts.SUSPENSE)
    moved = {currency for currency, _ in booked} | {code for code, one in readings.items() if one.stripe_minor}
    order = sorted(moved, key=lambda currency: (-booked.get((currency, codes[0]), (0, 0))[1], currency))
    return Strip(
        currencies=tuple(_standing(code, booked, readings.get(code)) for code in order),
        estimated=estimated,
        verified_at=check.checked_at if check else None,
        broken=tuple(check.broken.split()) if check else (),
    )


def _booked(credential: StripeCredential) -> tuple[dict[tuple[str, str], tuple[int, int]], int]:
    """Return what is booked on Stripe's balance and in suspense, by currency and account, and how many are estimates."""
    codes = (accounts.clearing("payments"), accounts.SUSPENSE)
    days = AccountDay.objects.filter(credential=credential, account__code__in=codes).order_by()
    sums = days.values_list("currency", "account__code").annotate(Sum("amount_minor"), Sum("count"))
    estimates = Transaction.objects.estimated().filter(credential=credential)
    return {(currency, code): (amount, count) for currency, code, amount, count in sums}, estimates.count()


def _standing(
    currency: str, booked: dict[tuple[str, str], tuple[int, int]], reading: BalanceReading | None
) -> CurrencyStanding:
    now = booked.get((currency, accounts.clearing("payments")), (0, 0))[0]
    suspense = booked.get((currency, accounts.SUSPENSE), (0, 0))[0]
    if reading is None:
        return CurrencyStanding(currency, now, suspense, Standing.UNREAD)
    difference = reading.booked_minor - reading.stripe_minor
    is_equal = Standing.EQUAL if difference == 0 else Standing.DIFFERS
    standing = is_equal if reading.is_steady else Standing.MOVING
    return CurrencyStanding(currency, now, suspense, standing, reading.stripe_minor, difference, reading.read_at)
