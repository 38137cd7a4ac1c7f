"""Every page of the app as addresses to ask for: each list with each tab, order, filter and depth, and the details.

A route that is not named here stops the benchmark, so that no page is left out when one is added.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.account import Account
from bench.ids import email, stripe_id

DEEP = 0.9  # of all rows lie before a deep page
# Answered to POST only, of what the account has none of, only there while it is empty, or asked of Stripe.
LEFT_OUT = frozenset({"webhook", "payout-deposit", "credential-switch", "saved-filters"}) | {
    "payment-link",
    "checkout-page",
    "paid",
    "sample-data",
    "subscription-next-invoice",
}
PERIODS = ("today", "7d", "30d", "90d", "month", "last-month", "12m", "year", "all")


@dataclass(frozen=True)
class Address:
    """What to ask for; `route` is the name of the page, `label` tells its addresses apart."""

    route: str
    label: str
    path: str
    is_part: bool = False


class Book:
    """The addresses of an account of this size that is in the database."""

    def __init__(self, payments: int, credential: Any) -> None:
        self.account = Account(payments)
        self.credential = credential
        self.today = dt.datetime.now(dt.UTC).date()

    def addresses(self) -> Iterator[Address]:
        from financial.urls import urlpatterns

        for pattern in urlpatterns:
            name = pattern.name
            if not name or name in LEFT_OUT:
                continue
            view = getattr(pattern.callback, "view_class", None)
            yield from self._listed(name, view) if hasattr(view, "filterset") else self._single(name)

    # Lists

    def _listed(self, name: str, view: Any) -> Iterator[Address]:
        def at(label: str, is_part: bool = False, **query: Any) -> Address:
            return Address(name, label, f"{_url(name)}?{urlencode(query)}" if query else _url(name), is_part)

        yield at("first page")
        yield at("as a part", is_part=True)
        yield at("file, first byte", format="csv")
        for key in view.filterset.states:
            yield at(f"tab {key}", status=key)
            yield at(f"tab {key}, deep", status=key, after=self._deep(view, "date"))
        for word in view.sorts:
            for sort in (word, f"-{word}"):
                yield at(f"sort {sort}", sort=sort)
                yield at(f"sort {sort}, deep", sort=sort, after=self._deep(view, sort))
        for filter_name in view.filterset.base_filters:
            for value in self._values(name, filter_name, view.filterset) if filter_name != "status" else ():
                yield at(f"{filter_name}={value}", **{filter_name: value})
        for label, query in COMBINED.get(name, {}).items():
            yield at(label, **query)

    def _deep(self, view: Any, sort: str) -> str:
        from django.db.models import Count

        from financial import paging
        from financial.models import StripeCredential

        model, field = view.model, view.sorts[sort.removeprefix("-")]
        nulls = {f"{field}__isnull": False}
        rows = model._default_manager.filter(credential=StripeCredential.objects.get(), **nulls)
        place = int(rows.aggregate(n=Count("pk"))["n"] * DEEP)
        if not place:
            return ""
        sign = "-" if sort.startswith("-") or sort == "date" else ""
        return paging._write(rows.order_by(f"{sign}{field}", f"{sign}pk").only(field)[place], field)

    def _values(self, route: str, name: str, filterset: Any) -> list[str]:
        found = VALUES.get((route, name), VALUES.get(("", name)))
        if found is not None:
            return [value() if callable(value) else value for value in found]
        if (route, name) == ("transactions", "account"):
            from financial.models import Account as Ledger

            return list(Ledger.objects.values_list("code", flat=True))
        choices = filterset.base_filters[name].extra.get("choices")
        return ["true"] if choices is None else [str(value) for value, _ in choices if value]

    # Everything else

    def _single(self, name: str) -> Iterator[Address]:
        for label, args, query in PAGES[name](self):
            path = _url(name, *args)
            yield Address(name, label, f"{path}?{urlencode(query)}" if query else path, name == "sync-progress")

    def first(self, model_name: str, order: str = "-pk", **among: Any) -> Any:
        from django.apps import apps

        return apps.get_model("financial", model_name)._default_manager.filter(**among).order_by(order)[:1].get()


def _url(name: str, *args: Any) -> str:
    from django.urls import reverse

    return reverse(f"financial:{name}", args=args)


Wanted = Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]


def _plain(book: Book) -> Wanted:
    yield "", (), {}


def _periods(book: Book) -> Wanted:
    for period in PERIODS:
        yield f"period {period}", (), {"period": period}
    yield "12 months by day", (), {"period": "12m", "group": "day"}
    long_ago = str(book.today - dt.timedelta(days=200))
    yield "a month back in time, a year before", (), {"period": "month", "end": long_ago, "compare": "year"}
    yield "second currency", (), {"period": "all", "currency": "eur"}
    yield "file", (), {"period": "all", "group": "month", "csv": "1"}


def _revenue(book: Book) -> Wanted:
    yield from _periods(book)
    yield "between days", (), {"from": str(book.today - dt.timedelta(days=500)), "to": str(book.today)}


def _metrics(book: Book) -> Wanted:
    yield "", (), {}
    yield "second currency", (), {"currency": "eur"}
    yield "one product", (), {"product": stripe_id("prod", 1)}
    yield "file", (), {"format": "csv"}


def _movements(book: Book) -> Wanted:
    yield "newest month", (), {}
    yield "every month", (), {"from": "2000-01", "to": "2099-12"}
    yield "churn of a product, every month", (), {
        "from": "2000-01", "to": "2099-12", "kind": "churn", "product": stripe_id("prod", 1),
    }  # fmt: skip
    yield "file", (), {"format": "csv"}


def _fees(book: Book) -> Wanted:
    for period in PERIODS:
        yield f"period {period}", (), {"period": period}


def _products(book: Book) -> Wanted:
    yield "biggest", (stripe_id("prod", 1),), {}
    yield "small", (stripe_id("prod", 30),), {}


def _product(book: Book) -> Wanted:
    yield "", (stripe_id("prod", 1),), {}


def _customers(book: Book) -> Wanted:
    yield "biggest", (stripe_id("cus", 1),), {}
    yield "usual", (stripe_id("cus", book.account.customers // 2),), {}
    yield "subscriber", (stripe_id("cus", book.account.customer_of_subscription(5)),), {}


def _payments(book: Book) -> Wanted:
    refund, dispute = book.first("StripeRefund"), book.first("StripeDispute")
    yield "refunded", (refund.payment_intent_stripe_id,), {}
    yield "disputed", (dispute.payment_intent_stripe_id,), {}
    yield "newest", (stripe_id("pi", book.account.payments),), {}
    yield "old", (stripe_id("pi", 5),), {}


def _subscriptions(book: Book) -> Wanted:
    yield "old", (stripe_id("sub", 2),), {}
    yield "new", (stripe_id("sub", book.account.subscriptions),), {}


def _payouts(book: Book) -> Wanted:
    biggest = book.first("PayoutReading", "-rows").payout
    yield "biggest", (biggest.stripe_id,), {}
    yield "newest read", (book.first("PayoutReading").payout.stripe_id,), {}
    yield "newest", (book.first("StripePayout").stripe_id,), {}


def _transactions(book: Book) -> Wanted:
    for kind in ("payment", "refund", "payout"):
        yield kind, (book.first("Transaction", kind=kind).pk,), {}


def _accounts(book: Book) -> Wanted:
    yield "clearing", (book.first("Account", "pk").pk,), {}


def _event(book: Book) -> Wanted:
    yield "newest", (stripe_id("evt", book.account.events - 3),), {}
    yield "dead", (stripe_id("evt", book.account.events // 2),), {}
    yield "payload", (stripe_id("evt", book.account.events // 4),), {"payload": "1"}


def _searches(book: Book) -> Wanted:
    """One of each kind of text: words, amounts, cards, all at once, and operators alone."""
    for text in (
        "hana", "hana nagy", email(7), "ha", "example", "49", "€49.00", "4900 jpy", "4242", "hana 49", "hana nagy 4242",
        "bench-0000012", "charge.failed", "nobody", "status:failed", "currency:jpy", "amount>500",
        "customer:hana status:succeeded", f"date:{book.today:%Y-%m}",
    ):  # fmt: skip
        yield text, (), {"q": text}
    yield "one kind", (), {"q": "hana", "type": "payments"}
    yield "unknown id", (), {"q": "pi_unknown"}


def _progress(book: Book) -> Wanted:
    yield "", (book.first("SyncRun").pk,), {}


def _forms(prefix: str, number: int = 1) -> Any:
    """The form that changes one object."""

    def of(book: Book) -> Wanted:
        yield "", (stripe_id(prefix, number),), {}

    return of


# What can be done with an object, on a page of its own.
FORMS: dict[str, tuple[str, ...]] = {
    "prod": ("product-edit", "product-archive", "product-unarchive"),
    "price": ("price-edit", "price-archive", "price-unarchive"),
    "cus": ("customer-edit",),
    "pi": ("payment-capture", "payment-cancel", "payment-retry", "payment-refund"),
    "sub": (
        "subscription-change", "subscription-pause", "subscription-resume", "subscription-cancel",
        "subscription-cancel-now", "subscription-keep",
    ),
}  # fmt: skip
PAGES: dict[str, Any] = {
    "overview": _periods, "stripe": _periods, "revenue": _revenue, "metrics": _metrics, "fees": _fees,
    "movements": _movements, "product": _products, "price-new": _product, "customer": _customers, "payment": _payments,
    "subscription": _subscriptions, "payout": _payouts, "transaction": _transactions, "account": _accounts, "event": _event,
    "sync-progress": _progress, "search": _searches, "palette": _searches,
    **dict.fromkeys(
        ("transaction-new", "accounts", "suspense", "proof", "product-new", "customer-new", "payment-new",
         "subscription-new", "deposits", "sync", "endpoint", "exports", "pay-pages", "style"), _plain),
    **{name: _forms(prefix) for prefix, names in FORMS.items() for name in names},
}  # fmt: skip

NAMES = ["Ada", "ada.kern", lambda: email(7), "Nobody", stripe_id("cus", 1), stripe_id("cus", 77)]
# (route or "" for any, filter) -> values; where none are named, each choice of the filter.
VALUES: dict[tuple[str, str], list[Any]] = {
    ("products", "q"): ["Plan", "Plan 07", "Nothing", stripe_id("prod", 1), stripe_id("price", 5)],
    ("customers", "q"): NAMES,
    ("payments", "q"): [*NAMES, stripe_id("pi", 9), stripe_id("ch", 9), "4242", "0001", "zzzz"],
    ("subscriptions", "q"): [*NAMES, stripe_id("sub", 9), stripe_id("price", 2)],
    ("payouts", "q"): [stripe_id("po", 3), stripe_id("txn", 9), "TRACE00000100", "nothing"],
    ("transactions", "q"): [stripe_id(kind, 9) for kind in ("txn", "ch", "re", "pi")] + [stripe_id("po", 3), "nothing"],
    ("house", "q"): [stripe_id("txn", 9)],
    ("events", "q"): [stripe_id("evt", 9), stripe_id("ch", 45), "nothing"],
    ("", "country"): ["US", "de", "XX"],
    ("events", "type"): ["charge.succeeded", "payout.paid", "nothing.known"],
    ("house", "account"): [],
    ("", "customer"): NAMES,
    ("", "currency"): ["usd", "eur", "jpy", "chf"],
    ("", "paid_in"): ["usd", "eur", "chf"],
    ("", "amount_from"): ["49", "900", "5000"],
    ("", "amount_to"): ["5.50", "49", "0.01"],
    ("subscriptions", "product"): ["Plan", "Plan 01", stripe_id("prod", 1), stripe_id("prod", 30), "Nothing"],
    ("", "date_from"): ["2000-01-01", lambda: str(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=7)), "2099-01-01"],
    ("", "date_to"): ["2000-01-01", lambda: str(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=700)), "2099-01-01"],
}
COMBINED: dict[str, dict[str, dict[str, Any]]] = {
    "payments": {
        "usd of 49 and more, by card, succeeded": {
            "currency": "usd",
            "amount_from": "49",
            "method": "card",
            "status": "succeeded",
        },
        "klarna, failed": {"method": "klarna", "status": "failed"},
        "amount 49.00 exactly": {"amount_from": "49", "amount_to": "49"},
        "biggest customer, disputed": {"customer": stripe_id("cus", 1), "status": "disputed"},
        "Ada, by amount": {"customer": "Ada", "sort": "-amount"},
        "refunded, by amount": {"status": "refunded", "sort": "-amount"},
        "jpy, a month": {"currency": "jpy", "date_from": "2025-06-01", "date_to": "2025-06-30"},
    },
    "transactions": {
        "refunds of jpy paid in a month": {"kind": "refund", "date_from": "2025-06-01", "date_to": "2025-06-30"},
        "fees of eur": {"figure": "fees", "currency": "eur"},
        "biggest customer, refunds": {"customer": stripe_id("cus", 1), "kind": "refund"},
    },
    "events": {"replays that need attention": {"source": "replay", "status": "dead"}},
}
