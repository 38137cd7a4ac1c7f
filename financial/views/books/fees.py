"""The fee audit: effective rates, the drift of estimates, what refunds and disputes cost; from one grouped query."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from financial import reports
from financial.views.books.revenue import RevenueReport


class FeeAudit(RevenueReport):
    """One currency's fees over some days."""

    section, permission = "ledger", "financial.view_transaction"

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/fees.html", {"books": None})
        books = reports.books(self.credential)
        currency = self.currency(books)
        return self.page(
            "financial/fees.html",
            {
                "books": books,
                "period": self.period,
                "currency": currency,
                "periods": self.choices("period", reports.PERIODS, self.period.key),
                "currencies": self.choices("currency", [(code, code.upper()) for code in books.currencies], currency),
                "audit": reports.fee_audit(self.credential, currency, self.period),
                "figures": books.total(currency, self.period),
            },
        )
