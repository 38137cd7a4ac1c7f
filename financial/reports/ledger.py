"""The transactions behind figures: which rows a figure of the revenue report is made of, what accounts hold, what waits.

`FIGURES` says of each figure which categories it sums; the report (`reports.books`) sums the same ones per day, so the
rows a figure leads to add up to it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, Count, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from financial.accounts import CATEGORIES, SUSPENSE, UNKNOWN, Metric
from financial.models import Account, AccountDay, DayTotal, Entry, StripeCredential, Transaction
from financial.paging import COUNT_MAX, FEW, keys_up_to, plain
from financial.reports.books import NOTHING, Figures, figures_of_category

OVERDUE = dt.timedelta(hours=24)


def _in(*metrics: Metric) -> Q:
    return Q(reporting_category__in=sorted(name for name, meaning in CATEGORIES.items() if meaning.metric in metrics))


_MOVED = ~Q(reporting_category="")
_FUNDING, _FEES = _in(Metric.FUNDING), _in(Metric.FEES)
_REVENUE = _in(Metric.GROSS, Metric.REFUNDS, Metric.DISPUTES)
_OTHER = _MOVED & ~_REVENUE & ~_FUNDING & ~_FEES  # what Stripe may name tomorrow is here, too

# The word in addresses -> (label, the attribute of `Figures`, the rows it is the sum of).
FIGURES: dict[str, tuple[str, str, Q]] = {
    "gross": ("Gross volume", "gross_minor", _in(Metric.GROSS)),
    "refunds": ("Refunds", "refunded_minor", _in(Metric.REFUNDS)),
    "disputes": ("Disputes", "disputed_minor", _in(Metric.DISPUTES)),
    "revenue": ("Total revenue", "revenue_minor", _REVENUE),
    "fees": ("Fees", "fee_minor", (_MOVED & ~Q(fee_minor=0)) | _FEES),
    "other": ("Other movements", "other_minor", _OTHER),
    "net": ("Net volume", "net_minor", _MOVED & (~_FUNDING | ~Q(fee_minor=0))),
    "funding": ("Funding", "funding_minor", _FUNDING),
    "change": ("Balance change", "change_minor", _MOVED),
}


_METRICS = {
    "gross": (Metric.GROSS,),
    "refunds": (Metric.REFUNDS,),
    "disputes": (Metric.DISPUTES,),
    "revenue": (Metric.GROSS, Metric.REFUNDS, Metric.DISPUTES),
    "other": (Metric.OTHER,),
    "funding": (Metric.FUNDING,),
}


def rows_of(figure: str) -> Q:
    """Which transactions a figure is the sum of; where their kinds tell, also by these, for which there is an index."""
    if figure not in _METRICS:
        return FIGURES[figure][2]
    meanings = [*CATEGORIES.values(), UNKNOWN]
    kinds = {meaning.kind for meaning in meanings if meaning.metric in _METRICS[figure]}
    return FIGURES[figure][2] & Q(kind__in=sorted(kinds))


# Their rows are told apart by the fee of each, which adds nothing where it is zero.
BY_ROW = ("fees", "net")


@dataclass(frozen=True)
class LedgerSum:
    """One currency of the rows found and their figures, in which only what moved a Stripe balance counts.

    `count` is None where it would have to be counted row by row.
    """

    currency: str
    count: int | None
    figures: Figures


def sums_of(rows: QuerySet[Transaction]) -> list[LedgerSum]:
    """Add up the rows themselves, estimates left out of the figures; one query. For as many as one may add up at once."""
    # The inner query has no groups, so nothing leads it to an index that has their order.
    few = Transaction.objects.filter(pk__in=plain(rows).values("pk")[: COUNT_MAX + 1])
    settled = few.order_by().values("currency", "status", "reporting_category")
    found = settled.annotate(n=Count("pk"), amount=Sum("amount_minor"), fee=Sum("fee_minor"))
    return _summed(
        (
            line["currency"],
            line["reporting_category"] if line["status"] == Transaction.Status.SETTLED else "",
            line["n"],
            line["amount"],
            line["fee"],
        )
        for line in found
    )


def sums_from_totals(
    credential: StripeCredential,
    *,
    figure: str = "",
    currency: str = "",
    paid_in: str = "",
    first: Any = None,
    last: Any = None,
) -> list[LedgerSum]:
    """The same from the totals per day, however many settled rows there are; one query."""
    days = DayTotal.objects.filter(credential=credential, **_within("day", currency, first, last))
    days = days.filter(presentment_currency=paid_in) if paid_in else days
    by_row = figure in BY_ROW
    if figure and not by_row:
        days = days.filter(FIGURES[figure][2])
    found = days.order_by().values_list("currency", "reporting_category")
    sums = _summed(found.annotate(Sum("count"), Sum("amount_minor"), Sum("fee_minor")))
    return [replace(line, count=None) for line in sums] if by_row else sums


# The figures that are known in the currency customers paid in: fees are taken in the one Stripe settles in.
PAID_FIGURES = ("gross", "refunds", "disputes", "revenue")


def paid_sum(
    credential: StripeCredential, *, figure: str, paid_in: str, currency: str = "", first: Any = None, last: Any = None
) -> Figures:
    """The same rows in the currency customers paid in, as `books` has them by `Basis.PAID`; one query."""
    days = DayTotal.objects.filter(FIGURES[figure][2], credential=credential, presentment_currency=paid_in)
    found = days.filter(**_within("day", currency, first, last)).order_by().values_list("reporting_category")
    sums = _summed((paid_in, *line, 0) for line in found.annotate(Sum("count"), Sum("presentment_amount_minor")))
    return sums[0].figures if sums else NOTHING


def _within(day: str, currency: str, first: dt.date | None, last: dt.date | None) -> dict[str, Any]:
    asked = {"currency": currency, f"{day}__gte": first, f"{day}__lte": last}
    return {name: value for name, value in asked.items() if value}


def _summed(lines: Any) -> list[LedgerSum]:
    counts: defaultdict[str, int] = defaultdict(int)
    figures: defaultdict[str, Figures] = defaultdict(Figures)
    for currency, category, number, amount, fee in lines:
        counts[currency] += number
        if category:
            figures[currency] = figures[currency] + figures_of_category(category, number, amount, fee)
    ordered = sorted(counts, key=lambda currency: (-counts[currency], currency))
    return [LedgerSum(currency, counts[currency], figures.get(currency, NOTHING)) for currency in ordered]


# Accounts


@dataclass(frozen=True)
class AccountRow:
    """One account of the chart and its balance per currency, minor units; a debit is positive."""

    account: Account
    balances: tuple[tuple[str, int], ...]


def account_rows(credential: StripeCredential | None) -> list[AccountRow]:
    """Return the whole chart with the balances of one Stripe account's books, or of the house's; two queries."""
    held = account_balances(credential)
    return [AccountRow(account, tuple(sorted(held.get(account.pk, {}).items()))) for account in Account.objects.all()]


def account_balances(
    credential: StripeCredential | None, *, currency: str = "", first: Any = None, last: Any = None, **account: Any
) -> Mapping[int, dict[str, int]]:
    """Return account -> currency -> sum of its entries on these days; from totals, and of the house from its entries."""
    if credential is None:
        of = {f"transaction__{name}": value for name, value in _within("booked_on", currency, first, last).items()}
        rows: Any = Entry.objects.filter(transaction__credential=None, **of, **account)
        rows = rows.values_list("account", "transaction__currency")
    else:
        rows = AccountDay.objects.filter(credential=credential, **_within("day", currency, first, last), **account)
        rows = rows.values_list("account", "currency")
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for account_id, code, amount in rows.order_by().annotate(Sum("amount_minor")):
        found[account_id][code] = amount
    return found


def settled_count(credential: StripeCredential) -> int:
    """Return how many transactions are settled, from the totals."""
    return int(DayTotal.objects.filter(credential=credential).aggregate(number=Sum("count"))["number"] or 0)


def entry_count(credential: StripeCredential | None, account: Account) -> int:
    """Return how many entries an account has in these books, from the totals; 0 for the few of the house."""
    days = AccountDay.objects.filter(credential=credential, account=account)
    return int(days.aggregate(number=Sum("count"))["number"] or 0)


# What waits for somebody


@dataclass(frozen=True)
class Suspended:
    """One reporting category and currency with transactions in suspense; the amount is what is left there."""

    category: str
    currency: str
    count: int
    amount_minor: int


def in_suspense(credential: StripeCredential | None) -> QuerySet[Any]:
    """Return the keys of transactions something of which is still in suspense, corrections counted; runs one query."""
    # By its number, of which a database knows how rare it is; of an account it has to look up it knows nothing.
    account = Account.objects.filter(code=SUSPENSE).values_list("pk", flat=True).first()
    legs = Entry.objects.filter(account=account, transaction__credential=credential)
    roots = legs.order_by().values(root=Coalesce("transaction__corrects", "transaction"))
    return roots.annotate(left=Sum("amount_minor")).exclude(left=0).values("root")


def _few_in_suspense(credential: StripeCredential | None) -> QuerySet[Any] | list[int]:
    """Return their numbers where they are few, which is usual: beside a subquery databases may look at everything."""
    found = in_suspense(credential)
    few = keys_up_to(FEW, found, "root")
    return found if few is None else few


def suspended(credential: StripeCredential) -> list[Suspended]:
    """Return what is in suspense per category and currency, the most transactions first; three queries."""
    rows = Transaction.objects.filter(pk__in=_few_in_suspense(credential))
    own = Q(entries__account__code=SUSPENSE)
    found = rows.order_by().values_list("reporting_category", "currency")
    sums = found.annotate(n=Count("pk", distinct=True), left=Sum(Case(When(own, then=F("entries__amount_minor")))))
    return [Suspended(category, currency, n, left or 0) for category, currency, n, left in sums.order_by("-n")]


def differences(credential: StripeCredential | None, now: dt.datetime) -> Q:
    """Transactions that should not stay as they are: something in suspense, or an estimate older than a day."""
    # Their index knows no times: all estimates are few, and one more condition would lead SQLite to another index.
    waiting = Transaction.objects.estimated().filter(credential=credential).values_list("pk", "occurred_at")
    overdue = [pk for pk, at in waiting if at < now - OVERDUE]
    held = _few_in_suspense(credential)
    return Q(pk__in=[*held, *overdue]) if isinstance(held, list) else Q(pk__in=held) | Q(pk__in=overdue)
