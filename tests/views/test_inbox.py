"""The webhook inbox: what is listed, what one event's page explains, and what its buttons do."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from financial import refusals, stripe_services, work
from financial.models import AuditEvent, StripeCredential, StripeProduct, StripeWebhookEvent
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.views import factory

pytestmark = pytest.mark.django_db
EVENTS = reverse("financial:events")
State = StripeWebhookEvent.State
past, later = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2026, 2999))
SEES = (*factory.VIEW_ALL, "view_stripewebhookevent")


def address(event: StripeWebhookEvent, query: str = "") -> str:
    return reverse("financial:event", args=[event.event_id]) + query


def body_of(text: str) -> str:
    """The rows of the list, without the shell, the tabs and the filters."""
    return text.split('id="results"')[1]


@pytest.fixture
def shop():
    return factory.credential()


@pytest.fixture
def page(client):
    client.force_login(factory.staff(*SEES, "run_sync", name="ada"))
    return client


# The list


def test_the_list_shows_what_came_newest_first(page, shop):
    factory.event(shop, type="invoice.paid", received_at=factory.NOW - dt.timedelta(hours=1))
    factory.event(shop, type="customer.created")

    text = body_of(page.get(EVENTS).text)

    assert text.index("customer.created") < text.index("invoice.paid")


def test_an_empty_inbox_says_what_to_do(page, shop):
    text = page.get(EVENTS).text

    assert "No webhook received yet" in text and "Open the sync page" in text


def test_without_a_credential_the_page_says_what_to_do(page):
    assert "No active Stripe credential found" in page.get(EVENTS).text


def test_events_of_another_credential_are_not_shown(page, shop):
    other = factory.event(factory.credential(is_active=False), type="payout.paid")

    assert "payout.paid" not in body_of(page.get(EVENTS).text)
    assert page.get(address(other)).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=dead", {"evt_dead"}),
        ("status=waiting", {"evt_waiting"}),
        ("type=charge.updated", {"evt_dead"}),
        ("source=catch-up", {"evt_charge"}),
        ("q=evt_waiting", {"evt_waiting"}),
        ("q=ch_1", {"evt_dead", "evt_charge"}),
        ("date_from=2026-10-15&date_to=2026-10-15", {"evt_dead", "evt_charge"}),
        ("date_to=2026-10-13", set()),
        ("status=dead&q=ch_1&type=charge.updated", {"evt_dead"}),
    ],
)
def test_each_filter_finds_its_events(page, shop, query, found):
    about = {"object_type": "charge", "object_stripe_id": "ch_1"}
    factory.event(shop, event_id="evt_dead", state=State.DEAD, type="charge.updated", **about)
    factory.event(shop, event_id="evt_charge", type="charge.refunded", source="catch-up", **about)
    earlier = factory.NOW - dt.timedelta(days=1)
    factory.event(shop, event_id="evt_waiting", state=State.WAITING, type="invoice.paid", received_at=earlier)

    text = body_of(page.get(f"{EVENTS}?{query}").text)

    assert {name for name in ("evt_dead", "evt_charge", "evt_waiting") if f">{name}<" in text} == found


@pytest.mark.parametrize(
    "query", ["status=nothing", "source=moon", "date_from=x", "date_from=2026-02-02&date_to=2026-01-01"]
)
def test_an_invalid_filter_finds_nothing_and_says_so(page, shop, query):
    factory.event(shop, type="invoice.paid")

    text = body_of(page.get(f"{EVENTS}?{query}").text)

    assert "a filter is not valid" in text and "invoice.paid" not in text


def test_tabs_count_their_events_unless_a_filter_hides_some(page, shop):
    for state in (State.DEAD, State.DEAD, State.WAITING):
        factory.event(shop, state=state)

    assert '>Needs attention <span class="count">2</span>' in page.get(EVENTS).text
    assert '<span class="count">' not in page.get(f"{EVENTS}?type=invoice.paid").text


def test_pages_follow_each_other_without_a_gap(page, shop, settings):
    settings.FINANCIAL_PAGE_SIZE = 2
    for number in range(5):
        factory.event(shop, event_id=f"evt_{number}")

    seen, query = [], ""
    while True:
        text = body_of(page.get(f"{EVENTS}?{query}").text)
        seen += [f"evt_{n}" for n in reversed(range(5)) if f">evt_{n}<" in text]
        if 'rel="next" href="?' not in text:
            break
        query = text.split('rel="next" href="?')[1].split('"')[0].replace("&amp;", "&")

    assert seen == [f"evt_{n}" for n in reversed(range(5))]


def test_the_number_of_queries_does_not_grow_with_the_events(page, shop, connection_queries):
    def add(count: int) -> None:
        for _ in range(count):
            paid = factory.payment(shop)
            factory.event(shop, object_type="payment_intent", object_stripe_id=paid.stripe_id, state=State.DEAD)

    def ask() -> None:
        cache.clear()
        page.get(EVENTS)

    add(2)
    few = connection_queries(ask)
    add(15)

    assert connection_queries(ask) == few


def test_an_object_leads_to_its_page(page, shop):
    paid = factory.payment(shop)
    factory.event(shop, object_type="payment_intent", object_stripe_id=paid.stripe_id)

    assert f'href="{reverse("financial:payment", args=[paid.stripe_id])}"' in body_of(page.get(EVENTS).text)


@pytest.mark.parametrize("event_id", ["sha256:" + "ab" * 32, "evt_a/b", "evt a", "evt_<b>", "evt_new\nline", "..", "é"])
def test_odd_ids_of_signed_events_break_no_page(page, shop, event_id):
    event = factory.event(shop, event_id=event_id, state=State.QUARANTINED, type="")

    assert page.get(EVENTS).status_code == 200
    if "\n" not in event_id and event_id != "..":
        assert "Unreadable body" in page.get(address(event)).text


def test_the_file_holds_the_rows_of_the_filters_in_force(page, shop):
    factory.event(shop, event_id="evt_1", state=State.DEAD, error="=1+1")
    factory.event(shop, event_id="evt_2")

    lines = b"".join(page.get(f"{EVENTS}?format=csv&status=dead")).decode().splitlines()

    assert len(lines) == 2
    assert lines[1].startswith("evt_1,") and "'=1+1" in lines[1]


def test_refused_deliveries_are_counted_on_the_page(page):
    factory.credential(webhook_secret=TEST_WEBHOOK_SECRET)
    refusals.recent()
    cache.clear()
    page.post(reverse("financial:webhook"), b"{}", content_type="application/json")

    assert "1 not signed with a secret of ours" in page.get(EVENTS).text


# Who may


def test_the_inbox_needs_its_own_permission(client, shop):
    event = factory.event(shop)
    client.force_login(factory.staff(*factory.VIEW_ALL))

    assert client.get(EVENTS).status_code == 403
    assert client.get(address(event)).status_code == 403


@pytest.mark.parametrize("action", ["replay", "set_aside"])
def test_looking_is_not_enough_to_replay(client, shop, action):
    event = factory.event(shop, state=State.DEAD)
    client.force_login(factory.staff(*SEES))

    text = client.get(address(event)).text

    assert client.post(address(event), {"action": action}).status_code == 403
    assert client.post(EVENTS).status_code == 403
    assert "Replay</button>" not in text and "Set aside</button>" not in text
    event.refresh_from_db()
    assert event.state == State.DEAD


# One event


def test_the_page_says_what_it_changed_with_links(page, shop):
    paid = factory.payment(shop)
    event = factory.event(
        shop,
        object_type="payment_intent",
        object_stripe_id=paid.stripe_id,
        changes=[
            {"object": "payment_intent", "id": paid.stripe_id, "change": "updated"},
            {"object": "payout", "id": "po_1", "change": "created"},
        ],
    )

    text = page.get(address(event)).text

    assert f'href="{reverse("financial:payment", args=[paid.stripe_id])}"' in text
    assert "Updated" in text and "po_1" in text and "Created" in text


def test_an_event_covered_by_another_leads_to_it(page, shop):
    noted = [{"object": "product", "id": "prod_1", "change": "covered", "by": "evt_other"}]
    event = factory.event(shop, changes=noted)

    text = page.get(address(event)).text

    assert f'href="{reverse("financial:event", args=["evt_other"])}"' in text


def test_a_pause_of_the_whole_account_is_explained(page, shop):
    StripeCredential.objects.filter(pk=shop.pk).update(paused_until=later, pause_reason="The key was revoked.")
    event = factory.event(shop, state=State.WAITING, due_at=past)

    text = page.get(address(event)).text

    assert "Nothing of this account is applied" in text and "The key was revoked." in text


def test_times_say_how_long_each_step_took(page, shop):
    event = factory.event(
        shop,
        created_at=factory.NOW - dt.timedelta(seconds=90),
        received_at=factory.NOW,
        handled_at=factory.NOW + dt.timedelta(seconds=0.4),
    )

    text = page.get(address(event)).text

    assert "1 min 30 s later" in text and "0.4 s after receipt" in text


def test_other_events_of_the_object_are_listed(page, shop):
    about = {"object_type": "invoice", "object_stripe_id": "in_1"}
    event = factory.event(shop, type="invoice.paid", **about)
    other = factory.event(shop, type="invoice.finalized", **about)
    factory.event(shop, type="invoice.voided", object_type="invoice", object_stripe_id="in_2")

    text = page.get(address(event)).text

    assert address(other) in text
    assert "invoice.voided" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": State.DEAD, "error": "Stripe said no"}, ["tried for about a day", "Stripe said no", "then replay it"]),
        ({"state": State.QUARANTINED, "error": "The body is not an event."}, ["is no event as we know it", "next sync"]),
        ({"state": State.MISROUTED, "livemode": True}, ["other mode", "test data must never enter live books"]),
        ({"state": State.MISROUTED, "account": "acct_9"}, ["belongs to a connected account", "acct_9"]),
        ({"state": State.IGNORED}, ["needs nobody"]),
        ({"state": State.DONE}, ["asked for again at Stripe"]),
        ({"state": State.WAITING, "due_at": past}, ["nobody has taken it yet", "financial_worker"]),
        ({"state": State.WAITING, "due_at": later, "error": "Down"}, ["tried again by itself", "Down"]),
        ({"state": State.WAITING, "due_at": later}, ["applied within seconds"]),
    ],
)  # fmt: skip
def test_every_state_is_explained_with_what_to_do(page, shop, values, words):
    event = factory.event(shop, **values)
    query = f"?account={values['account']}" if "account" in values else ""

    text = " ".join(page.get(address(event, query)).text.split())

    assert [word for word in words if word not in text] == []


def test_an_unknown_event_is_not_found(page, shop):
    for name in ("evt_unknown", "evt_%00"):
        assert page.get(f"{EVENTS}{name}/").status_code == 404


# The payload


def test_the_payload_is_shown_masked_only_on_demand_and_written_down(client, shop):
    secret = {"id": "pi_1", "object": "payment_intent", "amount": 1234, "client_secret": "pi_1_secret_canary4711"}
    event = factory.event(shop, event_id="evt_1", body=orjson.dumps({"object": "event", "data": {"object": secret}}))
    client.force_login(factory.staff(*SEES, "view_event_payload"))

    assert "1234" not in client.get(address(event)).text
    assert not AuditEvent.objects.exists()

    text = client.get(address(event, "?payload=1")).text

    assert "1234" in text and "canary4711" not in text
    noted = AuditEvent.objects.get()
    assert (noted.action, noted.object_id) == ("event.payload_seen", "evt_1")


def test_the_payload_needs_its_own_permission(page, shop):
    event = factory.event(shop, body=b'{"amount": 1234}')

    answer = page.get(address(event, "?payload=1"))

    assert answer.status_code == 403
    assert "1234" not in answer.text and "financial.view_event_payload" in answer.text


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"[" * 3000])
def test_a_body_that_is_no_json_is_described_not_shown(client, shop, body):
    event = factory.event(shop, body=body, state=State.QUARANTINED)
    client.force_login(factory.staff(*SEES, "view_event_payload"))

    text = client.get(address(event, "?payload=1")).text

    assert f"is no JSON ({len(body)} bytes)" in text


def test_markup_in_an_event_is_text(client, shop):
    event = factory.event(shop, type="<img src=x>", error="<script>", body=b'{"a": "</pre><script>alert(1)</script>"}')
    client.force_login(factory.staff(*SEES, "view_event_payload"))

    text = client.get(address(event, "?payload=1")).text + client.get(EVENTS).text

    assert "<img src=x>" not in text and "<script>alert" not in text and "<script>." not in text


# Replaying


def stored(shop: Any, **changes: Any) -> StripeWebhookEvent:
    """An event as the webhook stores it, then closed as `changes` say."""
    shop.webhook_secret = TEST_WEBHOOK_SECRET
    shop.save()
    body = payloads.body_of(payloads.event("product.updated", payloads.product("prod_1"), "evt_1"))
    header = payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
    event = stripe_services.receive_webhook(body, header)
    StripeWebhookEvent.objects.filter(pk=event.pk).update(**changes)
    event.refresh_from_db()
    return event


def test_replaying_applies_the_event_and_is_written_down(page, shop, stripe_stub):
    stripe_stub.put(payloads.product("prod_1", name="Mended"))
    event = stored(shop, state=State.DEAD, attempts=9, due_at=None, error="Down")

    answer = page.post(address(event), {"action": "replay"}, follow=True)
    work.once()

    assert "applied again within seconds" in answer.text
    event.refresh_from_db()
    assert (event.state, event.error) == (State.DONE, "")
    assert StripeProduct.objects.get(stripe_id="prod_1").name == "Mended"
    noted = AuditEvent.objects.get()
    assert (noted.user_name, noted.action, noted.object_id) == ("ada", "event.replayed", "evt_1")


@pytest.mark.parametrize("state", [State.QUARANTINED, State.MISROUTED, State.IGNORED])
def test_what_must_never_be_applied_cannot_be_replayed(page, shop, state):
    event = stored(shop, state=state, due_at=None)
    assert ">Replay</button>" not in page.get(address(event)).text

    answer = page.post(address(event), {"action": "replay"}, follow=True)

    assert "This event is not applied" in answer.text
    event.refresh_from_db()
    assert event.state == state
    assert not AuditEvent.objects.exists()


def test_what_a_worker_has_is_not_taken_from_it(page, shop):
    event = stored(shop, lease="a worker")

    page.post(address(event), {"action": "replay"})

    event.refresh_from_db()
    assert event.lease == "a worker"


def test_all_that_need_attention_are_replayed_at_once(page, shop):
    dead = stored(shop, state=State.DEAD, attempts=9, due_at=None)
    done = factory.event(shop, state=State.DONE)
    other = factory.event(factory.credential(is_active=False), state=State.DEAD)
    assert "Replay all that need attention" in page.get(EVENTS).text

    answer = page.post(EVENTS, follow=True)

    assert "1 event will be applied again" in answer.text
    states = [StripeWebhookEvent.objects.get(pk=row.pk).state for row in (dead, done, other)]
    assert states == [State.WAITING, State.DONE, State.DEAD]
    assert AuditEvent.objects.get().details == {"count": 1}


def test_with_nothing_to_replay_there_is_no_button_and_no_record(page, shop):
    factory.event(shop)
    assert "Replay all" not in page.get(EVENTS).text

    assert "No event needs attention" in page.post(EVENTS, follow=True).text
    assert not AuditEvent.objects.exists()


def test_an_event_set_aside_needs_nobody_any_more(page, shop):
    event = factory.event(shop, event_id="evt_1", state=State.MISROUTED)
    assert "1 event of another account" in page.get(EVENTS).text

    answer = page.post(address(event), {"action": "set_aside"}, follow=True)

    assert "Set aside" in answer.text and "of another account" not in answer.text
    event.refresh_from_db()
    assert event.state == State.IGNORED
    assert AuditEvent.objects.get().action == "event.set_aside"


def test_what_is_done_cannot_be_set_aside(page, shop):
    event = factory.event(shop)

    page.post(address(event), {"action": "set_aside"})

    event.refresh_from_db()
    assert event.state == State.DONE
    assert not AuditEvent.objects.exists()


def test_an_unknown_action_is_refused_in_words(page, shop):
    answer = page.post(address(factory.event(shop)), {"action": "explode"})

    assert answer.status_code == 400
    assert "Unknown action" in answer.text


# The strip on every page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.DEAD, "2 events need attention"),
        (State.QUARANTINED, "2 events unreadable"),
        (State.MISROUTED, "2 events of another account or mode"),
    ],
)
def test_the_strip_counts_what_needs_somebody_and_leads_there(page, shop, state, words):
    for _ in range(2):
        factory.event(shop, state=state)

    text = page.get(reverse("financial:stripe")).text

    assert f'<a href="{EVENTS}?status={state}">{words}</a>' in text


@pytest.mark.parametrize(
    ("age", "words"),
    [(60, "1 event waiting</a></li>"), (600, "late: the oldest for 10 min"), (7200, "very late: the oldest for 2 h")],
)
def test_the_strip_says_how_late_the_inbox_is(page, shop, age, words):
    factory.event(shop, state=State.WAITING, received_at=timezone.now() - dt.timedelta(seconds=age))

    assert words in page.get(reverse("financial:stripe")).text


def test_the_strip_says_when_the_last_webhook_came_exactly_on_hover(page, shop):
    factory.event(shop, received_at=timezone.now() - dt.timedelta(minutes=3))

    text = page.get(reverse("financial:stripe")).text.split('class="health"')[1].split("</ul>")[0]

    assert "Last webhook" in text and "3 minutes ago</span></time>" in text and 'title="' in text


def test_a_dead_event_stands_on_the_dashboard_under_what_needs_attention(page, shop):
    factory.payment(shop)
    factory.event(shop, state=State.DEAD, type="charge.updated", error="No such charge")

    text = page.get(reverse("financial:stripe")).text.split('id="attention-title"')[1]

    assert "charge.updated" in text and "No such charge" in text
