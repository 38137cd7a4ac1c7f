"""Rows of any model written in bulk, as the mirror keeps them: by COPY or `executemany`, so many at once."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

FLUSH_ROWS = 50_000


class Writer:
    """Gathers rows and writes them by COPY or executemany, so many at once, with numbers it counts itself."""

    def __init__(self, **common: Any) -> None:
        self.common = common
        self.waiting: defaultdict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        self.numbers: Counter[Any] = Counter()
        self.shapes: dict[Any, tuple[dict[str, Any], Any]] = {}
        self.count = 0

    def add(self, model: Any, **values: Any) -> int:
        """Add one row and return its number; what is not given is the model's default."""
        if model not in self.shapes:
            self.shapes[model] = self._shape(model)
        defaults, pick = self.shapes[model]
        self.numbers[model] += 1
        number = self.numbers[model]
        self.waiting[model].append(pick({**defaults, "id": number, **values}))
        self.count += 1
        if self.count >= FLUSH_ROWS:
            self.flush()
        return number

    def _shape(self, model: Any) -> tuple[dict[str, Any], Any]:
        fields = model._meta.concrete_fields
        texts = {"payload": "{}", "private": "", "resources": "[]", "spans": "[]", "changes": "[]"}
        defaults = {f.attname: texts.get(f.attname, f.get_default()) for f in fields}
        common = {name: value for name, value in self.common.items() if name in defaults}
        return defaults | common, itemgetter(*(f.attname for f in fields))

    def flush(self) -> None:
        from django.db import transaction

        from financial.models.inserting import insert

        with transaction.atomic():
            for model, rows in self.waiting.items():
                insert(model, rows)
        self.waiting.clear()
        self.count = 0

    def finish(self) -> None:
        from django.db import connection

        self.flush()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for model, last in self.numbers.items():
                    cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [model._meta.db_table, last])


def shares(dice: random.Random, parts: dict[str, int], count: int) -> Iterator[str]:
    names, weights = list(parts), list(parts.values())
    for first in range(0, count, 10_000):
        yield from dice.choices(names, weights, k=min(10_000, count - first))


def token(plain: bytes) -> str:
    from financial.models.fields import encrypt

    return encrypt(plain).decode()
