"""Keys to a Stripe account. Secrets are encrypted at rest and shown, if at all, by their last four characters."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction

from financial import conf
from financial.errors import CredentialRefused
from financial.models.fields import EncryptedTextField

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105
WEBHOOK_SECRET_LENGTH_MIN = 30


def last_four(secret: str) -> str:
    """Return what may be shown of a secret: nothing, or `…` and its last four characters."""
    return f"…{secret[-4:]}" if len(secret) >= 12 else ("…" if secret else "")


def is_webhook_secret(secret: str) -> bool:
    """Whether a text can be a webhook signing secret; an empty one never is."""
    return secret.startswith(WEBHOOK_SECRET_PREFIX) and len(secret) >= WEBHOOK_SECRET_LENGTH_MIN


def livemode_of(key: str) -> bool | None:
    """Return the mode a key's prefix names, None where the prefix is none of Stripe's."""
    for prefix in ("sk_", "rk_", "pk_"):
        if key.startswith(f"{prefix}live_"):
            return True
        if key.startswith(f"{prefix}test_"):
            return False
    return None


class SecretKeeper(models.Model):
    """A row with secrets: counts its changes in this process, and leaves the secrets out of pickles."""

    generation: ClassVar[int] = 0

    class Meta:
        abstract = True

    def __getstate__(self) -> dict[str, Any]:
        """What is taken out is deferred: who unpickles a saved row gets it from the database."""
        hidden = {field.attname for field in self._meta.concrete_fields if isinstance(field, EncryptedTextField)}
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in hidden or self.pk is None}

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        SecretKeeper.generation += 1

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        SecretKeeper.generation += 1
        return deleted


class CredentialQuerySet(models.QuerySet["StripeCredential"]):
    def active(self) -> StripeCredential | None:
        """Return *the* active credential: the environment's if its key is set there, else the one marked active."""
        if conf.get("STRIPE_SECRET_KEY"):
            return self.from_environment()
        return self.filter(is_active=True, is_from_environment=False).first()

    def from_environment(self) -> StripeCredential:
        """Return the row that stands for the environment's keys; the keys themselves stay out of the database."""
        livemode = bool(livemode_of(conf.get("STRIPE_SECRET_KEY")))
        name = "From the environment, live" if livemode else "From the environment"  # names are unique
        row, _ = self.get_or_create(
            is_from_environment=True, livemode=livemode, defaults={"name": name, "is_active": False}
        )
        return row

    def shown(self) -> StripeCredential | None:
        """Return the credential whose data pages show: the active one, else the sample data."""
        return self.active() or self.filter(is_sample=True).first()


class StripeCredential(SecretKeeper):
    """One set of keys; at most one is active. Rows of the mirror belong to the credential they were read with."""

    name = models.CharField(max_length=100, unique=True)
    publishable_key = models.CharField(max_length=255, blank=True, help_text="pk_test_… or pk_live_…")
    secret_key = EncryptedTextField(blank=True, help_text="sk_… or a restricted rk_…; stored encrypted")
    webhook_secret = EncryptedTextField(blank=True, help_text="whsec_…, optional; stored encrypted")
    livemode = models.BooleanField("live mode", default=False, help_text="Whether the keys are for real money")
    is_active = models.BooleanField(
        "active", default=False, help_text="Marking one active makes it the active credential and the others inactive"
    )
    is_from_environment = models.BooleanField(default=False, editable=False)
    is_sample = models.BooleanField(default=False, editable=False)
    account_id = models.CharField(max_length=255, blank=True, editable=False)
    mrr_version = models.BigIntegerField(
        default=0, editable=False, help_text="up to which version of the mirror the history of MRR is complete"
    )
    needs_attention = models.CharField(max_length=500, blank=True, editable=False)
    paused_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="no event is applied until then"
    )
    pause_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    pauses = models.PositiveIntegerField(default=0, editable=False, help_text="in a row, without a success between")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = "Stripe credential"
        verbose_name_plural = "Stripe credentials"
        ordering = ("-is_active", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("is_active",), condition=models.Q(is_active=True), name="financial_one_active_credential"
            ),
        )
        permissions = (
            ("manage_stripe", "Can create and change objects at Stripe"),
            ("run_sync", "Can start a sync"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.mode})"

    def __repr__(self) -> str:
        return f"<StripeCredential {self.pk} {self.mode} key={last_four(self.secret_key)}>"

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            if self.is_active:
                StripeCredential.objects.filter(is_active=True).exclude(pk=self.pk).update(is_active=False)
            if not kwargs.get("update_fields"):
                self._forget_trouble()
            super().save(*args, **kwargs)

    def _forget_trouble(self) -> None:
        """Whoever saves it may have mended what it paused for."""
        if self.pause_reason and self.needs_attention == self.pause_reason:
            self.needs_attention = ""
        self.paused_until, self.pause_reason, self.pauses = None, "", 0

    @property
    def mode(self) -> str:
        return "sample" if self.is_sample else "live" if self.livemode else "test"

    def usable_secret_key(self) -> str:
        """Return the key to call Stripe with.

        Raises:
            CredentialRefused: it has none, or one of the other mode.
        """
        key = str(conf.get("STRIPE_SECRET_KEY")) if self.is_from_environment else self.secret_key
        if self.is_sample:
            raise CredentialRefused("Sample data has no Stripe account behind it. Add a credential with a secret key.")
        if not key:
            raise CredentialRefused(f"The credential “{self.name}” has no secret key. Add one in the admin.")
        if livemode_of(key) is not None and livemode_of(key) != self.livemode:
            raise CredentialRefused(
                f"The credential “{self.name}” is marked {self.mode} but its secret key is of the other mode."
            )
        return key

    def clean(self) -> None:
        errors: dict[str, Any] = {}
        for field, prefixes in (("secret_key", ("sk_", "rk_")), ("publishable_key", ("pk_",))):
            value = getattr(self, field)
            if value and not value.startswith(prefixes):
                errors[field] = f"This key should start with {' or '.join(prefixes)}."
            elif value and livemode_of(value) is not None and livemode_of(value) != self.livemode:
                errors[field] = f"This is a {'live' if livemode_of(value) else 'test'} key, but live mode is " + (
                    "on." if self.livemode else "off."
                )
        secret = self.webhook_secret
        if secret and not is_webhook_secret(secret):
            errors["webhook_secret"] = "A signing secret starts with whsec_ and has at least 24 characters after it."  # noqa: S105
        if errors:
            raise ValidationError(errors)
