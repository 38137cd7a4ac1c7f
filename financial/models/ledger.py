"""The books: what moved, when, for how much, and what it answers at Stripe. Written only by `financial.ledger.journal`.

Amounts are minor units of the row's `currency`, which is the settlement currency once the row is settled.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q

from financial.models.credentials import StripeCredential
from financial.models.mirror import StripeBalanceTransaction, StripePaymentIntent


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def of(self, credential: StripeCredential | None) -> Self:
        """Rows of one account; none at all without a credential."""
        return self.none() if credential is None else self.filter(credential=credential)


class Transaction(models.Model):
    """One financial transaction. A payment's is estimated first and settled once, by Stripe's exact figures."""

    class Kind(models.TextChoices):
        PAYMENT = "payment", "Payment"

    class Status(models.TextChoices):
        ESTIMATED = "estimated", "Estimated"
        SETTLED = "settled", "Settled"

    credential = models.ForeignKey(StripeCredential, models.PROTECT, related_name="transactions")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    source_stripe_id = models.CharField(max_length=255, help_text="the object at Stripe that this books")
    livemode = models.BooleanField(default=False)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ESTIMATED)
    occurred_at = models.DateTimeField()
    booked_on = models.DateField(help_text="the day in the account's time zone")
    currency = models.CharField(max_length=8)
    amount_minor = models.BigIntegerField(help_text="gross, minor units")
    fee_minor = models.BigIntegerField(help_text="minor units, positive when taken")
    net_minor = models.BigIntegerField(help_text="gross less fee, minor units")
    presentment_currency = models.CharField(max_length=8, help_text="what the customer paid in")
    presentment_amount_minor = models.BigIntegerField(help_text="what the customer paid, minor units")
    exchange_rate = models.CharField(max_length=40, blank=True, default="", help_text="Stripe's, as text")
    description = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TransactionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "kind", "source_stripe_id"), name="financial_transaction_books_its_source_once"
            ),
            models.CheckConstraint(
                condition=Q(net_minor=F("amount_minor") - F("fee_minor")), name="financial_transaction_net"
            ),
            models.CheckConstraint(
                condition=Q(status__in=("estimated", "settled")), name="financial_transaction_status"
            ),
        )
        indexes = (
            models.Index(fields=("credential", "-occurred_at", "-id"), name="financial_transaction_newest"),
            models.Index(fields=("credential", "currency", "booked_on"), name="financial_transaction_day"),
            models.Index(fields=("credential", "status"), name="financial_transaction_open"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.source_stripe_id}"

    @property
    def is_estimated(self) -> bool:
        return self.status == self.Status.ESTIMATED


class StripeTransaction(models.Model):
    """Links a transaction with the payment it books and the balance transaction that settled it."""

    transaction = models.OneToOneField(Transaction, models.PROTECT, related_name="stripe_transaction")
    payment_intent = models.OneToOneField(
        StripePaymentIntent, models.PROTECT, null=True, blank=True, related_name="stripe_transaction"
    )
    balance_transaction = models.OneToOneField(
        StripeBalanceTransaction, models.PROTECT, null=True, blank=True, related_name="stripe_transaction"
    )
    charge_stripe_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    estimated_fee_minor = models.BigIntegerField(help_text="as first booked, minor units of the presentment currency")
    is_rough = models.BooleanField(default=False, help_text="no fee rule for this currency: percentage only")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "Stripe transaction"
        constraints = (
            models.CheckConstraint(
                condition=Q(settled_at=None) | Q(balance_transaction__isnull=False),
                name="financial_settled_by_a_balance_transaction",
            ),
        )

    def __str__(self) -> str:
        return f"{self.transaction_id} ↔ {self.charge_stripe_id}"
