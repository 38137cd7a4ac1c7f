"""Faults of answers, on demand and by the seed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import World
from tests.sandbox.client import NEW_YEAR, Client, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def _names(client: Client) -> int:
    client.world.faults.load([])
    return len(client.get("/v1/customers", limit=100)["data"])


@pytest.mark.parametrize(
    ("rule", "status", "header", "done"),
    [
        ({"kind": "rate_limit", "reason": "endpoint-rate"}, 429, ("Stripe-Rate-Limited-Reason", "endpoint-rate"), 0),
        ({"kind": "lock_timeout"}, 429, ("Stripe-Should-Retry", "true"), 0),
        ({"kind": "error_before"}, 500, None, 0),
        ({"kind": "error_after"}, 500, None, 1),
    ],
)
def test_an_answer_can_fail(
    client: Client, rule: dict[str, Any], status: int, header: tuple[str, str] | None, done: int
) -> None:
    client.world.faults.load([rule])

    response = client.send("POST", "/v1/customers", {"name": "A"})

    assert response.status == status
    assert header is None or response.headers[header[0]] == header[1]
    assert response.json()["error"]["type"] == ("api_error" if status == 500 else "invalid_request_error")
    assert _names(client) == done


@pytest.mark.parametrize("kind", ["drop_after", "slow", "truncate"])
def test_faults_of_the_transport_do_the_work(client: Client, kind: str) -> None:
    client.world.faults.load([{"kind": kind}])

    response = client.send("POST", "/v1/customers", {"name": "A"})

    assert response.dropped is (kind == "drop_after")
    if kind == "truncate":
        with pytest.raises(ValueError, match="unexpected end"):
            response.json()
    assert _names(client) == 1


def test_rules_match_method_and_path_and_count_down(client: Client) -> None:
    client.world.faults.load([{"kind": "rate_limit", "method": "GET", "path": "/v1/prod", "count": 2, "skip": 1}])

    assert [client.send("GET", "/v1/products").status for _ in range(5)] == [200, 429, 429, 200, 200]
    client.world.faults.load([{"kind": "rate_limit", "method": "GET", "path": "/v1/prod"}])
    assert client.send("POST", "/v1/products", {"name": "A"}).status == 200
    assert client.send("GET", "/v1/customers").status == 200


def test_chances_depend_on_the_seed_alone() -> None:
    def statuses(seed: int) -> list[int]:
        client = Client(World(seed=seed, now=NEW_YEAR))
        client.world.faults.load([{"kind": "error_before", "probability": 0.5}])
        return [client.send("GET", "/v1/customers").status for _ in range(40)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 8 < statuses(1).count(500) < 32


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"kind": "slow"}, "a JSON list"),
        (["slow"], "a JSON object"),
        ([{"kind": "explode"}], "unknown fault kind 'explode'"),
        ([{"kind": "slow", "color": "red"}], "unknown fault keys: color"),
        ([{"kind": "slow", "count": "many"}], "'count' must be a number"),
    ],
)
def test_bad_rules_are_explained(client: Client, rules: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        client.world.faults.load(rules)
