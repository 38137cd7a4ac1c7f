"""What the database refuses whoever asks: raw SQL, the ORM, in bulk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from financial.models import Account, Entry, StripeCredential, Transaction, rules
from tests import books

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor not in {"sqlite", "postgresql"}, reason="triggers are for these two"),
]


@pytest.fixture
def settled(credential: StripeCredential) -> Transaction:
    return books.settled(credential)


@pytest.fixture
def estimate(credential: StripeCredential) -> Transaction:
    figures = {"amount_minor": 1000, "fee_minor": 59, "net_minor": 941, "presentment_amount_minor": 1000}
    moment = {"occurred_at": "2026-04-01T12:00Z", "booked_on": "2026-04-01"}
    return Transaction.objects.create(
        credential=credential, kind="payment", currency="usd", presentment_currency="usd", **figures, **moment
    )


def sql(text: str) -> Callable[[Transaction], Any]:
    def run(row: Transaction) -> None:
        with connection.cursor() as cursor:
            cursor.execute(text.format(id=row.pk))

    return run


CHANGES = {
    "update by SQL": sql("UPDATE financial_transaction SET amount_minor = 1, net_minor = 1 WHERE id = {id}"),
    "reopen by SQL": sql("UPDATE financial_transaction SET status = 'estimated' WHERE id = {id}"),
    "delete by SQL": sql("DELETE FROM financial_transaction WHERE id = {id}"),
    "delete entries by SQL": sql("DELETE FROM financial_entry WHERE transaction_id = {id}"),
    "update entries by SQL": sql("UPDATE financial_entry SET amount_minor = 1 WHERE transaction_id = {id}"),
    "update by queryset": lambda row: Transaction.objects.update(description="changed"),
    "save": lambda row: row.save(),
    "delete all entries": lambda row: Entry.objects.all().delete(),
    "update entries in bulk": lambda row: Entry.objects.bulk_update(
        [Entry(pk=pk, amount_minor=5) for pk in Entry.objects.values_list("pk", flat=True)], ["amount_minor"]
    ),
    "add an entry": lambda row: Entry.objects.create(
        transaction=row, account=Account.objects.get(code="Suspense"), amount_minor=5
    ),
    "add entries in bulk": lambda row: Entry.objects.bulk_create(
        [Entry(transaction=row, account=account, amount_minor=sign) for account, sign in _two()]
    ),
}


def _two() -> list[tuple[Account, int]]:
    return list(zip(Account.objects.all()[:2], (7, -7), strict=True))


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_settled_stays(settled: Transaction, change: str) -> None:
    before = _stored()

    with pytest.raises(DatabaseError), transaction.atomic():
        CHANGES[change](settled)

    assert _stored() == before


def _stored() -> list[Any]:
    return [list(Transaction.objects.order_by("pk").values()), list(Entry.objects.order_by("pk").values())]


def test_an_entry_cannot_move_to_a_settled_transaction(settled: Transaction, estimate: Transaction) -> None:
    entry = Entry.objects.create(transaction=estimate, account=Account.objects.all()[0], amount_minor=5)

    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.filter(pk=entry.pk).update(transaction=settled)


@pytest.mark.parametrize("amounts", [(), (1000,), (1000, -999), (500, 500)])
def test_only_what_balances_settles(settled: Transaction, estimate: Transaction, amounts: tuple[int, ...]) -> None:
    for account, amount in zip(Account.objects.all()[:2], amounts, strict=False):
        Entry.objects.create(transaction=estimate, account=account, amount_minor=amount)
    moved = books.movement(estimate.credential)

    with pytest.raises(DatabaseError, match="sum to zero"), transaction.atomic():
        Transaction.objects.filter(pk=estimate.pk).update(status="settled", balance_transaction=moved)


def test_nothing_is_born_settled_without_entries(settled: Transaction) -> None:
    settled.pk, settled.balance_transaction = None, books.movement(settled.credential)

    with pytest.raises(DatabaseError, match="sum to zero"), transaction.atomic():
        settled.save(force_insert=True)


def test_an_entry_moves_something(estimate: Transaction, settled: Transaction) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(transaction=estimate, account=Account.objects.all()[0], amount_minor=0)


def test_a_movement_is_booked_once(estimate: Transaction, settled: Transaction) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.filter(pk=estimate.pk).update(balance_transaction=settled.balance_transaction)


def test_a_payment_is_settled_by_a_movement_only(estimate: Transaction, settled: Transaction) -> None:
    for account, amount in _two():
        Entry.objects.create(transaction=estimate, account=account, amount_minor=amount)

    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.filter(pk=estimate.pk).update(status="settled")


def test_the_books_of_the_house_are_never_test_money(estimate: Transaction) -> None:
    for kind, livemode in (("income", False), ("payment", True)):
        estimate.pk, estimate.credential, estimate.kind, estimate.livemode = None, None, kind, livemode
        with pytest.raises(IntegrityError), transaction.atomic():
            estimate.save(force_insert=True)


def test_estimates_may_change_and_go(estimate: Transaction) -> None:
    estimate.description = "changed"
    estimate.save()
    estimate.delete()

    assert not Transaction.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_truncating_the_books_is_refused(credential: StripeCredential) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    books.settled(credential)

    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("TRUNCATE financial_entry")


def test_made_up_data_can_be_cleared_and_the_rules_hold_again_afterwards(settled: Transaction) -> None:
    with rules.clearing():
        Entry.objects.all().delete()
        settled.stripe_transaction.delete()
        settled.delete()
    assert not Transaction.objects.exists()

    again = books.settled(settled.credential)
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.filter(transaction=again).delete()


def test_installing_the_rules_again_changes_nothing(settled: Transaction) -> None:
    rules.install()

    with pytest.raises(DatabaseError), transaction.atomic():
        Transaction.objects.update(description="changed")


def test_rules_lost_with_a_rebuilt_table_come_back(settled: Transaction) -> None:
    rules.remove()
    rules.install()

    with pytest.raises(DatabaseError), transaction.atomic():
        Transaction.objects.update(description="changed")
