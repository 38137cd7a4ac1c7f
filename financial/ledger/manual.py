"""Transactions people write, and how something settled is corrected: by a further transaction, never by a change.

Manual transactions belong to nobody's Stripe account but to the house (`credential=None`): they are real money, and so no
test money can ever be among them. A movement at Stripe cannot be taken back, for Stripe's balance would not follow; its
other side can be moved to another account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Sum

from financial import accounts, conf
from financial.errors import BookingError
from financial.ledger import totals, writing
from financial.ledger.supplements import undo
from financial.ledger.writing import Draft, Row
from financial.models import Account, CategoryAccount, Entry, StripeCredential, Transaction

CORRECTION = str(Transaction.Kind.CORRECTION)


def record_manual(
    kind: str,
    *,
    amount_minor: int,
    currency: str,
    debit: Account,
    credit: Account,
    on: dt.date,
    now: dt.datetime,
    description: str = "",
) -> Transaction:
    """Write an income, an expense or a transfer: `amount_minor`, positive, from the credit to the debit account.

    Raises:
        BookingError: not such a kind, nothing moves, or an account stands for a balance at Stripe.
    """
    if kind not in ("income", "expense", "transfer"):
        raise BookingError(f"“{kind}” is not an income, an expense or a transfer.")
    if amount_minor <= 0:
        raise BookingError("The amount must be greater than zero.")
    if debit == credit:
        raise BookingError("Money moves from one account to another one.")
    for account in (debit, credit):
        _refuse_stripes_own(account)
    at = dt.datetime.combine(on, dt.time(12), conf.time_zone()).astimezone(dt.UTC)
    row = Row(
        kind, "settled", True, None, "manual", "", "", "", at, on, currency, amount_minor, 0, amount_minor, currency,
        amount_minor, "", description, None, now,
    )  # fmt: skip
    moved = ((debit.code, amount_minor), (credit.code, -amount_minor))
    with transaction.atomic():
        totals.hold(None)
        return Transaction.objects.get(pk=writing.write(None, [Draft(row, moved, None, "")])[0])


def reverse(row: Transaction, *, now: dt.datetime, description: str = "") -> Transaction:
    """Take back a manual transaction or a correction, today, and return the transaction that does.

    Raises:
        BookingError: it moved a balance at Stripe, is not settled, or was taken back before.
    """
    if row.kind not in Transaction.MANUAL_KINDS:
        raise BookingError("Stripe moved this money; move its other side to another account instead.")
    with transaction.atomic():
        totals.hold(row.credential)
        _refuse_answered(row)
        draft = undo(row, now=now, kind=CORRECTION, **_today(now, description or f"Takes back {row}"))
        return Transaction.objects.get(pk=writing.write(row.credential, [draft])[0])


def reclassify(
    row: Transaction, *, source: Account, target: Account, now: dt.datetime, description: str = ""
) -> Transaction:
    """Move what a settled transaction booked on one account to another one, today.

    Raises:
        BookingError: nothing of it is on `source`, or one of the accounts stands for a balance at Stripe.
    """
    for account in (source, target):
        _refuse_stripes_own(account)
    with transaction.atomic():
        totals.hold(row.credential)
        draft = _moved(row, source, target, now, description)
        if draft is None:
            raise BookingError(f"Nothing of this transaction is on {source}.")
        return Transaction.objects.get(pk=writing.write(row.credential, [draft])[0])


def map_category(category: str, account: Account, *, now: dt.datetime) -> int:
    """Book what Stripe files under a category against an account from now on, and move what is in suspense there.

    Returns how many transactions were corrected. Twice changes nothing.
    """
    _refuse_stripes_own(account)
    with transaction.atomic():
        CategoryAccount.objects.update_or_create(reporting_category=category, defaults={"account": account})
        suspense = Account.objects.filter(code=accounts.SUSPENSE).first()
        if suspense is None or suspense == account:
            return 0
        credentials = StripeCredential.objects.filter(
            transactions__reporting_category=category, transactions__entries__account=suspense
        ).distinct()
        return sum(_clear_suspense(credential, category, suspense, account, now) for credential in credentials)


def _clear_suspense(
    credential: StripeCredential, category: str, suspense: Account, account: Account, now: dt.datetime
) -> int:
    totals.hold(credential)
    rows = Transaction.objects.settled().filter(
        credential=credential, reporting_category=category, entries__account=suspense
    )
    text = f"“{category}” is now booked on {account}"
    found = (_moved(row, suspense, account, now, text) for row in rows.distinct().order_by("pk"))
    return len(writing.write(credential, [draft for draft in found if draft is not None]))


def _moved(row: Transaction, source: Account, target: Account, now: dt.datetime, description: str) -> Draft | None:
    """Return the correction for what is left on `source` of a transaction and the corrections of it."""
    legs = Entry.objects.filter(account=source)
    own = legs.filter(transaction=row).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    answers = legs.filter(transaction__corrects=row).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    amount = own + answers
    if not amount:
        return None
    answer = Row(
        CORRECTION, "settled", row.livemode, None, row.source_type, row.source_stripe_id, "", "", now, now.date(),
        row.currency, amount, 0, amount, row.currency, amount, "", description, row.pk, now,
    )._replace(**_today(now, description))  # fmt: skip
    return Draft(answer, ((source.code, -amount), (target.code, amount)), None, answer.source_stripe_id)


def _today(now: dt.datetime, description: str) -> Mapping[str, Any]:
    return {
        "occurred_at": now,
        "booked_on": now.astimezone(conf.time_zone()).date(),
        "description": description,
    }


def _refuse_stripes_own(account: Account) -> None:
    if account.is_clearing:
        raise BookingError(f"{account} is a balance at Stripe; only Stripe's own movements change it.")


def _refuse_answered(row: Transaction) -> None:
    if row.is_estimated:
        raise BookingError("An estimate is not in the books; there is nothing to take back.")
    if row.answers.filter(kind=CORRECTION, source_type=row.source_type, net_minor=-row.net_minor).exists():
        raise BookingError("This transaction was taken back before.")
