from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from financial import work
from financial.models import StripeCredential, StripeRequest, SyncRun
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db


@pytest.fixture
def every_quarter(settings: Any) -> None:
    settings.FINANCIAL_SYNC_EVERY_MINUTES = 15


def ran(credential: StripeCredential, minutes_ago: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes_ago)
    SyncRun.objects.create(credential=credential, state="done", requested_at=then, finished_at=then)


@pytest.mark.usefixtures("every_quarter")
def test_a_sync_is_asked_for_when_the_last_is_old_enough(credential: StripeCredential) -> None:
    ran(credential, 16)

    run = work.ask_for_regular_sync(timezone.now())

    assert run is not None
    assert (run.state, run.requested_by) == ("waiting", "the schedule")
    assert work.ask_for_regular_sync(timezone.now()) is None


@pytest.mark.usefixtures("every_quarter")
def test_no_sync_is_asked_for_too_early(credential: StripeCredential) -> None:
    ran(credential, 14)

    assert work.ask_for_regular_sync(timezone.now()) is None


@pytest.mark.usefixtures("every_quarter")
def test_the_first_sync_is_left_to_a_person(credential: StripeCredential) -> None:
    assert work.ask_for_regular_sync(timezone.now()) is None


@pytest.mark.usefixtures("every_quarter")
def test_without_a_usable_credential_nothing_is_asked_for(credential: StripeCredential) -> None:
    ran(credential, 60)
    StripeCredential.objects.update(secret_key="")

    assert work.ask_for_regular_sync(timezone.now()) is None


def test_the_schedule_can_be_turned_off(credential: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_SYNC_EVERY_MINUTES = 0
    ran(credential, 10_000)

    assert work.ask_for_regular_sync(timezone.now()) is None


@pytest.mark.usefixtures("every_quarter")
def test_a_round_of_work_runs_what_is_due(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    ran(credential, 60)

    assert work.once()

    assert list(SyncRun.objects.order_by("pk").values_list("state", flat=True)) == ["done", "done"]
    assert not work.once()


def request_left_behind(credential: StripeCredential, minutes_ago: int, **options: Any) -> StripeRequest:
    request = StripeRequest.objects.create(
        credential=credential, operation="product.create", fingerprint="f", **options
    )
    then = timezone.now() - timedelta(minutes=minutes_ago)
    StripeRequest.objects.filter(pk=request.pk).update(updated_at=then)
    return request


def test_a_request_whose_process_died_is_said_to_be_of_unknown_outcome(credential: StripeCredential) -> None:
    left = request_left_behind(credential, 11, idempotency_key="a" * 32)

    work.do_chores()

    left.refresh_from_db()
    assert left.state == StripeRequest.State.UNKNOWN
    assert "Send the same form again" in left.error


def test_a_request_under_way_or_answered_is_left_as_it_is(credential: StripeCredential) -> None:
    under_way = request_left_behind(credential, 9, idempotency_key="a" * 32)
    done = request_left_behind(credential, 11, idempotency_key="b" * 32, state=StripeRequest.State.DONE)

    work.do_chores()

    under_way.refresh_from_db()
    done.refresh_from_db()
    assert (under_way.state, done.state) == (StripeRequest.State.SENDING, StripeRequest.State.DONE)
