"""What customers have paid, and kept paid: per customer and the currency they paid in, never added across currencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Sum

from financial.models import StripeCharge, StripeCredential, StripeCustomer, StripeDispute

# Statuses in which the bank has the money. Not those of inquiries: these take nothing until they become disputes.
# Stripe: https://docs.stripe.com/disputes/how-disputes-work
TAKEN = ("needs_response", "under_review", "lost")


@dataclass(frozen=True)
class Paid:
    """One currency of one customer; minor units."""

    currency: str
    captured_minor: int
    refunded_minor: int
    disputed_minor: int

    @property
    def net_minor(self) -> int:
        return self.captured_minor - self.refunded_minor - self.disputed_minor


def paid_net(credential: StripeCredential, customers: Sequence[StripeCustomer]) -> Mapping[int, tuple[Paid, ...]]:
    """Return what is left of what each customer paid, by primary key, largest currency code last; two queries."""
    sums: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    # By customers alone, which are of one account: so an index tells all of it, however many charges one has.
    charges = StripeCharge.objects.filter(customer__in=customers, paid=True, captured=True).order_by()
    taken = charges.values_list("customer", "currency")
    for pk, currency, captured, refunded in taken.annotate(Sum("amount_captured_minor"), Sum("amount_refunded_minor")):
        sums[pk, currency][0:2] = captured, refunded
    disputes = StripeDispute.objects.of(credential).filter(charge__customer__in=customers, status__in=TAKEN).order_by()
    for pk, currency, amount in disputes.values_list("charge__customer", "currency").annotate(Sum("amount_minor")):
        sums[pk, currency][2] += amount
    found: defaultdict[int, list[Paid]] = defaultdict(list)
    for (pk, currency), figures in sorted(sums.items()):
        found[pk].append(Paid(currency, *figures))
    return {pk: tuple(rows) for pk, rows in found.items()}
