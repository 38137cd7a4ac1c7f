"""What a payout consists of, and what the bank says of it.

`PayoutReading`, `PayoutRow` and `PayoutDestination` are written by `financial.mirror.contents` only, `BankDeposit` by
`financial.bank.deposits` only. Amounts are minor units of their currency.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from financial.models.credentials import StripeCredential
from financial.models.mirror import StripeBalanceTransaction, StripePayout


class PayoutReading(models.Model):
    """How far Stripe's list of one payout's balance transactions was read, and what the rows found sum up to."""

    # In SQL, for queries over payouts: the rows sum up to the payout, and with its own row to nothing.
    SUMS_UP = Q(
        reading__is_complete=True,
        reading__net_minor=F("amount_minor"),
        reading__own_minor=F("amount_minor") * -1,
    )

    payout = models.OneToOneField(StripePayout, models.CASCADE, related_name="reading")
    cursor = models.CharField(
        max_length=255, blank=True, default="", help_text="where a list not read to its end goes on"
    )
    is_complete = models.BooleanField(default=False)
    rows = models.PositiveIntegerField(default=0, help_text="without the payout's own row")
    net_minor = models.BigIntegerField(default=0, help_text="of those rows, minor units")
    own_minor = models.BigIntegerField(default=0, help_text="net of the payout's own row, minor units")
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "payout reading"

    def __str__(self) -> str:
        return f"{self.rows} rows"


class PayoutRow(models.Model):
    """One balance transaction that Stripe lists under a payout; it is in one payout at most."""

    payout = models.ForeignKey(StripePayout, models.CASCADE, related_name="rows", db_index=False)
    balance_transaction = models.OneToOneField(StripeBalanceTransaction, models.CASCADE, related_name="payout_row")

    class Meta:
        verbose_name = "row of a payout"
        indexes = (models.Index(fields=("payout", "id"), name="financial_payoutrow_order"),)

    def __str__(self) -> str:
        return f"{self.balance_transaction_id} in {self.payout_id}"


class PayoutDestination(models.Model):
    """The bank account or card behind an id that payouts name. It outlives its deletion at Stripe, as payouts do."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    stripe_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255, blank=True, default="", help_text="the bank, or the card's brand")
    last4 = models.CharField(max_length=8, blank=True, default="")

    class Meta:
        verbose_name = "destination of payouts"
        constraints = (models.UniqueConstraint(fields=("credential", "stripe_id"), name="financial_destination_once"),)

    def __str__(self) -> str:
        return f"{self.name} {f'••••{self.last4}' if self.last4 else ''}".strip()


class BankDeposit(models.Model):
    """One line of a bank statement, or what somebody saw there: money that came, or went if the amount is negative.

    `identity` is what the bank calls the line, else a digest of what it says; so a second import changes nothing.
    """

    class Match(models.TextChoices):
        TRACE = "trace", "By trace id"
        AMOUNT = "amount", "By amount and date"
        HAND = "hand", "By hand"

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="deposits", db_index=False)
    livemode = models.BooleanField(default=False)
    amount_minor = models.BigIntegerField(help_text="minor units")
    currency = models.CharField(max_length=8)
    booked_on = models.DateField(help_text="the bank's day")
    description = models.TextField(blank=True, default="")
    reference = models.CharField(max_length=255, blank=True, default="", help_text="trace id, as the bank gives it")
    identity = models.CharField(max_length=255)
    source_digest = models.CharField(
        max_length=64, blank=True, default="", help_text="of the file; empty: noted by hand"
    )
    source_line = models.PositiveIntegerField(default=0)
    payout = models.OneToOneField(StripePayout, models.SET_NULL, null=True, blank=True, related_name="deposit")
    match = models.CharField(max_length=10, choices=Match.choices, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "bank deposit"
        constraints = (
            models.UniqueConstraint(fields=("credential", "identity"), name="financial_deposit_once"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="financial_deposit_of_something"),
        )
        indexes = (models.Index(fields=("credential", "-booked_on", "-id"), name="financial_deposit_newest"),)

    def __str__(self) -> str:
        return f"{self.booked_on} {self.description[:40]}"
