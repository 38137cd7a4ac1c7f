"""Several secrets at once: of endpoints, of credentials, of a rotation; and what is kept of them in memory."""

from __future__ import annotations

import pickle
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from financial import signing, stripe_services
from financial.errors import NotAuthentic
from financial.models import StripeCredential, StripeWebhookEvent, StripeWebhookSecret
from tests import payloads
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET

pytestmark = pytest.mark.django_db
OLD, NEW = "whsec_" + "o" * 32, "whsec_" + "n" * 32


def deliver(secret: str, event_id: str = "evt_1", at: float | None = None) -> StripeWebhookEvent:
    body = payloads.body_of(payloads.event("product.updated", payloads.product(), event_id))
    stamp = timezone.now().timestamp() if at is None else at
    return stripe_services.receive_webhook(body, payloads.signature(body, secret, at=stamp))


def further(credential: StripeCredential, secret: str, **values: Any) -> StripeWebhookSecret:
    return StripeWebhookSecret.objects.create(credential=credential, secret=secret, **{"label": "second", **values})


def test_the_row_says_which_secret_verified_it(credential: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = [NEW]
    further(credential, OLD, label="we_1")

    labels = [deliver(secret, secret).matched_secret for secret in (TEST_WEBHOOK_SECRET, OLD, NEW)]

    assert labels == ["primary", "we_1", "environment 1"]


def test_a_second_endpoint_of_a_credential_is_accepted_beside_the_first(credential: StripeCredential) -> None:
    further(credential, NEW, endpoint_stripe_id="we_2")

    assert deliver(TEST_WEBHOOK_SECRET, "evt_1").credential == deliver(NEW, "evt_2").credential == credential


def test_each_secret_brings_events_to_its_own_credential(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_1", webhook_secret=OLD)
    further(other, NEW)

    assert [deliver(secret, secret).credential for secret in (TEST_WEBHOOK_SECRET, OLD, NEW)] == [
        credential,
        other,
        other,
    ]


@pytest.mark.parametrize("seconds", [-1, 0])
def test_an_expired_secret_is_not_accepted(credential: StripeCredential, seconds: int) -> None:
    further(credential, OLD, expires_at=timezone.now() + timedelta(seconds=seconds))

    with pytest.raises(NotAuthentic):
        deliver(OLD)


def test_a_secret_expires_while_it_is_kept(credential: StripeCredential) -> None:
    further(credential, OLD, expires_at=timezone.now() + timedelta(seconds=0.4))
    deliver(OLD, "evt_1")
    time.sleep(0.45)

    with pytest.raises(NotAuthentic):
        deliver(OLD, "evt_2")


def test_an_expired_secret_alone_turns_nothing_away_for_good(credential: StripeCredential) -> None:
    """Without a valid secret nothing can be verified: Stripe shall come again."""
    StripeCredential.objects.update(webhook_secret="")
    further(credential, OLD, expires_at=timezone.now() - timedelta(days=1))
    body = payloads.body_of(payloads.event("product.updated", payloads.product()))

    answer = Client().post(reverse("financial:webhook"), body, content_type="application/json")

    assert answer.status_code == 503


# Rotation


def test_changing_the_secret_in_the_admin_loses_no_event(
    credential: StripeCredential, admin_client: Client, admin_user: AbstractBaseUser
) -> None:
    page = reverse("admin:financial_stripecredential_change", args=[credential.pk])

    answer = admin_client.post(page, {"name": credential.name, "is_active": "on", "webhook_secret": NEW})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert deliver(NEW, "evt_1").matched_secret == "primary"
    assert deliver(TEST_WEBHOOK_SECRET, "evt_2").matched_secret == "previous"


def test_the_replaced_secret_ends_after_a_day(credential: StripeCredential) -> None:
    credential.webhook_secret = NEW
    credential.save()
    now = timezone.now()

    stripe_services.keep_previous_webhook_secret(credential, OLD)

    expires_at = credential.webhook_secrets.get().expires_at
    assert expires_at is not None
    assert timedelta(hours=23) < expires_at - now < timedelta(hours=25)


def test_replacing_twice_keeps_only_the_last(credential: StripeCredential) -> None:
    for old in (OLD, NEW):
        stripe_services.keep_previous_webhook_secret(credential, old)

    assert credential.webhook_secrets.get().secret == NEW


@pytest.mark.parametrize("old", ["", TEST_WEBHOOK_SECRET, "whsec_short"])
def test_what_was_no_other_secret_is_not_kept(credential: StripeCredential, old: str) -> None:
    stripe_services.keep_previous_webhook_secret(credential, old)

    assert not credential.webhook_secrets.exists()


# What is kept in memory


def test_a_delivery_reads_no_secret_once_they_are_known(
    credential: StripeCredential, django_assert_num_queries: Any
) -> None:
    deliver(TEST_WEBHOOK_SECRET, "evt_1")

    with django_assert_num_queries(1):
        deliver(TEST_WEBHOOK_SECRET, "evt_2")


def test_a_saved_secret_counts_at_once(credential: StripeCredential) -> None:
    deliver(TEST_WEBHOOK_SECRET)
    credential.webhook_secret = NEW
    credential.save()

    assert deliver(NEW, "evt_2").matched_secret == "primary"
    with pytest.raises(NotAuthentic):
        deliver(TEST_WEBHOOK_SECRET, "evt_3")


def test_a_deleted_secret_ends_at_once(credential: StripeCredential) -> None:
    row = further(credential, NEW)
    deliver(NEW)
    row.delete()

    with pytest.raises(NotAuthentic):
        deliver(NEW, "evt_2")


def test_a_secret_another_process_stored_is_found_when_it_signs(
    credential: StripeCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(TEST_WEBHOOK_SECRET)
    monkeypatch.setattr(signing, "AT_MOST_EVERY_SECONDS", 0)
    StripeWebhookSecret.objects.bulk_create([StripeWebhookSecret(credential=credential, label="x", secret=NEW)])

    assert deliver(NEW, "evt_2").matched_secret == "x"


def test_forgeries_do_not_make_us_read_the_secrets_each_time(
    credential: StripeCredential, connection_queries: Any
) -> None:
    deliver(TEST_WEBHOOK_SECRET)

    def forge() -> None:
        for _ in range(50):
            with pytest.raises(NotAuthentic):
                deliver("whsec_" + "x" * 32)

    assert connection_queries(forge) < 20


def test_a_kept_secret_does_not_show_itself(credential: StripeCredential) -> None:
    assert TEST_WEBHOOK_SECRET not in repr(signing.secrets())


# What shows a credential shows no secret


def test_model_to_dict_gives_the_end_of_a_secret_at_most(credential: StripeCredential) -> None:
    shown = model_to_dict(credential)

    assert (shown["secret_key"], shown["webhook_secret"]) == ("****0000", "****0000")


def test_a_pickled_credential_leaves_its_secrets_behind(credential: StripeCredential) -> None:
    pickled = pickle.dumps(credential)

    assert TEST_KEY.encode() not in pickled
    assert TEST_WEBHOOK_SECRET.encode() not in pickled
    assert pickle.loads(pickled).secret_key == TEST_KEY  # read from the database
