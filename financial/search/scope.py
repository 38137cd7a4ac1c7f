"""What one search asks of every kind of row: customers it is about, currencies in use, conditions as a database has them.

Each fact costs one query and is read once, whatever the number of rows.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import cached_property
from typing import Any

from django.db import connections
from django.db.models import Q

from financial import conf, money
from financial.models import StripeCredential, StripeCustomer, StripeProduct, words
from financial.search.terms import Bound, Number, Search

CANDIDATES = 200
CUSTOMERS_FOLLOWED = 20
_ROUNDING = {"gt": ROUND_FLOOR, "gte": ROUND_CEILING, "lt": ROUND_CEILING, "lte": ROUND_FLOOR}


class Scope:
    """One search in one credential's rows."""

    def __init__(self, credential: StripeCredential, search: Search) -> None:
        self.credential = credential
        self.search = search
        self._currencies: dict[str, list[str]] = {}

    @cached_property
    def named_customers(self) -> list[int]:
        """Customers in whose name, e-mail or description every part occurs, numbers too."""
        parts = [*self.search.words, *(number.text for number in self.search.numbers)]
        return self._customers(parts)

    @cached_property
    def about(self) -> list[int] | None:
        """The newest customers whose rows are meant; None where no customer was named."""
        search = self.search
        if not (search.words or search.customer):
            return None
        if search.customer.startswith("cus_"):
            rows = StripeCustomer.objects.of(self.credential).filter(stripe_id=search.customer)
            named = list(rows.values_list("pk", flat=True))
        else:
            parts = [*search.words, *search.customer.split()]
            named = self.named_customers if not (search.numbers or search.customer) else self._customers(parts)
        newest = StripeCustomer.objects.filter(pk__in=named).newest()
        return list(newest.values_list("pk", flat=True)[:CUSTOMERS_FOLLOWED])

    @cached_property
    def named_products(self) -> list[int] | None:
        """Products in whose name or description every word occurs; None where there is no word."""
        if not self.search.words:
            return None
        return words.matching(StripeProduct, self.credential, self.search.words, CANDIDATES)

    def _customers(self, parts: list[str]) -> list[int]:
        return words.matching(StripeCustomer, self.credential, parts, CANDIDATES)

    def currencies(self, model: Any) -> list[str]:
        """The currencies rows of a model have, found by hopping through its index from one to the next."""
        table = model._meta.db_table
        if table not in self._currencies:
            least = f"SELECT MIN(currency) FROM {table} WHERE credential_id = %s"  # noqa: S608  (our own names)
            following = f"({least} AND currency > used.code)"
            hops = f"{least} UNION ALL SELECT {following} FROM used WHERE code IS NOT NULL"  # noqa: S608
            sql = f"WITH RECURSIVE used(code) AS ({hops}) SELECT code FROM used WHERE code IS NOT NULL"  # noqa: S608
            with connections[model._default_manager.db].cursor() as cursor:
                cursor.execute(sql, [self.credential.pk, self.credential.pk])
                self._currencies[table] = [row[0] for row in cursor.fetchall()]
        asked = self.search.currency
        return [code for code in self._currencies[table] if not asked or code == asked]

    def amounts(self, model: Any, number: Number) -> list[tuple[str, int]]:
        """Return (currency, minor units) of what an amount is in each currency in use."""
        if number.amount is None:
            return []
        found = ((code, number.amount.minor_in(code)) for code in self.currencies(model))
        return [(code, minor) for code, minor in found if minor is not None]

    def of_amount(self, model: Any, column: str, number: Number) -> Q:
        found = Q(pk__in=[])
        for code, minor in self.amounts(model, number):
            found |= Q(currency=code, **{column: minor})
        return found

    def within_bounds(self, model: Any, column: str) -> Q:
        found = Q()
        for bound in self.search.bounds:
            found &= self._within(model, column, bound)
        return found

    def _within(self, model: Any, column: str, bound: Bound) -> Q:
        found = Q(pk__in=[])
        for code in self.currencies(model):
            if code not in money.CURRENCIES or (bound.amount.currencies and code not in bound.amount.currencies):
                continue
            minor = bound.amount.minor_in(code)
            if bound.lookup in _ROUNDING:
                exact = bound.amount.value.scaleb(money.exponent(code))
                minor = int(exact.to_integral_value(_ROUNDING[bound.lookup]))
            if minor is not None:
                found |= Q(currency=code, **{f"{column}__{bound.lookup}": minor})
        return found

    def days(self, moment: str) -> Q:
        """The days asked for, cut in the account's time zone."""
        search, found = self.search, Q()
        if search.first:
            found &= Q(**{f"{moment}__gte": _midnight(search.first)})
        if search.last:
            found &= Q(**{f"{moment}__lt": _midnight(search.last + dt.timedelta(days=1))})
        return found


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=conf.time_zone())
