"""Whether a column is one of many keys, told to the database as one value: thousands of parameters are slow to plan.

SQLite begins with the keys, then. PostgreSQL knows how many there are, and beside an order may walk all rows in that order
instead: of a few rows named by their own keys it is not told how many, so that it begins with them, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, F, Func

FEW = 2_000  # looked up sooner than any list is walked


class Among(Func):
    """`rows.filter(Among("customer", keys))`: as `customer__in`, for any number of primary keys; "pk" names the rows."""

    output_field = BooleanField()

    def __init__(self, column: Any, keys: Iterable[int], *, is_common: bool = False) -> None:
        """Of what is common SQLite is led to walk the list, too: these rows are met soon on the way."""
        super().__init__(F(column) if isinstance(column, str) else column)
        self.keys, self.names_rows, self.is_common = tuple(keys), column == "pk", is_common

    def as_sql(self, compiler: Any, connection: Any, *given: Any, **extra: Any) -> tuple[str, Any]:
        column, params = compiler.compile(self.source_expressions[0])
        if connection.vendor == "postgresql":
            is_few = self.names_rows and len(self.keys) <= FEW
            keys = "ARRAY(SELECT unnest(%s::bigint[]))" if is_few else "%s::bigint[]"
            return f"{column} = ANY({keys})", (*params, list(self.keys))
        if connection.vendor == "sqlite":
            column = f"+{column}" if self.is_common else column  # an expression, which no index has
            return f"{column} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(self.keys))  # noqa: S608
        marks = ", ".join(["%s"] * len(self.keys))
        return (f"{column} IN ({marks})", (*params, *self.keys)) if self.keys else ("1 = 0", ())
