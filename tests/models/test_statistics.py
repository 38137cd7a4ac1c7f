from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from financial.models import StripeCredential, StripeCustomer, StripePaymentIntent, statistics

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases look by themselves")


@pytest.mark.django_db
def test_sqlite_learns_that_an_account_has_all_rows() -> None:
    shop = StripeCredential.objects.create(name="Shop")
    StripeCustomer.objects.bulk_create(StripeCustomer(credential=shop, stripe_id=f"cus_{n}") for n in range(1500))

    statistics.refresh()

    with connection.cursor() as cursor:
        cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'stripecustomer_new'")
        rows, of_one_account, *_ = (int(number) for number in cursor.fetchone()[0].split())
    assert rows == of_one_account > statistics.ROWS_LOOKED_AT


@pytest.mark.django_db
def test_sqlite_learns_how_many_rows_a_state_of_an_account_has() -> None:
    accounts = [StripeCredential.objects.create(name=name) for name in ("Shop", "Other")]
    StripePaymentIntent.objects.bulk_create(
        StripePaymentIntent(credential=account, stripe_id=f"pi_{n}", status=("succeeded", "canceled")[n % 2])
        for account in accounts
        for n in range(3000)
    )

    statistics.refresh()

    with connection.cursor() as cursor:
        cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'stripepaymentintent_status'")
        rows, of_one_account, of_one_state, *_ = (int(number) for number in cursor.fetchone()[0].split())
    assert (of_one_account, of_one_state) == (rows // 2, rows // 4)


class _Cursor:
    """A cursor of SQLite's own module that takes parameters as Django's does."""

    def __init__(self, file: Path) -> None:
        self.cursor = sqlite3.connect(file, isolation_level=None).cursor()
        self.fetchall, self.fetchone = self.cursor.fetchall, self.cursor.fetchone

    def execute(self, statement: str, params: tuple[Any, ...] = ()) -> None:
        self.cursor.execute(statement.replace("%s", "?"), params)


def test_an_open_connection_plans_with_what_another_one_learnt(tmp_path: Path) -> None:
    """A customer seems to have as many payments as an account to whoever looks at no more than a thousand rows."""
    writer, reader = (_Cursor(tmp_path / "file.sqlite3") for _ in range(2))
    for statement in (
        "CREATE TABLE financial_stripecredential (id integer PRIMARY KEY)",
        "CREATE TABLE paid (id integer PRIMARY KEY, credential_id integer, customer integer, at integer)",
        "CREATE INDEX newest ON paid (credential_id, at)",
        "CREATE INDEX of_customer ON paid (customer)",
        "INSERT INTO financial_stripecredential VALUES (1), (2)",
        "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30000) "
        "INSERT INTO paid SELECT x, 1, x / 1500, x FROM n",
    ):
        writer.execute(statement)

    def index_taken(number: int) -> str:
        few = f"SELECT id FROM paid WHERE credential_id = 1 AND customer = {number} AND at IS NOT NULL"
        reader.execute(few)
        reader.fetchall()
        reader.execute(f"EXPLAIN QUERY PLAN {few} ORDER BY at DESC LIMIT 26")
        return str(reader.fetchone()[3])

    writer.execute(f"PRAGMA analysis_limit = {statistics.ROWS_LOOKED_AT}")
    writer.execute("ANALYZE")
    assert "INDEX newest" in index_taken(1)  # so it was, and walked the whole account

    statistics.look(writer)
    assert "INDEX of_customer" in index_taken(2)
