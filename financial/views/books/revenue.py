"""The revenue report: per currency and local day, week or month, from totals per day; every figure leads to its rows."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property

from financial import reports
from financial.reports.periods import day_of, fitting_group
from financial.views.dashboard import bucket_label, report_csv
from financial.views.periods import CUSTOM, PeriodPage, first_day

# The explanation of each column, and its heading.
EXPLAINED = (
    ("gross", "Gross"),
    ("refunds", "Refunds"),
    ("disputes", "Disputes"),
    ("revenue", "Total revenue"),
    ("fees", "Fees"),
    ("net", "Net volume"),
    ("funding", "Funding"),
    ("change", "Balance change"),
)


class RevenueReport(PeriodPage):
    """One currency's report, with the days before to compare; the file has what is on the screen."""

    section, permission = "revenue", "financial.view_transaction"
    kept = (*PeriodPage.kept, "from", "to")

    @cached_property
    def period(self) -> reports.Period:
        """The days between two dates where both are valid, else a period by its name."""
        first, last = (day_of(self.request.GET.get(name, "")) for name in ("from", "to"))
        named = super().period
        if first and last and first <= last:
            return reports.Period(CUSTOM, "Days of your own", first, last + dt.timedelta(days=1), named.compare)
        return named

    def group(self, start: dt.date | None) -> reports.Group:
        wanted = self.request.GET.get("group", "month" if self.period.key == CUSTOM else "")
        if self.period.key != CUSTOM:
            return super().group(start)
        group = reports.Group(wanted) if wanted in list(reports.Group) else reports.Group.MONTH
        return fitting_group(start or self.today, self.period.end, group)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.credential is None:
            return self.page("financial/revenue.html", {"books": None})
        books = reports.books(self.credential)
        currency = self.currency(books)
        group = self.group(self.period.start or books.first_day(currency))
        rows = books.rows(currency, self.period, group)
        if "csv" in request.GET:
            return report_csv(self.credential, books, currency, group, rows)
        total, before = books.total(currency, self.period), self.period.before()
        was = books.total(currency, before) if before else None
        return self.page(
            "financial/revenue.html",
            {
                "books": books,
                **self.of_days(first_day(books)),
                "currency": currency,
                "group": group,
                "currencies": self.choices("currency", [(code, code.upper()) for code in books.currencies], currency),
                "groups": self.choices("group", [(str(g), f"By {g}") for g in reports.GROUPS], group),
                "rows": [(bucket_label(row, group), row) for row in reversed(rows)],
                "total": total,
                "was": was,
                "balances": self._balances(books, currency),
                "explained": EXPLAINED,
                "changes": _changes(total, was) if was else [],
                "csv_query": self.file_query(currency=currency, group=group),
            },
        )

    def _balances(self, books: reports.Books, currency: str) -> list[tuple[str, dt.date | None, int]]:
        """Return the balance as the first day began and as the last ended, with which day that was."""
        start, end = self.period.start, self.period.end
        return [
            ("Opening balance", start, books.balance(currency, start)),
            ("Closing balance", self.period.last, books.balance(currency, end)),
        ]


# The columns of the report in their order; fees that rise are no good news.
_COLUMNS = (
    ("Gross", "gross_minor", True),
    ("Refunds", "refunded_minor", False),
    ("Disputes", "disputed_minor", False),
    ("Total revenue", "revenue_minor", True),
    ("Fees", "fee_minor", False),
    ("Net volume", "net_minor", True),
)


def _changes(now: reports.Figures, was: reports.Figures) -> list[tuple[str, reports.Delta]]:
    return [
        (label, reports.delta(getattr(now, name), getattr(was, name), more_is_good=is_good))
        for label, name, is_good in _COLUMNS
    ]
