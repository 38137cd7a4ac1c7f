"""Events: kept thirty days, filtered, in the right version, delivered signed and again."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from sandbox.core import OLD, PINNED, deliveries, wire
from sandbox.core.settings import DAY, HOUR
from sandbox.core.webhook_endpoints import make, roll_secret
from tests.sandbox.client import Client, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def _hook(client: Client, **params: Any) -> dict[str, Any]:
    return client.post("/v1/webhook_endpoints", url="https://example.com/hook", **({"enabled_events": ["*"]} | params))


def _waiting(client: Client) -> list[deliveries.Delivery]:
    return client.world.outbox.due(client.world.main.now)


def test_events_are_kept_thirty_days(client: Client) -> None:
    client.post("/v1/customers", name="A")
    client.world.advance(29 * DAY)
    assert len(client.get("/v1/events")["data"]) == 1

    client.world.advance(2 * DAY)

    assert client.get("/v1/events")["data"] == []


def test_events_of_a_clock_in_the_past_are_kept_as_long(client: Client) -> None:
    clock = client.post("/v1/test_helpers/test_clocks", frozen_time=int(client.world.now) - 90 * DAY)["id"]
    client.post("/v1/customers", name="A", test_clock=clock)
    client.world.advance(2 * DAY)

    assert client.get("/v1/events", type="customer.created")["data"][0]["created"] == client.world.now - 92 * DAY


def test_events_name_the_request_that_caused_them(client: Client) -> None:
    response = client.send("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1")

    event = client.get("/v1/events")["data"][0]
    assert event["request"] == {"id": response.headers["Request-Id"], "idempotency_key": "k1"}


def test_what_happens_by_itself_has_no_request(client: Client) -> None:
    client.pay()
    client.world.advance(1)

    event = client.get("/v1/events", type="charge.updated")["data"][0]
    assert event["request"] == {"id": None, "idempotency_key": None}


def test_filters_by_type(client: Client) -> None:
    client.pay()

    def types(**params: Any) -> set[str]:
        return {e["type"] for e in client.get("/v1/events", **params)["data"]}

    assert types(type="charge.*") == {"charge.succeeded", "charge.updated"}
    assert types(types=["charge.succeeded", "payment_intent.created"]) == {"charge.succeeded", "payment_intent.created"}
    assert client.refused("GET", "/v1/events", {"type": "a", "types": ["b"]}).error["code"] == "parameters_exclusive"
    assert client.refused("GET", "/v1/events", {"types": ["a"] * 21}).status == 400


def test_an_event_keeps_the_state_and_version_of_its_time(client: Client) -> None:
    client.version = OLD
    customer = client.post("/v1/customers", name="A")["id"]
    client.post(f"/v1/customers/{customer}", name="B")

    updated, created = client.get("/v1/events")["data"]

    assert created["data"]["object"]["name"] == "A"
    assert updated["data"] == {"object": updated["data"]["object"], "previous_attributes": {"name": "A"}}
    assert created["api_version"] == PINNED


def test_a_call_that_changes_nothing_tells_nothing(client: Client) -> None:
    customer = client.post("/v1/customers", name="A")["id"]

    client.post(f"/v1/customers/{customer}", name="A")

    assert len(client.get("/v1/events")["data"]) == 1


def test_hashes_differ_key_by_key(client: Client) -> None:
    customer = client.post("/v1/customers", metadata={"a": "1", "b": "2"})["id"]
    client.post(f"/v1/customers/{customer}", metadata={"b": "", "c": "3"})

    data = client.get("/v1/events")["data"][0]["data"]

    assert data["previous_attributes"] == {"metadata": {"b": "2", "c": None}}


# ---- deliveries


def test_only_wanted_events_of_enabled_endpoints_are_delivered(client: Client) -> None:
    _hook(client, enabled_events=["customer.created"])
    _hook(client, enabled_events=["*"])
    off = _hook(client)
    client.post(f"/v1/webhook_endpoints/{off['id']}", disabled=True)

    client.post("/v1/customers", name="A")
    client.post("/v1/products", name="B")

    assert [d.type for d in _waiting(client)] == ["customer.created", "customer.created", "product.created"]
    assert client.get("/v1/events", type="customer.created")["data"][0]["pending_webhooks"] == 2


def test_a_delivery_is_signed_over_time_and_body(client: Client) -> None:
    secret = _hook(client)["secret"]
    client.post("/v1/customers", name="A")

    sending = deliveries.sending(client.world, _waiting(client)[0], 1_700_000_000)

    assert sending is not None
    mark = hmac.new(secret.encode(), b"1700000000." + sending.body, hashlib.sha256).hexdigest()
    assert sending.headers["Stripe-Signature"] == f"t=1700000000,v1={mark}"
    assert wire.loads(sending.body)["type"] == "customer.created"


def test_while_a_secret_is_rolled_both_sign(client: Client) -> None:
    hook = _hook(client)
    client.post("/v1/customers", name="A")
    now = int(client.world.main.now)
    new = roll_secret(client.world, client.world.raw("webhook_endpoint", hook["id"]))

    def header(at: int) -> str:
        sending = deliveries.sending(client.world, _waiting(client)[0], at)
        assert sending is not None
        return sending.headers["Stripe-Signature"]

    assert new != hook["secret"]
    assert header(now).count("v1=") == 2
    assert header(now + 25 * HOUR).count("v1=") == 1


def test_the_secret_shows_once(client: Client) -> None:
    hook = _hook(client)

    assert hook["secret"].startswith("whsec_")
    assert "secret" not in client.get(f"/v1/webhook_endpoints/{hook['id']}")


def test_a_payload_has_the_endpoints_version(client: Client) -> None:
    _hook(client, api_version=OLD, enabled_events=["charge.succeeded"])
    client.pay()

    sending = deliveries.sending(client.world, _waiting(client)[0], 1)

    assert sending is not None
    event = wire.loads(sending.body)
    assert event["api_version"] == OLD
    assert "invoice" in event["data"]["object"]


def test_a_refused_delivery_is_tried_again_with_growing_pauses() -> None:
    client = Client(world(webhook_retry_seconds=(60, 300)))
    _hook(client)
    client.post("/v1/customers", name="A")
    delivery = _waiting(client)[0]

    pauses = []
    for status in (500, 302, 0):
        client.world.outbox.record(client.world, delivery.id, status)
        pauses.append(delivery.due - client.world.main.now)
        client.world.advance(max(0, pauses[-1]))

    assert pauses[:2] == [60, 300]
    assert (delivery.state, delivery.answers) == ("failed", [500, 302, 0])
    assert client.get("/v1/events")["data"][0]["pending_webhooks"] == 1
    assert client.get("/v1/events", delivery_success=False)["data"]


def test_an_accepted_delivery_counts_down(client: Client) -> None:
    _hook(client)
    client.post("/v1/customers", name="A")
    delivery = _waiting(client)[0]

    client.world.outbox.record(client.world, delivery.id, 204)

    assert client.get("/v1/events")["data"][0]["pending_webhooks"] == 0
    assert client.get("/v1/events", delivery_success=True)["data"]
    assert _waiting(client) == []
    client.world.outbox.resend(client.world, delivery.id)
    assert _waiting(client) == [delivery]


def test_a_disabled_endpoint_is_not_tried_again(client: Client) -> None:
    hook = _hook(client)
    client.post("/v1/customers", name="A")
    delivery = _waiting(client)[0]
    client.delete(f"/v1/webhook_endpoints/{hook['id']}")

    client.world.outbox.record(client.world, delivery.id, 500)

    assert delivery.state == "failed"


@pytest.mark.parametrize(
    ("rule", "count", "delays"),
    [
        ({"kind": "webhook_duplicate"}, 2, {0}),
        ({"kind": "webhook_lose"}, 0, set()),
        ({"kind": "webhook_late", "seconds": 90}, 1, {90}),
        ({"kind": "webhook_duplicate", "type": "invoice.*"}, 1, {0}),
        ({"kind": "webhook_lose", "count": 0}, 1, {0}),
    ],
)
def test_webhooks_are_doubled_lost_or_late_on_demand(
    client: Client, rule: dict[str, Any], count: int, delays: set[int]
) -> None:
    make(client.world, "https://example.com", ["*"])
    client.world.faults.load([rule])

    client.post("/v1/customers", name="A")

    waiting = client.world.outbox.due(0, everything=True)
    assert len(waiting) == count
    assert {d.due - client.world.main.now for d in waiting} == delays


def test_shuffled_webhooks_overtake_each_other(client: Client) -> None:
    make(client.world, "https://example.com", ["*"])
    client.world.faults.load([{"kind": "webhook_shuffle", "seconds": 60}])
    for n in range(12):
        client.post("/v1/customers", name=str(n))

    sent = [d.id for d in client.world.outbox.due(0, everything=True)]

    assert sent != list(client.world.outbox.all)
    assert sorted(sent) == sorted(client.world.outbox.all)
