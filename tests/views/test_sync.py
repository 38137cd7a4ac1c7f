"""The sync page: what is shown, who may start a run, and how its progress arrives."""

from __future__ import annotations

import pytest
from django.urls import reverse

from financial.models import AuditEvent, StripeWebhookEvent, SyncRun
from tests.views import factory

pytestmark = pytest.mark.django_db
SYNC = reverse("financial:sync")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def shop():
    return factory.credential()


@pytest.fixture
def page(client):
    client.force_login(factory.staff(*factory.VIEW_ALL, "run_sync", name="ada"))
    return client


def test_without_a_credential_the_page_says_what_to_do(page):
    assert "No active Stripe credential found" in page.get(SYNC).text


def test_an_account_never_synced_says_so_and_offers_the_button(page, shop):
    text = page.get(SYNC).text

    assert "Never synced" in text and "Start sync" in text


def test_steps_show_read_written_unchanged_and_their_error(page, shop):
    run = factory.run(shop, state=SyncRun.State.FAILED, error="Stripe API error: down")
    factory.step(run, "balance_transaction", read=1200, written=200, state="done")
    factory.step(run, "payment_intent", error="cut off after 3 pages")

    text = page.get(SYNC).text

    assert "Balance transactions" in text and "1,200" in text and "1,000" in text
    assert "cut off after 3 pages" in text and "Stripe API error: down" in text


def test_starting_asks_for_a_run_in_ones_name_and_is_recorded(page, shop):
    answer = page.post(SYNC)

    run = SyncRun.objects.get()
    assert (answer.status_code, answer.url) == (302, SYNC)
    assert (run.credential, run.requested_by, run.state) == (shop, "ada", "waiting")
    assert AuditEvent.objects.get().action == "sync.requested"


def test_starting_only_some_resources_is_possible(page, shop):
    page.post(SYNC, {"resource": ["product"]})

    assert SyncRun.objects.get().resources == ["product"]


def test_an_unknown_resource_is_refused_in_words(page, shop):
    answer = page.post(SYNC, {"resource": ["moon"]}, follow=True)

    assert "Unknown resource" in answer.text
    assert not SyncRun.objects.exists()


def test_a_second_run_is_refused_in_words(page, shop):
    factory.run(shop, state=SyncRun.State.RUNNING, seen_at=factory.NOW.replace(year=2999))

    answer = page.post(SYNC, follow=True)

    assert "already under way" in answer.text
    assert SyncRun.objects.count() == 1


def test_without_a_credential_nothing_starts(page):
    answer = page.post(SYNC)

    assert answer.status_code == 409
    assert "No active Stripe credential found" in answer.text


def test_sample_data_has_nothing_to_pull(page):
    factory.credential(is_sample=True, is_active=False, secret_key="")

    answer = page.post(SYNC, follow=True)

    assert "no Stripe account behind it" in answer.text
    assert "Start sync" not in answer.text.split('id="sync-run"')[1].split("</section>")[0]


def test_a_run_under_way_is_polled_and_an_ended_one_is_not(page, shop):
    run = factory.run(shop, state=SyncRun.State.RUNNING)
    address = reverse("financial:sync-progress", args=[run.pk])
    assert f'hx-get="{address}"' in page.get(SYNC).text

    SyncRun.objects.update(state=SyncRun.State.DONE, finished_at=factory.NOW)
    answer = page.get(address, headers=HTMX)

    assert "hx-get" not in answer.text and "<html" not in answer.text
    assert "Sync done" in answer.text


def test_progress_without_htmx_leads_back_to_the_page(page, shop):
    run = factory.run(shop, state=SyncRun.State.RUNNING)

    assert page.get(reverse("financial:sync-progress", args=[run.pk])).url == SYNC


def test_another_credentials_run_is_not_found(page, shop):
    other = factory.credential(is_active=False)
    run = factory.run(other)

    answer = page.get(reverse("financial:sync-progress", args=[run.pk]), headers=HTMX)

    assert answer.status_code == 404


def test_a_waiting_run_names_the_worker_it_waits_for(page, shop, settings):
    settings.FINANCIAL_ENGINE = "none"
    factory.run(shop, state=SyncRun.State.WAITING, started_at=None)

    assert "financial_worker" in page.get(SYNC).text


def test_the_inbox_shows_states_and_why_events_failed(page, shop):
    factory.event(shop)
    factory.event(shop, state=StripeWebhookEvent.State.DEAD, error="No such customer", type="invoice.paid")

    text = page.get(SYNC).text

    assert "Needs attention" in text and "No such customer" in text and "invoice.paid" in text


def test_the_endpoint_and_a_missing_secret_are_shown(page, shop):
    text = page.get(SYNC).text

    assert "http://testserver/studio/financial/stripe/webhook/" in text
    assert "No signing secret" in text


def test_a_stored_secret_is_said_but_not_shown(page):
    secret = "whsec_" + "a1b2" * 8
    factory.credential(webhook_secret=secret)

    text = page.get(SYNC).text

    assert "Signing secret stored" in text
    assert secret not in text and "a1b2" not in text


def test_the_number_of_queries_does_not_grow_with_the_runs(page, shop, django_assert_max_num_queries):
    for _ in range(9):
        run = factory.run(shop)
        for name in ("products", "prices", "customers"):
            factory.step(run, name)
        factory.event(shop)

    with django_assert_max_num_queries(20):
        page.get(SYNC)
