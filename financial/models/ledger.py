"""The books: what moved, when, for how much, between which accounts. Written only by `financial.ledger`.

Amounts are minor units of the transaction's `currency`, which is the settlement currency once it is settled; in entries a
debit is positive and a credit negative. What is settled balances and is never changed or deleted: triggers see to it
(`financial.models.rules`). A correction is a further transaction.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from financial import accounts
from financial.models.credentials import StripeCredential
from financial.models.mirror import StripeBalanceTransaction, StripePaymentIntent


class Account(models.Model):
    """One account of the chart, the same for all currencies and credentials; balances are kept apart by both."""

    class Type(models.TextChoices):
        ASSET = accounts.ASSET, "Asset"
        LIABILITY = accounts.LIABILITY, "Liability"
        EQUITY = accounts.EQUITY, "Equity"
        INCOME = accounts.INCOME, "Income"
        EXPENSE = accounts.EXPENSE, "Expense"

    code = models.CharField(max_length=100, unique=True, help_text="what the rules call it; never changes")
    name = models.CharField(max_length=200, help_text="what your accountant calls it, levels parted by colons")
    type = models.CharField(max_length=20, choices=Type.choices)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_clearing(self) -> bool:
        """Whether it stands for a balance at Stripe, which only Stripe's own movements may change."""
        return self.code.startswith(accounts.CLEARING) and self.code != accounts.RESERVE


class CategoryAccount(models.Model):
    """Somebody's decision: what Stripe files under this category is booked against that account from now on."""

    reporting_category = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.reporting_category} → {self.account}"


# As a constant in the statement: SQLite takes the index of the few estimates for no parameter.
IS_ESTIMATED = Q(status=RawSQL("'estimated'", [], models.CharField()))  # noqa: S611


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def of(self, credential: StripeCredential | None) -> Self:
        """Rows of one account; none at all without a credential."""
        return self.none() if credential is None else self.filter(credential=credential)

    def of_the_house(self) -> Self:
        """Rows that have nothing to do with Stripe; always real money."""
        return self.filter(credential=None)

    def settled(self) -> Self:
        return self.filter(status=Transaction.Status.SETTLED)

    def estimated(self) -> Self:
        """Those that wait for Stripe's figures, by an index of their own."""
        return self.filter(IS_ESTIMATED)


class Transaction(models.Model):
    """One financial transaction. A payment's is estimated first and settled once, by Stripe's exact figures.

    Every movement of a Stripe balance is one settled transaction with its balance transaction. Those without one answer
    another (`corrects`), tell of a payout's arrival, or were written by hand.
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment", "Payment"
        FAILURE = "failure", "Failed payment"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"
        PAYOUT = "payout", "Payout"
        TOPUP = "topup", "Top-up"
        FEE = "fee", "Fee"
        RESERVE = "reserve", "Reserve"
        CONNECT = "connect", "Connected account"
        PLATFORM = "platform", "Platform fee"
        FINANCING = "financing", "Financing"
        OTHER = "other", "Other"
        ARRIVAL = "arrival", "Arrival at the bank"
        TAX = "tax", "Sales tax of a payment"
        INCOME = "income", "Income"
        EXPENSE = "expense", "Expense"
        TRANSFER = "transfer", "Transfer"
        CORRECTION = "correction", "Correction"

    class Status(models.TextChoices):
        ESTIMATED = "estimated", "Estimated"
        SETTLED = "settled", "Settled"

    MANUAL_KINDS = ("income", "expense", "transfer", "correction")
    # Kinds that need no balance transaction of their own.
    DERIVED_KINDS = ("arrival", "tax", *MANUAL_KINDS)

    credential = models.ForeignKey(
        StripeCredential, models.PROTECT, related_name="transactions", null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ESTIMATED)
    livemode = models.BooleanField(default=False)
    balance_transaction = models.OneToOneField(
        StripeBalanceTransaction, models.PROTECT, null=True, blank=True, related_name="transaction"
    )
    source_type = models.CharField(max_length=40, blank=True, default="", help_text="what kind of object caused it")
    source_stripe_id = models.CharField(max_length=255, blank=True, default="", help_text="that object at Stripe")
    reporting_category = models.CharField(max_length=64, blank=True, default="")
    balance_type = models.CharField(max_length=40, blank=True, default="", help_text="which balance at Stripe it moved")
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
    # Indexed whole: SQLite looks for answers to every new row, and a partial index does not serve it.
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="answers")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TransactionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "source_stripe_id"),
                condition=Q(status="estimated"),
                name="financial_transaction_estimated_once",
            ),
            models.UniqueConstraint(
                fields=("credential", "source_stripe_id"),
                condition=Q(kind="arrival", corrects__isnull=True),
                name="financial_transaction_arrives_once",
            ),
            models.CheckConstraint(
                condition=Q(net_minor=F("amount_minor") - F("fee_minor")), name="financial_transaction_net"
            ),
            models.CheckConstraint(
                condition=Q(status__in=("estimated", "settled")), name="financial_transaction_status"
            ),
            models.CheckConstraint(
                condition=Q(credential__isnull=False)
                | Q(livemode=True, kind__in=("income", "expense", "transfer", "correction")),
                name="financial_transaction_of_the_house",
            ),
            models.CheckConstraint(
                condition=Q(status="estimated")
                | Q(balance_transaction__isnull=False)
                | Q(kind__in=("arrival", "tax", "income", "expense", "transfer", "correction")),
                name="financial_settled_by_a_movement",
            ),
        )
        indexes = (
            models.Index(fields=("credential", "-occurred_at", "-id"), name="financial_transaction_newest"),
            models.Index(fields=("credential", "kind", "-occurred_at", "-id"), name="financial_transaction_kind"),
            models.Index(fields=("credential", "currency", "booked_on"), name="financial_transaction_day"),
            models.Index(fields=("credential", "source_stripe_id"), name="financial_transaction_source"),
            models.Index(
                fields=("credential", "currency", "amount_minor", "-occurred_at", "-id"),
                name="financial_transaction_amount",
            ),
            models.Index(fields=("credential",), condition=Q(status="estimated"), name="financial_transaction_open"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.source_stripe_id}".strip()

    @property
    def is_estimated(self) -> bool:
        return self.status == self.Status.ESTIMATED


class Entry(models.Model):
    """One leg of a transaction; the legs of one sum to zero."""

    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries")
    amount_minor = models.BigIntegerField(help_text="minor units of the transaction's currency; a debit is positive")

    class Meta:
        verbose_name_plural = "entries"
        constraints = (models.CheckConstraint(condition=~Q(amount_minor=0), name="financial_entry_moves_something"),)

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount_minor}"


class StripeTransaction(models.Model):
    """Links a transaction with the payment it books and the charge it concerns; refunds and disputes have one, too."""

    transaction = models.OneToOneField(Transaction, models.PROTECT, related_name="stripe_transaction")
    payment_intent = models.OneToOneField(
        StripePaymentIntent, models.PROTECT, null=True, blank=True, related_name="stripe_transaction"
    )
    charge_stripe_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    estimated_fee_minor = models.BigIntegerField(
        default=0, help_text="as first booked, minor units of the presentment currency"
    )
    is_rough = models.BooleanField(default=False, help_text="no fee rule for this currency: percentage only")
    tax_minor = models.BigIntegerField(
        default=0, help_text="sales tax booked so far, minor units, signed as the amount"
    )
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "Stripe transaction"

    def __str__(self) -> str:
        return f"{self.transaction_id} ↔ {self.charge_stripe_id}"

    @property
    def balance_transaction(self) -> StripeBalanceTransaction | None:
        """What settled it; None while it is an estimate."""
        return self.transaction.balance_transaction


class DayTotal(models.Model):
    """What was settled on one local day, per everything a report tells apart; kept in the transaction that books."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    currency = models.CharField(max_length=8)
    day = models.DateField()
    reporting_category = models.CharField(max_length=64)
    balance_type = models.CharField(max_length=40)
    presentment_currency = models.CharField(max_length=8)
    count = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    presentment_amount_minor = models.BigIntegerField()
    seal = models.CharField(max_length=32, help_text="sum of the digests of its transactions (financial/seals.py)")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=(
                    "credential",
                    "currency",
                    "day",
                    "reporting_category",
                    "balance_type",
                    "presentment_currency",
                ),
                name="financial_daytotal_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.reporting_category}"


class AccountDay(models.Model):
    """By how much one account changed on one local day."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=8)
    day = models.DateField()
    count = models.BigIntegerField()
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "account", "currency", "day"), name="financial_accountday_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.account_id}"


class FeeDay(models.Model):
    """What the payments settled on one local day cost in fees, cut in one way; kept in the transaction that books.

    Each cut adds up to that of `ALL`, which alone tells estimates from exact fees: of payments that settled in the currency
    they were paid in. `label` is Stripe's word for what they have in common, or the start of a band in major units.
    """

    class Cut(models.TextChoices):
        ALL = "all", "All"
        COUNTRY = "country", "Card country"
        BRAND = "brand", "Card brand"
        SIZE = "size", "Size"

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="+", db_index=False)
    currency = models.CharField(max_length=8)
    day = models.DateField()
    cut = models.CharField(max_length=10, choices=Cut.choices)
    label = models.CharField(max_length=40, blank=True, default="")
    count = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    compared = models.BigIntegerField(default=0, help_text="how many were estimated in the same currency")
    estimated_minor = models.BigIntegerField(default=0, help_text="the estimates of those")
    exact_minor = models.BigIntegerField(default=0, help_text="their exact fees")
    rough = models.BigIntegerField(default=0, help_text="how many of those had no fee rule but the percentage")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("credential", "currency", "cut", "day", "label"), name="financial_feeday_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.cut} {self.label}".strip()


class BalanceReading(models.Model):
    """Stripe's own balance of one currency, as last read once every movement before it was in the mirror."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="balances", db_index=False)
    currency = models.CharField(max_length=8)
    available_minor = models.BigIntegerField()
    pending_minor = models.BigIntegerField()
    booked_minor = models.BigIntegerField(help_text="what the books said at that moment")
    is_steady = models.BooleanField(help_text="two readings agreed; otherwise money moved meanwhile")
    read_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("credential", "currency"), name="financial_balancereading_once"),
        )

    def __str__(self) -> str:
        return f"{self.currency} {self.read_at}"

    @property
    def stripe_minor(self) -> int:
        return self.available_minor + self.pending_minor


class BooksProof(models.Model):
    """What a program of others last said of all the books of an account: its own sums against ours and Stripe's."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="proofs", db_index=False)
    program = models.CharField(max_length=40)
    checked_at = models.DateTimeField()
    entries = models.PositiveBigIntegerField()
    differences = models.PositiveIntegerField(help_text="at most twenty are told")

    class Meta:
        verbose_name = "proof of the books"
        constraints = (
            models.UniqueConstraint(fields=("credential", "program"), name="financial_proof_once_a_program"),
        )

    def __str__(self) -> str:
        word = "difference" if self.differences == 1 else "differences"
        verb = "Refused by" if self.differences else "Verified by"
        return f"{verb} {self.program}, {self.entries:,} entries, {self.differences:,} {word}"


class BooksCheck(models.Model):
    """What the last full verification of an account's books found."""

    credential = models.OneToOneField(StripeCredential, models.CASCADE, related_name="books_check")
    checked_at = models.DateTimeField()
    broken = models.CharField(max_length=100, blank=True, default="", help_text="the invariants that did not hold")
    found = models.JSONField(
        default=list, blank=True, help_text="every invariant with its figures in minor units and what broke it"
    )

    def __str__(self) -> str:
        return f"{self.checked_at}: {self.broken or 'all hold'}"

    @property
    def holds(self) -> bool:
        return not self.broken
