"""The fee audit: effective rates, the drift of estimates, what refunds and disputes cost; from one grouped query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from financial import conf, reports
from financial.models import StripeCredential
from financial.views.books.revenue import RevenueReport
from financial.views.mirror import export
from financial.views.periods import first_day


class FeeAudit(RevenueReport):
    """One currency's fees over some days."""

    section, permission = "ledger", "financial.view_transaction"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.credential is None:
            return self.page("financial/fees.html", {"books": None})
        books = reports.books(self.credential)
        currency = self.currency(books)
        audit = reports.fee_audit(self.credential, currency, self.period)
        if "csv" in request.GET:
            return self._file(self.credential, currency, audit)
        return self.page(
            "financial/fees.html",
            {
                "books": books,
                **self.of_days(first_day(books)),
                "currency": currency,
                "currencies": self.choices("currency", [(code, code.upper()) for code in books.currencies], currency),
                "audit": audit,
                "csv_query": self.file_query(currency=currency),
                "figures": books.total(currency, self.period),
            },
        )

    def _file(self, credential: StripeCredential, currency: str, audit: reports.FeeAudit) -> HttpResponseBase:
        """Answer with the tables on the screen, one under the other; the last heading says of which days and zone."""
        first = self.period.start.isoformat() if self.period.start else "the beginning"
        header = (
            "by",
            "label",
            "payments",
            "currency",
            "amount_minor",
            "amount",
            "fee_minor",
            "fee",
            "rate in percent",
        )
        said = f"fees, {credential.mode}; {currency.upper()}; {first} to {self.period.last}; days in {conf.time_zone()}"
        return export.stream("fees", credential.mode, (*header, said), _lines(audit, currency))


def _lines(audit: reports.FeeAudit, currency: str) -> Iterator[tuple[Any, ...]]:
    for title, rows in audit.tables:
        for row in rows:
            amount, fee = export.amounts(row.amount_minor, currency), export.amounts(row.fee_minor, currency)
            yield (title, row.label, row.count, currency, *amount, *fee, row.rate, "")
