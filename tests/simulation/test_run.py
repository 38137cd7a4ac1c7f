"""Whole runs: any order, loss, repetition and crash ends in Stripe's state."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import pytest
from django.db import connection

from sandbox.core import money
from sandbox.core.settings import DAY
from tests.simulation.account import Account
from tests.simulation.regressions import regressions
from tests.simulation.run import Result, simulate, sweep

pytestmark = pytest.mark.django_db(transaction=True)
FIXED = [(1, "storm", 400), (2, "races", 300), (3, "lossy", 300), (4, "faulty", 300), (5, "crashing", 400)]
START = 1_793_499_866
FIXED += [(seed, "swarm", 400) for seed in (11, 13)]


def said(result: Result) -> str:
    return "\n".join([*result.lines[-30:], result.error, result.replay])


@pytest.mark.parametrize(("seed", "profile", "steps"), FIXED)
def test_whatever_happens_ends_in_stripes_state(seed: int, profile: str, steps: int) -> None:
    result = simulate(seed, profile, steps)

    assert not result.error, said(result)
    assert result.deliveries > 0


@pytest.mark.parametrize(("seed", "profile", "steps"), regressions())
def test_what_once_failed_stays_mended(seed: int, profile: str, steps: int) -> None:
    result = simulate(seed, profile, steps)

    assert not result.error, said(result)


@pytest.mark.parametrize(("stands_still", "status"), [(True, "pending"), (False, "paid")])
def test_an_account_that_stands_still_moves_nothing_by_itself(stands_still: bool, status: str) -> None:
    account = Account(1, Random(1), START)
    money.topup(account.world, 900, "usd")
    account.ask("POST", "/v1/payouts", amount=500, currency="usd")

    if stands_still:
        account.stand_still()
    account.tick(START + 9 * DAY)

    assert [payout["status"] for payout in account.world.all("payout")] == [status]


def test_a_crash_at_any_hook_loses_nothing() -> None:
    results = list(sweep(2, "calm", 25, every=30))

    assert [said(result) for result in results if result.error] == []
    assert sum(result.crashes for result in results) == len(results) >= 3


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [simulate(7, "storm", 120) for _ in range(2)]

    assert runs[0].trace_hash == runs[1].trace_hash
    assert runs[0].requests > 0


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the other process has a SQLite database")
def test_another_process_gives_the_same_run() -> None:
    assert connection.vendor == "sqlite"
    here = simulate(7, "storm", 60)

    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "one", "7", "--profile", "storm", "--steps", "60"],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert f"trace {here.trace_hash}" in done.stdout, done.stdout + done.stderr


def test_a_failure_names_the_command_that_repeats_it() -> None:
    result = simulate(1, "swarm", 300, bug="answered_before_stored")

    assert result.error.startswith("INV-1")
    assert result.replay == "make simulate SEED=1 PROFILE=swarm STEPS=300 BUG=answered_before_stored"
