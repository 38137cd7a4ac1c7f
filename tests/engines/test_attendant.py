from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from financial import engines
from financial.engines.attendant import Attendant


@pytest.fixture
def rung() -> Iterator[threading.Event]:
    yield threading.Event()


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_one_thread_answers_however_often_it_is_rung(rung: threading.Event) -> None:
    attendant = Attendant("one-thread", lambda: bool(rung.set()))

    for _ in range(5):
        attendant.ring()

    assert rung.wait(10)
    assert names().count("one-thread") == 1


def test_it_goes_on_while_there_may_be_more(rung: threading.Event) -> None:
    left = [True, True, False]

    def answer() -> bool:
        more = left.pop(0)
        if not left:
            rung.set()
        return more

    Attendant("more", answer).ring()

    assert rung.wait(10)


def test_a_ring_during_an_answer_is_answered_after_it(rung: threading.Event) -> None:
    began, may_end, answers = threading.Event(), threading.Event(), []

    def answer() -> bool:
        answers.append(1)
        began.set()
        may_end.wait(10)
        if len(answers) == 2:
            rung.set()
        return False

    attendant = Attendant("again", answer)
    attendant.ring()
    assert began.wait(10)
    attendant.ring()
    may_end.set()

    assert rung.wait(10)


def test_what_fails_is_logged_and_tried_at_the_next_ring(
    rung: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def answer() -> bool:
        if not failed.is_set():
            failed.set()
            raise OSError("the database is away")
        rung.set()
        return False

    attendant = Attendant("stumbles", answer)
    attendant.ring()
    assert failed.wait(10)
    attendant.ring()

    assert rung.wait(10)
    assert "stumbles: the work stays in its rows" in caplog.text


def test_it_looks_by_itself_now_and_then(rung: threading.Event) -> None:
    looks: list[int] = []

    def answer() -> bool:
        looks.append(1)
        if len(looks) == 3:
            rung.set()
        return False

    Attendant("looks", answer, every_seconds=0.01).ring()

    assert rung.wait(10)


def test_after_a_fork_the_child_gets_a_thread_of_its_own(
    rung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    attendant = Attendant("forked", lambda: bool(rung.set()))
    attendant.ring()
    assert rung.wait(10)

    monkeypatch.setattr(os, "getpid", lambda: -1)
    attendant.ring()

    assert names().count("forked") == 2


def test_an_engine_that_cannot_be_loaded_is_said_and_fails_nobody(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.FINANCIAL_ENGINE = "steam"

    engines.wake()

    assert "engine=steam cannot be woken" in caplog.text
