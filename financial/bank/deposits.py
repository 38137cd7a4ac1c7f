"""Bank deposits and the payouts they are: the only writer of `BankDeposit`.

A deposit is matched by the trace id of a payout, else by amount, currency and day (within three banking days of the
arrival) where exactly one payout and one deposit fit; a statement descriptor among several decides. What fits several is
offered, never guessed. Matching books nothing: the arrival is booked on Stripe's day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from financial.bank.statements import Statement
from financial.errors import FinancialError, StatementRefused
from financial.models import BankDeposit, StripeCredential, StripePayout

BANKING_DAYS = 3
CALENDAR_DAYS = 7  # three banking days never span more
Match = BankDeposit.Match


@dataclass(frozen=True)
class Imported:
    """What an import did: lines added, lines that were here already, deposits matched with a payout."""

    added: int
    known: int
    matched: int


@transaction.atomic
def take_in(credential: StripeCredential, statement: Statement) -> Imported:
    """Write the lines of a statement, all or none, and match them; a second time changes nothing.

    Raises:
        StatementRefused: a line of it could not be read.
    """
    if statement.problems:
        raise StatementRefused(f"Nothing was imported: {len(statement.problems)} lines could not be read.")
    before = BankDeposit.objects.filter(credential=credential).count()
    BankDeposit.objects.bulk_create(
        [
            BankDeposit(
                credential=credential,
                livemode=credential.livemode,
                amount_minor=line.amount_minor,
                currency=line.currency,
                booked_on=line.booked_on,
                description=line.description,
                reference=line.reference,
                identity=identity,
                source_digest=statement.digest,
                source_line=line.number,
            )
            for line, identity in zip(statement.lines, statement.identities(), strict=True)
        ],
        ignore_conflicts=True,
        batch_size=500,
    )
    added = BankDeposit.objects.filter(credential=credential).count() - before
    return Imported(added, len(statement.lines) - added, match_all(credential))


def match_all(credential: StripeCredential) -> int:
    """Match every deposit that fits one payout and no other, and return how many."""
    deposits = list(BankDeposit.objects.filter(credential=credential, payout=None).order_by("pk"))
    if not deposits:
        return 0
    days = [deposit.booked_on for deposit in deposits]
    payouts = list(_unseen(credential, min(days), max(days)))
    found = [(deposit, chosen) for deposit in deposits if (chosen := _fitting(deposit, payouts)) is not None]
    claims: dict[int, int] = {}
    for _, (payout, _how) in found:
        claims[payout.pk] = claims.get(payout.pk, 0) + 1
    sure = [(deposit, *chosen) for deposit, chosen in found if claims[chosen[0].pk] == 1]
    for deposit, payout, how in sure:
        BankDeposit.objects.filter(pk=deposit.pk, payout=None).update(payout=payout, match=how)
    return len(sure)


def _unseen(credential: StripeCredential, first: dt.date, last: dt.date) -> Sequence[StripePayout]:
    margin, midnight = dt.timedelta(days=CALENDAR_DAYS), dt.time()
    return list(
        StripePayout.objects.filter(
            credential=credential,
            deposit=None,
            deleted_at=None,
            status__in=("paid", "in_transit"),
            arrival_at__gte=dt.datetime.combine(first - margin, midnight, tzinfo=dt.UTC),
            arrival_at__lt=dt.datetime.combine(last + margin, midnight, tzinfo=dt.UTC),
        ).defer("payload", "private")
    )


def _fitting(deposit: BankDeposit, payouts: Sequence[StripePayout]) -> tuple[StripePayout, str] | None:
    """Return the one payout a deposit must be, and what says so; None where none or several could be it."""
    same = [
        payout
        for payout in payouts
        if (payout.amount_minor, payout.currency) == (deposit.amount_minor, deposit.currency)
    ]
    text = f"{deposit.reference} {deposit.description}".casefold()
    traced = [payout for payout in same if payout.trace_id and payout.trace_id.casefold() in text.split()]
    if traced:
        return (traced[0], Match.TRACE) if len(traced) == 1 else None
    near = [payout for payout in same if is_near(payout, deposit.booked_on)]
    if len(near) > 1:
        near = [row for row in near if row.statement_descriptor and row.statement_descriptor.casefold() in text]
    return (near[0], Match.AMOUNT) if len(near) == 1 else None


def is_near(payout: StripePayout, day: dt.date) -> bool:
    """Whether a day lies within three banking days of a payout's arrival; holidays are not known."""
    return payout.arrives_on is not None and banking_days(payout.arrives_on, day) <= BANKING_DAYS


def banking_days(one: dt.date, other: dt.date) -> int:
    """Return how many working days lie between two days; a weekend counts as the Monday after it."""
    first, last = sorted((_working(one), _working(other)))
    weeks, rest = divmod((last - first).days, 7)
    return weeks * 5 + sum((first + dt.timedelta(days=n + 1)).weekday() < 5 for n in range(rest))


def _working(day: dt.date) -> dt.date:
    return day + dt.timedelta(days=max(7 - day.weekday(), 0) if day.weekday() > 4 else 0)


def candidates(payout: StripePayout) -> list[BankDeposit]:
    """Return the unmatched deposits a payout could be, the nearest day first."""
    if payout.arrives_on is None:
        return []
    found = BankDeposit.objects.filter(
        credential=payout.credential_id, payout=None, amount_minor=payout.amount_minor, currency=payout.currency
    )
    arrives = payout.arrives_on
    return sorted(found[:50], key=lambda deposit: abs((deposit.booked_on - arrives).days))[:10]


def note(payout: StripePayout, *, on: dt.date) -> BankDeposit:
    """Write down that somebody saw a payout at the bank on that day.

    Raises:
        FinancialError: it was seen already.
    """
    try:
        with transaction.atomic():
            return BankDeposit.objects.create(
                credential_id=payout.credential_id,
                livemode=payout.livemode,
                amount_minor=payout.amount_minor,
                currency=payout.currency,
                booked_on=on,
                description="Noted by hand",
                reference=payout.trace_id,
                identity=f"hand:{payout.stripe_id}",
                payout=payout,
                match=Match.HAND,
            )
    except IntegrityError as error:
        raise FinancialError("This payout was seen at the bank already.") from error


def match(payout: StripePayout, deposit_pk: int) -> BankDeposit:
    """Say by hand which deposit a payout is.

    Raises:
        FinancialError: one of the two is matched already, or they differ in amount or currency.
    """
    open_ones = BankDeposit.objects.filter(credential=payout.credential_id, pk=deposit_pk, payout=None)
    same = open_ones.filter(amount_minor=payout.amount_minor, currency=payout.currency)
    try:
        with transaction.atomic():
            done = same.update(payout=payout, match=Match.HAND)
    except IntegrityError as error:
        raise FinancialError("This payout was seen at the bank already.") from error
    if not done:
        raise FinancialError("This deposit is matched already, or is not of this amount.")
    return BankDeposit.objects.get(pk=deposit_pk)


def unmatch(payout: StripePayout) -> None:
    """Take a match back; a deposit that was noted by hand goes with it."""
    matched = BankDeposit.objects.filter(payout=payout)
    matched.filter(source_digest="").delete()
    matched.update(payout=None, match="")
