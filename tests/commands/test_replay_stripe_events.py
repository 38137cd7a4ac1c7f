from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from financial.models import StripeCredential, StripeProduct, StripeWebhookEvent
from tests import payloads
from tests.stripe_stub import StripeStub, status
from tests.views import factory

pytestmark = pytest.mark.django_db
State = StripeWebhookEvent.State


@pytest.fixture(autouse=True)
def _asked_once(settings: Any) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1


def replay(*options: str) -> str:
    out = StringIO()
    call_command("replay_stripe_events", *options, stdout=out)
    return out.getvalue()


def stored(credential: StripeCredential, number: int, **values: Any) -> StripeWebhookEvent:
    subject = payloads.product(f"prod_{number}")
    body = payloads.body_of(payloads.event("product.updated", subject, f"evt_{number}"))
    facts = {"type": "product.updated", "object_type": "product", "object_stripe_id": subject["id"]}
    return factory.event(credential, **{"event_id": f"evt_{number}", "body": body, **facts, **values})


def test_failed_events_are_applied_and_the_others_left(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product("prod_1"), payloads.product("prod_2"))
    stored(credential, 1, state=State.DEAD, attempts=9, error="poison")
    stored(credential, 2, state=State.DONE)

    said = replay("--failed")

    assert said == "1 events replayed: 1 done.\n"
    assert StripeProduct.objects.get().stripe_id == "prod_1"
    event = StripeWebhookEvent.objects.get(event_id="evt_1")
    assert (event.state, event.attempts, event.error) == (State.DONE, 1, "")


def test_events_received_since_are_applied_again(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product("prod_1"), payloads.product("prod_2"))
    now = timezone.now()
    stored(credential, 1, received_at=now - timedelta(days=3))
    stored(credential, 2, received_at=now - timedelta(days=1))

    replay("--since", (now - timedelta(days=2)).date().isoformat())

    assert StripeProduct.objects.get().stripe_id == "prod_2"


def test_one_event_is_applied_again(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product("prod_1"), payloads.product("prod_2"))
    for number in (1, 2):
        stored(credential, number)

    replay("--id", "evt_2")

    assert StripeProduct.objects.get().stripe_id == "prod_2"


def test_an_event_that_never_came_is_fetched_from_stripe(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product(), payloads.event("product.created", payloads.product(), "evt_lost"))

    replay("--id", "evt_lost")

    event = StripeWebhookEvent.objects.get()
    assert (event.source, event.state, event.deliveries) == ("replay", State.DONE, 0)
    assert StripeProduct.objects.exists()


@pytest.mark.parametrize("state", [State.MISROUTED, State.IGNORED, State.QUARANTINED])
def test_what_must_not_be_applied_never_is(credential: StripeCredential, stripe_stub: StripeStub, state: str) -> None:
    stripe_stub.put(payloads.product("prod_1"))
    stored(credential, 1, state=state)

    assert replay("--id", "evt_1") == f"0 events replayed: 1 {state}.\n"
    assert not StripeProduct.objects.exists()


def test_nothing_to_replay_is_no_failure(db: None) -> None:
    assert replay("--failed") == "0 events replayed.\n"


def test_what_fails_again_is_said_and_ends_with_an_error(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.fail(status(400), times=9)
    stored(credential, 1, state=State.DEAD)

    with pytest.raises(CommandError, match="Some could not be applied"):
        replay("--failed")


def test_an_event_neither_we_nor_stripe_know_is_an_error(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    with pytest.raises(CommandError, match="evt_x never came here, and Stripe does not give it"):
        replay("--id", "evt_x")


def test_without_a_credential_an_unknown_event_cannot_be_fetched(db: None) -> None:
    with pytest.raises(CommandError, match="No active Stripe credential"):
        replay("--id", "evt_x")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "one of the arguments --failed --since --id is required"),
        (["--failed", "--id", "evt_1"], "not allowed with argument"),
        (["--since", "yesterday"], "'yesterday' is no moment"),
        (["--id", "pi_1"], "'pi_1' is no event"),
    ],
)
def test_wrong_options_are_explained(db: None, options: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        replay(*options)
