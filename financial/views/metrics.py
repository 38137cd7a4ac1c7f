"""Recurring revenue month by month: movements, rates, cohorts, and how each figure is computed."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from financial import charts, conf, money
from financial.days import day_text
from financial.models import StripeCredential
from financial.recurring import rounded
from financial.reports import recurring
from financial.reports.movements import LOSSES, Cohort, Kind, Month
from financial.reports.recovery import recovery
from financial.spreadsheets import text_cell
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
    rows_url: str = ""


@dataclass(frozen=True)
class Asked:
    """What an address asks for: a currency, one product or all (empty), and months, of which there is at least one."""

    report: recurring.Recurring
    currencies: Sequence[str]
    products: Sequence[tuple[str, str]]
    product: str
    shown: Sequence[Month]

    @property
    def currency(self) -> str:
        return self.report.currency

    @property
    def first(self) -> Month:
        return self.shown[0]

    @property
    def last(self) -> Month:
        return self.shown[-1]

    @property
    def product_name(self) -> str:
        return dict(self.products).get(self.product) or self.product

    @property
    def product_in_names(self) -> str:
        """The product's id as names of files can hold it; who makes a product may choose any."""
        return re.sub(r"[^A-Za-z0-9_-]", "-", self.product)

    @property
    def months(self) -> list[tuple[str, str]]:
        """Every month there is, newest first, as options."""
        return [(f"{month.start:%Y-%m}", month_words(month)) for month in reversed(self.report.months)]

    @property
    def query(self) -> dict[str, str]:
        """What addresses say of it, but for the months."""
        return {"currency": self.currency, **({"product": self.product} if self.product else {})}


class Kinds(NamedTuple):
    """Movements that are looked at together."""

    label: str
    kinds: tuple[Kind, ...]


# By their name in addresses.
KINDS = {
    "": Kinds("All movements", tuple(Kind)),
    **{kind.value: Kinds(name, (kind,)) for kind, name, _ in LAYERS},
    "losses": Kinds("Losses", LOSSES),
}


def movements_query(asked: Asked, first: Month, last: Month, kind: str = "") -> str:
    """Return what an address says to show the movements of some months."""
    months = {"from": f"{first.start:%Y-%m}", "to": f"{last.start:%Y-%m}"}
    return urlencode({**asked.query, **months, **({"kind": kind} if kind else {})})


class RecurringPage(StaffView):
    """A page whose address picks months, a currency and a product of what recurs."""

    section = "metrics"
    permission = "financial.view_stripesubscription"
    months_shown = 12

    def asked(self) -> Asked | None:
        """Return what is asked for; None where nothing ever recurred."""
        known = recurring.currencies(self.credential) if self.credential else ()
        if self.credential is None or not known:
            return None
        wanted = self.request.GET.get("currency", "").lower()
        products = recurring.products(self.credential)
        product = next((one for one, _ in products if one == self.request.GET.get("product")), "")
        report = recurring.recurring(self.credential, wanted if wanted in known else known[0], product)
        return Asked(report, known, products, product, self._shown(report))

    def _shown(self, report: recurring.Recurring) -> tuple[Month, ...]:
        """Return the months asked for; the newest, where the address names none or none there is."""
        first, last = recurring.default_months(report, self.months_shown)
        wanted = report.between(self._month("from", first), self._month("to", last))
        return wanted or report.between(first, last)

    def _month(self, name: str, default: dt.date) -> dt.date:
        try:
            return dt.datetime.strptime(self.request.GET.get(name, ""), "%Y-%m").date()  # noqa: DTZ007  (a month has no zone)
        except ValueError:
            return default


class Metrics(RecurringPage):
    """The months of one currency, of all products or one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = self.asked()
        if self.credential is None or asked is None:
            return self.page("financial/metrics.html", {"asked": None})
        if request.GET.get("format") == "csv":
            return _csv(self.credential, asked)
        return self.page("financial/metrics.html", self._context(self.credential, asked))

    def _context(self, credential: StripeCredential, asked: Asked) -> dict[str, Any]:
        report, current, currency = asked.report, asked.last, asked.currency
        before = next((month for month in report.months if month.end == current.start), None)
        lines = [_line(month) for month in asked.shown]
        stack = _stack(currency, lines)
        query = self.request.GET.copy()
        query["format"] = "csv"
        return {
            "asked": asked,
            "report": report,
            "currency": currency,
            "current": month_words(current),
            "is_running": current is report.months[-1],
            "figures": [_with_rows(figure, asked) for figure in self._figures(credential, asked, before)],
            "chart": charts.stacks(stack),
            "takeaway": stack.sentence,
            "layers": [(name, tone) for _, name, tone in LAYERS],
            "lines": [(line, _cells(line, asked)) for line in reversed(lines)],
            "customers_grid": [_customers_row(cohort, asked) for cohort in report.cohorts],
            "mrr_grid": [_mrr_row(cohort, asked) for cohort in report.cohorts],
            "few": FEW,
            "csv_query": query.urlencode(),
        }

    def _figures(self, credential: StripeCredential, asked: Asked, before: Month | None) -> list[Figure]:
        current, currency, product = asked.last, asked.currency, asked.product
        trials = partial(recurring.trials, credential, currency)
        return figures(
            currency,
            current,
            before,
            few=FEW,
            discounts=str(conf.get("MRR_DISCOUNTS")),
            trials=None if product else trials(current.start, current.end),
            recovered=None if product else recovery(credential, currency, current.start, current.end),
            leaving=recurring.leaving(credential, currency, product),
            at_risk=recurring.at_risk(credential, currency, product),
        )


# Which movements a figure is made of: all since the first month, or some of its month.
_SINCE_EVER = ("mrr", "arr", "customers", "arpu")
_OF_MONTH = {
    "customer-churn": Kind.CHURN.value,
    "gross-churn": "losses",
    "net-churn": "",
    "retention": "",
    "ltv": Kind.CHURN.value,
    "quick-ratio": "",
}
_SUBSCRIPTIONS = {"leaving": "canceling", "at-risk": "past_due"}


def _with_rows(figure: Figure, asked: Asked) -> Figure:
    """Return the figure with the way to what it is made of, where that is a list."""
    url = ""
    if figure.key in _SINCE_EVER:
        url = _movements_url(asked, asked.report.months[0], asked.last)
    elif figure.key in _OF_MONTH:
        url = _movements_url(asked, asked.last, asked.last, _OF_MONTH[figure.key])
    elif figure.key in _SUBSCRIPTIONS:
        product = {"product": asked.product} if asked.product else {}
        url = f"{reverse('financial:subscriptions')}?{urlencode({'status': _SUBSCRIPTIONS[figure.key], **product})}"
    return replace(figure, rows_url=url)


def _movements_url(asked: Asked, first: Month, last: Month, kind: str = "") -> str:
    return f"{reverse('financial:movements')}?{movements_query(asked, first, last, kind)}"


def _cells(line: Line, asked: Asked) -> list[tuple[str, str, int, str]]:
    """Return the movements of a month: what they are called, their sign, their amount, and the way to their rows."""
    return [
        (
            name,
            "−" if kind in LOSSES else "+",
            line.amounts[kind],
            _movements_url(asked, line.month, line.month, kind.value),
        )
        for kind, name, _ in LAYERS
    ]


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
    labels = [day_text(line.month.start, "M Y") for line in lines]
    return charts.Stack("Movements of MRR", currency, labels, layers)


def _customers_row(cohort: Cohort, asked: Asked) -> GridRow:
    cells = [
        (
            percent(cell.share, digits=0) if cohort.size >= FEW else str(cell.customers),
            _shade(cell.share),
            f"{cell.customers} of {cohort.size} customers",
        )
        for cell in cohort.cells
    ]
    return _grid_row(cohort, asked, cells)


def _mrr_row(cohort: Cohort, asked: Asked) -> GridRow:
    currency = asked.currency
    cells = [
        (
            percent(cell.minor_share, digits=0) if cohort.size >= FEW else money.display(rounded(cell.minor), currency),
            _shade(cell.minor_share),
            f"{money.display(rounded(cell.minor), currency)} of {money.display(rounded(cohort.first_minor), currency)}",
        )
        for cell in cohort.cells
    ]
    return _grid_row(cohort, asked, cells)


def _grid_row(cohort: Cohort, asked: Asked, cells: Sequence[tuple[str, int, str]]) -> GridRow:
    (month,) = asked.report.between(cohort.start, cohort.start)
    rows_url = _movements_url(asked, month, month, Kind.NEW.value)
    return GridRow(day_text(cohort.start, "M Y"), cohort.size, cells, rows_url)


def _shade(share: Fraction) -> int:
    return min(int(share * 10 + Fraction(1, 2)), 10)


def _csv(credential: StripeCredential, asked: Asked) -> HttpResponse:
    """Answer with the months on the screen, amounts in major units."""
    text, currency = io.StringIO(), asked.currency
    out = csv.writer(text)
    kinds = [kind.value for kind in Kind]
    product = f"{asked.product_name} ({asked.product})" if asked.product else "all"
    header = [f"month ({conf.time_zone()})", "mode", "currency", "product", "start MRR", *kinds, "end MRR", "ARR"]
    out.writerow([*header, "customers at start", "customers at end", "customers lost"])
    for month in asked.shown:
        line = _line(month)
        amounts = [line.amounts["start"], *(line.amounts[kind] for kind in kinds), line.amounts["end"]]
        major = [export.amounts(amount, currency)[1] for amount in (*amounts, rounded(month.arr_minor))]
        counts = (month.customers_start, month.customers_end, month.lost)
        of = (month.start.strftime("%Y-%m"), credential.mode, currency.upper(), text_cell(product))
        out.writerow([*of, *major, *counts])
    parts = ("mrr", asked.product_in_names, credential.mode, currency if currency.isalnum() else "other")
    headers = {"Content-Disposition": f'attachment; filename="{"-".join(filter(None, parts))}.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
