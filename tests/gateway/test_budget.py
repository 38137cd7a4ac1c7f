from __future__ import annotations

import threading

import pytest

from financial.gateway.budget import HEADROOM, Budget


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def budget(time: Time, account: float = 100, endpoint: float = 25) -> Budget:
    return Budget(account, endpoint, clock=time.clock, sleep=time.sleep)


def asked(budget: Budget, time: Time, endpoints: list[str], seconds: float) -> int:
    count = 0
    while time.now < seconds:
        budget.wait(endpoints[count % len(endpoints)])
        count += 1
    return count


def test_one_endpoint_gets_its_own_budget_and_no_more(time: Time) -> None:
    assert asked(budget(time), time, ["/v1/customers"], 10) == pytest.approx(250 * HEADROOM, abs=2)


def test_many_endpoints_share_the_account(time: Time) -> None:
    endpoints = [f"/v1/{n}" for n in range(8)]

    assert asked(budget(time), time, endpoints, 10) == pytest.approx(1000 * HEADROOM, abs=9)


def test_a_refused_endpoint_slows_down_alone(time: Time) -> None:
    shared = budget(time)
    shared.refused("/v1/customers", "endpoint-rate")

    assert shared.per_second("/v1/customers") == pytest.approx(25 * 0.9)
    assert shared.per_second("/v1/charges") == 25
    assert shared.per_second() == 100


def test_a_refused_account_slows_everything_down(time: Time) -> None:
    shared = budget(time)
    shared.refused("/v1/customers", "global-rate")

    assert shared.per_second() == pytest.approx(100 * 0.9)
    assert shared.per_second("/v1/customers") == 25


def test_refusals_that_come_together_count_once(time: Time) -> None:
    shared = budget(time)
    for _ in range(10):
        shared.refused("/v1/customers", "endpoint-rate")

    assert shared.per_second("/v1/customers") == pytest.approx(25 * 0.9)


def test_a_storm_of_refusals_never_stops_it_altogether(time: Time) -> None:
    shared = budget(time)
    for _ in range(100):
        time.now += 1
        shared.refused("/v1/customers", "endpoint-rate")

    assert shared.per_second("/v1/customers") == 1


def test_answers_raise_it_again_to_where_it_began_and_no_further(time: Time) -> None:
    shared = budget(time)
    shared.refused("/v1/customers", "endpoint-rate")
    for _ in range(200):
        shared.answered("/v1/customers")

    assert shared.per_second("/v1/customers") == 25
    assert shared.per_second() == 100


def test_a_busy_endpoint_holds_up_no_other(time: Time) -> None:
    shared = budget(time)
    slept: list[float] = []
    shared._sleep = slept.append  # everybody asks at once: nobody's sleep moves the clock
    for _ in range(50):
        shared.wait("/v1/customers")

    assert shared.wait("/v1/charges") < 1
    assert max(slept) > 1.5


def test_threads_never_take_the_same_turn() -> None:
    turns: list[float] = []
    lock = threading.Lock()
    now = [0.0]
    shared = Budget(1000, 1000, clock=lambda: now[0], sleep=lambda seconds: None)

    def ask() -> None:
        for _ in range(50):
            waited = shared.wait("/v1/customers")
            with lock:
                turns.append(round(waited, 6))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(turns)) == 400


def test_gateways_of_one_account_share_a_budget() -> None:
    assert Budget.shared("acct_a", 100, 25) is Budget.shared("acct_a", 100, 25)
    assert Budget.shared("acct_a", 100, 25) is not Budget.shared("acct_b", 100, 25)
