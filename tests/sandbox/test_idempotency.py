"""Idempotency keys: replay, refusal, what is kept and what is not."""

from __future__ import annotations

import pytest

from tests.sandbox.client import Client, world

PAYMENT = {"amount": 2000, "currency": "usd"}


@pytest.fixture
def client() -> Client:
    return Client(world())


def test_the_same_call_is_done_once_and_answered_twice(client: Client) -> None:
    first = client.send("POST", "/v1/payment_intents", PAYMENT, idempotency_key="k1")
    again = client.send("POST", "/v1/payment_intents", PAYMENT, idempotency_key="k1")

    assert again.body == first.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.headers
    assert len(client.get("/v1/payment_intents")["data"]) == 1


@pytest.mark.parametrize(
    ("path", "params"), [("/v1/payment_intents", {"amount": 2100, "currency": "usd"}), ("/v1/customers", {})]
)
def test_a_key_belongs_to_one_call(client: Client, path: str, params: dict[str, object]) -> None:
    client.call("POST", "/v1/payment_intents", PAYMENT, idempotency_key="k1")

    refused = client.refused("POST", path, params, idempotency_key="k1")

    assert (refused.status, refused.error["type"]) == (400, "idempotency_error")


def test_a_refused_call_leaves_its_key_free(client: Client) -> None:
    client.refused("POST", "/v1/payment_intents", {"amount": "x", "currency": "usd"}, idempotency_key="k1")
    client.refused("POST", "/v1/payment_intents", {"amount": 1, "currency": "usd"}, idempotency_key="k1")

    assert client.call("POST", "/v1/payment_intents", PAYMENT, idempotency_key="k1")["amount"] == 2000


def test_a_decline_is_kept(client: Client) -> None:
    params = PAYMENT | {
        "payment_method": "pm_card_chargeDeclined",
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }

    first = client.refused("POST", "/v1/payment_intents", params, idempotency_key="k1")
    again = client.refused("POST", "/v1/payment_intents", params, idempotency_key="k1")

    assert first.status == again.status == 402
    assert first.error["payment_intent"]["id"] == again.error["payment_intent"]["id"]
    assert len(client.get("/v1/charges")["data"]) == 1


def test_a_500_after_the_work_is_kept_and_the_work_done_once(client: Client) -> None:
    client.world.faults.load([{"kind": "error_after", "path": "/v1/customers", "count": 1}])

    statuses = [client.send("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1").status for _ in range(2)]

    assert statuses == [500, 500]
    assert len(client.get("/v1/customers")["data"]) == 1


@pytest.mark.parametrize("kind", ["rate_limit", "lock_timeout", "error_before"])
def test_a_fault_before_the_work_leaves_the_key_free(client: Client, kind: str) -> None:
    client.world.faults.load([{"kind": kind, "path": "/v1/customers", "count": 1}])

    assert client.send("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1").status in (429, 500)
    assert client.send("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1").status == 200


def test_a_key_in_flight_is_a_conflict(client: Client) -> None:
    client.call("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1")
    client.world.idempotency.in_flight.add("k1")

    refused = client.refused("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1")

    assert (refused.status, refused.error["code"]) == (409, "idempotency_key_in_use")


def test_keys_are_forgotten_after_a_day(client: Client) -> None:
    first = client.call("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1")
    client.world.advance(86401)

    assert client.call("POST", "/v1/customers", {"name": "A"}, idempotency_key="k1")["id"] != first["id"]


def test_reading_ignores_keys(client: Client) -> None:
    assert "Idempotency-Key" not in client.send("GET", "/v1/customers", idempotency_key="k1").headers
    assert client.send("GET", "/v1/products", idempotency_key="k1").status == 200
