"""What a database knows of how values are spread: without it SQLite takes the index of an account for one of few rows.

PostgreSQL gathers it by itself. SQLite does only when told, and until then guesses ten rows for whatever equals something:
with one account, whose rows are all rows, it would read an account's whole table rather than one charge.

SQLite: https://www.sqlite.org/lang_analyze.html
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

ROWS_LOOKED_AT = 1000  # of each index; so it takes a tenth of a second, whatever the size


def refresh(using: str = "default") -> None:
    """Let SQLite look at a part of every index, and every connection plan with what was found; elsewhere do nothing."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor, transaction.atomic(using=using):
        look(cursor)


def look(cursor: Any) -> None:
    """Gather the statistics anew and touch the schema, by which open connections notice; the caller holds a transaction."""
    cursor.execute(f"PRAGMA analysis_limit = {ROWS_LOOKED_AT}")
    cursor.execute("ANALYZE")
    cursor.execute("CREATE VIEW financial_looked_at AS SELECT 1")
    cursor.execute("DROP VIEW financial_looked_at")
