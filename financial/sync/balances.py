"""Reads Stripe's own balance so that it can be held against the books: only what stood still can be compared.

Balance, movements, balance: if both readings agree, every movement they count is in the mirror and the books. If money moved
meanwhile it is done again, five times; then the reading is kept as unsteady, which is no error. Receives a gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Sum
from django.utils import timezone

from financial import accounts
from financial.ledger import journal
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.mirror.translate import balances_of
from financial.models import AccountDay, BalanceReading, StripeBalanceTransaction, StripeCredential

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

TRIES = 5
OVERLAP = timedelta(hours=1)
PAGE = 500
Balances = dict[str, tuple[int, int]]


def read(credential: StripeCredential, gateway: StripeGateway) -> list[BalanceReading]:
    """Read the balance around a listing of the newest movements, book those, and keep what Stripe said.

    Raises:
        GatewayError: Stripe could not be asked; the last reading stays.
    """
    said: Balances = {}
    for _ in range(TRIES):
        before = balances_of(gateway.balance())
        _drain(credential, gateway)
        said = balances_of(gateway.balance())
        if said == before:
            return _keep(credential, said, is_steady=True)
    return _keep(credential, said, is_steady=False)


def _drain(credential: StripeCredential, gateway: StripeGateway) -> None:
    resource = BY_NAME["balance_transaction"]
    rows = StripeBalanceTransaction.objects.filter(credential=credential, created_at__isnull=False)
    newest = rows.order_by("-created_at").values_list("created_at", flat=True).first()
    params = {"created[gte]": int((newest - OVERLAP).timestamp())} if newest else {}
    seen = store.draw()
    page = []
    for payload in gateway.iterate(resource.path, params):
        page.append(payload)
        if len(page) == PAGE:
            store.save_many(credential, resource, page, seen=seen, api_version=gateway.api_version)
            page = []
    store.save_many(credential, resource, page, seen=seen, api_version=gateway.api_version)
    journal.book_all(credential, now=timezone.now())


def _keep(credential: StripeCredential, said: Balances, *, is_steady: bool) -> list[BalanceReading]:
    booked = _booked(credential, said)
    now = timezone.now()
    return [
        BalanceReading.objects.update_or_create(
            credential=credential,
            currency=currency,
            defaults={
                "available_minor": available,
                "pending_minor": pending,
                "booked_minor": booked.get(currency, 0),
                "is_steady": is_steady,
                "read_at": now,
            },
        )[0]
        for currency, (available, pending) in sorted(said.items())
    ]


def _booked(credential: StripeCredential, said: Iterable[str]) -> dict[str, int]:
    days = AccountDay.objects.filter(credential=credential, account__code=accounts.clearing("payments"))
    return dict(days.filter(currency__in=list(said)).order_by().values_list("currency").annotate(Sum("amount_minor")))
