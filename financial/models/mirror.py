"""Our copies of Stripe's objects: the columns we query, and the whole payload beside them.

A row belongs to the credential it was read with; (credential, stripe_id) is unique. `version` is a counter drawn from
`MirrorClock`, never a time: it decides which of two writes shows the newer state (docs/architecture.md). A deleted
object leaves a tombstone: `deleted_at` is set and nothing revives the row. Parents are linked when we have them, and
named by `<parent>_stripe_id` in any case. Amounts are minor units of `currency`. Only `financial.mirror.store` writes.
"""

from __future__ import annotations

from datetime import UTC, date
from typing import Any, ClassVar, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models import F, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from financial.models.credentials import StripeCredential
from financial.models.fields import EncryptedJSONField

_Row = TypeVar("_Row", bound="MirrorRow")


class MirrorClock(models.Model):
    """One counter: the order of our own looks at Stripe. On PostgreSQL a sequence, elsewhere the one row of this table.

    A row is locked until its transaction ends, so whoever draws waits for whoever drew before; a sequence lets them
    work side by side. The write rule needs no more than that a later draw gives a greater value.
    """

    SEQUENCE = "financial_mirrorclock_value"
    ROW = 1

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def draw(cls) -> int:
        """Return the next value; each call gives a greater one, to whoever asks."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT nextval(%s)", [cls.SEQUENCE])
                return int(cursor.fetchone()[0])
        with transaction.atomic():
            row = cls._default_manager.filter(pk=cls.ROW)
            if not row.update(value=F("value") + 1):
                cls._default_manager.bulk_create([cls(pk=cls.ROW)], ignore_conflicts=True)
                row.update(value=F("value") + 1)
            return int(row.values_list("value", flat=True).get())

    @classmethod
    def last(cls) -> models.expressions.Combinable:
        """Return an expression for the value drawn last, to stand in a query about something else."""
        if connection.vendor == "postgresql":
            return RawSQL(f"(SELECT last_value + is_called::int FROM {cls.SEQUENCE})", [], models.BigIntegerField())  # noqa: S608, S611
        return Coalesce(Subquery(cls._default_manager.filter(pk=cls.ROW).values("value")), 0)


class MirrorQuerySet(models.QuerySet[_Row]):
    def of(self, credential: StripeCredential | None) -> Self:
        """Rows of one account; none at all without a credential."""
        return self.none() if credential is None else self.filter(credential=credential)

    def each_of(self, credential: StripeCredential) -> Self:
        """The same rows, looked at one by one: so SQLite takes another index than one of the whole account."""
        return self.annotate(_of=F("credential_id") + 0).filter(_of=credential.pk)

    def alive(self) -> Self:
        return self.filter(deleted_at=None)

    def newest(self) -> Self:
        return self.order_by("-created_at", "-id")


# As constants in the statement: SQLite takes a partial index for no parameter.
HAS_FAILED = Q(status=RawSQL("'failed'", [], models.CharField()))  # noqa: S611
IS_PARTLY_REFUNDED = Q(refunded=False, amount_refunded_minor__gt=RawSQL("0", [], models.BigIntegerField()))  # noqa: S611
IS_NO_CARD = ~Q(method_type=RawSQL("'card'", [], models.CharField()))  # noqa: S611
PAYMENT_FAILED = Q(status=RawSQL("'requires_payment_method'", [], models.CharField())) & ~Q(  # noqa: S611
    error_code=RawSQL("''", [], models.CharField())  # noqa: S611
)
PAYMENT_UNTRIED = Q(status=RawSQL("'requires_payment_method'", [], models.CharField())) & Q(  # noqa: S611
    error_code=RawSQL("''", [], models.CharField())  # noqa: S611
)
# Subscriptions whose end is set already.
IS_ENDING = Q(cancel_at_period_end=True) | Q(cancel_at__isnull=False)


def _money(**options: Any) -> models.BigIntegerField[Any, Any]:
    return models.BigIntegerField(help_text="minor units", **options)


def _code(length: int = 64, **options: Any) -> models.CharField[Any, Any]:
    return models.CharField(max_length=length, blank=True, default="", **options)


def _id() -> models.CharField[Any, Any]:
    return models.CharField(max_length=255, blank=True, default="")


def _parent(to: str, related_name: str, *, db_index: bool = True) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(to, models.SET_NULL, null=True, blank=True, related_name=related_name, db_index=db_index)


def _row_constraints() -> tuple[models.BaseConstraint, ...]:
    return (models.UniqueConstraint(fields=("credential", "stripe_id"), name="%(class)s_once"),)


def _row_indexes(*further: models.Index) -> list[models.Index]:
    gone = models.Index(fields=("credential",), condition=Q(deleted_at__isnull=False), name="%(class)s_gone")
    return [models.Index(fields=("credential", "-created_at", "-id"), name="%(class)s_new"), gone, *further]


def _amount_index(column: str = "amount_minor") -> models.Index:
    """The newest rows of one amount: amounts are compared within a currency, never across."""
    return models.Index(fields=("credential", "currency", column, "-created_at", "-id"), name="%(class)s_amount")


def _text_index(column: str, name: str) -> models.Index:
    """Serves the beginning of a text, too; other databases than PostgreSQL pass over the operator classes."""
    fields, classes = ("credential", column), ("int8_ops", "text_pattern_ops")
    return models.Index(fields=fields, name=f"%(class)s_{name}", opclasses=classes)


class MirrorRow(models.Model):
    """What every mirrored object has."""

    id = models.BigAutoField(primary_key=True)
    # Every index begins with the credential, so it needs none of its own.
    credential = models.ForeignKey(StripeCredential, models.PROTECT, related_name="+", db_index=False)
    stripe_id = models.CharField(max_length=255)
    livemode = models.BooleanField(default=False)
    created_at = models.DateTimeField(null=True, blank=True, help_text="Stripe's time of creation")
    shown_at = models.DateTimeField(
        null=True, blank=True, help_text="by Stripe's clock, when it answered with this state"
    )
    payload = models.JSONField(default=dict, help_text="as Stripe sent it, without what is in `private`")
    private = EncryptedJSONField(default=dict, blank=True, help_text="personal data and bearer links, encrypted")
    digest = models.CharField(max_length=32, default="", help_text="of the whole payload; equal means nothing changed")
    api_version = models.CharField(max_length=64, default="")
    version = models.BigIntegerField(default=0)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[MirrorQuerySet[Any]] = MirrorQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True
        constraints = _row_constraints()
        indexes = _row_indexes()

    def __str__(self) -> str:
        return self.stripe_id

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    def whole_payload(self) -> dict[str, Any]:
        """The payload with what is kept encrypted put back."""
        return {**self.payload, **self.private}


class StripeProduct(MirrorRow):
    name = models.CharField(max_length=500, blank=True, default="")
    description = models.TextField(blank=True, default="")
    active = models.BooleanField(default=True)
    default_price_stripe_id = _id()

    class Meta(MirrorRow.Meta):
        verbose_name = "product"
        indexes = _row_indexes(models.Index(fields=("credential", "name"), name="%(class)s_name"))

    def __str__(self) -> str:
        return self.name or self.stripe_id


class StripePrice(MirrorRow):
    product = _parent("StripeProduct", "prices")
    product_stripe_id = _id()
    active = models.BooleanField(default=True)
    currency = _code(8)
    unit_amount_minor = _money(null=True, blank=True)
    unit_amount_decimal = _code(40)  # minor units with decimals, as Stripe writes them
    type = _code(20)
    billing_scheme = _code(20)
    tiers_mode = _code(20)
    usage_type = _code(20)
    interval = _code(20)
    interval_count = models.PositiveIntegerField(null=True, blank=True)
    nickname = models.CharField(max_length=500, blank=True, default="")

    class Meta(MirrorRow.Meta):
        verbose_name = "price"
        indexes = _row_indexes(_amount_index("unit_amount_minor"))

    @property
    def recurring(self) -> bool:
        return bool(self.type == "recurring")


class StripeCustomer(MirrorRow):
    email = models.CharField(max_length=512, blank=True, default="")
    name = models.CharField(max_length=500, blank=True, default="")
    description = models.TextField(blank=True, default="")
    currency = _code(8)
    balance_minor = _money(default=0)
    delinquent = models.BooleanField(default=False)
    default_payment_method_stripe_id = _id()

    class Meta(MirrorRow.Meta):
        verbose_name = "customer"
        indexes = _row_indexes(
            models.Index(fields=("credential", "email"), name="%(class)s_email"),
            models.Index(fields=("credential", "name"), name="%(class)s_name"),
            models.Index(fields=("credential", "deleted_at"), condition=Q(delinquent=True), name="%(class)s_late"),
        )

    def __str__(self) -> str:
        return self.name or self.email or self.stripe_id

    @property
    def phone(self) -> str:
        return str(self.private.get("phone") or "")


class StripePaymentIntent(MirrorRow):
    customer = _parent("StripeCustomer", "payment_intents", db_index=False)  # an index below begins with it
    customer_stripe_id = _id()
    amount_minor = _money(default=0)
    amount_received_minor = _money(default=0)
    currency = _code(8)
    status = _code(40)
    description = models.TextField(blank=True, default="")
    latest_charge_stripe_id = _id()
    capture_method = _code(40)
    tax_minor = _money(default=0)  # inside the amount, as far as the payment itself says
    canceled_at = models.DateTimeField(null=True, blank=True)
    error_code = _code()
    error_decline_code = _code()
    error_message = models.TextField(blank=True, default="")

    class Meta(MirrorRow.Meta):
        verbose_name = "payment"
        indexes = _row_indexes(
            models.Index(fields=("credential", "status", "-created_at", "-id"), name="%(class)s_status"),
            models.Index(fields=("customer", "-created_at", "-id"), name="%(class)s_customer"),
            models.Index(fields=("credential", "amount_minor", "id"), name="%(class)s_by_amount"),
            _amount_index(),
            models.Index(
                fields=("credential", "status", "-created_at", "-id", "deleted_at"),  # as SQLite wants as many columns
                condition=Q(status="requires_payment_method") & ~Q(error_code=""),
                name="%(class)s_failed",
            ),
            models.Index(
                fields=("credential", "-created_at", "-id"),
                condition=Q(status="requires_payment_method", error_code=""),
                name="%(class)s_untried",
            ),
        )

    @property
    def is_succeeded(self) -> bool:
        return bool(self.status == "succeeded")

    @property
    def has_failed(self) -> bool:
        return bool(self.status == "requires_payment_method" and self.error_code)


class StripeCharge(MirrorRow):
    payment_intent = _parent("StripePaymentIntent", "charges")
    payment_intent_stripe_id = _id()
    customer = _parent("StripeCustomer", "charges", db_index=False)  # as above
    customer_stripe_id = _id()
    balance_transaction_stripe_id = _id()
    amount_minor = _money(default=0)
    amount_captured_minor = _money(default=0)
    amount_refunded_minor = _money(default=0)
    currency = _code(8)
    status = _code(20)
    paid = models.BooleanField(default=False)
    captured = models.BooleanField(default=False)
    refunded = models.BooleanField(default=False)
    disputed = models.BooleanField(default=False)
    failure_code = _code()
    failure_message = models.TextField(blank=True, default="")
    method_type = _code(40)
    card_brand = _code(40)
    card_last4 = _code(4)
    card_country = _code(8)

    class Meta(MirrorRow.Meta):
        verbose_name = "charge"
        indexes = _row_indexes(
            models.Index(fields=("credential", "balance_transaction_stripe_id"), name="%(class)s_balance"),
            models.Index(
                fields=("credential", "card_last4", "-created_at", "-id", "payment_intent"), name="%(class)s_last4"
            ),
            models.Index(fields=("customer", "card_country"), name="%(class)s_country"),
            models.Index(
                fields=("customer", "currency", "paid", "captured", "amount_captured_minor", "amount_refunded_minor"),
                name="%(class)s_kept",
            ),
            # Small ones for what is rare: the tabs of the payments begin there.
            models.Index(fields=("payment_intent",), condition=Q(refunded=True), name="%(class)s_refunded"),
            models.Index(
                fields=("payment_intent",),
                condition=Q(refunded=False, amount_refunded_minor__gt=0),
                name="%(class)s_partly",
            ),
            models.Index(fields=("payment_intent",), condition=Q(disputed=True), name="%(class)s_disputed"),
            models.Index(
                fields=("credential", "created_at", "payment_intent_stripe_id"),
                condition=Q(status="failed"),
                name="%(class)s_failed",
            ),
            models.Index(
                fields=("credential", "method_type", "payment_intent"),
                condition=~Q(method_type="card"),
                name="%(class)s_method",
            ),
        )


class StripeRefund(MirrorRow):
    charge = _parent("StripeCharge", "refunds")
    charge_stripe_id = _id()
    payment_intent = _parent("StripePaymentIntent", "refunds")
    payment_intent_stripe_id = _id()
    balance_transaction_stripe_id = _id()
    failure_balance_transaction_stripe_id = _id()
    amount_minor = _money(default=0)
    currency = _code(8)
    status = _code(40)
    reason = _code()
    failure_reason = _code()

    class Meta(MirrorRow.Meta):
        verbose_name = "refund"
        indexes = _row_indexes(_amount_index())


class StripeDispute(MirrorRow):
    charge = _parent("StripeCharge", "disputes")
    charge_stripe_id = _id()
    payment_intent = _parent("StripePaymentIntent", "disputes")
    payment_intent_stripe_id = _id()
    amount_minor = _money(default=0)
    currency = _code(8)
    status = _code(40)
    reason = _code()
    evidence_due_at = models.DateTimeField(null=True, blank=True)

    class Meta(MirrorRow.Meta):
        verbose_name = "dispute"
        indexes = _row_indexes(_amount_index())


class StripeSubscription(MirrorRow):
    customer = _parent("StripeCustomer", "subscriptions", db_index=False)  # as above
    customer_stripe_id = _id()
    price = _parent("StripePrice", "subscriptions", db_index=False)  # of the first item
    price_stripe_id = _id()
    quantity = models.BigIntegerField(null=True, blank=True)
    currency = _code(8)
    status = _code(40)
    collection_method = _code(40)
    current_period_start_at = models.DateTimeField(null=True, blank=True)
    current_period_end_at = models.DateTimeField(null=True, blank=True)
    trial_end_at = models.DateTimeField(null=True, blank=True)
    cancel_at_period_end = models.BooleanField(default=False)
    cancel_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    latest_invoice_stripe_id = _id()

    ACTIVE_STATUSES = ("trialing", "active", "past_due")

    class Meta(MirrorRow.Meta):
        verbose_name = "subscription"
        indexes = _row_indexes(
            models.Index(fields=("credential", "status", "-created_at", "-id"), name="%(class)s_status"),
            models.Index(fields=("credential", "currency", "-created_at", "-id"), name="%(class)s_currency"),
            models.Index(fields=("customer", "status", "deleted_at"), name="%(class)s_customer"),
            models.Index(fields=("price", "status", "customer"), name="%(class)s_price"),
            models.Index(fields=("status", "deleted_at", "customer"), name="%(class)s_state"),
            models.Index(
                fields=("credential", "trial_end_at"), condition=Q(trial_end_at__isnull=False), name="%(class)s_trial"
            ),
            models.Index(fields=("credential",), condition=IS_ENDING, name="%(class)s_ending"),
            models.Index(fields=("credential", "current_period_end_at", "id"), name="%(class)s_period"),
        )

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE_STATUSES


class StripeInvoice(MirrorRow):
    customer = _parent("StripeCustomer", "invoices")
    customer_stripe_id = _id()
    subscription = _parent("StripeSubscription", "invoices")
    subscription_stripe_id = _id()
    number = _code(255)
    status = _code(20)
    currency = _code(8)
    total_minor = _money(default=0)
    amount_due_minor = _money(default=0)
    amount_paid_minor = _money(default=0)
    tax_minor = _money(default=0)  # inside the total
    payment_intent_stripe_id = _id()  # of the payment that is to pay it
    billing_reason = _code()
    attempt_count = models.PositiveIntegerField(default=0)
    next_payment_attempt_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta(MirrorRow.Meta):
        verbose_name = "invoice"
        indexes = _row_indexes(
            models.Index(fields=("credential", "payment_intent_stripe_id"), name="%(class)s_payment"),
            _amount_index("total_minor"),
            _text_index("number", "number"),
        )


class StripePayout(MirrorRow):
    amount_minor = _money(default=0)
    currency = _code(8)
    status = _code(20)
    method = _code(20)
    automatic = models.BooleanField(default=True)
    arrival_at = models.DateTimeField(null=True, blank=True)
    balance_transaction_stripe_id = _id()
    failure_balance_transaction_stripe_id = _id()
    failure_code = _code()
    reconciliation_status = _code(40)
    trace_id = models.CharField(max_length=255, blank=True, default="")
    statement_descriptor = models.CharField(max_length=255, blank=True, default="")
    destination_stripe_id = _id()

    class Meta(MirrorRow.Meta):
        verbose_name = "payout"
        indexes = _row_indexes(
            models.Index(fields=("credential", "-arrival_at", "-id"), name="%(class)s_arrival"),
            _amount_index(),
            _text_index("trace_id", "trace"),
        )

    @property
    def arrives_on(self) -> date | None:
        """The day at the bank: Stripe gives its midnight in UTC, which is another day in other zones."""
        return self.arrival_at.astimezone(UTC).date() if self.arrival_at else None


class StripeBalanceTransaction(MirrorRow):
    """One movement of the Stripe balance; `net = amount - fee`, all in the settlement `currency`."""

    amount_minor = _money(default=0)
    fee_minor = _money(default=0)
    net_minor = _money(default=0)
    currency = _code(8)
    exchange_rate = _code(40)  # as text: shown, never computed with
    type = _code()
    reporting_category = _code()
    balance_type = _code(40)
    status = _code(20)
    available_at = models.DateTimeField(null=True, blank=True)
    source_stripe_id = _id()
    fee_parts = models.TextField(
        blank=True, default="", help_text="`kind:amount` of each part of the fee; `none`; empty: Stripe did not say"
    )
    description = models.TextField(blank=True, default="")

    class Meta(MirrorRow.Meta):
        verbose_name = "balance transaction"
        indexes = _row_indexes(
            models.Index(fields=("credential", "source_stripe_id"), name="%(class)s_src"),
        )

    @property
    def adds_up(self) -> bool:
        return bool(self.net_minor == self.amount_minor - self.fee_minor)


MIRROR_MODELS: tuple[type[MirrorRow], ...] = (
    StripeProduct,
    StripePrice,
    StripeCustomer,
    StripePaymentIntent,
    StripeCharge,
    StripeRefund,
    StripeDispute,
    StripeSubscription,
    StripeInvoice,
    StripePayout,
    StripeBalanceTransaction,
)
