"""Each kind of row a search looks through: who may, in which order, and what of a search narrows it by which index."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import connection
from django.db.models import Prefetch, Q, QuerySet

from financial.filters.states import PAYMENT_STATES, PAYOUT_STATES, PRODUCT_STATES, SUBSCRIPTION_STATES, has_charge
from financial.models import (
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeRefund,
    StripeSubscription,
    StripeWebhookEvent,
    Transaction,
)
from financial.search import hits, places
from financial.search.scope import CANDIDATES, Scope
from financial.search.terms import Number

ALL_OPERATORS = frozenset({"status", "currency", "amount", "customer"})
INVOICE_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,}\Z")
TRACE_ID = re.compile(r"[A-Za-z0-9-]{6,}\Z")
LAST4_CHARGES = 100


# Stands in a query for the primary key of each owner in turn; no row has it, and no amount is so small.
OWNER = -(2**62)


@dataclass(frozen=True)
class Branch:
    """Rows an index finds in their order; with `owners`, once for each of them in the place of `OWNER`.

    Where rows lead to their owner by way of others, they are not `in_order`: they are found by their owner and then sorted,
    for in the order of time SQLite would look at all there are.
    """

    rows: QuerySet[Any]
    owners: tuple[int, ...] | None = None
    in_order: bool = True


@dataclass(frozen=True)
class Narrowed:
    """What an index narrows a search to, and what is left to check of those rows."""

    branches: tuple[Branch, ...] = ()
    rest: Q = Q()


@dataclass(frozen=True)
class Source:
    """One kind of row.

    `moment` is the column of its order, newest first. `understands` are the operators it has a meaning for; a search with
    another one finds none of these rows. `light` leaves out of a query what no line shows.
    """

    name: str
    label: str
    icon: str
    permission: str
    model: Any
    narrowed: Callable[[Scope], Narrowed]
    hits: Callable[[StripeCredential, Sequence[Any]], list[hits.Hit]]
    light: Callable[[QuerySet[Any]], QuerySet[Any]]
    understands: frozenset[str] = ALL_OPERATORS
    moment: str = "created_at"


@dataclass(frozen=True)
class _Money:
    """What finds rows that have an amount and a customer: the same for all of them but the names of columns."""

    model: Any
    amount: str = "amount_minor"
    moment: str = "created_at"
    customer: str = "customer"
    states: Any = None
    indexed: frozenset[str] = frozenset()  # the states an index has in the order of time

    def rows(self, scope: Scope) -> QuerySet[Any]:
        found: QuerySet[Any] = self.model._default_manager.of(scope.credential)
        return found.filter(scope.days(self.moment))

    def narrowed(self, scope: Scope) -> Narrowed:
        search, rows = scope.search, self.rows(scope)
        status = self.status(search.status)
        rest = scope.within_bounds(self.model, self.amount) & self.currency(scope)
        numbers = [*search.numbers, *([Number(search.last4, None, search.last4)] if search.last4 else ())]
        if scope.about is not None:
            if not self.customer:
                return Narrowed()
            is_own = "__" not in self.customer
            if not is_own:  # the owners are of this account, and so are their rows; SQLite would begin with all it has
                rows = self.model._default_manager.filter(scope.days(self.moment))
            owned = Branch(rows.filter(**{self.customer: OWNER}), tuple(scope.about), in_order=is_own)
            return Narrowed((owned,), self.also(scope, status & rest, numbers))
        if numbers:
            found = self.by_number(scope, rows, numbers[0])
            return Narrowed(tuple(map(Branch, found)), self.also(scope, status & rest, numbers[1:]))
        if search.status in self.indexed:
            return Narrowed((Branch(rows.filter(status)),), rest)
        return Narrowed((Branch(rows),), status & rest) if search.operators or search.first else Narrowed()

    def also(self, scope: Scope, rest: Q, numbers: Sequence[Number]) -> Q:
        for number in numbers:
            rest &= self.of_number(scope, number)
        return rest

    def by_number(self, scope: Scope, rows: QuerySet[Any], number: Number) -> list[QuerySet[Any]]:
        return [rows.filter(currency=code, **{self.amount: minor}) for code, minor in scope.amounts(self.model, number)]

    def of_number(self, scope: Scope, number: Number) -> Q:
        return scope.of_amount(self.model, self.amount, number)

    def currency(self, scope: Scope) -> Q:
        return Q(currency=scope.search.currency) if scope.search.currency else Q()

    def status(self, asked: str) -> Q:
        if not asked:
            return Q()
        return self.states[asked][1] if self.states and asked in self.states else Q(status=asked)


class _Payments(_Money):
    """Payments have cards, too: four digits may be the last of one."""

    def by_number(self, scope: Scope, rows: QuerySet[Any], number: Number) -> list[QuerySet[Any]]:
        found = super().by_number(scope, rows, number)
        if number.last4:
            charges = StripeCharge.objects.of(scope.credential).filter(card_last4=number.last4)
            newest = charges.newest().values_list("payment_intent", flat=True)[:LAST4_CHARGES]
            found.append(rows.filter(pk__in=[pk for pk in newest if pk]))
        return found

    def of_number(self, scope: Scope, number: Number) -> Q:
        found = super().of_number(scope, number)
        return found | Q(has_charge(card_last4=number.last4)) if number.last4 else found


class _Invoices(_Money):
    """Invoices are known by their number, too."""

    def narrowed(self, scope: Scope) -> Narrowed:
        found, single = super().narrowed(scope), scope.search.single
        if not INVOICE_NUMBER.match(single):
            return found
        numbered = [Branch(self.rows(scope).filter(_begins("number", text))) for text in {single, single.upper()}]
        return Narrowed((*found.branches, *numbered))


class _Payouts(_Money):
    """Payouts have no customer, and are known at the bank by their trace id."""

    def narrowed(self, scope: Scope) -> Narrowed:
        found, single = super().narrowed(scope), scope.search.single
        if not TRACE_ID.match(single):
            return found
        traced = [Branch(self.rows(scope).filter(trace_id=text)) for text in {single, single.upper()}]
        return Narrowed((*found.branches, *traced))


class _Transactions(_Money):
    """In the books money that goes out is negative, and people type it without its sign."""

    SIGNS: ClassVar[tuple[int, ...]] = (1, -1)

    def by_number(self, scope: Scope, rows: QuerySet[Any], number: Number) -> list[QuerySet[Any]]:
        found = scope.amounts(self.model, number)
        return [rows.filter(currency=code, amount_minor=minor * sign) for code, minor in found for sign in self.SIGNS]


def _begins(column: str, text: str) -> Q:
    """The beginning of a column, in the form each database serves from an index."""
    if connection.vendor == "postgresql":
        return Q(**{f"{column}__startswith": text})
    return Q(**{f"{column}__gte": text, f"{column}__lt": f"{text}\U0010ffff"})


def _customers(scope: Scope) -> Narrowed:
    search, rows = scope.search, StripeCustomer.objects.filter(scope.days("created_at"))
    is_named = search.words or search.numbers
    if is_named:
        rows = rows.filter(pk__in=scope.named_customers)
    if search.customer:
        rows = rows.filter(pk__in=scope.about or [])
    if not (is_named or search.customer):
        # Else they are of this account already, and to ask for it again leads databases past all its customers in order.
        rows = rows.of(scope.credential)
    return Narrowed((Branch(rows),))


def _subscriptions(scope: Scope) -> Narrowed:
    search = scope.search
    rows = StripeSubscription.objects.of(scope.credential).filter(scope.days("created_at"))
    states = {key: found for key, (_, found) in SUBSCRIPTION_STATES.items()}
    status = states.get(search.status, Q(status=search.status)) if search.status else Q()
    rest = Q(currency=search.currency) if search.currency else Q()
    if scope.about is not None:
        for number in search.numbers:
            rest &= Q(price__in=_prices(scope, number))
        return Narrowed((Branch(rows.filter(customer=OWNER), tuple(scope.about)),), status & rest)
    if search.numbers:
        return Narrowed()
    if search.status in _OF_SEVERAL_STATUSES:
        return Narrowed((Branch(rows),), status & rest)
    return Narrowed((Branch(rows.filter(status)),), rest)  # an index has them in the order of time


_OF_SEVERAL_STATUSES = ("active", "inactive", "canceling")


def _prices(scope: Scope, number: Number) -> QuerySet[Any]:
    rows = StripePrice.objects.of(scope.credential)
    return rows.filter(scope.of_amount(StripePrice, "unit_amount_minor", number)).values("pk")


def _products(scope: Scope) -> Narrowed:
    search = scope.search
    rows = StripeProduct.objects.of(scope.credential).filter(scope.days("created_at"))
    if search.status:
        rows = rows.filter(PRODUCT_STATES[search.status][1] if search.status in PRODUCT_STATES else Q(pk__in=[]))
    for number in search.numbers:
        priced = StripePrice.objects.filter(pk__in=_prices(scope, number))
        rows = rows.filter(pk__in=priced.values("product")[:CANDIDATES])
    if scope.named_products is not None:
        named = Q(pk__in=scope.named_products)
        rows = rows.filter(named | Q(stripe_id=search.single) if search.single else named)
    return Narrowed((Branch(rows),))


def _events(scope: Scope) -> Narrowed:
    if not scope.search.event_type:
        return Narrowed()
    events = StripeWebhookEvent.objects.filter(scope.days("received_at"), credential=scope.credential)
    return Narrowed((Branch(events.filter(type=scope.search.event_type)),))


def _lean(*joined: str) -> Callable[[QuerySet[Any]], QuerySet[Any]]:
    """Join these, and leave payloads and what must be decrypted where they are."""
    heavy = [f"{path}{column}" for path in ("", *(f"{name}__" for name in joined)) for column in ("payload", "private")]
    return lambda rows: (rows.select_related(*joined) if joined else rows).defer(*heavy)


def _with_charges(rows: QuerySet[Any]) -> QuerySet[Any]:
    charges = StripeCharge.objects.defer("payload", "private")
    return _lean("customer")(rows).prefetch_related(Prefetch("charges", charges))


_PAYMENTS = _Payments(
    StripePaymentIntent,
    states=PAYMENT_STATES,
    indexed=frozenset({"processing", "requires_action", "failed", "canceled", "requires_capture"}),
)
_INVOICES = _Invoices(StripeInvoice, amount="total_minor")
_PAYOUTS = _Payouts(StripePayout, customer="", states=PAYOUT_STATES)
_REFUNDS = _Money(StripeRefund, customer="payment_intent__customer")
_DISPUTES = _Money(StripeDispute, customer="payment_intent__customer")
_BOOKS = _Transactions(Transaction, moment="occurred_at", customer="stripe_transaction__payment_intent__customer")
_OF_PAYMENT = ("payment_intent", "payment_intent__customer")

SOURCES: tuple[Source, ...] = (
    Source(
        "payments", "Payments", "payments", places.PAYMENTS, StripePaymentIntent, _PAYMENTS.narrowed, hits.payments,
        _with_charges, ALL_OPERATORS | {"last4"},
    ),
    Source(
        "customers", "Customers", "customers", places.CUSTOMERS, StripeCustomer, _customers, hits.customers, _lean(),
        frozenset({"customer"}),
    ),
    Source(
        "subscriptions", "Subscriptions", "subscriptions", places.SUBSCRIPTIONS, StripeSubscription, _subscriptions,
        hits.subscriptions, _lean("customer", "price", "price__product"), frozenset({"status", "currency", "customer"}),
    ),
    Source(
        "products", "Products and prices", "products", places.PRODUCTS, StripeProduct, _products, hits.products, _lean(),
        frozenset({"status"}),
    ),
    Source(
        "invoices", "Invoices", "invoices", places.CUSTOMERS, StripeInvoice, _INVOICES.narrowed, hits.invoices,
        _lean("customer"),
    ),
    Source(
        "refunds", "Refunds", "back", places.PAYMENTS, StripeRefund, _REFUNDS.narrowed, hits.refunds,
        _lean(*_OF_PAYMENT),
    ),
    Source(
        "disputes", "Disputes", "alert", places.PAYMENTS, StripeDispute, _DISPUTES.narrowed, hits.disputes,
        _lean(*_OF_PAYMENT),
    ),
    Source(
        "payouts", "Payouts", "payouts", places.PAYOUTS, StripePayout, _PAYOUTS.narrowed, hits.payouts, _lean(),
        frozenset({"status", "currency", "amount"}),
    ),
    Source(
        "transactions", "Ledger", "ledger", places.LEDGER, Transaction, _BOOKS.narrowed, hits.transactions,
        lambda rows: rows, moment="occurred_at",
    ),
    Source(
        "events", "Webhook events", "webhook", places.EVENTS, StripeWebhookEvent, _events, hits.events,
        lambda rows: rows.defer("body"), frozenset(), moment="received_at",
    ),
)  # fmt: skip
