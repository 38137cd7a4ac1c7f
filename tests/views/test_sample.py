"""The button that fills the pages with made-up data."""

from __future__ import annotations

import pytest
from django.urls import reverse

from financial.models import AuditEvent, StripeCredential, StripePaymentIntent
from tests.views import factory

pytestmark = pytest.mark.django_db
LOAD, OVERVIEW = reverse("financial:sample-data"), reverse("financial:overview")


@pytest.fixture
def page(client):
    client.force_login(factory.staff(*factory.VIEW_ALL, "manage_stripe"))
    return client


def test_one_press_fills_the_dashboard_with_sample_data(page):
    assert "Load demo data" in page.get(OVERVIEW).text

    answer = page.post(LOAD, follow=True)

    assert answer.redirect_chain == [(OVERVIEW, 302)]
    assert "made-up objects loaded" in answer.text and "Gross volume" in answer.text
    assert StripeCredential.objects.get().is_sample
    assert StripePaymentIntent.objects.exists()
    assert AuditEvent.objects.get(action="sample.loaded").details["rows"] > 0


def test_an_empty_test_account_is_offered_it_and_keeps_its_own_rows(page):
    shop = factory.credential()

    assert "Load demo data" in page.get(OVERVIEW).text
    page.post(LOAD)

    assert not StripePaymentIntent.objects.filter(credential=shop).exists()


def test_beside_a_live_account_it_is_neither_offered_nor_done(page):
    factory.credential(secret_key="sk_live_0123456789abcdef", livemode=True)

    assert "Load demo data" not in page.get(OVERVIEW).text
    assert page.post(LOAD).status_code == 400
    assert not StripePaymentIntent.objects.exists()


def test_it_needs_the_permission_to_write(client):
    client.force_login(factory.staff(*factory.VIEW_ALL))

    assert "Load demo data" not in client.get(OVERVIEW).text
    assert client.post(LOAD).status_code == 403
    assert not StripeCredential.objects.exists()
