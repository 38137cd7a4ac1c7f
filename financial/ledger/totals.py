"""Totals per day, kept in the transaction that books: what pages and reports read instead of the books themselves.

They are sums over settled transactions and nothing else, so `rebuild` from the books must change nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import F

from financial import seals
from financial.ledger import fee_days
from financial.models import Account, AccountDay, DayTotal, Entry, FeeDay, StripeCredential, Transaction
from financial.models.inserting import columns, insert, next_ids


class Settled(NamedTuple):
    """What a settled transaction adds to the totals. `reference` is the id of its movement at Stripe, or of its cause."""

    reference: str
    kind: str
    currency: str
    booked_on: dt.date
    occurred_at: dt.datetime
    reporting_category: str
    balance_type: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    presentment_currency: str
    presentment_amount_minor: int
    entries: tuple[tuple[str, int], ...]  # account code, minor units


@dataclass(slots=True)
class Totals:
    """Sums that wait to be written. The grain is that of the three models."""

    days: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    accounts: dict[tuple[Any, ...], list[int]] = field(default_factory=dict)
    fees: fee_days.Sums = field(default_factory=dict)

    def add(self, row: Settled) -> None:
        key = (row.currency, row.booked_on, row.reporting_category, row.balance_type, row.presentment_currency)
        day = self.days.get(key)
        if day is None:
            day = self.days[key] = [0, 0, 0, 0, 0, 0]
        day[0] += 1
        day[1] += row.amount_minor
        day[2] += row.fee_minor
        day[3] += row.net_minor
        day[4] += row.presentment_amount_minor
        day[5] += seal_of(row)
        for code, amount in row.entries:
            place = (code, row.currency, row.booked_on)
            account = self.accounts.get(place)
            if account is None:
                account = self.accounts[place] = [0, 0]
            account[0] += 1
            account[1] += amount


def sealed(total: int) -> str:
    """Return the seal of a day from the sum of its digests."""
    return seals.add(seals.EMPTY, total)


def seal_of(row: Settled) -> int:
    return seals.digest(
        row.reference,
        row.kind,
        row.currency,
        row.booked_on,
        row.occurred_at,
        (row.amount_minor, row.fee_minor, row.net_minor),
        (row.presentment_currency, row.presentment_amount_minor, row.reporting_category),
        row.entries,
    )


def add(credential: StripeCredential, totals: Totals, account_ids: dict[str, int]) -> None:
    """Add sums to the stored ones. Callers hold the transaction and the credential's lock."""
    _merge(
        DayTotal,
        credential,
        {key: [*sums[:5], sealed(sums[5])] for key, sums in totals.days.items()},
        ("currency", "day", "reporting_category", "balance_type", "presentment_currency"),
        ("count", "amount_minor", "fee_minor", "net_minor", "presentment_amount_minor", "seal"),
    )
    _merge(
        AccountDay,
        credential,
        {(account_ids[code], *rest): sums for (code, *rest), sums in totals.accounts.items()},
        ("account_id", "currency", "day"),
        ("count", "amount_minor"),
    )
    _merge(
        FeeDay,
        credential,
        totals.fees,
        ("currency", "day", "cut", "label"),
        ("count", "amount_minor", "fee_minor", "compared", "estimated_minor", "exact_minor", "rough"),
    )


def _merge(
    model: type[models.Model],
    credential: StripeCredential,
    sums: Mapping[Any, Sequence[Any]],
    keys: tuple[str, ...],
    values: tuple[str, ...],
) -> None:
    """Read the rows these sums belong to, add in Python (a seal is more than a database's number), and write them back."""
    if not sums:
        return
    days = {key[keys.index("day")] for key in sums}
    rows = model._default_manager.filter(credential=credential, day__in=days)
    held = {row[1 : 1 + len(keys)]: (row[0], row[1 + len(keys) :]) for row in rows.values_list("pk", *keys, *values)}
    changed, fresh = [], []
    for key, more in sums.items():
        if key in held:
            pk, before = held[key]
            changed.append((*(_plus(old, new) for old, new in zip(before, more, strict=True)), pk))
        else:
            fresh.append({"credential_id": credential.pk, **dict(zip(keys, key, strict=True)),
                          **dict(zip(values, more, strict=True))})  # fmt: skip
    if changed:
        quote = connection.ops.quote_name
        assignments = ", ".join(f"{quote(name)} = %s" for name in values)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {quote(model._meta.db_table)} SET {assignments} WHERE id = %s",  # noqa: S608
                changed,
            )
    names = columns(model)[1:]
    ids = next_ids(model, len(fresh)) if fresh else []
    insert(model, [(pk, *(row[name] for name in names)) for pk, row in zip(ids, fresh, strict=True)])


def _plus(old: Any, new: Any) -> Any:
    return seals.add(old, int(new, 16)) if isinstance(old, str) else old + new


# From the books

_READ = ("pk", "kind", "currency", "booked_on", "occurred_at", "reporting_category", "balance_type", "amount_minor",
         "fee_minor", "net_minor", "presentment_currency", "presentment_amount_minor",
         "balance_transaction__stripe_id", "source_stripe_id")  # fmt: skip
PAGE = 2000


def read(credential: StripeCredential | None, **among: Any) -> Iterator[tuple[int, Settled]]:
    """Yield every settled transaction with its primary key, in the order of keys, a page at a time."""
    codes = dict(Account.objects.values_list("pk", "code"))
    settled = Transaction.objects.settled().filter(**among)
    if credential is None:
        settled = settled.filter(credential=None)
    else:  # a sum, which no index has: by that of an account SQLite would sort all its rows for each page
        settled = settled.annotate(of=F("credential_id") + 0).filter(of=credential.pk)
    last = 0
    while page := list(settled.filter(pk__gt=last).order_by("pk").values_list(*_READ)[:PAGE]):
        last = page[-1][0]
        legs: dict[int, list[tuple[str, int]]] = {}
        rows = Entry.objects.filter(transaction_id__gte=page[0][0], transaction_id__lte=last)
        for transaction_id, account_id, amount in rows.values_list("transaction_id", "account_id", "amount_minor"):
            legs.setdefault(transaction_id, []).append((codes[account_id], amount))
        for row in page:
            yield row[0], Settled._make((row[12] or row[13], *row[1:12], tuple(legs.get(row[0], ()))))


def summed(rows: Iterable[tuple[int, Settled]]) -> Totals:
    totals = Totals()
    for _, row in rows:
        totals.add(row)
    return totals


def rebuild(credential: StripeCredential) -> bool:
    """Sum the books anew and return whether that changed anything; it must not."""
    with transaction.atomic():
        hold(credential)
        before = stored(credential)
        totals = summed(read(credential))
        for cost in fee_days.read(credential):
            fee_days.add_cost(totals.fees, cost)
        for model in _KEPT:
            model._default_manager.filter(credential=credential).delete()
        add(credential, totals, dict(Account.objects.values_list("code", "pk")))
        return stored(credential) != before


def stored(credential: StripeCredential) -> tuple[list[tuple[Any, ...]], ...]:
    """Return every total as it is stored, without primary keys, in order."""
    return tuple(
        sorted(model._default_manager.filter(credential=credential).values_list(*columns(model)[1:])) for model in _KEPT
    )


_KEPT: tuple[type[models.Model], ...] = (DayTotal, AccountDay, FeeDay)


def hold(credential: StripeCredential | None) -> None:
    """Let nobody else write these books until the transaction ends."""
    key = credential.pk if credential else 0
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, key])
    elif credential is not None:
        StripeCredential.objects.select_for_update().filter(pk=key).values_list("pk").first()


_LOCK = 0x626F6F6B  # any number, the same in every process
