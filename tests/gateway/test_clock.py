from __future__ import annotations

import pytest

from financial.gateway.clock import RemoteClock

NOON = 1_767_960_000.0  # 2026-01-09T12:00:00Z
NOON_DATE = "Fri, 09 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize("asked_at, answered_at", [(NOON, NOON), (NOON + 0.2, NOON + 0.9), (NOON - 0.3, NOON + 0.1)])
def test_a_clock_that_agrees_is_left_alone(asked_at, answered_at):
    clock = RemoteClock()

    clock.heard(NOON_DATE, asked_at=asked_at, answered_at=answered_at)

    assert clock.ahead_seconds == 0


def test_the_difference_is_bounded_by_what_an_answer_proves():
    behind, ahead = RemoteClock(), RemoteClock()

    behind.heard(NOON_DATE, asked_at=NOON + 60, answered_at=NOON + 60.25)
    ahead.heard(NOON_DATE, asked_at=NOON - 60, answered_at=NOON - 59.75)

    assert behind.ahead_seconds == -59  # within the second, at the latest when we asked
    assert ahead.ahead_seconds == 59.75  # at the earliest when we heard


def test_every_answer_narrows_it():
    clock = RemoteClock()

    clock.heard(NOON_DATE, asked_at=NOON - 60, answered_at=NOON - 57)  # a slow answer proves little
    clock.heard(NOON_DATE, asked_at=NOON - 60, answered_at=NOON - 59.5)

    assert clock.ahead_seconds == 59.5


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 12:00:00 GMT"])
def test_what_is_no_date_is_passed_over(date):
    clock = RemoteClock()

    clock.heard(date, asked_at=NOON, answered_at=NOON)

    assert clock.ahead_seconds == 0
