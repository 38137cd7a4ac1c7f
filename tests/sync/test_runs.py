from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from financial.models import StripeCredential, SyncRun
from financial.sync import runs

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a process that lives on this machine and is not ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def silent(credential: StripeCredential, owner: str, **since: int) -> SyncRun:
    """A run without a sign of life since then."""
    seen_at = NOW - timedelta(**since)
    return SyncRun.objects.create(
        credential=credential, state="running", requested_at=seen_at, seen_at=seen_at, owner=owner
    )


def owner_of(pid: int) -> str:
    host = runs._owner().partition(" ")[0]
    return f"{host} {pid} {runs._birth(pid)}"


def test_a_process_that_lives_here_may_be_silent_while_a_statement_takes_its_time(
    credential: StripeCredential, stranger: int
) -> None:
    silent(credential, owner_of(stranger), minutes=10)

    assert runs.bury_dead_runs(now=NOW) == 0


def test_even_a_process_that_lives_here_holds_the_lock_no_longer_than_half_an_hour(
    credential: StripeCredential, stranger: int
) -> None:
    silent(credential, owner_of(stranger), minutes=31)

    assert runs.bury_dead_runs(now=NOW) == 1


def test_another_process_with_the_number_of_a_dead_one_does_not_hold_its_lock(
    credential: StripeCredential, stranger: int
) -> None:
    silent(credential, f"{owner_of(stranger)}7", seconds=1)

    assert runs.bury_dead_runs(now=NOW) == 1


@pytest.mark.parametrize(("seconds", "buried"), [(60, 0), (150, 1)])
def test_a_process_elsewhere_is_given_two_minutes(credential: StripeCredential, seconds: int, buried: int) -> None:
    silent(credential, "elsewhere.example 1 123", seconds=seconds)

    assert runs.bury_dead_runs(now=NOW) == buried


def test_a_process_of_which_only_the_number_is_known_is_given_two_minutes(
    credential: StripeCredential, stranger: int
) -> None:
    silent(credential, owner_of(stranger).rpartition(" ")[0], minutes=3)

    assert runs.bury_dead_runs(now=NOW) == 1


def test_a_run_that_never_gave_a_sign_of_life_is_dead(credential: StripeCredential) -> None:
    SyncRun.objects.create(credential=credential, state="running", requested_at=NOW)

    assert runs.bury_dead_runs(now=NOW) == 1
