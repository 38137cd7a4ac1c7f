"""Recurring revenue month by month: movements, rates, cohorts, and how each figure is computed."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format

from financial import charts, conf, money
from financial.models import StripeCredential
from financial.recurring import rounded
from financial.reports import recurring
from financial.reports.movements import LOSSES, Cohort, Kind, Month
from financial.reports.recovery import recovery
from financial.views.base import StaffView
from financial.views.metric_words import Figure, figures, month_words, percent
from financial.views.mirror import export

LAYERS = (
    (Kind.NEW, "New", "new"),
    (Kind.REACTIVATION, "Reactivation", "reactivation"),
    (Kind.EXPANSION, "Expansion", "expansion"),
    (Kind.CONTRACTION, "Contraction", "contraction"),
    (Kind.CHURN, "Churn", "churn"),
)
FEW = 20  # customers: shares of fewer say little


@dataclass(frozen=True)
class Line:
    """One month of the table; amounts add up as they are shown."""

    month: Month
    label: str
    amounts: dict[str, int]
    churn: str
    retention: str


@dataclass(frozen=True)
class GridRow:
    """One cohort: a cell per month, `text` shown, `step` (0 to 10) its shade, `words` for those who hover."""

    label: str
    size: int
    cells: Sequence[tuple[str, int, str]]


class Metrics(StaffView):
    section = "metrics"
    permission = "financial.view_stripesubscription"

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/metrics.html", {"report": None})
        known = recurring.currencies(self.credential)
        if not known:
            return self.page("financial/metrics.html", {"report": None})
        asked = request.GET.get("currency", "").lower()
        currency = asked if asked in known else known[0]
        products = recurring.products(self.credential)
        product = next((one for one, _ in products if one == request.GET.get("product")), "")
        report = recurring.recurring(self.credential, currency, product)
        shown = self._shown(report)
        if request.GET.get("format") == "csv":
            return _csv(self.credential, currency, shown)
        return self.page(
            "financial/metrics.html", self._context(self.credential, report, shown, known, products, product)
        )

    def _shown(self, report: recurring.Recurring) -> tuple[Month, ...]:
        """Return the months asked for; the newest twelve, where the address names none or none there is."""
        first, last = recurring.default_months(report)
        wanted = report.between(self._month("from", first), self._month("to", last))
        return wanted or report.between(first, last)

    def _month(self, name: str, default: dt.date) -> dt.date:
        try:
            return dt.datetime.strptime(self.request.GET.get(name, ""), "%Y-%m").date()  # noqa: DTZ007  (a month has no zone)
        except ValueError:
            return default

    def _context(
        self,
        credential: StripeCredential,
        report: recurring.Recurring,
        shown: Sequence[Month],
        known: Sequence[str],
        products: Sequence[tuple[str, str]],
        product: str,
    ) -> dict[str, Any]:
        current, currency = shown[-1], report.currency
        before = next((month for month in report.months if month.end == current.start), None)
        lines = [_line(month) for month in shown]
        stack = _stack(currency, lines)
        query = self.request.GET.copy()
        query["format"] = "csv"
        return {
            "report": report,
            "currency": currency,
            "currencies": known,
            "products": products,
            "product": product,
            "months": [(month.start.strftime("%Y-%m"), month_words(month)) for month in reversed(report.months)],
            "first": shown[0].start.strftime("%Y-%m"),
            "last": current.start.strftime("%Y-%m"),
            "current": month_words(current),
            "is_running": current is report.months[-1],
            "figures": self._figures(credential, report, current, before, product),
            "chart": charts.stacks(stack),
            "takeaway": stack.sentence,
            "layers": [(name, tone) for _, name, tone in LAYERS],
            "lines": lines[::-1],
            "width": max((len(cohort.cells) for cohort in report.cohorts), default=0),
            "customers_grid": [_customers_row(cohort) for cohort in report.cohorts],
            "mrr_grid": [_mrr_row(cohort, currency) for cohort in report.cohorts],
            "few": FEW,
            "csv_query": query.urlencode(),
        }

    def _figures(
        self,
        credential: StripeCredential,
        report: recurring.Recurring,
        current: Month,
        before: Month | None,
        product: str,
    ) -> list[Figure]:
        trials = partial(recurring.trials, credential, report.currency)
        return figures(
            report.currency,
            current,
            before,
            few=FEW,
            discounts=str(conf.get("MRR_DISCOUNTS")),
            trials=None if product else trials(current.start, current.end),
            recovered=None if product else recovery(credential, report.currency, current.start, current.end),
            leaving=recurring.leaving(credential, report.currency, product),
            at_risk=recurring.at_risk(credential, report.currency, product),
        )


def _line(month: Month) -> Line:
    is_shown = month.customers_start >= FEW
    return Line(
        month,
        month_words(month),
        {**{kind.value: 0 for kind in Kind}, **recurring.fitted(month)},
        percent(month.customer_churn) if is_shown else f"{month.lost} of {month.customers_start}",
        percent(month.retention) if is_shown else "",
    )


def _stack(currency: str, lines: Sequence[Line]) -> charts.Stack:
    layers = [
        charts.Layer(name, tone, [line.amounts[kind] for line in lines], falls=kind in LOSSES)
        for kind, name, tone in LAYERS
    ]
    labels = [date_format(line.month.start, "M Y") for line in lines]
    return charts.Stack("Movements of MRR", currency, labels, layers)


def _customers_row(cohort: Cohort) -> GridRow:
    cells = [
        (
            percent(cell.share, digits=0) if cohort.size >= FEW else str(cell.customers),
            _shade(cell.share),
            f"{cell.customers} of {cohort.size} customers",
        )
        for cell in cohort.cells
    ]
    return GridRow(date_format(cohort.start, "M Y"), cohort.size, cells)


def _mrr_row(cohort: Cohort, currency: str) -> GridRow:
    cells = [
        (
            percent(cell.minor_share, digits=0) if cohort.size >= FEW else money.display(rounded(cell.minor), currency),
            _shade(cell.minor_share),
            f"{money.display(rounded(cell.minor), currency)} of {money.display(rounded(cohort.first_minor), currency)}",
        )
        for cell in cohort.cells
    ]
    return GridRow(date_format(cohort.start, "M Y"), cohort.size, cells)


def _shade(share: Fraction) -> int:
    return min(int(share * 10 + Fraction(1, 2)), 10)


def _csv(credential: StripeCredential, currency: str, shown: Sequence[Month]) -> HttpResponse:
    """Answer with the months on the screen, amounts in major units."""
    text = io.StringIO()
    out = csv.writer(text)
    kinds = [kind.value for kind in Kind]
    header = [f"month ({conf.time_zone()})", "mode", "currency", "start MRR", *kinds, "end MRR", "ARR"]
    out.writerow([*header, "customers at start", "customers at end", "customers lost"])
    for month in shown:
        line = _line(month)
        amounts = [line.amounts["start"], *(line.amounts[kind] for kind in kinds), line.amounts["end"]]
        major = [export.amounts(amount, currency)[1] for amount in (*amounts, rounded(month.arr_minor))]
        counts = (month.customers_start, month.customers_end, month.lost)
        out.writerow([month.start.strftime("%Y-%m"), credential.mode, currency.upper(), *major, *counts])
    name = f"mrr-{credential.mode}-{currency if currency.isalnum() else 'other'}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
