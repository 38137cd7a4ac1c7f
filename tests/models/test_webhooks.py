from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection

from financial.errors import CredentialRefused
from financial.models import StripeCredential, StripeWebhookSecret

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "whsec_" + "p" * 32


@pytest.mark.parametrize("secret", ["", " ", "whsec_", "whsec_short", "p" * 40])
def test_a_secret_that_is_none_is_never_stored(credential: StripeCredential, secret: str) -> None:
    with pytest.raises(CredentialRefused):
        StripeWebhookSecret.objects.create(credential=credential, label="previous", secret=secret)


def test_a_secret_is_valid_until_the_moment_it_expires(credential: StripeCredential) -> None:
    for label, expires_at in (("for good", None), ("a while", NOON + timedelta(seconds=1)), ("expired", NOON)):
        credential.webhook_secrets.create(label=label, secret=SECRET, expires_at=expires_at)

    valid = StripeWebhookSecret.objects.valid(NOON).values_list("label", flat=True)

    assert set(valid) == {"for good", "a while"}


def test_two_secrets_of_a_credential_do_not_share_a_label(credential: StripeCredential) -> None:
    credential.webhook_secrets.create(label="previous", secret=SECRET)

    with pytest.raises(IntegrityError):
        credential.webhook_secrets.create(label="previous", secret=SECRET)


def test_a_secret_is_stored_encrypted_and_shown_by_its_end(credential: StripeCredential) -> None:
    row = credential.webhook_secrets.create(label="previous", secret=SECRET)

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM financial_stripewebhooksecret")
        assert SECRET not in cursor.fetchone()[0]
    assert SECRET not in repr(row)
    assert "…pppp" in repr(row)
