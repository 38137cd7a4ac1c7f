"""What was turned away at the webhook's address is counted, and costs nothing but a number."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from financial import refusals
from financial.models import StripeCredential, StripeWebhookEvent

URL = "/studio/financial/stripe/webhook/"
NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    refusals.recent()
    cache.clear()


def test_refusals_are_added_up_by_reason() -> None:
    for status in (400, 400, 413):
        refusals.count(status)

    found = refusals.recent()

    assert found.total == 3
    assert [number for _, number in found.by_reason] == [2, 1]
    assert found.last_at is not None


def test_nothing_refused_is_nothing_said() -> None:
    assert refusals.recent() == refusals.Refusals((), None)


def test_a_flood_reaches_cache_and_log_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="financial.stripe_services"):
        for _ in range(10_000):
            refusals.count(400)
        assert refusals.recent().total == 10_000

    assert len(caplog.records) <= 2


def test_what_is_older_than_a_day_is_forgotten() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        refusals.count(400)
        assert refusals.recent().total == 1

        clock.move_to(NOON + dt.timedelta(hours=23))
        assert refusals.recent().total == 1
        clock.move_to(NOON + dt.timedelta(hours=24))
        assert refusals.recent().total == 0


def test_a_cache_that_is_away_never_costs_the_answer(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_refusals.Away"}}

    with caplog.at_level(logging.ERROR, logger="financial.stripe_services"):
        refusals.count(400)
        refusals._hand_over()

    assert "could not be kept" in caplog.text


class Away:
    """A cache nobody answers at."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        self.location = location

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise ConnectionError("connection refused")

        return fail


@pytest.mark.django_db
def test_forged_deliveries_write_nothing_but_a_number(credential: StripeCredential) -> None:
    """R19: nothing stored but a counter."""
    client = Client()
    with CaptureQueriesContext(connection) as asked:
        for _ in range(100):
            answer = client.post(URL, b"{}", content_type="application/json", headers={"Stripe-Signature": "t=1,v1=0"})
            assert answer.status_code == 400

    assert not [query["sql"] for query in asked if not query["sql"].startswith("SELECT")]
    assert not StripeWebhookEvent.objects.exists()
    assert refusals.recent().total == 100
