"""The fee audit: what Stripe really took of payments, by what makes them cost more, and what refunds and disputes cost.

One pass in the database over the settled payments of the days asked for, grouped by everything told apart; the tables are
cut from its answer. Amounts are minor units of the settlement currency.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from django.db.models import Case, CharField, Count, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Substr

from financial import money
from financial.accounts import CATEGORIES, DISPUTE_FEES, Metric
from financial.models import AccountDay, DayTotal, StripeCharge, StripeCredential, Transaction
from financial.reports.cached import cached
from financial.reports.periods import Period

# Bands of the amount in major units, each from its own start up to the next.
BANDS = (0, 10, 50, 100, 500, 1000)


@dataclass(frozen=True)
class FeeRow:
    """One line of a table: the payments that have `label` in common."""

    label: str
    count: int
    amount_minor: int
    fee_minor: int

    @property
    def rate(self) -> Decimal | None:
        """The effective rate in percent, two decimals, half up; None of nothing."""
        if self.amount_minor <= 0:
            return None
        return (Decimal(100) * self.fee_minor / self.amount_minor).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Drift:
    """Estimates against the exact fees, of payments settled in the currency they were paid in."""

    count: int
    estimated_minor: int
    exact_minor: int
    rough: int

    @property
    def drift_minor(self) -> int:
        return self.exact_minor - self.estimated_minor


@dataclass(frozen=True)
class Lost:
    """What refunds and disputes cost in fees; `kept_minor` is what Stripe took of payments that were refunded in full."""

    refund_fees_minor: int
    dispute_fees_minor: int
    refunded: int
    kept_minor: int
    partly_refunded: int
    partly_kept_minor: int


@dataclass(frozen=True)
class FeeAudit:
    """One currency's payments of some days, cut five ways; every table sums to `total`."""

    currency: str
    total: FeeRow
    tables: tuple[tuple[str, tuple[FeeRow, ...]], ...]
    drift: Drift
    lost: Lost


class _Cell(NamedTuple):
    """One row per everything told apart."""

    month: str
    country: str
    brand: str
    band: int
    refund: str
    number: int
    amount: int
    fee: int
    same: int
    estimated: int
    exact: int
    rough: int


def fee_audit(credential: StripeCredential, currency: str, period: Period) -> FeeAudit:
    """Return the audit of one settlement currency; three queries, none but that for the data's state when it is kept."""
    return cached("fees", credential, lambda: _audit(credential, currency, period), currency, period)


def _audit(credential: StripeCredential, currency: str, period: Period) -> FeeAudit:
    cells = [_Cell(*row) for row in _cells(credential, currency, period)]
    return FeeAudit(
        currency=currency,
        total=_line("Total", cells),
        tables=(
            ("Card country", _table(cells, lambda cell: cell.country or "not a card")),
            ("Card brand", _table(cells, lambda cell: (cell.brand or "other").replace("_", " ").capitalize())),
            ("Size", _table(cells, lambda cell: band_words(cell.band, currency), key=lambda cell: cell.band)),
            ("Month", _table(cells, lambda cell: _month_words(cell.month), key=lambda cell: cell.month)),
        ),
        drift=Drift(
            sum(cell.same for cell in cells),
            sum(cell.estimated for cell in cells),
            sum(cell.exact for cell in cells),
            sum(cell.rough for cell in cells),
        ),
        lost=_lost(credential, currency, period, cells),
    )


def _cells(credential: StripeCredential, currency: str, period: Period) -> Iterable[Any]:
    charge = StripeCharge.objects.filter(
        credential=credential, stripe_id=OuterRef("stripe_transaction__charge_stripe_id")
    )
    same = Q(presentment_currency=F("currency"), stripe_transaction__payment_intent__isnull=False)
    rows = Transaction.objects.filter(
        credential=credential, currency=currency, status="settled", reporting_category="charge",
        booked_on__lt=period.end, **({"booked_on__gte": period.start} if period.start else {}),
    )  # fmt: skip
    # One look at the charge for all three: its facts as one text, cut apart again below.
    facts = Subquery(charge.annotate(facts=_facts()).values("facts")[:1], output_field=CharField())
    told = rows.order_by().annotate(
        month=Substr(Cast("booked_on", CharField()), 1, 7), facts=Coalesce(facts, Value("||")), band=_band(currency)
    )
    link = "stripe_transaction__"
    sums = {
        "number": Count("pk"),
        "amount": Sum("amount_minor"),
        "fee": Sum("fee_minor"),
        "same": Count("pk", filter=same),
        "guess": Coalesce(Sum(f"{link}estimated_fee_minor", filter=same), 0),
        "exact": Coalesce(Sum("fee_minor", filter=same), 0),
        "rough": Count("pk", filter=same & Q(**{f"{link}is_rough": True})),
    }
    found = told.values("month", "facts", "band").annotate(**sums).values_list("month", "facts", "band", *sums)
    for month, text, band, *figures in found:
        country, brand, refund = text.split("|", 2)
        yield (month, country, brand, band, refund, *figures)


def _facts() -> Any:
    """Country, brand (or method) and whether it was refunded, as one text."""
    brand = Case(When(~Q(card_brand=""), then=F("card_brand")), default=F("method_type"))
    refund = Case(
        When(refunded=True, then=Value(FULLY)),
        When(amount_refunded_minor__gt=0, then=Value(PARTLY)),
        default=Value(""),
        output_field=CharField(),
    )
    return Concat("card_country", Value("|"), brand, Value("|"), refund, output_field=CharField())


FULLY, PARTLY = "full", "part"


def _band(currency: str) -> Any:
    steps = [When(amount_minor__gte=_minor(start, currency), then=Value(start)) for start in reversed(BANDS[1:])]
    return Case(*steps, default=Value(0))


def _minor(major: int, currency: str) -> int:
    return major * int(10 ** (money.exponent(currency) if currency in money.CURRENCIES else 2))


def band_words(start: int, currency: str) -> str:
    """Return what a band is called: `below $10.00`, `$10.00 – $50.00`, `$1,000.00 and more`."""
    ends = dict(zip(BANDS, BANDS[1:], strict=False))
    begin = money.display(_minor(start, currency), currency)
    if start not in ends:
        return f"{begin} and more"
    end = money.display(_minor(ends[start], currency), currency)
    return f"below {end}" if not start else f"{begin} – {end}"


def _month_words(month: str) -> str:
    return f"{dt.date.fromisoformat(month + '-01'):%B %Y}"


def _table(
    cells: list[_Cell], label: Callable[[_Cell], str], key: Callable[[_Cell], Any] | None = None
) -> tuple[FeeRow, ...]:
    """Cut a table out of the cells: in the order of `key`, or the most money first."""
    parts: defaultdict[str, list[_Cell]] = defaultdict(list)
    for cell in cells:
        parts[label(cell)].append(cell)
    if key:
        return tuple(_line(name, part) for name, part in sorted(parts.items(), key=lambda item: key(item[1][0])))
    lines = (_line(name, part) for name, part in parts.items())
    return tuple(sorted(lines, key=lambda line: (-line.amount_minor, line.label)))


def _line(label: str, cells: list[_Cell]) -> FeeRow:
    return FeeRow(
        label, sum(cell.number for cell in cells), sum(cell.amount for cell in cells), sum(cell.fee for cell in cells)
    )


def _lost(credential: StripeCredential, currency: str, period: Period, cells: list[_Cell]) -> Lost:
    refunds = [name for name, meaning in CATEGORIES.items() if meaning.metric is Metric.REFUNDS]
    days: dict[str, Any] = {"credential": credential, "currency": currency, "day__lt": period.end}
    if period.start:
        days["day__gte"] = period.start
    refunded = DayTotal.objects.filter(**days, reporting_category__in=refunds).aggregate(fee=Sum("fee_minor"))["fee"]
    disputed = AccountDay.objects.filter(**days, account__code=DISPUTE_FEES).aggregate(fee=Sum("amount_minor"))["fee"]
    fully, partly = ([cell for cell in cells if cell.refund == state] for state in (FULLY, PARTLY))
    return Lost(
        refund_fees_minor=refunded or 0,
        dispute_fees_minor=disputed or 0,
        refunded=sum(cell.number for cell in fully),
        kept_minor=sum(cell.fee for cell in fully),
        partly_refunded=sum(cell.number for cell in partly),
        partly_kept_minor=sum(cell.fee for cell in partly),
    )
