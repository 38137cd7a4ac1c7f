"""Webhook endpoints as Stripe has them: read, compared, registered and changed."""

from __future__ import annotations

import pytest

from financial.gateway import StripeGateway
from financial.gateway.endpoints import correction, endpoint_of, registration, secret_of
from sandbox.http.server import Server
from tests.conftest import TEST_KEY
from tests.stripe_stub import StripeStub, Write

PAYLOAD = {
    "id": "we_1",
    "object": "webhook_endpoint",
    "url": "https://shop.example.com/hook/",
    "enabled_events": ["charge.updated", "invoice.upcoming"],
    "status": "enabled",
    "api_version": None,
}
WANTED = ("charge.updated", "payout.paid")


def test_an_endpoint_is_read_without_its_secret() -> None:
    endpoint = endpoint_of({**PAYLOAD, "secret": "whsec_canary4711"})

    assert (endpoint.stripe_id, endpoint.is_enabled, endpoint.api_version) == ("we_1", True, "")
    assert "canary4711" not in repr(endpoint)


def test_what_it_lacks_and_has_besides_is_named() -> None:
    endpoint = endpoint_of(PAYLOAD)

    assert endpoint.lacks(WANTED) == ("payout.paid",)
    assert endpoint.has_besides(WANTED) == ("invoice.upcoming",)


def test_an_endpoint_for_all_events_lacks_none_and_names_none_besides() -> None:
    endpoint = endpoint_of({**PAYLOAD, "enabled_events": ["*"]})

    assert (endpoint.is_sent_all, endpoint.lacks(WANTED), endpoint.has_besides(WANTED)) == (True, (), ())


@pytest.mark.parametrize("payload", [{"id": "we_1"}, {**PAYLOAD, "status": "disabled", "enabled_events": None}])
def test_an_endpoint_that_says_little_is_not_enabled(payload: dict[str, object]) -> None:
    assert not endpoint_of(payload).is_enabled
    assert secret_of(payload) == ""


def test_all_pages_of_endpoints_are_read(sandbox: Server) -> None:
    there = StripeGateway(TEST_KEY, base_url=sandbox.url)
    for number in range(101):
        body = registration(f"https://shop.example.com/{number}/", WANTED, there.api_version)
        there.create("webhook_endpoints", body, idempotency_key=f"key-{number}")

    assert len({endpoint.url for endpoint in there.webhook_endpoints()}) == 101


def test_a_change_goes_to_the_endpoint_with_key_and_version(gateway: StripeGateway, stripe_stub: StripeStub) -> None:
    stripe_stub.on_write = lambda write: (200, PAYLOAD)

    gateway.act("webhook_endpoints", "update", "we_1", correction(WANTED), idempotency_key="key-1")

    (write,) = stripe_stub.writes
    assert isinstance(write, Write)
    assert write.path == "/v1/webhook_endpoints/we_1"
    assert write.parameters == {
        "enabled_events[0]": "charge.updated",
        "enabled_events[1]": "payout.paid",
        "disabled": "false",
    }
    headers = {name.lower(): value for name, value in write.headers.items()}
    assert (headers["idempotency-key"], headers["stripe-version"]) == ("key-1", gateway.api_version)
