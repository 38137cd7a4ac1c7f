from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection

from financial.models import StripeCredential, StripeCustomer, StripeWebhookEvent
from financial.models.fields import encrypt

pytestmark = pytest.mark.django_db

OLD, NEW = "the-old-key-long-enough", "the-new-key-long-enough"
SECRET = "sk_test_canary_000000000000"
NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def column(table: str, name: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM {table}")
        (value,) = cursor.fetchone()
    return value


@pytest.fixture
def credential() -> Iterator[StripeCredential]:
    yield StripeCredential.objects.create(name="Canary", secret_key=SECRET)


def test_text_is_encrypted_in_the_database_and_plain_in_python(credential: StripeCredential) -> None:
    stored = column("financial_stripecredential", "secret_key")
    assert stored.startswith("gAAAA")
    assert SECRET not in stored
    assert StripeCredential.objects.get().secret_key == SECRET


def test_json_and_bytes_are_encrypted_as_well(credential: StripeCredential) -> None:
    StripeCustomer.objects.create(credential=credential, stripe_id="cus_1", private={"phone": "+44 20 7946 0000"})
    StripeWebhookEvent.objects.create(credential=credential, event_id="evt_1", body=b"+44 20 7946", received_at=NOON)
    assert "7946" not in column("financial_stripecustomer", "private")
    assert b"7946" not in bytes(column("financial_stripewebhookevent", "body"))
    assert StripeCustomer.objects.get().private == {"phone": "+44 20 7946 0000"}
    assert StripeWebhookEvent.objects.get().body == b"+44 20 7946"


def test_empty_stays_empty(credential: StripeCredential) -> None:
    StripeCustomer.objects.create(credential=credential, stripe_id="cus_1")
    StripeWebhookEvent.objects.create(credential=credential, event_id="evt_1", body=b"", received_at=NOON)
    assert column("financial_stripecredential", "webhook_secret") == ""
    assert column("financial_stripecustomer", "private") == ""
    assert StripeCustomer.objects.get().private == {}
    assert bytes(StripeWebhookEvent.objects.get().body or b"") == b""


def test_same_text_is_never_stored_the_same_way_twice() -> None:
    assert encrypt(b"x") != encrypt(b"x")


@pytest.mark.parametrize("lookup", ["secret_key", "secret_key__contains", "secret_key__startswith", "secret_key__in"])
def test_encrypted_column_cannot_be_searched(credential: StripeCredential, lookup: str) -> None:
    with pytest.raises(FieldError):
        StripeCredential.objects.filter(**{lookup: SECRET}).exists()


@pytest.mark.parametrize(
    "tamper", [lambda t: t[:-1], lambda t: t[:50] + ("B" if t[50] == "A" else "A") + t[51:], lambda t: "sk_test_plain"],
    ids=["cut", "altered", "plain text"],
)  # fmt: skip
def test_token_that_does_not_open_raises_and_is_never_shown_as_text(credential: StripeCredential, tamper: Any) -> None:
    altered = tamper(column("financial_stripecredential", "secret_key"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE financial_stripecredential SET secret_key = %s", [altered])
    with pytest.raises(ImproperlyConfigured, match="FINANCIAL_ENCRYPTION_KEYS"):
        StripeCredential.objects.get()


def test_token_of_a_foreign_key_raises(credential: StripeCredential) -> None:
    foreign = Fernet(Fernet.generate_key()).encrypt(b"sk_test_foreign").decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE financial_stripecredential SET secret_key = %s", [foreign])
    with pytest.raises(ImproperlyConfigured) as refused:
        StripeCredential.objects.get()
    assert foreign not in str(refused.value)


@pytest.mark.parametrize("keys", [[], [""], ["", ""]])
def test_nothing_is_stored_without_a_key(settings: Any, keys: list[str]) -> None:
    settings.FINANCIAL_ENCRYPTION_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="at least one long random text"):
        StripeCredential.objects.create(name="Canary", secret_key=SECRET)
    assert not StripeCredential.objects.exists()


def test_keys_rotate_without_losing_what_the_old_one_wrote(settings: Any) -> None:
    settings.FINANCIAL_ENCRYPTION_KEYS = [OLD]
    row = StripeCredential.objects.create(name="Canary", secret_key=SECRET)
    settings.FINANCIAL_ENCRYPTION_KEYS = [NEW, OLD]
    row = StripeCredential.objects.get(pk=row.pk)
    assert row.secret_key == SECRET
    row.save()
    settings.FINANCIAL_ENCRYPTION_KEYS = [NEW]
    assert StripeCredential.objects.get(pk=row.pk).secret_key == SECRET


def test_key_removed_too_early_is_named_as_the_reason(settings: Any) -> None:
    settings.FINANCIAL_ENCRYPTION_KEYS = [OLD]
    StripeCredential.objects.create(name="Canary", secret_key=SECRET)
    settings.FINANCIAL_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(ImproperlyConfigured, match="no longer in FINANCIAL_ENCRYPTION_KEYS; add that key back"):
        StripeCredential.objects.get()
