from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from financial.errors import CredentialRefused, NoActiveCredential
from financial.models import StripeCredential
from financial.models.credentials import last_four, livemode_of
from financial.stripe_services import StripeService, gateway_for

pytestmark = pytest.mark.django_db

TEST, LIVE = "sk_test_0000000000001111", "sk_live_0000000000002222"
WEBHOOK = "whsec_" + "0" * 24


def make(name: str = "One", **values: Any) -> StripeCredential:
    return StripeCredential.objects.create(name=name, **values)


def refusals(**values: Any) -> dict[str, list[str]]:
    try:
        StripeCredential(name="One", **values).full_clean()
    except ValidationError as error:
        return error.message_dict
    return {}


# One at a time


def test_marking_one_active_makes_the_others_inactive() -> None:
    first, second = make("One", is_active=True), make("Two", is_active=True)
    first.refresh_from_db()
    assert (first.is_active, second.is_active) == (False, True)
    first.is_active = True
    first.save()
    second.refresh_from_db()
    assert second.is_active is False


def test_saving_an_inactive_one_leaves_the_active_one_alone() -> None:
    first = make("One", is_active=True)
    make("Two")
    first.refresh_from_db()
    assert first.is_active is True


def test_two_active_ones_are_impossible_even_past_save() -> None:
    make("One", is_active=True)
    second = make("Two")
    with pytest.raises(IntegrityError), transaction.atomic():
        StripeCredential.objects.filter(pk=second.pk).update(is_active=True)


def test_failing_save_does_not_leave_none_active() -> None:
    first = make("One", is_active=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        make("One", is_active=True)
    first.refresh_from_db()
    assert first.is_active is True


def test_without_an_active_one_the_service_says_what_to_do() -> None:
    make("One", secret_key=TEST)
    assert StripeCredential.objects.active() is None
    with pytest.raises(NoActiveCredential, match="Add one in Django Admin"):
        StripeService()


# What is accepted


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"secret_key": "pk_test_0"}, "secret_key", "sk_ or rk_"),
        ({"secret_key": WEBHOOK}, "secret_key", "sk_ or rk_"),
        ({"secret_key": " sk_test_0"}, "secret_key", "sk_ or rk_"),
        ({"secret_key": LIVE}, "secret_key", "a live key, but live mode is off"),
        ({"secret_key": TEST, "livemode": True}, "secret_key", "a test key, but live mode is on"),
        ({"secret_key": "rk_live_0"}, "secret_key", "a live key"),
        ({"publishable_key": TEST}, "publishable_key", "pk_"),
        ({"publishable_key": "pk_live_0"}, "publishable_key", "a live key"),
        ({"webhook_secret": "0" * 40}, "webhook_secret", "starts with whsec_"),
        ({"webhook_secret": "whsec_"}, "webhook_secret", "at least 24"),
        ({"webhook_secret": "whsec_" + "0" * 23}, "webhook_secret", "at least 24"),
        ({"webhook_secret": "WHSEC_" + "0" * 24}, "webhook_secret", "starts with whsec_"),
    ],
)
def test_key_of_the_wrong_kind_or_mode_is_refused_by_its_field(values: dict[str, Any], field: str, said: str) -> None:
    found = refusals(**values)
    assert set(found) == {field}
    assert said in found[field][0]
    assert values[field] == "whsec_" or values[field] not in found[field][0]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"secret_key": TEST, "publishable_key": "pk_test_0", "webhook_secret": WEBHOOK},
        {"secret_key": "rk_test_0"},
        {"secret_key": LIVE, "publishable_key": "pk_live_0", "livemode": True},
        {"secret_key": "sk_org_0"},
    ],
)
def test_keys_that_agree_with_their_mode_are_accepted(values: dict[str, Any]) -> None:
    assert refusals(**values) == {}


@pytest.mark.parametrize(
    ("key", "livemode"),
    [
        (TEST, False),
        (LIVE, True),
        ("rk_live_0", True),
        ("pk_test_0", False),
        ("sk_0", None),
        ("", None),
        ("live_", None),
    ],
)
def test_prefix_names_the_mode(key: str, livemode: bool | None) -> None:
    assert livemode_of(key) is livemode


# What may be used


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "has no secret key"),
        ({"secret_key": LIVE}, "marked test but its secret key is of the other mode"),
        ({"secret_key": TEST, "livemode": True}, "marked live but its secret key is of the other mode"),
        ({"secret_key": TEST, "is_sample": True}, "no Stripe account behind it"),
    ],
)
def test_credential_that_cannot_be_used_says_why_without_its_key(values: dict[str, Any], said: str) -> None:
    credential = make(**values)
    for use in (credential.usable_secret_key, lambda: gateway_for(credential)):
        with pytest.raises(CredentialRefused, match=said) as refused:
            use()
        assert "0000" not in str(refused.value)


@pytest.mark.parametrize(("secret", "shown"), [("", ""), ("short", "…"), (TEST, "…1111"), ("x" * 11, "…")])
def test_at_most_the_last_four_are_shown(secret: str, shown: str) -> None:
    assert last_four(secret) == shown


def test_neither_str_nor_repr_holds_a_key() -> None:
    credential = make(secret_key=TEST, webhook_secret=WEBHOOK)
    assert str(credential) == "One (test)"
    assert repr(credential) == f"<StripeCredential {credential.pk} test key=…1111>"


@pytest.mark.parametrize(
    ("values", "mode"), [({}, "test"), ({"livemode": True}, "live"), ({"is_sample": True}, "sample")]
)
def test_mode_is_told_in_a_word(values: dict[str, Any], mode: str) -> None:
    assert make(**values).mode == mode


# From the environment


def test_environments_key_wins_and_is_never_stored(settings: Any) -> None:
    make("One", secret_key="sk_test_from_the_database", is_active=True)
    settings.FINANCIAL_STRIPE_SECRET_KEY = TEST
    active = StripeCredential.objects.active()
    assert active is not None
    assert (active.is_from_environment, active.secret_key, active.livemode) == (True, "", False)
    assert active.usable_secret_key() == TEST
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_key FROM financial_stripecredential WHERE id = %s", [active.pk])
        assert cursor.fetchone() == ("",)


def test_environments_row_is_made_once_per_mode(settings: Any) -> None:
    rows = []
    for key in (TEST, TEST, LIVE, TEST):
        settings.FINANCIAL_STRIPE_SECRET_KEY = key
        row = StripeCredential.objects.active()
        assert row is not None
        rows.append((row.pk, row.livemode))
    assert [livemode for _, livemode in rows] == [False, False, True, False]
    assert len(set(rows)) == 2


def test_environments_row_rests_when_the_key_is_gone(settings: Any) -> None:
    settings.FINANCIAL_STRIPE_SECRET_KEY = TEST
    row = StripeCredential.objects.active()
    settings.FINANCIAL_STRIPE_SECRET_KEY = ""
    assert row is not None
    assert StripeCredential.objects.active() is None
    with pytest.raises(CredentialRefused, match="no secret key"):
        row.usable_secret_key()


def test_sample_is_shown_only_while_nothing_is_active() -> None:
    sample = make("Sample", is_sample=True)
    assert StripeCredential.objects.shown() == sample
    assert StripeCredential.objects.active() is None
    own = make("Own", secret_key=TEST, is_active=True)
    assert StripeCredential.objects.shown() == own
