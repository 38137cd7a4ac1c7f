"""The inbox: every authentic webhook, stored before anything is done with it; and what they may be signed with."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models.expressions import RawSQL

from financial.errors import CredentialRefused
from financial.models.credentials import SecretKeeper, StripeCredential, is_webhook_secret, last_four
from financial.models.fields import EncryptedBytesField, EncryptedTextField

# As a constant in the statement: SQLite takes a partial index for no parameter.
IS_FETCHED = ~models.Q(source=RawSQL("'webhook'", [], models.CharField()))  # noqa: S611


class WebhookSecretQuerySet(models.QuerySet["StripeWebhookSecret"]):
    def valid(self, now: datetime) -> Self:
        """Return those that may still sign."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))


class StripeWebhookSecret(SecretKeeper):
    """A further signing secret of a credential: of another endpoint, or the one before the present one until it expires."""

    credential = models.ForeignKey(StripeCredential, models.CASCADE, related_name="webhook_secrets")
    label = models.CharField(max_length=64, help_text="shown with the events it verified")
    endpoint_stripe_id = models.CharField(max_length=255, blank=True, default="", help_text="we_…, if known")
    secret = EncryptedTextField(help_text="whsec_…; stored encrypted")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="not accepted from then on")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookSecretQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook signing secret"
        constraints = (models.UniqueConstraint(fields=("credential", "label"), name="financial_secret_label_once"),)

    def __str__(self) -> str:
        return f"{self.label} {last_four(self.secret)}"

    def __repr__(self) -> str:
        return f"<StripeWebhookSecret {self.pk} {self}>"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not is_webhook_secret(self.secret):
            raise CredentialRefused("A signing secret starts with whsec_ and has at least 24 characters after it.")
        super().save(*args, **kwargs)


class StripeWebhookEvent(models.Model):
    """One event, whatever the number of its deliveries. The raw body is kept encrypted: it holds personal data."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        MISROUTED = "misrouted", "Misrouted"
        QUARANTINED = "quarantined", "Quarantined"
        DEAD = "dead", "Needs attention"

    class Source(models.TextChoices):
        WEBHOOK = "webhook", "Delivered"
        CATCH_UP = "catch-up", "Found by a sync"
        REPLAY = "replay", "Fetched for a replay"

    credential = models.ForeignKey(StripeCredential, models.PROTECT, related_name="webhook_events", db_index=False)
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.WEBHOOK)
    matched_secret = models.CharField(
        max_length=64, blank=True, default="", help_text="label of what it was signed with"
    )
    account = models.CharField(max_length=255, blank=True, default="", help_text="connected account, if any")
    event_id = models.CharField(max_length=255, help_text="Stripe's, or a digest of a body that is no event")
    type = models.CharField(max_length=255, blank=True, default="")
    api_version = models.CharField(max_length=64, blank=True, default="")
    livemode = models.BooleanField(default=False)
    created_at = models.DateTimeField(null=True, blank=True, help_text="Stripe's time of creation")
    object_type = models.CharField(max_length=64, blank=True, default="")
    object_stripe_id = models.CharField(max_length=255, blank=True, default="")
    body = EncryptedBytesField()
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    deliveries = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True, help_text="when to try (again), or when a worker's lease ends")
    lease = models.CharField(max_length=32, blank=True, default="", help_text="whose lease it is; empty: nobody's")
    error = models.TextField(blank=True, default="")
    changes = models.JSONField(
        default=list, blank=True, help_text="what applying it changed: object, id, change; or by what it was covered"
    )
    received_at = models.DateTimeField(help_text="first delivery, or when a sync found it")
    delivered_at = models.DateTimeField(null=True, blank=True, help_text="latest delivery")
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "webhook event"
        constraints = (
            models.UniqueConstraint(fields=("credential", "account", "event_id"), name="financial_event_once"),
        )
        indexes = (
            models.Index(fields=("state", "due_at", "id"), name="financial_event_due"),
            models.Index(fields=("credential", "object_stripe_id"), name="financial_event_object"),
            models.Index(fields=("credential", "-received_at", "-id"), name="financial_event_newest"),
            models.Index(fields=("credential", "state", "-received_at", "-id"), name="financial_event_by_state"),
            models.Index(fields=("credential", "type", "-received_at", "-id"), name="financial_event_by_type"),
            models.Index(
                fields=("credential", "source", "-received_at", "-id"),
                condition=IS_FETCHED,
                name="financial_event_fetched",
            ),
        )
        permissions = (("view_event_payload", "Can see the masked payload of a webhook event"),)

    def __str__(self) -> str:
        return f"{self.type or 'body'} {self.event_id}"
