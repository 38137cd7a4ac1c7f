"""One row per transaction, per day, or per payout and month: what bookkeepers enter instead of hundreds of fee lines. Pure.

Whatever the grouping, every row counts in the month it was booked in. A payout whose rows lie in two months becomes two,
so months that are closed stay as they were, and two exports of neighbouring months never share a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import groupby

from financial.ledger.exports.canonical import Account, Booked, Posting


class By(StrEnum):
    TRANSACTION = "transaction"
    DAY = "day"
    PAYOUT = "payout"


def grouped(rows: Iterable[Booked], by: By) -> Iterator[Booked]:
    """Return the rows summed as asked, in the same order. Memory holds the sums of one day, or of one month's payouts.

    A sum of nothing but zeros is left out: there is nothing to enter.

    Raises:
        ValueError: the rows are not in their order.
    """
    return _GROUPERS[by](_in_order(rows))


def _in_order(rows: Iterable[Booked]) -> Iterator[Booked]:
    before: Booked | None = None
    for row in rows:
        if before is not None and row.key < before.key:
            raise ValueError(f"{row.reference} comes after {before.reference}, which is newer.")
        before = row
        yield row


def _by_day(rows: Iterable[Booked]) -> Iterator[Booked]:
    for day, of_day in groupby(rows, key=lambda row: row.booked_on):
        sums: dict[str, _Sum] = defaultdict(_Sum)
        for row in of_day:
            sums[row.currency].add(row)
        for currency, found in sorted(sums.items()):
            if found.moved:
                yield found.row(f"day-{day}-{currency}", "day", f"Stripe, {day}: {found.words}")


def _by_payout(rows: Iterable[Booked]) -> Iterator[Booked]:
    for month, of_month in groupby(rows, key=lambda row: f"{row.booked_on:%Y-%m}"):
        sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
        for row in of_month:
            sums[row.payout_id, row.currency].add(row)
        made = (_payout_row(key, month, found) for key, found in sums.items() if found.moved)
        yield from sorted(made, key=lambda row: row.key)


def _payout_row(key: tuple[str, str], month: str, found: _Sum) -> Booked:
    payout_id, currency = key
    name = payout_id or "no-payout"
    words = f"Payout {payout_id}" if payout_id else "In no payout we know of"
    return found.row(f"{name}-{month}-{currency}", "payout", f"{words}, {month}: {found.words}", payout_id=payout_id)


class _Sum:
    """Rows of one currency added up, per account."""

    _last: Booked  # a sum exists only for a row; the group is dated like its last one

    def __init__(self) -> None:
        self.count = 0
        self._accounts: Counter[Account] = Counter()
        self._stripe: Counter[Account] = Counter()
        self._categories: Counter[str] = Counter()

    def add(self, row: Booked) -> None:
        self.count += row.count
        self._last = row
        self._categories[row.category] += row.count
        for posting in row.postings:
            self._accounts[posting.account] += posting.amount_minor
        for posting in row.stripe_net:
            self._stripe[posting.account] += posting.amount_minor

    @property
    def moved(self) -> bool:
        return any(self._accounts.values())

    @property
    def words(self) -> str:
        return ", ".join(f"{count} × {category}" for category, count in sorted(self._categories.items()))

    def row(self, reference: str, category: str, description: str, *, payout_id: str = "") -> Booked:
        return Booked(
            reference=reference,
            booked_on=self._last.booked_on,
            occurred_at=self._last.occurred_at,
            category=category,
            description=description,
            currency=self._last.currency,
            postings=_postings(self._accounts),
            stripe_net=_postings(self._stripe),
            payout_id=payout_id,
            livemode=self._last.livemode,
            count=self.count,
        )


def _postings(sums: Counter[Account]) -> tuple[Posting, ...]:
    return tuple(Posting(account, amount) for account, amount in sorted(sums.items()) if amount)


def _as_they_are(rows: Iterable[Booked]) -> Iterator[Booked]:
    yield from rows


_GROUPERS: dict[By, Callable[[Iterable[Booked]], Iterator[Booked]]] = {
    By.TRANSACTION: _as_they_are,
    By.DAY: _by_day,
    By.PAYOUT: _by_payout,
}
