"""The secrets a webhook may be signed with, kept for seconds in the process: a delivery costs no query and no decryption.

Saving a credential or a secret in this process is seen at once, in another one after `KEPT_SECONDS`; a signature that none
of the kept ones made is reason to look at once, a few times a second at most. Expiry is checked at each delivery.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from financial import conf
from financial.models import StripeCredential, StripeWebhookSecret
from financial.models.credentials import SecretKeeper, is_webhook_secret
from financial.webhooks import SigningSecret

KEPT_SECONDS = 5.0
AT_MOST_EVERY_SECONDS = 0.25
PREVIOUS = "previous"
PREVIOUS_LASTS = timedelta(hours=24)  # as long as Stripe lets two secrets sign


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    generation: int
    environment: tuple[str, ...]
    secrets: list[SigningSecret]

    @property
    def age(self) -> float:
        return time.monotonic() - self.at

    @property
    def is_current(self) -> bool:
        unchanged = (self.generation, self.environment) == (SecretKeeper.generation, _environment())
        return unchanged and self.age < KEPT_SECONDS


_kept: _Kept | None = None


def secrets() -> list[SigningSecret]:
    """Return every secret, expired ones too: each credential's own, its further ones, and the environment's."""
    return (_kept if _kept is not None and _kept.is_current else _load()).secrets


def may_have_changed() -> bool:
    """Forget what is kept and return True, unless it was read a moment ago."""
    if _kept is None or _kept.age < AT_MOST_EVERY_SECONDS:
        return False
    forget()
    return True


def forget() -> None:
    """Read the secrets anew at the next delivery."""
    global _kept
    _kept = None


def keep_previous(credential: StripeCredential, secret: str, *, now: datetime) -> None:
    """Accept the secret that was just replaced for another day: Stripe signs with both while one is rolled."""
    if is_webhook_secret(secret) and secret != credential.webhook_secret:
        credential.webhook_secrets.update_or_create(
            label=PREVIOUS, defaults={"secret": secret, "expires_at": now + PREVIOUS_LASTS}
        )


def _load() -> _Kept:
    global _kept
    generation, environment = SecretKeeper.generation, _environment()
    credentials = StripeCredential.objects.filter(is_sample=False, is_from_environment=False).defer("secret_key")
    found = [SigningSecret(row, row.webhook_secret, "primary") for row in credentials if row.webhook_secret]
    further = StripeWebhookSecret.objects.filter(credential__in=credentials).select_related("credential")
    found += [
        SigningSecret(row.credential, row.secret, row.label, row.expires_at)
        for row in further.defer("credential__secret_key", "credential__webhook_secret")
    ]
    active = StripeCredential.objects.active() if environment[1:] else None
    found += [
        SigningSecret(active, secret, f"environment {number}")
        for number, secret in enumerate(environment[1:], start=1)
        if active
    ]
    _kept = _Kept(time.monotonic(), generation, environment, found)
    return _kept


def _environment() -> tuple[str, ...]:
    """The environment's secret key, which says whose its webhook secrets are, and those."""
    return (str(conf.get("STRIPE_SECRET_KEY")), *(str(s) for s in conf.get("STRIPE_WEBHOOK_SECRETS") if s))
