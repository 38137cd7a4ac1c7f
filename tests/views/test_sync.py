"""The sync page: what is shown, who may start a run, and how its progress arrives."""

from __future__ import annotations

import datetime as dt
import re
import sys

import pytest
from django.urls import reverse
from django.utils import timezone

from financial.models import AuditEvent, StripeCredential, StripeWebhookEvent, SyncRun
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

    assert "Never synced" in text and "Sync now" in text
    assert "Compare only" not in text  # there is nothing to compare yet


def row_of(text, name):
    """The cells of a collection's row, as they are labelled."""
    row = next(part for part in text.split("<tr>") if f'<th scope="row">{name}</th>' in part)
    cells = [cell.split('data-label="')[1] for cell in row.split("<td")[1:]]
    return {cell.split('"')[0]: cell for cell in cells}


def test_steps_show_read_written_and_their_error(page, shop):
    run = factory.run(shop, state=SyncRun.State.FAILED, error="Stripe API error: down")
    factory.step(run, "balance_transaction", read=1200, written=200, state="done")
    factory.step(run, "payment_intent", error="cut off after 3 pages")

    text = page.get(SYNC).text

    assert "Balance transactions" in text
    assert ">1,200<" in row_of(text, "Balance transactions")["Read"]
    assert ">200<" in row_of(text, "Balance transactions")["Written"]
    assert "cut off after 3 pages" in text and "Stripe API error: down" in text


def test_starting_asks_for_a_run_in_ones_name_and_is_recorded(page, shop):
    answer = page.post(SYNC)

    run = SyncRun.objects.get()
    assert (answer.status_code, answer.url) == (302, SYNC)
    assert (run.credential, run.requested_by, run.state) == (shop, "ada", "waiting")
    assert run.kind == SyncRun.Kind.AUTOMATIC
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id, event.details) == ("sync.requested", str(run.pk), {"kind": "automatic"})


@pytest.mark.parametrize("kind", ["automatic", "full", "verify"])
def test_each_button_asks_for_its_kind_of_run(page, shop, kind):
    factory.run(shop)
    assert f'name="kind" value="{kind}"' in page.get(SYNC).text

    page.post(SYNC, {"kind": kind})

    assert SyncRun.objects.latest("pk").kind == kind
    assert AuditEvent.objects.get().details == {"kind": kind}


@pytest.mark.parametrize("kind", ["incremental", "moon"])
def test_a_kind_nobody_may_ask_for_is_refused_in_words(page, shop, kind):
    answer = page.post(SYNC, {"kind": kind}, follow=True)

    assert "Unknown kind of sync" in answer.text
    assert not SyncRun.objects.exists()


def test_whoever_may_only_look_sees_no_buttons(client, shop):
    factory.run(shop)
    client.force_login(factory.staff("view_syncrun"))

    assert 'name="kind"' not in client.get(SYNC).text


@pytest.mark.parametrize(
    ("kind", "words"), [("full", "Everything"), ("incremental", "What changed"), ("verify", "Comparison only")]
)
def test_the_kind_of_a_run_is_said_in_words(page, shop, kind, words):
    factory.run(shop, kind=kind)
    factory.run(shop, kind=kind)

    text = page.get(SYNC).text

    assert f"<strong>{words}</strong>" in text
    assert f'<td data-label="Kind">{words}</td>' in text


def test_a_proved_collection_shows_what_proves_it(page, shop):
    run = factory.run(shop, kind=SyncRun.Kind.FULL)
    proof = {"slices": 4, "pages": 13, "delivered": 1200, "stored": 1200, "verified_at": factory.NOW}
    factory.step(run, "customer", gone=2, unlisted=3, **proof)

    cells = row_of(page.get(SYNC).text, "Customers")

    assert ">4<" in cells["Slices"] and ">13<" in cells["Pages"]
    assert "1,200 of 1,200" in cells["Stored"] and "verified" in cells["Stored"]
    assert ">2<" in cells["Gone"] and "poor" not in cells["Gone"]  # marked deleted: repaired
    assert ">3<" in cells["Unlisted"] and "although no listing shows it" in cells["Unlisted"]
    assert "<time" in cells["Verified"]


def test_border_seconds_are_counted_with_what_came_late(page, shop):
    run = factory.run(shop, kind=SyncRun.Kind.FULL)
    factory.step(run, "customer", reread=1234, late=2)
    factory.step(run, "product")

    text = page.get(SYNC).text

    assert ">1,234<small>2 late</small>" in row_of(text, "Customers")["Borders"]
    assert ">—<" in row_of(text, "Products")["Borders"]


def test_what_is_missing_or_differs_is_red_and_not_verified(page, shop):
    run = factory.run(shop, kind=SyncRun.Kind.VERIFY, state=SyncRun.State.FAILED, error="customer: 1 missing here")
    factory.step(run, "customer", delivered=10, stored=9, missing=1, different=2, gone=3)
    factory.step(run, "product", delivered=5, stored=5, verified_at=factory.NOW, state="done")

    text = page.get(SYNC).text

    customers, products = row_of(text, "Customers"), row_of(text, "Products")
    assert all(" poor" in text.split(f'data-label="{label}"')[0][-20:] for label in ("Gone", "Missing", "Different"))
    assert "9 of 10" in customers["Stored"] and "verified" not in customers["Stored"]
    assert "Nothing was changed" in text
    assert text.count(" poor") == 3 and "verified" in products["Stored"]


def test_a_collection_that_was_not_listed_claims_no_proof(page, shop):
    factory.step(factory.run(shop, kind=SyncRun.Kind.INCREMENTAL), "product", read=2, written=1)

    cells = row_of(page.get(SYNC).text, "Products")

    assert "—" in cells["Stored"] and "—" in cells["Verified"] and "of" not in cells["Stored"].split(">")[1]


def test_the_latest_complete_proof_outlives_runs_that_prove_less(page, shop):
    full = factory.run(shop, kind=SyncRun.Kind.FULL)
    factory.step(full, "product", delivered=700, stored=700, verified_at=factory.NOW)
    factory.step(full, "price", delivered=534, stored=534, verified_at=factory.NOW)
    factory.step(factory.run(shop, kind=SyncRun.Kind.FULL, resources=["product"]), "product", delivered=1, stored=1)
    factory.step(factory.run(shop, kind=SyncRun.Kind.VERIFY, state=SyncRun.State.FAILED), "product", delivered=9)
    factory.step(factory.run(shop, kind=SyncRun.Kind.INCREMENTAL), "product")

    assert "1,234 of 1,234</strong>" in page.get(SYNC).text


def test_a_run_under_way_shows_its_rate_and_how_far_it_is(page, shop):
    started = timezone.now() - dt.timedelta(seconds=100)
    run = factory.run(shop, state=SyncRun.State.RUNNING, started_at=started, seen_at=timezone.now())
    factory.step(run, "product", read=20_000, state="done", slices=1)
    factory.step(run, "customer", read=100_000, spans=[[0, 1], [2, 3]], slices=5)

    text = page.get(reverse("financial:sync-progress", args=[run.pk]), headers=HTMX).text

    assert "1 of 2 collections done, 1 being read" in text
    rate = int(text.split(" rows/s")[0].rpartition(">")[2].replace(",", ""))
    assert 1100 < rate <= 1200
    assert "2 left" in row_of(text, "Customers")["Slices"]
    assert text.count(" disabled") == 3


@pytest.mark.parametrize(("expected", "words"), [(230_000, "about 1 min "), (None, ""), (90_000, "")])
def test_a_run_under_way_tells_the_time_left_where_the_total_is_known(page, shop, expected, words):
    started = timezone.now() - dt.timedelta(seconds=100)
    run = factory.run(shop, state=SyncRun.State.RUNNING, started_at=started, seen_at=timezone.now())
    factory.step(run, "product", read=100_000, state="done")
    factory.step(run, "customer", read=100_000, expected=expected)

    text = page.get(SYNC).text

    assert words in text and ("left)" in text) == bool(words)


def test_a_resumed_run_claims_no_rate(page, shop):
    run = factory.run(shop, kind=SyncRun.Kind.FULL)
    factory.step(run, "product", started_at=factory.NOW - dt.timedelta(hours=1))

    text = page.get(SYNC).text

    assert "went on where an earlier run ended" in text and "rows/s" not in text


def test_a_run_without_a_sign_of_life_does_not_stand_in_the_way(page, shop):
    factory.run(shop, state=SyncRun.State.RUNNING, seen_at=timezone.now() - dt.timedelta(minutes=5))

    text = page.get(SYNC).text
    page.post(SYNC)

    assert "No sign of life" in text and " disabled" not in text.split('id="sync-run"')[1].split("</form>")[0]
    assert list(SyncRun.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "waiting"]


def test_earlier_runs_show_who_when_how_much_and_the_result(page, shop):
    full = factory.run(shop, kind=SyncRun.Kind.FULL, requested_by="the schedule", booked=7)
    factory.step(full, "product", read=3000, written=2500, delivered=3000, stored=3000, verified_at=factory.NOW)
    factory.run(shop, state=SyncRun.State.FAILED, error="Stripe is down")
    factory.run(shop)

    history = page.get(SYNC).text.split('id="history-title"')[1].split("</section>")[0]

    assert "the schedule" in history and "2,500" in history and "12.0 s" in history
    assert "3,000 of 3,000 listed stored, 7 booked" in history and "Stripe is down" in history


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(15, "runs by itself every 15 minutes."), (1, "runs by itself every minute."), (0, "do not run by themselves")],
)
def test_the_page_says_when_syncs_run_by_themselves(page, shop, settings, minutes, words):
    settings.FINANCIAL_SYNC_EVERY_MINUTES = minutes
    factory.run(shop)

    assert words in page.get(SYNC).text


def test_the_first_sync_is_said_to_be_a_persons_to_ask_for(page, shop, settings):
    settings.FINANCIAL_SYNC_EVERY_MINUTES = 15

    assert "After the first, a sync runs by itself" in page.get(SYNC).text


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
    assert "Sample data is not synced." in answer.text
    assert "Sync now" not in answer.text.split('id="sync-run"')[1].split("</section>")[0]


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


def test_the_inbox_counts_what_came_and_what_came_twice(page, shop):
    factory.event(shop, deliveries=3)
    factory.event(shop, deliveries=2, state=StripeWebhookEvent.State.WAITING)
    factory.event(shop)

    text = page.get(SYNC).text

    assert "<dt>Received</dt><dd>3</dd>" in text
    assert "<dt>Duplicate</dt><dd>2</dd>" in text and "of the latest 3 came more than once" in text


def test_what_came_twice_is_counted_among_the_latest_only(page, shop, monkeypatch):
    monkeypatch.setattr(sys.modules["financial.reports.inbox"], "COUNT_MAX", 2)
    later = factory.NOW + dt.timedelta(hours=1)
    factory.event(shop, deliveries=2)
    for _ in range(2):
        factory.event(shop, received_at=later)

    text = page.get(SYNC).text

    assert "<dt>Received</dt><dd>more than 2</dd>" in text
    assert "<dt>Duplicate</dt><dd>0</dd>" in text and "of the latest 2 came" in text


def test_events_given_up_are_retried_from_here_by_those_who_may(page, client, shop):
    button, events = "Replay all that need attention", reverse("financial:events")
    client.force_login(factory.staff("view_syncrun", "view_stripewebhookevent", "run_sync"))
    factory.event(shop)
    assert button not in client.get(SYNC).text

    dead = factory.event(shop, state=StripeWebhookEvent.State.DEAD, object_stripe_id="pi_1")
    form = client.get(SYNC).text.partition(button)[0].rpartition("<form")[2]
    client.post(events)

    assert f'action="{events}"' in form and 'method="post"' in form
    dead.refresh_from_db()
    assert dead.state == "waiting"


def test_retrying_needs_the_right_to_sync_and_to_see_events(client, shop):
    factory.event(shop, state=StripeWebhookEvent.State.DEAD)

    for rights in (("view_syncrun", "view_stripewebhookevent"), ("view_syncrun", "run_sync")):
        client.force_login(factory.staff(*rights))
        assert "Replay all" not in client.get(SYNC).text


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
            factory.step(run, name, verified_at=factory.NOW)
        factory.event(shop)

    with django_assert_max_num_queries(32):
        page.get(SYNC)


# Kind by kind


def test_every_kind_says_how_many_are_mirrored_up_to_when_and_what_went_wrong(client):
    shop = factory.credential(account_id="acct_1")
    client.force_login(factory.staff(*factory.VIEW_ALL, "run_sync"))
    factory.customer(shop)
    factory.customer(shop, deleted_at=factory.NOW)
    now = timezone.now()
    done = factory.run(
        shop, requested_at=now - dt.timedelta(hours=2), covers_until=now - dt.timedelta(hours=2, minutes=5)
    )
    factory.step(done, "customer", finished_at=now - dt.timedelta(hours=2))
    failed = factory.run(shop, requested_at=now, state="failed", error="Stripe was away")
    factory.step(failed, "customer", state="failed", error="Too many requests", spans=[[1, 2, ""], [3, 4, ""]])

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get(reverse("financial:sync")).text))
    row = text[text.index("In the mirror") :].split("Customers")[1].split("Payments")[0]

    assert row.split()[0] == "2"
    assert "2 h 5 min" in row
    assert "Failed" in row and "Too many requests" in row and "goes on with 2 stretches of time" in row


def test_one_object_can_be_fetched_from_here_by_those_who_may(client):
    factory.credential(account_id="acct_1")
    client.force_login(factory.staff(*factory.VIEW_ALL, "run_sync"))
    assert "Fetch one object by its id" in client.get(reverse("financial:sync")).text
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert "Fetch one object by its id" not in client.get(reverse("financial:sync")).text


def test_a_wait_that_stripe_asked_for_is_shown_while_it_lasts(client):
    shop = factory.credential(account_id="acct_1")
    client.force_login(factory.staff(*factory.VIEW_ALL))
    StripeCredential.objects.update(paused_until=timezone.now() + dt.timedelta(minutes=3), pause_reason="429 answered.")
    assert "Stripe asked us to wait until" in client.get(reverse("financial:sync")).text
    StripeCredential.objects.filter(pk=shop.pk).update(paused_until=timezone.now() - dt.timedelta(minutes=3))
    assert "Stripe asked us to wait until" not in client.get(reverse("financial:sync")).text
