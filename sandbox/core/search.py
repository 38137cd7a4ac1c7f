"""Search: a small part of Stripe's query language over products, prices, customers...

Fields compare with `:` (equal), `~` (contains, three characters or more), `>`, `<`, `>=`, `<=`;
clauses join with AND or OR (not both) and can be negated with `-`. `metadata["key"]` works.
Stripe: https://docs.stripe.com/search
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import bad_request
from .operation import Operation, Params, Plain
from .render import view
from .specs import spec
from .store import Object

if TYPE_CHECKING:
    from .world import World

_CLAUSE = re.compile(r"\s*(-?)([\w.]+)(?:\[[\"'](.+?)[\"']\])?\s*(:|~|>=|<=|>|<)\s*(\"[^\"]*\"|'[^']*'|[\w.-]+)\s*")
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)
_COMPARE = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
_FIELDS = {
    "customer": ("created", "email", "metadata", "name", "phone"),
    "product": ("active", "description", "metadata", "name", "shippable", "url"),
    "price": ("active", "currency", "lookup_key", "metadata", "product", "type"),
    "payment_intent": ("amount", "created", "currency", "customer", "metadata", "status"),
    "charge": ("amount", "created", "currency", "customer", "disputed", "metadata", "refunded", "status"),
    "subscription": ("created", "metadata", "status", "canceled_at"),
    "invoice": ("created", "currency", "customer", "metadata", "number", "status", "subscription", "total"),
}  # fmt: skip
Test = Callable[[Object], bool]


def parse(query: str, kind: str) -> Test:
    """Return the test that a query stands for.

    Raises:
        StripeError: it is no query, or names a field that cannot be searched.
    """
    tests: list[Test] = []
    joins: set[str] = set()
    place = 0
    while True:
        clause = _CLAUSE.match(query, place)
        if clause is None:
            raise bad_request("We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"`"
                              " to query for metadata or key:\"value\" to query for other fields.",
                              param="query")  # fmt: skip
        tests.append(_test(clause, kind))
        place = clause.end()
        if place >= len(query):
            break
        join = _JOIN.match(query, place)
        joins.add(join.group(1).upper() if join else "AND")
        place = join.end() if join else place
    if len(joins) > 1:
        raise bad_request("Search queries cannot mix AND and OR.", param="query")
    return (lambda o: any(t(o) for t in tests)) if joins == {"OR"} else (lambda o: all(t(o) for t in tests))


def _test(clause: re.Match[str], kind: str) -> Test:
    negated, name, key, sign, text = clause.groups()
    if name not in _FIELDS[kind]:
        raise bad_request(f"Field `{name}` is an unsupported search field for resource `{kind}s`.", param="query")
    wanted = text[1:-1] if text[0] in "\"'" else text
    field = "_subscription" if name == "subscription" else name

    def test(obj: Object) -> bool:
        value: Any = obj.get(field)
        if key is not None:
            value = (value or {}).get(key)
        return _fits(value, sign, wanted) is not bool(negated)

    return test


def _fits(value: Any, sign: str, wanted: str) -> bool:
    if value is None:
        return wanted == "null"
    if sign in _COMPARE:
        return isinstance(value, int) and wanted.lstrip("-").isdigit() and _COMPARE[sign](value, int(wanted))
    text = str(value).lower()
    return wanted.lower() in text if sign == "~" else text == wanted.lower()


def _searching(kind: str, path: str) -> Operation:
    def handler(world: World, params: Params) -> Plain:
        test = parse(params["query"], kind)
        limit, start = params.get("limit", 10), int(params.get("page", "0") or 0)
        found = [o for o in world.all(kind) if test(o)][::-1]
        shown = [view(world, o, world.version) for o in found[start : start + limit]]
        more = len(found) > start + limit
        return Plain({"object": "search_result", "data": shown, "has_more": more,
                      "next_page": str(start + limit) if more else None, "url": path,
                      "total_count": len(found)})  # fmt: skip

    return Operation("GET", path, handler, spec("query!:str limit:int page:str expand:[str]"), listing=True, kind=kind)


PLURALS = {"customer": "customers", "product": "products", "price": "prices", "payment_intent": "payment_intents",
           "charge": "charges", "subscription": "subscriptions", "invoice": "invoices"}  # fmt: skip
OPERATIONS = [_searching(kind, f"/v1/{plural}/search") for kind, plural in PLURALS.items()]
