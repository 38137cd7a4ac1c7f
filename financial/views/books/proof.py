"""The proof of the books: how they stand to Stripe's balance, and the eight invariants as last verified, or verified now."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from financial import audit, bookkeeping, exporting, reports
from financial.errors import FinancialError, NoActiveCredential
from financial.views.base import StaffView

VERIFY_PERMISSION = "financial.run_sync"
# A full verification reads about 20,000 transactions a second; a person waits for these.
INLINE_MAX = 200_000


class ProofPage(StaffView):
    """How the books stand and what was last verified; a POST asks Stripe for its balance and checks every invariant."""

    section, permission, write_permission = "ledger", "financial.view_transaction", VERIFY_PERMISSION

    def get(self, request: HttpRequest) -> HttpResponse:
        credential = self.credential
        return self.page(
            "financial/proof.html",
            {
                "strip": reports.strip(credential) if credential else None,
                "verified": reports.verified(credential) if credential else None,
                "proofs": reports.proofs(credential) if credential else (),
                "provers": exporting.provers(),
                "can_verify": self.can(VERIFY_PERMISSION),
                "is_too_large": credential is not None and reports.settled_count(credential) > INLINE_MAX,
                "inline_max": INLINE_MAX,
            },
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            raise NoActiveCredential
        if reports.settled_count(self.credential) > INLINE_MAX:
            messages.error(request, "These books are too large to be verified while you wait; below is how it is done.")
            return redirect("financial:proof")
        self._read_balance()
        checks = bookkeeping.verify_books(self.credential)
        broken = " ".join(check.name for check in checks if not check.holds)
        audit.record(request.user, "books.verified", credential=self.credential, broken=broken)
        if not broken:
            messages.success(request, "Every transaction and entry was verified: all eight invariants hold.")
        return redirect("financial:proof")

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
