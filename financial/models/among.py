"""Whether a column is one of many keys, told to the database as one value: thousands of parameters are slow to plan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, F, Func


class Among(Func):
    """`rows.filter(Among("customer", keys))`: as `customer__in`, for any number of primary keys."""

    output_field = BooleanField()

    def __init__(self, column: Any, keys: Iterable[int]) -> None:
        super().__init__(F(column) if isinstance(column, str) else column)
        self.keys = tuple(keys)

    def as_sql(self, compiler: Any, connection: Any, *given: Any, **extra: Any) -> tuple[str, Any]:
        column, params = compiler.compile(self.source_expressions[0])
        if connection.vendor == "postgresql":
            return f"{column} = ANY(%s::bigint[])", (*params, list(self.keys))
        if connection.vendor == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(self.keys))  # noqa: S608
        marks = ", ".join(["%s"] * len(self.keys))
        return (f"{column} IN ({marks})", (*params, *self.keys)) if self.keys else ("1 = 0", ())
