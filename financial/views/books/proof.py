"""The proof of the books: how they stand to Stripe's balance, and the eight invariants, verified when asked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from financial import audit, bookkeeping, exporting, reports
from financial.errors import FinancialError, NoActiveCredential
from financial.views.base import StaffView

VERIFY_PERMISSION = "financial.run_sync"
# A full verification reads about 20,000 transactions a second; a person waits for these.
INLINE_MAX = 200_000


class ProofPage(StaffView):
    """How the books stand; a POST asks Stripe for its balance and checks every invariant there and then."""

    section, permission, write_permission = "ledger", "financial.view_transaction", VERIFY_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        if reports.settled_count(self.credential) > INLINE_MAX:
            raise FinancialError("These books are too large to be verified while you wait: run manage.py verify_books.")
        self._read_balance()
        checks = bookkeeping.verify_books(self.credential)
        broken = " ".join(check.name for check in checks if not check.holds)
        audit.record(request.user, "books.verified", credential=self.credential, broken=broken)
        return self._show(checks=checks, verified_at=timezone.now())

    def _read_balance(self) -> None:
        """Compare with what Stripe says now; where it cannot be asked, with what it said last."""
        assert self.credential is not None  # noqa: S101
        if self.credential.is_sample:
            return
        try:
            bookkeeping.read_balances(self.credential)
        except FinancialError as error:
            messages.warning(
                self.request, f"Stripe’s balance could not be read now, so the last reading counts. {error}"
            )

    def _show(self, **context: Any) -> HttpResponse:
        strip = reports.strip(self.credential) if self.credential else None
        context |= {
            "proofs": reports.proofs(self.credential) if self.credential else (),
            "provers": exporting.provers(),
        }
        return self.page("financial/proof.html", {"strip": strip, "can_verify": self.can(VERIFY_PERMISSION), **context})
