"""What products brought over a period, as far as Stripe says which product was paid for: through their subscriptions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from financial import conf
from financial.models import StripeCredential, StripeDispute, StripeInvoice, StripeRefund
from financial.reports.cached import cached
from financial.reports.customers import TAKEN
from financial.reports.periods import Period

_PRODUCT = "subscription__price__product"
GIVEN_BACK = ("succeeded", "pending", "requires_action")


@dataclass(frozen=True)
class Brought:
    """One currency of one product; minor units."""

    currency: str
    minor: int


def product_revenue(credential: StripeCredential, period: Period) -> Mapping[int, tuple[Brought, ...]]:
    """Return what each product brought, by primary key: paid invoices of the period, less its refunds and disputes.

    Every kind counts on its own day. Five queries at most, none but the state's when kept.
    """
    return cached("product-revenue", credential, lambda: _revenue(credential, period), period)


def _revenue(credential: StripeCredential, period: Period) -> Mapping[int, tuple[Brought, ...]]:
    sums: Counter[tuple[int, str]] = Counter()
    paid = _within(StripeInvoice.objects.of(credential).filter(status="paid", amount_paid_minor__gt=0), period)
    rows = paid.filter(**{f"{_PRODUCT}__isnull": False}).order_by().values_list(_PRODUCT, "currency")
    for pk, currency, minor in rows.annotate(Sum("amount_paid_minor")):
        sums[pk, currency] += minor
    refunds = _within(StripeRefund.objects.of(credential).filter(status__in=GIVEN_BACK), period)
    disputes = _within(StripeDispute.objects.of(credential).filter(status__in=TAKEN), period)
    for gone in (refunds, disputes):
        for (pk, currency), minor in _taken(credential, gone).items():
            sums[pk, currency] -= minor
    found: defaultdict[int, list[Brought]] = defaultdict(list)
    for (pk, currency), minor in sorted(sums.items()):
        found[pk].append(Brought(currency, minor))
    return {pk: tuple(brought) for pk, brought in found.items()}


def _taken(credential: StripeCredential, gone: QuerySet[Any]) -> Counter[tuple[int, str]]:
    """Add up what went back of payments of invoices, by product and currency; two queries."""
    back = dict(gone.order_by().values_list("payment_intent_stripe_id").annotate(Sum("amount_minor")))
    invoices = StripeInvoice.objects.of(credential).filter(
        payment_intent_stripe_id__in=gone.order_by()
        .exclude(payment_intent_stripe_id="")
        .values("payment_intent_stripe_id")
    )
    sums: Counter[tuple[int, str]] = Counter()
    named = invoices.filter(**{f"{_PRODUCT}__isnull": False}).order_by()
    for pk, currency, payment in named.values_list(_PRODUCT, "currency", "payment_intent_stripe_id"):
        sums[pk, currency] += back.pop(payment, 0)
    return sums


def _within(rows: QuerySet[Any], period: Period) -> QuerySet[Any]:
    start, end = period.bounds(conf.time_zone())
    rows = rows.filter(created_at__lt=end)
    return rows.filter(created_at__gte=start) if start else rows
