"""What the app itself did: sync runs, create-requests to Stripe, mails to customers, and the audit log."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from financial.models.credentials import StripeCredential


class SyncRun(models.Model):
    """One pull of the account, with a step per resource."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    class Kind(models.TextChoices):
        AUTOMATIC = "automatic", "As far as needed"
        FULL = "full", "Everything"
        INCREMENTAL = "incremental", "What changed"
        VERIFY = "verify", "Comparison only"

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="sync_runs")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.AUTOMATIC)
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    requested_by = models.CharField(max_length=150, blank=True, default="", help_text="user name, or the command")
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="last sign of life; a dead run's lock ends with it")
    owner = models.CharField(max_length=255, blank=True, default="", help_text="host and process that runs it")
    resources = models.JSONField(default=list, help_text="names to pull; empty means all")
    reads_from = models.DateTimeField(null=True, blank=True, help_text="when the oldest reading of it began")
    covers_until = models.DateTimeField(null=True, blank=True, help_text="the mirror holds everything up to then")
    booked = models.PositiveIntegerField(default=0)
    settled = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "sync run"
        constraints = (
            models.UniqueConstraint(
                fields=("credential",), condition=models.Q(state="running"), name="financial_one_sync_at_a_time"
            ),
        )
        indexes = (models.Index(fields=("credential", "-id"), name="financial_syncrun_newest"),)

    def __str__(self) -> str:
        return f"sync {self.pk} {self.state}"


class SyncStep(models.Model):
    """One resource of one run; counts are rows.

    The proof: `delivered` different ids were listed and `stored` of them are here, `missing` are not; `different` rows show
    another state than Stripe; `gone` ones no longer exist there; `unlisted` ones do, although no listing shows them.
    """

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="steps")
    resource = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=SyncRun.State.choices, default=SyncRun.State.WAITING)
    pages = models.PositiveIntegerField(default=0)
    read = models.PositiveBigIntegerField(default=0)
    written = models.PositiveBigIntegerField(default=0)
    slices = models.PositiveIntegerField(default=0)
    spans = models.JSONField(default=list, help_text="checkpoint: what is left to read")
    delivered = models.PositiveBigIntegerField(default=0)
    stored = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    different = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(default=0)
    unlisted = models.PositiveBigIntegerField(default=0)
    expected = models.PositiveBigIntegerField(null=True, blank=True, help_text="rows to read, by the mirror's count")
    reread = models.PositiveIntegerField(default=0)
    late = models.PositiveBigIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "sync step"
        constraints = (models.UniqueConstraint(fields=("run", "resource"), name="financial_step_once"),)
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.resource} {self.state}"

    @property
    def unchanged(self) -> int:
        return int(self.read - self.written)


class StripeRequest(models.Model):
    """A write to Stripe, committed before it is sent, so that its idempotency key outlives a crash."""

    class State(models.TextChoices):
        SENDING = "sending", "Sending"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        UNKNOWN = "unknown", "Outcome unknown"

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="requests")
    idempotency_key = models.CharField(max_length=255)
    operation = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64, help_text="digest of the parameters, which are not kept")
    state = models.CharField(max_length=20, choices=State.choices, default=State.SENDING)
    object_stripe_id = models.CharField(max_length=255, blank=True, default="")
    stripe_request_id = models.CharField(max_length=255, blank=True, default="")
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "Stripe request"
        constraints = (
            models.UniqueConstraint(fields=("credential", "idempotency_key"), name="financial_request_key_once"),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.state}"


class ManualWriting(models.Model):
    """A form that wrote in the books by hand; sent twice, it writes once."""

    key = models.CharField(max_length=64, unique=True, help_text="drawn when the form was opened")
    fingerprint = models.CharField(max_length=64, help_text="digest of what was asked for")
    transaction = models.OneToOneField("Transaction", models.CASCADE, related_name="+")

    class Meta:
        verbose_name = "manual writing"

    def __str__(self) -> str:
        return f"{self.key} → {self.transaction_id}"


class PaymentNotice(models.Model):
    """A mail to a customer about one attempt to pay; sent at most once."""

    class Kind(models.TextChoices):
        CONFIRMATION = "confirmation", "Payment confirmed"
        FAILURE = "failure", "Payment failed"

    payment_intent = models.ForeignKey("StripePaymentIntent", models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    attempt_stripe_id = models.CharField(max_length=255, help_text="the charge the mail speaks of")
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "payment notice"
        constraints = (
            models.UniqueConstraint(
                fields=("payment_intent", "kind", "attempt_stripe_id"), name="financial_notice_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.attempt_stripe_id}"


class AuditEvent(models.Model):
    """Who did what, when. Append-only: rows are neither changed nor deleted by the app. Holds no secret values."""

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    user_name = models.CharField(max_length=150, blank=True, default="")
    credential = models.ForeignKey(StripeCredential, models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255, blank=True, default="")
    details = models.JSONField(default=dict)

    class Meta:
        verbose_name = "audit event"
        ordering = ("-id",)
        indexes = (models.Index(fields=("object_id", "-id"), name="financial_audit_of_object"),)

    def __str__(self) -> str:
        return f"{self.action} {self.object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("The audit log is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("The audit log is append-only.")
