"""The inbox: every authentic webhook, stored before anything is done with it."""

from __future__ import annotations

from django.db import models

from financial.models.credentials import StripeCredential
from financial.models.fields import EncryptedBytesField


class StripeWebhookEvent(models.Model):
    """One event, whatever the number of its deliveries. The raw body is kept encrypted: it holds personal data."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        MISROUTED = "misrouted", "Misrouted"
        QUARANTINED = "quarantined", "Quarantined"
        DEAD = "dead", "Needs attention"

    credential = models.ForeignKey(StripeCredential, models.PROTECT, related_name="webhook_events")
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
    error = models.TextField(blank=True, default="")
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "webhook event"
        constraints = (
            models.UniqueConstraint(fields=("credential", "account", "event_id"), name="financial_event_once"),
        )
        indexes = (
            models.Index(fields=("state", "due_at", "id"), name="financial_event_due"),
            models.Index(fields=("credential", "state"), name="financial_event_state"),
            models.Index(fields=("credential", "object_stripe_id"), name="financial_event_object"),
            models.Index(fields=("credential", "-received_at", "-id"), name="financial_event_newest"),
        )

    def __str__(self) -> str:
        return f"{self.type or 'body'} {self.event_id}"
