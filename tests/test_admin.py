"""The admin: secrets go in and never come out, one credential is active, and the rest is only looked at."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from financial.models import AuditEvent, StripeCredential
from tests.views import factory

pytestmark = pytest.mark.django_db
LIST = reverse("admin:financial_stripecredential_changelist")
ADD = reverse("admin:financial_stripecredential_add")
SECRET, HOOK = "sk_test_thisisverysecret9876", "whsec_" + "h" * 28 + "5432"


def change(row: StripeCredential) -> str:
    return reverse("admin:financial_stripecredential_change", args=[row.pk])


def form(**values) -> dict:
    return {"name": "Shop", "publishable_key": "", "secret_key": "", "webhook_secret": "", **values}


def act(client, action: str, *rows: StripeCredential):
    return client.post(LIST, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


def test_a_credential_is_added_and_recorded_without_its_secrets(admin_client):
    admin_client.post(ADD, form(secret_key=SECRET, webhook_secret=HOOK, is_active="on"))

    row = StripeCredential.objects.get()
    assert (row.secret_key, row.webhook_secret, row.is_active) == (SECRET, HOOK, True)
    event = AuditEvent.objects.get(action="credential.created")
    assert event.details == {"changed": ["is_active", "name", "secret_key", "webhook_secret"]}
    assert SECRET not in str(event.details)


def test_no_page_shows_more_of_a_secret_than_its_end(admin_client):
    row = factory.credential(secret_key=SECRET, webhook_secret=HOOK)

    for address in (LIST, change(row), reverse("admin:financial_stripecredential_history", args=[row.pk])):
        text = admin_client.get(address).text
        assert SECRET not in text and HOOK not in text
    assert "…9876" in admin_client.get(LIST).text and "…5432" in admin_client.get(change(row)).text


def test_an_empty_secret_is_kept(admin_client):
    row = factory.credential(name="Shop", secret_key=SECRET, webhook_secret=HOOK)

    answer = admin_client.post(change(row), form(name="New name", is_active="on"))

    row.refresh_from_db()
    assert answer.status_code == 302
    assert (row.name, row.secret_key, row.webhook_secret) == ("New name", SECRET, HOOK)
    assert AuditEvent.objects.get(action="credential.changed").details == {"changed": ["name"]}


def test_a_typed_secret_replaces_the_old(admin_client):
    row = factory.credential(name="Shop", secret_key=SECRET)

    admin_client.post(change(row), form(secret_key="rk_test_another_one_1111", is_active="on"))

    row.refresh_from_db()
    assert row.secret_key == "rk_test_another_one_1111"
    assert AuditEvent.objects.get().details == {"changed": ["secret_key"]}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"secret_key": "pk_test_wrong_kind_00"}, "should start with sk_ or rk_"),
        ({"secret_key": "sk_live_of_other_mode"}, "but live mode is off"),
        ({"webhook_secret": "whsec_short"}, "at least 24 characters"),
    ],
)
def test_a_wrong_secret_is_refused_beside_its_field_and_not_repeated(admin_client, values, words):
    answer = admin_client.post(ADD, form(**values))

    assert answer.status_code == 200
    assert words in answer.text
    assert not any(secret in answer.text for secret in values.values())
    assert not StripeCredential.objects.exists()


def test_marking_a_second_one_active_makes_the_first_inactive(admin_client):
    first = factory.credential(name="First")

    answer = admin_client.post(ADD, form(name="Second", secret_key=SECRET, is_active="on"))

    first.refresh_from_db()
    assert answer.status_code == 302
    assert not first.is_active and StripeCredential.objects.active().name == "Second"


def test_make_active_chooses_one_and_is_recorded(admin_client):
    first, second = factory.credential(name="First"), factory.credential(name="Second")

    answer = act(admin_client, "make_active", first)

    assert "now the active credential" in answer.text
    assert StripeCredential.objects.active() == first
    assert not StripeCredential.objects.get(pk=second.pk).is_active
    assert AuditEvent.objects.get().action == "credential.activated"


def test_make_active_refuses_two_at_once_and_the_sample(admin_client):
    first, second = factory.credential(), factory.credential()
    sample = factory.credential(is_sample=True, is_active=False)

    assert "only one can be active" in act(admin_client, "make_active", first, second).text
    assert "only one can be active" in act(admin_client, "make_active", sample).text
    assert StripeCredential.objects.active() == second


def test_a_failed_connection_is_explained(admin_client):
    answer = act(admin_client, "test_connection", factory.credential(name="Shop", secret_key=""))

    assert "has no secret key" in answer.text


def test_an_unreachable_stripe_is_explained(admin_client, settings):
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1

    answer = act(admin_client, "test_connection", factory.credential(secret_key=SECRET))

    assert "Stripe API error" in answer.text and SECRET not in answer.text


@pytest.mark.parametrize("kind", ["is_sample", "is_from_environment"])
def test_fixed_rows_can_be_seen_but_not_changed(admin_client, kind):
    row = factory.credential(name="Fixed", is_active=False, **{kind: True})

    assert admin_client.get(change(row)).status_code == 200
    assert admin_client.post(change(row), form(name="Changed")).status_code == 403
    row.refresh_from_db()
    assert row.name == "Fixed"


def test_a_credential_with_data_is_kept_and_the_reason_given(admin_client):
    row = factory.credential()
    factory.customer(row)

    answer = admin_client.post(
        reverse("admin:financial_stripecredential_delete", args=[row.pk]), {"post": "yes"}, follow=True
    )

    assert "is kept for the records" in answer.text
    assert StripeCredential.objects.filter(pk=row.pk).exists()


def test_a_credential_without_data_can_be_deleted(admin_client):
    row = factory.credential()

    admin_client.post(reverse("admin:financial_stripecredential_delete", args=[row.pk]), {"post": "yes"})

    assert not StripeCredential.objects.exists()
    assert AuditEvent.objects.get().action == "credential.deleted"


LOOK_ONLY = [
    model
    for model in apps.get_app_config("financial").get_models()
    if model in admin.site._registry and model is not StripeCredential
]


@pytest.mark.parametrize("model", LOOK_ONLY, ids=lambda model: model.__name__)
def test_all_other_rows_can_only_be_looked_at(admin_client, model):
    name = f"admin:financial_{model._meta.model_name}"

    assert admin_client.get(reverse(f"{name}_changelist")).status_code == 200
    assert admin_client.get(reverse(f"{name}_add")).status_code == 403
    assert not admin.site._registry[model].show_full_result_count


def test_every_kind_of_row_opens_without_what_is_encrypted(admin_client):
    shop = factory.credential()
    rows = [
        factory.customer(shop, private={"phone": "+49 30 1234567"}),
        factory.booked(shop, factory.payment(shop)),
        factory.event(shop, body=b'{"secret": "in the body"}'),
        factory.run(shop),
    ]
    factory.step(rows[-1], "customers")

    for row in rows:
        address = reverse(f"admin:financial_{row._meta.model_name}_change", args=[row.pk])
        answer = admin_client.get(address)
        assert answer.status_code == 200
        assert "+49 30 1234567" not in answer.text and "in the body" not in answer.text
        assert admin_client.post(address, {}).status_code == 403


def test_a_search_by_id_finds_the_row(admin_client):
    shop = factory.credential()
    factory.customer(shop, stripe_id="cus_findme")
    factory.customer(shop, stripe_id="cus_other")

    text = admin_client.get(reverse("admin:financial_stripecustomer_changelist"), {"q": "cus_findme"}).text

    assert "cus_findme" in text and "cus_other" not in text
