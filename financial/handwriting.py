"""Keeping the books by hand, for pages: checks what was typed, has the ledger write it, and writes down who did.

Every writing is one database transaction with its line in the audit log. Nothing here asks Stripe.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from financial import audit
from financial.errors import BookingError
from financial.ledger import journal, manual, writing
from financial.models import (
    Account,
    Entry,
    ManualWriting,
    StripeBalanceTransaction,
    StripeCredential,
    Transaction,
)
from financial.money import to_minor


def chart() -> QuerySet[Account]:
    """Return the accounts there are; the standard ones are made where nothing was booked yet."""
    writing.chart()
    return Account.objects.all()


def record(
    user: Any,
    kind: str,
    *,
    amount: Decimal,
    currency: str,
    debit: Account,
    credit: Account,
    on: dt.date,
    description: str,
    key: str,
) -> Transaction:
    """Write an income, an expense or a transfer of `amount` major units in the books of the house, once per `key`.

    Raises:
        BookingError: the ledger refuses it, or the key was used for something else.
        MoneyError: the currency has no such amount.
    """
    amount_minor = to_minor(amount, currency)
    asked = repr((kind, amount_minor, currency, debit.code, credit.code, on.isoformat(), description))
    fingerprint = blake2b(asked.encode(), digest_size=32).hexdigest()
    try:
        with transaction.atomic():
            row = manual.record_manual(
                kind,
                amount_minor=amount_minor,
                currency=currency,
                debit=debit,
                credit=credit,
                on=on,
                now=timezone.now(),
                description=description,
            )
            ManualWriting.objects.create(key=key, fingerprint=fingerprint, transaction=row)
            _log(user, f"transaction.{kind}", row, debit=debit.code, credit=credit.code)
    except IntegrityError:
        return _written_before(key, fingerprint)
    return row


def _written_before(key: str, fingerprint: str) -> Transaction:
    earlier = ManualWriting.objects.select_related("transaction").get(key=key)
    if earlier.fingerprint != fingerprint:
        raise BookingError("This form was sent before with other values, and those were booked. Open a new form.")
    return earlier.transaction


def reverse(user: Any, row: Transaction) -> Transaction:
    """Take a transaction of the house back, today.

    Raises:
        BookingError: Stripe moved that money, or it was taken back before.
    """
    with transaction.atomic():
        answer = manual.reverse(row, now=timezone.now())
        _log(user, "transaction.reversed", row, answer=answer.pk)
    return answer


def reclassify(user: Any, row: Transaction, *, source: Account, target: Account, description: str = "") -> Transaction:
    """Move what a transaction booked on one account to another, today.

    Raises:
        BookingError: there is nothing of it on `source`, or an account stands for a balance at Stripe.
    """
    if source == target:
        raise BookingError("Choose another account than the one it is on.")
    with transaction.atomic():
        text = description or f"Moved from {source} to {target}"
        answer = manual.reclassify(row, source=source, target=target, now=timezone.now(), description=text)
        _log(user, "transaction.reclassified", row, answer=answer.pk, source=source.code, target=target.code)
    return answer


def map_category(user: Any, category: str, account: Account) -> int:
    """Book a reporting category against an account from now on; return how many transactions left suspense for it.

    Raises:
        BookingError: the account stands for a balance at Stripe.
    """
    with transaction.atomic():
        moved = manual.map_category(category, account, now=timezone.now())
        audit.record(user, "category.mapped", object_id=category, account=account.code, moved=moved)
    return moved


def rename(user: Any, account: Account, name: str) -> None:
    """Call an account as the accountant does; its code stays."""
    with transaction.atomic():
        audit.record(user, "account.renamed", object_id=account.code, was=account.name, now=name)
        Account.objects.filter(pk=account.pk).update(name=name)


class Movable(NamedTuple):
    """What is left of a transaction on one account, its corrections counted."""

    account: Account
    amount_minor: int


def movable(row: Transaction) -> list[Movable]:
    """Return the accounts a settled transaction can be moved away from; two queries."""
    about = Entry.objects.filter(transaction__in=[row.pk, *row.answers.values_list("pk", flat=True)])
    sums = dict(about.order_by().values_list("account").annotate(Sum("amount_minor")))
    accounts = Account.objects.in_bulk([pk for pk, amount in sums.items() if amount])
    return [Movable(account, sums[pk]) for pk, account in accounts.items() if not account.is_clearing]


def is_taken_back(row: Transaction) -> bool:
    """Whether a transaction of the house was taken back."""
    answers = row.answers.filter(kind=Transaction.Kind.CORRECTION, source_type=row.source_type)
    return answers.filter(net_minor=-row.net_minor).exists()


def unbookable(
    credential: StripeCredential, limit: int, *, after: int = 0
) -> list[tuple[StripeBalanceTransaction, str]]:
    """Return up to `limit` movements behind the primary key `after` that are not booked, each with the reason."""
    return list(islice(journal.unbookable(credential, now=timezone.now(), after=after), limit))


def _log(user: Any, action: str, row: Transaction, **details: Any) -> None:
    figures = {"amount_minor": row.amount_minor, "currency": row.currency, **details}
    audit.record(user, action, credential=row.credential, object_id=str(row.pk), **figures)
