"""What the database itself refuses, whoever asks: triggers for SQLite and PostgreSQL.

- A transaction becomes settled only with two entries or more that sum to zero.
- A settled transaction and its entries are never changed or deleted, and get no further entries.

The one lawful way to remove some is `clearing()`, for data that was made up (sample data, tests). On other databases the
journal keeps the same rules and `verify_books` watches them.

They are put in place after every `migrate`. SQLite rebuilds a table to alter it, refuses that while triggers of another
table name it, and loses its own triggers with the old one: there they are set aside before anything is migrated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

_T, _E = "financial_transaction", "financial_entry"

_SQLITE_NAMES = (
    "financial_transaction_born_settled",
    "financial_transaction_settles",
    "financial_transaction_stays",
    "financial_transaction_remains",
    "financial_entry_comes",
    "financial_entry_stays",
    "financial_entry_moves",
    "financial_entry_remains",
)
_SETTLED = "EXISTS (SELECT 1 FROM financial_transaction WHERE id = {row}.transaction_id AND status = 'settled')"
_CLEARING = "EXISTS (SELECT 1 FROM financial_clearing)"
_BALANCED = """
    SELECT RAISE(ABORT, 'a settled transaction has two entries or more that sum to zero') WHERE (
        SELECT COUNT(*) < 2 OR COALESCE(SUM(amount_minor), 1) <> 0 FROM financial_entry WHERE transaction_id = NEW.id
    );"""
_SQLITE = f"""
CREATE TABLE IF NOT EXISTS financial_clearing (id integer PRIMARY KEY);
CREATE TRIGGER IF NOT EXISTS financial_transaction_born_settled
AFTER INSERT ON financial_transaction WHEN NEW.status = 'settled' BEGIN {_BALANCED} END;
CREATE TRIGGER IF NOT EXISTS financial_transaction_settles
AFTER UPDATE OF status ON financial_transaction WHEN NEW.status = 'settled' BEGIN {_BALANCED} END;
CREATE TRIGGER IF NOT EXISTS financial_transaction_stays
BEFORE UPDATE ON financial_transaction WHEN OLD.status = 'settled' BEGIN
    SELECT RAISE(ABORT, 'a settled transaction is never changed; correct it by another one'); END;
CREATE TRIGGER IF NOT EXISTS financial_transaction_remains
BEFORE DELETE ON financial_transaction WHEN OLD.status = 'settled' AND NOT {_CLEARING} BEGIN
    SELECT RAISE(ABORT, 'a settled transaction is never deleted; correct it by another one'); END;
CREATE TRIGGER IF NOT EXISTS financial_entry_comes
BEFORE INSERT ON financial_entry WHEN {_SETTLED.format(row="NEW")} BEGIN
    SELECT RAISE(ABORT, 'a settled transaction gets no further entries'); END;
CREATE TRIGGER IF NOT EXISTS financial_entry_stays
BEFORE UPDATE ON financial_entry WHEN {_SETTLED.format(row="OLD")} BEGIN
    SELECT RAISE(ABORT, 'an entry of a settled transaction is never changed'); END;
CREATE TRIGGER IF NOT EXISTS financial_entry_moves
BEFORE UPDATE OF transaction_id ON financial_entry WHEN {_SETTLED.format(row="NEW")} BEGIN
    SELECT RAISE(ABORT, 'a settled transaction gets no further entries'); END;
CREATE TRIGGER IF NOT EXISTS financial_entry_remains
BEFORE DELETE ON financial_entry WHEN {_SETTLED.format(row="OLD")} AND NOT {_CLEARING} BEGIN
    SELECT RAISE(ABORT, 'an entry of a settled transaction is never deleted'); END;
"""

# Row by row through an index, whatever the planner thinks: it knows nothing of new rows, and its plans are kept for a
# session, so that one made while the tables were empty would look through all of them later.
_BY_INDEX = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
_POSTGRES = f"""
CREATE OR REPLACE FUNCTION financial_must_balance() RETURNS trigger LANGUAGE plpgsql
{_BY_INDEX} AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM new_rows t CROSS JOIN LATERAL (
            SELECT COUNT(*) AS legs, COALESCE(SUM(amount_minor), 1) AS total FROM financial_entry e
            WHERE e.transaction_id = t.id
        ) found WHERE t.status = 'settled' AND (legs < 2 OR total <> 0)
    ) THEN
        RAISE EXCEPTION 'a settled transaction has two entries or more that sum to zero'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION financial_must_be_open() RETURNS trigger LANGUAGE plpgsql
{_BY_INDEX} AS $$
DECLARE
    is_settled boolean;
BEGIN
    -- Planned anew each time: of an empty table every index that has the id looks as good as its primary key.
    EXECUTE 'SELECT EXISTS (
        SELECT 1 FROM (SELECT DISTINCT transaction_id FROM new_rows) e CROSS JOIN LATERAL (
            SELECT status FROM financial_transaction t WHERE t.id = e.transaction_id FOR SHARE
        ) found WHERE status = ''settled''
    )' INTO is_settled;
    IF is_settled THEN
        RAISE EXCEPTION 'a settled transaction gets no further entries' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION financial_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND COALESCE(current_setting('financial.clearing', true), '') = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a settled transaction is never changed or deleted; correct it by another one'
        USING ERRCODE = 'check_violation';
END $$;
CREATE OR REPLACE FUNCTION financial_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM financial_transaction WHERE id = OLD.transaction_id AND status = 'settled')
       AND NOT (TG_OP = 'DELETE' AND COALESCE(current_setting('financial.clearing', true), '') = 'on') THEN
        RAISE EXCEPTION 'an entry of a settled transaction is never changed or deleted'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION financial_not_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF COALESCE(current_setting('financial.clearing', true), '') = 'on' THEN RETURN NULL; END IF;
    IF EXISTS (SELECT 1 FROM financial_transaction WHERE status = 'settled') THEN
        RAISE EXCEPTION 'settled transactions are never deleted' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER financial_transaction_born_settled AFTER INSERT ON financial_transaction
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION financial_must_balance();
CREATE OR REPLACE TRIGGER financial_transaction_settles AFTER UPDATE ON financial_transaction
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION financial_must_balance();
CREATE OR REPLACE TRIGGER financial_transaction_stays BEFORE UPDATE OR DELETE ON financial_transaction
    FOR EACH ROW WHEN (OLD.status = 'settled') EXECUTE FUNCTION financial_stays();
CREATE OR REPLACE TRIGGER financial_transaction_remains BEFORE TRUNCATE ON financial_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION financial_not_at_once();
CREATE OR REPLACE TRIGGER financial_entry_comes AFTER INSERT ON financial_entry
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION financial_must_be_open();
CREATE OR REPLACE TRIGGER financial_entry_moves AFTER UPDATE ON financial_entry
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION financial_must_be_open();
CREATE OR REPLACE TRIGGER financial_entry_stays BEFORE UPDATE OR DELETE ON financial_entry
    FOR EACH ROW EXECUTE FUNCTION financial_entry_stays();
CREATE OR REPLACE TRIGGER financial_entry_remains BEFORE TRUNCATE ON financial_entry
    FOR EACH STATEMENT EXECUTE FUNCTION financial_not_at_once();
"""  # noqa: S608
_POSTGRES_FUNCTIONS = "must_balance must_be_open stays entry_stays not_at_once".split()


def install(using: str = "default") -> None:
    """Put the rules in place; again changes nothing. Does nothing on databases other than SQLite and PostgreSQL."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if not {_T, _E} <= set(connection.introspection.table_names(cursor)):
            return
        for statement in _statements(connection.vendor):
            cursor.execute(statement)


def set_aside(using: str = "default") -> None:
    """Drop SQLite's triggers, which stand in the way of altering tables; `install` brings them back."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for name in _SQLITE_NAMES:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def remove(using: str = "default") -> None:
    """Take the rules away, to undo the migration that brought them."""
    set_aside(using)
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TABLE IF EXISTS financial_clearing")
        elif connection.vendor == "postgresql":
            for name in _POSTGRES_FUNCTIONS:
                cursor.execute(f"DROP FUNCTION IF EXISTS financial_{name}() CASCADE")


def _statements(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return [_POSTGRES]
    if vendor != "sqlite":
        return []
    return [part.strip() for part in _SQLITE.replace("CREATE T", "\0CREATE T").split("\0") if part.strip()]


@contextmanager
def clearing(using: str = "default") -> Iterator[None]:
    """Let settled rows be deleted inside the block, which is one transaction. For data that was made up, only."""
    connection = connections[using]
    with transaction.atomic(using=using):
        _switch(connection, on=True)
        yield
        _switch(connection, on=False)


def _switch(connection: Any, *, on: bool) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL financial.clearing = 'on'" if on else "SET LOCAL financial.clearing = 'off'")
        elif connection.vendor == "sqlite":
            cursor.execute(
                "INSERT OR IGNORE INTO financial_clearing (id) VALUES (1)" if on else "DELETE FROM financial_clearing"
            )
