"""The list of transactions: those of a Stripe account, and apart from them those of the house."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from financial import conf, handwriting, reports
from financial.filters.ledger import DIFFERENCES, TransactionFilter
from financial.models import (
    Account,
    Entry,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    Transaction,
)
from financial.paging import BoundedCount
from financial.views.mirror import export
from financial.views.mirror.listing import Answer, Column, MirrorList

PINNED = 10
OVERLAP = 1_000  # movements looked at twice
# Filters that totals per day know, too.
BY_DAY = frozenset({"date_from", "date_to", "currency", "status"})
OF_TOTALS = BY_DAY | {"figure", "paid_in"}


@dataclass(frozen=True)
class TransactionRow:
    """One line of the ledger; `payment_id` and `customer` where the money concerns a payment we know."""

    row: Transaction
    title: str
    payment_id: str
    customer: StripeCustomer | None
    payout_id: str


@dataclass(frozen=True)
class AccountSum:
    """By how much the rows found changed one account, per currency; a debit is positive."""

    currency: str
    amount_minor: int


class TransactionList(MirrorList):
    """Every transaction of one Stripe account's books, newest first."""

    section, permission = "ledger", "financial.view_transaction"
    model, filterset, name, noun = Transaction, TransactionFilter, "transactions", "transaction"  # type: ignore[assignment]
    sorts = {"date": "occurred_at"}
    more_filters = ("account", "figure", "customer", "currency", "paid_in")
    follows = "financial/_ledger_export.html"
    keeps_figures = True
    columns = (
        Column("Date", "date"),
        Column("Transaction"),
        Column("Customer"),
        Column("Amount", is_number=True),
        Column("Fee", is_number=True),
        Column("Net", is_number=True),
        Column("Payout"),
        Column("Status"),
    )
    export_header = (
        "number", "booked on (zone)", "occurred_at (zone)", "kind", "status", "category", "description", "currency",
        "amount_minor", "amount", "fee_minor", "fee", "net_minor", "net", "paid in", "paid_minor", "paid", "rate",
        "source", "balance transaction", "payout", "payment", "customer", "corrects", "mode",
    )  # fmt: skip

    def kept(self, what: str, credential: Any, build: Callable[[], Answer]) -> Answer:
        """Differences come about by waiting, too, so they are looked for each time."""
        is_waiting = self.request.GET.get("status") == DIFFERENCES
        return build() if is_waiting else super().kept(what, credential, build)

    def all_rows(self) -> QuerySet[Any]:
        return self._with_parts(Transaction.objects.of(self.credential))

    def _with_parts(self, found: QuerySet[Transaction]) -> QuerySet[Transaction]:
        payment = "stripe_transaction__payment_intent"
        heavy = [f"{path}__{name}" for path in (payment, f"{payment}__customer") for name in ("payload", "private")]
        heavy += ["balance_transaction__payload", "balance_transaction__private"]
        return found.select_related(f"{payment}__customer", "balance_transaction").defer(*heavy)

    def dress(self, credential: Any, found: Sequence[Transaction]) -> list[TransactionRow]:
        return dressed(credential, found)

    def _context(self, credential: Any, found: Any) -> dict[str, Any]:
        context = super()._context(credential, found)
        asked = found.asked("account", "figure") if found.is_valid() else {}
        count, sums, account_sums = self.kept(
            "sums", credential, lambda: self._sums(credential, found, context["count"])
        )
        figure = reports.FIGURES.get(asked.get("figure", ""))
        is_right = found.data.get("status") == DIFFERENCES and not context["chips"]
        return {
            **context,
            "nothing_template": "financial/_no_differences.html" if is_right else "",
            "count": count,
            "sums": sums,
            "sums_template": "financial/_ledger_sums.html",
            "figure": figure,
            "figures": [(line, getattr(line.figures, figure[1])) for line in sums] if figure else [],
            "paid_figure": self._paid_figure(credential, found),
            "account": Account.objects.filter(code=asked["account"]).first() if "account" in asked else None,
            "account_sums": account_sums,
            "is_house": credential is None,
            "books_query": _books_query(credential, found),
            "can_add": self.can("financial.add_transaction"),
            "unbookable": () if context["is_filtered"] else self._unbookable(credential),
            "suspended": () if context["is_filtered"] or credential is None else reports.suspended(credential),
        }

    def _sums(
        self, credential: StripeCredential | None, found: Any, count: BoundedCount
    ) -> tuple[BoundedCount, list[reports.LedgerSum], list[AccountSum]]:
        count, sums = self._counted(credential, found, count)
        return count, sums, self._account_sums(credential, found, count)

    def _counted(
        self, credential: StripeCredential | None, found: Any, count: BoundedCount
    ) -> tuple[BoundedCount, list[reports.LedgerSum]]:
        """Return how many rows there are and their sums: from totals per day where the filters allow, at any number."""
        if not found.is_valid():
            return count, []
        asked = found.asked("currency", "paid_in", "figure", "date_from", "date_to")
        by_day = found.in_force() <= OF_TOTALS and found.data.get("status", "") in ("", "settled")
        if credential is not None and by_day:
            sums = reports.sums_from_totals(
                credential,
                figure=asked.get("figure", ""),
                currency=asked.get("currency", "").lower(),
                paid_in=asked.get("paid_in", "").lower(),
                first=asked.get("date_from"),
                last=asked.get("date_to"),
            )
            return self._exact(found, count, sums), sums
        return count, [] if count.is_more else reports.sums_of(_plain(found.rows()))

    def _paid_figure(self, credential: StripeCredential | None, found: Any) -> tuple[str, int] | None:
        """Return the figure in the currency customers paid in, if that is asked for and nothing but days beside it."""
        if credential is None or not found.is_valid() or not found.in_force() <= OF_TOTALS:
            return None
        asked = found.asked("currency", "paid_in", "figure", "date_from", "date_to")
        figure, code = asked.get("figure", ""), asked.get("paid_in", "").lower()
        if not code or figure not in reports.PAID_FIGURES or found.data.get("status", "") not in ("", "settled"):
            return None
        currency, first, last = asked.get("currency", "").lower(), asked.get("date_from"), asked.get("date_to")
        sums = reports.paid_sum(credential, figure=figure, paid_in=code, currency=currency, first=first, last=last)
        return code, getattr(sums, reports.FIGURES[figure][1])

    def _exact(self, found: Any, count: BoundedCount, sums: list[reports.LedgerSum]) -> BoundedCount:
        settled = [line.count for line in sums if line.count is not None]
        if not count.is_more or len(settled) < len(sums):
            return count
        number = sum(settled) + found.estimated()
        return BoundedCount(number, limit=number)

    def _account_sums(self, credential: StripeCredential | None, found: Any, count: BoundedCount) -> list[AccountSum]:
        if not found.is_valid() or not (asked := found.asked("account", "currency", "date_from", "date_to")).get(
            "account"
        ):
            return []
        code = asked["account"]
        if found.in_force() <= BY_DAY | {"account"}:
            held = reports.account_balances(
                credential,
                currency=asked.get("currency", "").lower(),
                first=asked.get("date_from"),
                last=asked.get("date_to"),
                account__code=code,
            )
            return [AccountSum(currency, amount) for line in held.values() for currency, amount in line.items()]
        return [] if count.is_more else _sums_on(code, found.rows())

    def _unbookable(self, credential: StripeCredential | None) -> list[tuple[str, str, int, str, Any]]:
        """Return the movements that are not booked, each with its reason: (id, why, amount, currency, moment)."""
        if credential is None:
            return []
        return _unbookable(credential)

    def export_cells(self, line: TransactionRow) -> Sequence[Any]:
        row, movement = line.row, line.row.balance_transaction
        return (
            row.pk, str(row.booked_on), row.occurred_at, row.kind, row.status, row.reporting_category, line.title,
            row.currency, *export.amounts(row.amount_minor, row.currency),
            *export.amounts(row.fee_minor, row.currency), *export.amounts(row.net_minor, row.currency),
            row.presentment_currency, *export.amounts(row.presentment_amount_minor, row.presentment_currency),
            row.exchange_rate, row.source_stripe_id, movement.stripe_id if movement else "", line.payout_id, line.payment_id,
            line.customer.stripe_id if line.customer else "", row.corrects_id or "", "live" if row.livemode else "test",
        )  # fmt: skip


class HouseList(TransactionList):
    """The books of the house: what was written by hand. Never a row of a Stripe account, so never test money."""

    name, is_house = "house", True

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self.listing(request, None)

    def all_rows(self) -> QuerySet[Any]:
        return self._with_parts(Transaction.objects.of_the_house())


def dressed(credential: StripeCredential | None, found: Sequence[Transaction]) -> list[TransactionRow]:
    """Dress a page of transactions read with their payments; two queries."""
    links = {row.pk: link for row in found if (link := getattr(row, "stripe_transaction", None))}
    wanted = {link.charge_stripe_id for link in links.values() if link.payment_intent_id is None} - {""}
    charges = StripeCharge.objects.of(credential).filter(stripe_id__in=wanted).select_related("customer")
    heavy = ("payload", "private", "customer__payload", "customer__private")
    known = {charge.stripe_id: charge for charge in charges.defer(*heavy)} if credential else {}
    listed = PayoutRow.objects.filter(balance_transaction__in=[row.balance_transaction_id for row in found])
    payouts = dict(listed.values_list("balance_transaction", "payout__stripe_id"))
    return [_line(row, links.get(row.pk), known, payouts) for row in found]


def _line(row: Transaction, link: Any, charges: dict[str, StripeCharge], payouts: dict[int, str]) -> TransactionRow:
    payment = link.payment_intent if link else None
    charge = charges.get(link.charge_stripe_id) if link else None
    return TransactionRow(
        row,
        row.description or row.source_stripe_id or row.get_kind_display(),
        payment.stripe_id if payment else charge.payment_intent_stripe_id if charge else "",
        payment.customer if payment else charge.customer if charge else None,
        payouts.get(row.balance_transaction_id or 0) or (row.source_stripe_id if row.source_type == "payout" else ""),
    )


def _books_query(credential: StripeCredential | None, found: TransactionFilter) -> str:
    """Return which books are exported from here: those of the list, in the days and the currency of its filters."""
    asked = found.asked("date_from", "date_to", "currency") if found.is_valid() else {}
    wanted = {
        "books": "" if credential else "house",
        "start": asked.get("date_from", ""),
        "end": asked.get("date_to", ""),
        "currency": asked.get("currency", "").lower(),
    }
    return urlencode({name: value for name, value in wanted.items() if value})


def _plain(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_related(None).defer(None)


def _sums_on(code: str, rows: QuerySet[Any]) -> list[AccountSum]:
    legs = Entry.objects.filter(account__code=code, transaction__in=_plain(rows).order_by().values("pk"))
    sums = legs.order_by().values_list("transaction__currency").annotate(Sum("amount_minor"))
    return [AccountSum(currency, amount) for currency, amount in sorted(sums)]


@dataclass(frozen=True)
class Unbooked:
    """Movements found not booked: (primary key, id, why, amount, currency, moment), looked for up to a primary key."""

    rows: tuple[tuple[int, str, str, int, str, Any], ...] = ()
    looked_to: int = 0
    looked_at: float = 0


def _unbookable(credential: StripeCredential) -> list[tuple[str, str, int, str, Any]]:
    """Look once in a while at the movements that came since; what was booked meanwhile is left out.

    All of them are looked at once a process: what is booked stays booked.
    """
    key, seconds = f"financial:unbooked:{credential.pk}", int(conf.get("CACHE_SECONDS"))
    known = (cache.get(key) if seconds > 0 else None) or Unbooked()
    now = time.time()
    if now - known.looked_at >= seconds:
        known = _looked_again(credential, known, now)
        cache.set(key, known, None)
    if not known.rows:
        return []
    missing = set(_still_unbooked(credential, known).values_list("pk", flat=True))
    return [row for pk, *row in known.rows if pk in missing]  # type: ignore[misc]


def _looked_again(credential: StripeCredential, known: Unbooked, now: float) -> Unbooked:
    newest = StripeBalanceTransaction.objects.of(credential).aggregate(pk=Max("pk"))["pk"] or 0
    missing = set(_still_unbooked(credential, known).values_list("pk", flat=True)) if known.rows else set()
    before = {row[0]: row for row in known.rows if row[0] in missing}
    fresh = {
        movement.pk: (
            movement.pk, movement.stripe_id, why, movement.amount_minor, movement.currency, movement.created_at,
        )
        for movement, why in handwriting.unbookable(credential, PINNED, after=known.looked_to)
    }  # fmt: skip
    rows = tuple({**before, **fresh}.values())
    # Keys are not always committed in their order. With more than are shown, the rest is looked for the next time.
    is_all = len(fresh) < PINNED
    return Unbooked(rows[:PINNED], max(newest - OVERLAP, known.looked_to) if is_all else known.looked_to, now)


def _still_unbooked(credential: StripeCredential, known: Unbooked) -> QuerySet[StripeBalanceTransaction]:
    rows = StripeBalanceTransaction.objects.of(credential)
    found: QuerySet[StripeBalanceTransaction] = rows.filter(pk__in=[row[0] for row in known.rows], transaction=None)
    return found
