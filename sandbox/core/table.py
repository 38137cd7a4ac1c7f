"""THE TABLE: every operation the sandbox has, and how an address finds its row."""

from __future__ import annotations

from collections import defaultdict

from . import (
    account,
    catalog,
    charges,
    checkout,
    clocks,
    coupons,
    credit_notes,
    customers,
    disputes,
    embedded_lists,
    event_list,
    invoice_items,
    invoice_ops,
    money,
    payment_intent_ops,
    payment_links,
    payment_methods,
    payouts,
    preview,
    refunds,
    search,
    setup_intents,
    subscription_items,
    subscription_ops,
    tax_rates,
    webhook_endpoints,
)
from .operation import Operation

MODULES = (
    account, catalog, customers, payment_methods, payment_intent_ops, charges, money, refunds, disputes, payouts,
    subscription_ops, subscription_items, invoice_ops, preview, invoice_items, coupons, tax_rates, credit_notes,
    setup_intents, checkout, payment_links, clocks, webhook_endpoints, event_list, search, embedded_lists,
)  # fmt: skip
OPERATIONS: list[Operation] = [operation for module in MODULES for operation in module.OPERATIONS]


def _build() -> dict[tuple[str, int], list[tuple[list[str], Operation]]]:
    found: defaultdict[tuple[str, int], list[tuple[list[str], Operation]]] = defaultdict(list)
    for operation in OPERATIONS:
        parts = operation.path.strip("/").split("/")
        found[operation.method, len(parts)].append((parts, operation))
    for rows in found.values():
        rows.sort(key=lambda row: sum(part.startswith("{") for part in row[0]))
    return dict(found)


_ROUTES = _build()


def route(method: str, path: str) -> tuple[Operation, list[str]] | None:
    """Return the operation of an address with its ids, literal segments before placeholders."""
    parts = path.strip("/").split("/")
    if path.endswith("/") or "" in parts:
        return None
    for template, operation in _ROUTES.get((method, len(parts)), []):
        if all(t == p or t[0] == "{" for t, p in zip(template, parts, strict=True)):
            return operation, [p for t, p in zip(template, parts, strict=True) if t[0] == "{"]
    return None
