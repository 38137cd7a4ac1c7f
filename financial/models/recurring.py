"""What subscriptions were seen to be, and the MRR that follows from it. Only `financial.mirror.history` writes.

A `SubscriptionSight` is evidence: it is never changed. `MrrSpan` rows follow from the sights, the mirror and the setting
that says which discounts count; whenever they are computed again, the same evidence gives the same rows.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q

from financial.models.credentials import StripeCredential


class SubscriptionSight(models.Model):
    """A subscription as an event showed it, or one of our own looks. Without names, addresses or metadata."""

    id = models.BigAutoField(primary_key=True)
    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    subscription_stripe_id = models.CharField(max_length=255)
    at = models.DateTimeField(help_text="of the event, or when Stripe answered the look")
    rank = models.PositiveSmallIntegerField(help_text="order of the sights of one second")
    source = models.CharField(max_length=255, help_text="the event's id, or `look`")
    facts = models.JSONField(help_text="what MRR depends on, in Stripe's shape")

    class Meta:
        verbose_name = "sight of a subscription"
        verbose_name_plural = "sights of subscriptions"
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "subscription_stripe_id", "at", "rank", "source"), name="financial_sight_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subscription_stripe_id} {self.at:%Y-%m-%d %H:%M:%S}"


class MrrSpanQuerySet(models.QuerySet["MrrSpan"]):
    def of(self, credential: StripeCredential | None) -> Self:
        return self.none() if credential is None else self.filter(credential=credential)

    def at(self, moment: datetime) -> Self:
        """Spans that last at a moment: from their start, up to but not including their end."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=moment), starts_at__lte=moment)


class MrrSpan(models.Model):
    """One row per subscription, product and stretch of time with the same MRR, which is never zero.

    `ends_at` is empty while it lasts. The MRR is the exact fraction `numerator` / `denominator` of minor units.
    """

    DENOMINATOR_MAX = 1_000_000

    id = models.BigAutoField(primary_key=True)
    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    subscription_stripe_id = models.CharField(max_length=255)
    customer_stripe_id = models.CharField(max_length=255)
    product_stripe_id = models.CharField(max_length=255)
    currency = models.CharField(max_length=8)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    numerator = models.BigIntegerField(help_text="MRR in minor units, times the denominator")
    denominator = models.PositiveIntegerField(default=1)
    is_reconstructed = models.BooleanField(default=False, help_text="from before the subscription was first seen")

    objects: ClassVar[Any] = MrrSpanQuerySet.as_manager()

    class Meta:
        verbose_name = "MRR span"
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "subscription_stripe_id", "product_stripe_id", "starts_at"),
                name="financial_mrr_span_once",
            ),
            models.CheckConstraint(condition=Q(numerator__gt=0, denominator__gt=0), name="financial_mrr_span_above_0"),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="financial_mrr_span_lasts"
            ),
        )
        indexes = (
            models.Index(fields=("credential", "customer_stripe_id"), name="financial_mrr_customer"),
            models.Index(fields=("credential", "product_stripe_id", "ends_at"), name="financial_mrr_product"),
            models.Index(fields=("credential", "ends_at"), name="financial_mrr_ends"),
            models.Index(fields=("credential", "starts_at"), name="financial_mrr_starts"),
        )

    def __str__(self) -> str:
        return f"{self.subscription_stripe_id} {self.monthly_minor} {self.currency}"

    @property
    def monthly_minor(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    @classmethod
    def stored(cls, monthly_minor: Fraction) -> Fraction:
        """Return the fraction as the columns can hold it: exact, but for prices of millionths of a cent."""
        return monthly_minor.limit_denominator(cls.DENOMINATOR_MAX)
