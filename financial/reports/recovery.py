"""Renewals that were not paid at the first attempt, and what became of them: from invoices, by volume and by number.

The first invoice after a trial is left out: whether somebody begins to pay is the conversion of trials. Nothing is ever
added across currencies.

Stripe: https://docs.stripe.com/billing/revenue-recovery/recovery-analytics
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from django.db.models import Case, Count, F, Q, Sum, Value, When

from financial import conf
from financial.models import StripeCharge, StripeCredential, StripeInvoice
from financial.models.mirror import HAS_FAILED
from financial.reports.cached import cached
from financial.reports.periods import midnight

FINISHED = ("paid", "open", "uncollectible", "void")
AFTER_TRIAL = dt.timedelta(days=1)


@dataclass(frozen=True)
class Bucket:
    """Some invoices: how many, and what was due; minor units."""

    count: int = 0
    minor: int = 0

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(self.count + other.count, self.minor + other.minor)


@dataclass(frozen=True)
class Recovery:
    """The renewals that fell due in a time. Those that failed are recovered, still open, or lost."""

    due: Bucket = Bucket()
    recovered: Bucket = Bucket()
    open: Bucket = Bucket()
    lost: Bucket = Bucket()

    @property
    def failed(self) -> Bucket:
        return self.recovered + self.open + self.lost

    @property
    def failure_share(self) -> Fraction | None:
        """What failed at first, of what was due, by volume."""
        return Fraction(self.failed.minor, self.due.minor) if self.due.minor else None

    @property
    def recovery_share(self) -> Fraction | None:
        """What was paid later, by any means, of what failed, by volume."""
        return Fraction(self.recovered.minor, self.failed.minor) if self.failed.minor else None


def recovery(credential: StripeCredential, currency: str, first: dt.date, end: dt.date) -> Recovery:
    """Return what became of the renewals made from one local day up to another; one query, none when kept."""
    return cached("recovery", credential, lambda: _recovery(credential, currency, first, end), currency, first, end)


def _recovery(credential: StripeCredential, currency: str, first: dt.date, end: dt.date) -> Recovery:
    zone = conf.time_zone()
    rows = StripeInvoice.objects.of(credential).filter(
        created_at__gte=midnight(first, zone), created_at__lt=midnight(end, zone), currency=currency,
        billing_reason="subscription_cycle", status__in=FINISHED, amount_due_minor__gt=0,
    )  # fmt: skip
    rows = rows.exclude(
        subscription__trial_end_at__lte=F("created_at"), subscription__trial_end_at__gt=F("created_at") - AFTER_TRIAL
    )
    rows = rows.exclude(status="void", attempt_count=0)  # taken back before anybody was asked to pay
    sums: dict[str, Bucket] = {}
    for name, number, minor in _by_outcome(credential, rows, since=midnight(first, zone)):
        sums[name] = Bucket(number, minor)
    due = sum(sums.values(), Bucket())
    return Recovery(due, *(sums.get(name, Bucket()) for name in ("recovered", "open", "lost")))


def _by_outcome(credential: StripeCredential, rows: Any, since: dt.datetime) -> Any:
    """Yield (outcome, number, minor units due); Stripe counts attempts of its own schedule, so failed charges count, too.

    Nothing is charged before its invoice is made, so these are looked for since the first invoice by their own index.
    """
    charges = StripeCharge.objects.of(credential).filter(HAS_FAILED, created_at__gte=since)
    failed = charges.exclude(payment_intent_stripe_id="").order_by().values("payment_intent_stripe_id")
    has_failed = Q(attempt_count__gt=1) | Q(payment_intent_stripe_id__in=failed)
    has_failed |= Q(attempt_count__gt=0) & ~Q(status="paid")
    outcome = Case(
        When(~has_failed, then=Value("at once")),
        When(status="paid", then=Value("recovered")),
        When(status="open", next_payment_attempt_at__isnull=False, then=Value("open")),
        default=Value("lost"),
    )
    grouped = rows.order_by().annotate(outcome=outcome).values_list("outcome")
    return grouped.annotate(Count("pk"), Sum("amount_due_minor"))
