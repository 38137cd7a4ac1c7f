"""One run: a pure function of seed, profile, steps and code. Chaos first, then calm, then every invariant."""

from __future__ import annotations

import gc
import logging
import random
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import stamina
import time_machine
from django.db import connection
from django.test.utils import override_settings

from financial import signing, stripe_services
from financial.errors import SyncAlreadyRunning
from financial.gateway import StripeGateway
from financial.gateway.budget import Budget
from financial.models import StripeCredential, StripeWebhookEvent, SyncRun
from financial.sync import pulling, reading, spans
from financial.webhooks import applying, inbox
from sandbox.core.deliveries import Outbox
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.simulation import bugs
from tests.simulation.account import Account
from tests.simulation.actors import Actors
from tests.simulation.chaos import SWARM, Chaos, chaos
from tests.simulation.checker import Checker, Violation, demand
from tests.simulation.database import WatchedConnection, wipe
from tests.simulation.scheduling import HISTORY_LINES, GreenFuture, GreenPool, GreenQueue, Hub
from tests.simulation.transport import Wire

STEPS = 1500
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC).timestamp()
FOUNDED_BEFORE_SECONDS = 3 * 3600  # longer than a catch-up overlaps
PAGE_SIZE = 5  # so that few objects are several pages
CALM_STEPS_MAX = 12_000
REPLAYED = 12  # events applied once more at the end
SETTINGS = {
    "FINANCIAL_STRIPE_BASE_URL": "http://stripe.example.com",
    "FINANCIAL_STRIPE_BACKOFF_SECONDS": 0.5,
    "FINANCIAL_STRIPE_ATTEMPTS": 3,
    "FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND": 25,
    "FINANCIAL_STRIPE_ENDPOINT_REQUESTS_PER_SECOND": 25,
    "FINANCIAL_SYNC_READERS": 3,
    "FINANCIAL_WEBHOOK_FETCHERS": 3,
    "FINANCIAL_ENGINE": "none",
}


@dataclass
class Result:
    """How a run ended; `error` is empty if nothing was wrong."""

    seed: int
    profile: str
    steps: int
    error: str = ""
    bug: str = ""
    trace_hash: str = ""
    deliveries: int = 0
    requests: int = 0
    crashes: int = 0
    passages: int = 0
    events: int = 0
    dead: int = 0
    syncs: int = 0
    cpu_seconds: float = 0.0
    hooks: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def replay(self) -> str:
        bug = f" BUG={self.bug}" if self.bug else ""
        return f"make simulate SEED={self.seed} PROFILE={self.profile} STEPS={self.steps}{bug}"


class _Complaints(logging.Handler):
    """What the app itself calls unexpected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:  # what is logged without one was foreseen, such as a pause while Stripe is away
            cause = record.exc_info[1]
            self.heard.append(f"{record.getMessage()}: {type(cause).__name__} {cause}")


class Simulation:
    """The parts of one run, and the moves a driver chooses from."""

    creates = True

    def __init__(self, seed: int, how: Chaos, *, crash_at_passage: int = 0) -> None:
        self.dice = random.Random(f"run {seed}")
        self.chaos = how
        self._stack = ExitStack()
        self.clock = self._stack.enter_context(time_machine.travel(START, tick=False))
        self.hub = Hub(self.dice, now=START, set_clock=self.clock.move_to)
        self.account = Account(seed, random.Random(f"account {seed}"), START - FOUNDED_BEFORE_SECONDS)
        self.wire = Wire(self.hub, self.account, how)
        self.complaints = _Complaints()
        self._stack.enter_context(self._seams(seed))
        wipe()
        signing.forget()
        self.credential = StripeCredential.objects.create(
            name="Simulated", secret_key=TEST_KEY, webhook_secret=TEST_WEBHOOK_SECRET, is_active=True
        )
        self.checker = Checker(self)
        self.actors = Actors(self)
        self._due_at_step: dict[str, int] = {}
        self.database = WatchedConnection(self.hub, how.switch, self.checker.committed)
        self._stack.enter_context(self.database.watched())
        self.hub.crash_at_passage = crash_at_passage
        self._unleash(how)

    def close(self) -> None:
        """Stop everything and put the world back in order."""
        self.hub.is_counting = False
        for process in self.hub.processes:
            self.hub.bury(process)
        self._stack.close()

    @contextmanager
    def _seams(self, seed: int) -> Iterator[None]:
        """Sleep, dice, threads and HTTP are ours while the run lasts."""
        hub, before = self.hub, random.getstate()
        logger = logging.getLogger("financial.stripe_services")
        readers = reading.Reader.__iter__

        def pool(workers: int, **options: Any) -> GreenPool:
            return GreenPool(hub, workers)

        def wait(futures: set[GreenFuture], *, timeout: float, return_when: str) -> Any:
            hub.pause(seconds=timeout, until=lambda: any(future.is_done for future in futures))
            done = {future for future in futures if future.is_done}
            return done, futures - done

        def read(reader: reading.Reader) -> Any:
            reader._answers = GreenQueue(hub)  # type: ignore[assignment]
            return readers(reader)

        def budget(cls: type[Budget], name: str, account: float, endpoint: float) -> Budget:
            return Budget(account, endpoint, clock=lambda: hub.now, sleep=sleep)

        def sleep(seconds: float) -> None:
            hub.check_alive()
            hub.pause(seconds=seconds)

        def host() -> str:
            """Each life of a process seems to be on a machine of its own: nobody sees whether it is over."""
            process = hub.current.process if hub.current else None
            return f"{process.name}-{process.lives}" if process else "driver"

        def starting_now(kind: type, name: str) -> Any:
            """A dataclass that took hold of the clock before us shall ask ours."""
            make = kind.__init__

            def made(self: Any, *arguments: Any, **options: Any) -> None:
                make(self, *arguments, **options)
                setattr(self, name, hub.now)

            return mock.patch.object(kind, "__init__", made)

        drawn = {
            "FINANCIAL_SYNC_EVERY_MINUTES": self.chaos.sync_every_minutes,
            "FINANCIAL_WEBHOOK_BATCH": self.chaos.batch,
        }
        logger.addHandler(self.complaints)
        level, propagate = logger.level, logger.propagate
        logger.propagate = False
        logger.setLevel(logging.ERROR)
        random.seed(f"app {seed}")
        gc.disable()  # what a collection finalizes, it would finalize in whatever actor is running
        stamina.instrumentation.set_on_retry_hooks([])
        try:
            with (
                override_settings(**SETTINGS, **drawn),
                mock.patch.object(time, "sleep", sleep),
                mock.patch.object(socket, "gethostname", host),
                mock.patch.object(time, "monotonic", lambda: hub.now),
                _everywhere("ThreadPoolExecutor", pool),
                mock.patch.object(applying, "wait", wait),
                starting_now(inbox.Lease, "_began"),
                starting_now(pulling._Pull, "signed_at"),
                mock.patch.object(reading.Reader, "__iter__", read),
                mock.patch.dict(StripeGateway.list_page.__kwdefaults__, limit=PAGE_SIZE),
                mock.patch.object(pulling, "ROWS_PER_WRITE", PAGE_SIZE),
                mock.patch.multiple(spans, PAGE_ROWS=PAGE_SIZE, WORTH_SPLITTING_ROWS=3 * PAGE_SIZE),
                mock.patch.object(Budget, "shared", classmethod(budget)),
                self.wire.plugged_in(),
            ):
                yield
        finally:
            random.setstate(before)
            stamina.instrumentation.set_on_retry_hooks(None)
            gc.enable()
            logger.setLevel(level)
            logger.propagate = propagate
            logger.removeHandler(self.complaints)

    def _unleash(self, how: Chaos) -> None:
        self.chaos = self.wire.chaos = how
        self.hub.crash_chance = how.crash
        self.database.switch_chance = how.switch
        self.account.world.faults.load(how.fault_rules())

    @property
    def outbox(self) -> Outbox:
        return self.account.world.outbox

    def guarded(self, call: Callable[[], Any]) -> Any:
        """Do what an engine does: survive, but remember what nobody expected."""
        try:
            return call()
        except Exception as error:
            self.complaints.heard.append(f"{type(error).__name__}: {error}")
            return False

    # What a driver may do

    def begin(self) -> None:
        """Ask for the first sync, which is a person's to ask for."""
        stripe_services.request_sync(self.credential, requested_by="the simulation")

    def step(self) -> None:
        """Let one thing happen, of all that may."""
        hub, dice = self.hub, self.dice
        hub.start_due()
        if dice.random() < self.chaos.busy:
            self.move()
        if dice.random() < self.chaos.jump:
            self.jump()
        self.post()
        self.advance()
        self.check()

    def move(self) -> None:
        self.account.tick(self.hub.now)
        self.hub.note("moves", self.account.move())

    def jump(self) -> None:
        """Let much time pass in which nothing of ours runs."""
        hours = self.dice.choice((0.2, 1, 6, 25, 50))
        if self.actors.sending:  # a key lasts a day: no write can be frozen longer and go on as if nothing had happened
            hours = min(hours, 1)
        self.hub.note("jumps", hours)
        self.hub.pass_time(hours * 3600)
        self.account.tick(self.hub.now)

    def post(self) -> None:
        """Hand out one of the webhooks that are due, if the die says so; any of them, for Stripe promises no order."""
        outbox = self.outbox
        if not outbox.waiting or self.dice.random() > 0.3:
            return
        due = [one for one in outbox.due(self.hub.now) if one.id not in self.actors.in_flight]
        for one in due:
            if one.id not in self._due_at_step:
                self._due_at_step[one.id] = self.hub.step + self.dice.randrange(self.chaos.delay_steps + 1)
        due = [one for one in due if self._due_at_step[one.id] <= self.hub.step]
        if due:
            self._hand_out(self.dice.choice(due[:8]))

    def _hand_out(self, one: Any) -> None:
        chaos, dice, outbox = self.chaos, self.dice, self.outbox
        self._due_at_step.pop(one.id)
        if dice.random() < chaos.lose:
            self.hub.note("loses", one.event)
            outbox.drop(one.id)
        elif dice.random() < chaos.drop or not self.actors.web.is_up:
            self.hub.note("drops", one.event)
            outbox.record(self.account.world, one.id, 0)
        else:
            copies = 2 if dice.random() < chaos.duplicate else 1
            self.hub.note("posts", one.event, copies)
            self.actors.deliver(one, copies=copies, ack_lost=dice.random() < chaos.ack_lost)

    def advance(self) -> None:
        """Let one actor go on; where nobody can, let time pass until somebody can."""
        runnable = self.hub.runnable()
        if runnable:
            self.hub.pass_time(self.dice.random() * 0.2)
            self.hub.run(self.dice.choice(runnable))
            self.database.forget_rolled_back()
            return
        self.hub.step += 1
        wake = self.hub.next_wake()
        self.hub.pass_time(min(max(wake - self.hub.now, 0.01), 5.0) if wake is not None else 1.0)

    def check(self) -> None:
        demand(not self.complaints.heard, "INV-11", f"nobody expected this: {self.complaints.heard[:1]}")
        if self.hub.step % 50 == 0:
            self.checker.done()
        demand(not connection.in_atomic_block, "harness", "an actor handed over inside a transaction")

    # Calm

    def settle(self) -> None:
        """Turn the chaos off and wait until nothing is left to do.

        Raises:
            Violation: it never ends.
        """
        self._unleash(Chaos(busy=0, switch=0))
        self._stack.enter_context(override_settings(FINANCIAL_SYNC_EVERY_MINUTES=0))
        self.hub.is_counting = False
        self.creates = False
        attempts = dict(StripeWebhookEvent.objects.values_list("event_id", "attempts"))
        self._until_quiet()
        self.checker.done()
        self._sync(SyncRun.Kind.AUTOMATIC)
        self._until_quiet()
        self.checker.attempts(attempts)

    def _until_quiet(self) -> None:
        last = self.hub.step + CALM_STEPS_MAX
        while not self._is_quiet():
            demand(self.hub.step < last, "INV-11", f"not quiet after {CALM_STEPS_MAX} steps in calm")
            self.step()
            self._skip_waiting()

    def _is_quiet(self) -> bool:
        if self.outbox.waiting or self.actors.in_flight or not all(p.is_up for p in self.hub.processes):
            return False
        if self.hub.step % 10:  # asking the database costs more than a step
            return False
        waiting = StripeWebhookEvent.objects.filter(state="waiting").exists()
        return not waiting and not SyncRun.objects.filter(state__in=("waiting", "running")).exists()

    def _skip_waiting(self) -> None:
        """Nobody moves anything in calm, so the pauses between attempts may pass at once."""
        is_syncing = self.hub.step % 50 == 0 and SyncRun.objects.filter(state="running").exists()
        if self.hub.step % 50 == 0 and not is_syncing:  # a run that is alive must not seem dead
            self.hub.pass_time(300)
            self.account.tick(self.hub.now)

    def _sync(self, kind: SyncRun.Kind) -> None:
        """Ask for a sync, as a person would, and wait for its end."""
        run = None
        for _ in range(20):
            try:
                run = stripe_services.request_sync(self.credential, requested_by="the simulation", kind=kind)
                break
            except SyncAlreadyRunning:
                self._until_quiet()
        assert run is not None
        self._until_quiet()
        run.refresh_from_db()
        demand(run.state == "done", "INV-11", f"a sync in calm ended as {run.state}: {run.error}")

    def prove(self) -> None:
        """Hold everything against the invariants, then do much of it again: nothing may change."""
        self.checker.everything()
        self.account.stand_still()
        before = self.checker.state()
        self._replay()
        self._sync(SyncRun.Kind.FULL)
        self.checker.everything()
        demand(self.checker.state() == before, "INV-8", "replaying events and syncs changed what we hold")

    def _replay(self) -> None:
        events = list(StripeWebhookEvent.objects.filter(state__in=("done", "dead")).order_by("pk"))
        some = self.dice.sample(events, min(REPLAYED, len(events)))
        now = datetime.fromtimestamp(self.hub.now, UTC)
        StripeWebhookEvent.objects.filter(pk__in=[event.pk for event in some]).update(
            state="waiting", due_at=now, attempts=0
        )
        for event in some:
            for one in [one for one in self.account.world.outbox.all.values() if one.event == event.event_id][:1]:
                self.account.world.outbox.resend(self.account.world, one.id)
        self._until_quiet()


@contextmanager
def _everywhere(name: str, instead: Any) -> Iterator[None]:
    """Replace a name in each of the app's modules that imported it, also in those still to be written."""
    with ExitStack() as stack:
        for module in [module for path, module in sys.modules.items() if path.startswith("financial.")]:
            if name in vars(module):
                stack.enter_context(mock.patch.object(module, name, instead))
        yield


def simulate(
    seed: int,
    profile: str = SWARM,
    steps: int = STEPS,
    *,
    bug: str = "",
    crash_at_passage: int = 0,
    keep_all: bool = False,
) -> Result:
    """Run once and say how it ended; what was wrong is in `error`, nothing is raised for it."""
    result = Result(seed, profile, steps, bug=bug)
    began = time.process_time()
    sim = Simulation(seed, chaos(profile, seed), crash_at_passage=crash_at_passage)
    sim.hub.lines = deque(sim.hub.lines, maxlen=None if keep_all else HISTORY_LINES)
    try:
        with bugs.planted(bug, sim):
            _play(sim, steps)
    except Violation as violation:
        result.error = str(violation)
    except Exception as error:  # a bug of the simulation itself
        result.error = f"{type(error).__name__}: {error}"
        logging.getLogger("tests.simulation").debug("", exc_info=True)
    finally:
        _report(sim, result)
        sim.close()
    result.cpu_seconds = time.process_time() - began
    return result


def sweep(seed: int, profile: str, steps: int, *, every: int = 1) -> Iterator[Result]:
    """Repeat a run, each time with a crash at another passage of a hook, until there is none left."""
    passages = simulate(seed, profile, steps).passages
    for passage in range(1, passages + 1, every):
        yield simulate(seed, profile, steps, crash_at_passage=passage)


def _play(sim: Simulation, steps: int) -> None:
    sim.begin()
    for _ in range(steps):
        sim.step()
    sim.settle()
    sim.prove()


def _report(sim: Simulation, result: Result) -> None:
    hub = sim.hub
    result.trace_hash, result.lines = hub.trace_hash(), list(hub.lines)
    result.deliveries, result.requests = sim.actors.deliveries, sim.wire.requests
    result.crashes, result.passages, result.hooks = hub.crashes, hub.passages, dict(hub.hooks)
    result.events = len(sim.account.world.store.table("event").order)
    result.dead = StripeWebhookEvent.objects.filter(state="dead").count()
    result.syncs = SyncRun.objects.filter(state="done").count()
