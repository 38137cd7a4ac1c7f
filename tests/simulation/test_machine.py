"""The same parts driven by Hypothesis, which chooses every step itself and shrinks what it finds to a few of them."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.simulation.chaos import Chaos
from tests.simulation.run import Simulation

pytestmark = pytest.mark.django_db(transaction=True)
NIGHTLY = os.environ.get("SIMULATION_EXAMPLES")
SETTINGS = settings(
    max_examples=int(NIGHTLY or 3),
    stateful_step_count=40,
    deadline=None,
    derandomize=not NIGHTLY,
    print_blob=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


class Schedules(RuleBasedStateMachine):
    """Nothing happens by chance but what the rules choose."""

    sim: Simulation | None = None

    @initialize(number=st.integers(1, 9))
    def open_the_account(self, number: int) -> None:
        self.sim = Simulation(number, Chaos(switch=0))
        self.sim.begin()
        self.sim.hub.start_due()

    @rule()
    def the_account_moves(self) -> None:
        self.sim.move()

    @rule(which=st.integers(0, 7), copies=st.integers(1, 2), ack_lost=st.booleans())
    def a_webhook_comes(self, which: int, copies: int, ack_lost: bool) -> None:
        due = [one for one in self.sim.outbox.due(self.sim.hub.now) if one.id not in self.sim.actors.in_flight]
        if due and self.sim.actors.web.is_up:
            self.sim.actors.deliver(due[which % len(due)], copies=copies, ack_lost=ack_lost)

    @rule(which=st.integers(0, 9), turns=st.integers(1, 25))
    def somebody_works(self, which: int, turns: int) -> None:
        runnable = self.sim.hub.runnable()
        actor = runnable[which % len(runnable)] if runnable else None
        for _ in range(turns if actor else 0):
            if actor in self.sim.hub.actors and actor.may_run(self.sim.hub.now, self.sim.hub.step):
                self.sim.hub.run(actor)

    @rule(seconds=st.sampled_from([0.5, 5, 61, 130]))
    def time_passes(self, seconds: float) -> None:
        self.sim.hub.pass_time(seconds)
        self.sim.account.tick(self.sim.hub.now)
        self.sim.hub.start_due()

    @precondition(lambda self: self.sim is not None)
    @rule(which=st.integers(0, 2))
    def a_process_is_killed(self, which: int) -> None:
        self.sim.hub.kill(self.sim.hub.processes[which])
        self.sim.hub.step += 60
        self.sim.hub.start_due()

    @invariant()
    def what_is_done_is_shown(self) -> None:
        if self.sim is not None:
            self.sim.check()
            self.sim.checker.done()

    def teardown(self) -> None:
        if self.sim is None:
            return
        try:
            self.sim.settle()
            self.sim.prove()
        finally:
            self.sim.close()


def test_no_schedule_leads_astray() -> None:
    run_state_machine_as_test(Schedules, settings=SETTINGS)
