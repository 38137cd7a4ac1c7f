"""The front door to the proof of the books, for pages and commands; what people write is in `financial.handwriting`.

Every function is one call further; no rules live here.
"""

from __future__ import annotations

from dataclasses import asdict

from django.utils import timezone

from financial.ledger import journal, totals, verification
from financial.ledger.verification import Check, Figure
from financial.models import BalanceReading, BooksCheck, StripeCredential
from financial.stripe_services import gateway_for
from financial.sync import balances

__all__ = ["Check", "Figure"]


def verify_books(credential: StripeCredential, *, currency: str = "") -> tuple[Check, ...]:
    """Book what is due and check every invariant; what a check of all currencies found is kept for pages."""
    now = timezone.now()
    journal.book_all(credential, now=now)
    checks = verification.verify(credential, now=now, currency=currency)
    if not currency:
        broken = " ".join(check.name for check in checks if not check.holds)
        kept = {"checked_at": now, "broken": broken, "found": [asdict(check) for check in checks]}
        BooksCheck.objects.update_or_create(credential=credential, defaults=kept)
    return checks


def verify_own_books() -> tuple[Check, ...]:
    """Check the transactions written by hand."""
    return verification.verify_house()


def read_balances(credential: StripeCredential) -> list[BalanceReading]:
    """Ask Stripe for its balance, once every movement before it is booked.

    Raises:
        FinancialError: the credential cannot be used, or Stripe could not be asked.
    """
    return balances.read(credential, gateway_for(credential))


def rebuild_rollups(credential: StripeCredential) -> bool:
    """Sum the daily totals anew, and return whether they were wrong."""
    return totals.rebuild(credential)
