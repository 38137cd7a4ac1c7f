from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.db import connection

from financial.models import StripeCredential, StripeCustomer, statistics

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases look by themselves")


@pytest.mark.django_db
def test_sqlite_learns_that_an_account_has_all_rows() -> None:
    shop = StripeCredential.objects.create(name="Shop")
    StripeCustomer.objects.bulk_create(StripeCustomer(credential=shop, stripe_id=f"cus_{n}") for n in range(50))

    statistics.refresh()

    with connection.cursor() as cursor:
        cursor.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'stripecustomer_new'")
        assert cursor.fetchone()[0].split()[:2] == ["50", "50"]  # rows, and how many of them have one credential


def test_a_connection_that_is_open_plans_with_what_another_one_learnt_later(tmp_path: Path) -> None:
    writer, reader = (sqlite3.connect(tmp_path / "file.sqlite3", isolation_level=None) for _ in range(2))
    writer.execute("CREATE TABLE paid (id integer PRIMARY KEY, account integer, customer integer)")
    for column in ("account", "customer"):
        writer.execute(f"CREATE INDEX of_{column} ON paid ({column})")

    def index_taken(number: int) -> str:
        paid = f"SELECT id FROM paid WHERE account = 1 AND customer = {number}"
        reader.execute(paid).fetchall()
        return str(reader.execute(f"EXPLAIN QUERY PLAN {paid}").fetchone()[3])

    def fill(account: str, customer: str) -> None:
        writer.execute("DELETE FROM paid")
        numbers = "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 900)"
        writer.execute(f"{numbers} INSERT INTO paid SELECT x, {account}, {customer} FROM n")
        statistics.look(writer.cursor())

    fill("x", "1")
    assert "of_account" in index_taken(1)
    fill("1", "x")
    assert "of_customer" in index_taken(2)
