from __future__ import annotations

import re
from pathlib import Path

import pytest

from financial.mirror.resources import BY_EVENT, BY_HINT, EVENT_TYPES, RESOURCES
from financial.models import StripeWebhookEvent
from financial.webhooks import envelope
from tests import payloads

State = StripeWebhookEvent.State
DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
ROW = re.compile(r"^\| `(?P<type>[a-z_]+\.[a-z_.]+)` \| (?P<looks_at>[a-z ]+) \| (?P<reason>.+) \|$", re.MULTILINE)


def test_every_event_type_applied_has_its_row_and_reason_in_the_docs() -> None:
    documented = {row["type"]: row["looks_at"].replace(" ", "_") for row in ROW.finditer(DOCS.read_text())}
    applied = {name: resource.name for name, resource in {**BY_EVENT, **BY_HINT}.items()}

    assert documented == applied


def test_no_event_type_stands_twice() -> None:
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES) == sum(len(r.events) + len(r.hints) for r in RESOURCES)


@pytest.mark.parametrize("event_type", sorted(BY_EVENT))
def test_an_event_that_carries_its_object_waits_under_that_object(event_type: str) -> None:
    subject = {"id": "x_1", "object": BY_EVENT[event_type].name}

    facts = envelope.read(payloads.body_of(payloads.event(event_type, subject)), livemode=False)

    assert (facts["object_type"], facts["object_stripe_id"], facts["state"]) == (
        subject["object"],
        "x_1",
        State.WAITING,
    )


@pytest.mark.parametrize("event_type", sorted(BY_HINT))
def test_an_event_that_names_its_object_waits_under_the_object_named(event_type: str) -> None:
    name = BY_HINT[event_type].name
    subject = {"id": "y_1", "object": "whatever", name: "x_1"}

    facts = envelope.read(payloads.body_of(payloads.event(event_type, subject)), livemode=False)

    assert (facts["object_type"], facts["object_stripe_id"], facts["state"]) == (name, "x_1", State.WAITING)


def test_a_preview_of_an_invoice_is_ignored() -> None:
    body = payloads.body_of(payloads.event("invoice.upcoming", {"id": "upcoming_1", "object": "invoice"}))

    assert envelope.read(body, livemode=False)["state"] == State.IGNORED
