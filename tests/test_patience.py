"""The database is impatient inside the block and nowhere else."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction

from financial import patience

pytestmark = pytest.mark.django_db(transaction=True)
ASKS = {"sqlite": "PRAGMA busy_timeout", "postgresql": "SHOW statement_timeout"}


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute(ASKS[connection.vendor])
        return str(cursor.fetchone()[0])


def test_the_limit_holds_inside_and_is_gone_outside() -> None:
    before = limit()

    with patience.at_most(3):
        inside = limit()

    assert inside in ("3000", "3s")
    assert limit() == before != inside


def test_the_limit_is_gone_after_an_error_too() -> None:
    before = limit()

    with pytest.raises(OperationalError), patience.at_most(3):
        raise OperationalError("database is locked")

    assert limit() == before


def test_a_transaction_of_somebody_else_is_left_alone() -> None:
    with transaction.atomic():
        before = limit()
        with patience.at_most(3):
            assert limit() == before
