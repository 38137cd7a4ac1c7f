"""Who runs when: actors are greenlets that hand over at every outside call, a seeded die picks the next, time is a number.

An actor belongs to a process. Killing a process throws `Crash` into all of its actors where they stand; from then on none of
them reaches the database again. Knows nothing of Stripe or of the app.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty
from random import Random
from typing import Any

import greenlet

HISTORY_LINES = 400


class Crash(BaseException):
    """The process was killed. No handler may outlive it."""


class Actor:
    """One thread of one process; it runs until it pauses."""

    def __init__(self, name: str, process: Process, body: Callable[[], None], parent: greenlet.greenlet) -> None:
        self.name = name
        self.process = process
        self.green = greenlet.greenlet(body, parent)
        self.wakes_at = 0.0
        self.thaws_at = 0
        self.is_ready: Callable[[], bool] | None = None

    def may_run(self, now: float, step: int) -> bool:
        if step < self.thaws_at:
            return False
        return now >= self.wakes_at or (self.is_ready is not None and self.is_ready())


class Process:
    """What is killed as one, and how it starts again."""

    def __init__(self, name: str, start: Callable[[], None]) -> None:
        self.name = name
        self.start = start
        self.died: Callable[[], None] = lambda: None
        self.lives = 0
        self.is_up = False
        self.is_dying = False
        self.starts_at_step = 0


class Hub:
    """The clock, the die, the actors, and the trace of all that happened."""

    def __init__(self, dice: Random, *, now: float, set_clock: Callable[[float], None]) -> None:
        self.dice = dice
        self.now = now
        self.step = 0
        self.actors: list[Actor] = []
        self.processes: list[Process] = []
        self.current: Actor | None = None
        self.crash_chance = 0.0
        self.crash_at_passage = 0  # of a sweep: exactly there, once
        self.is_counting = True
        self.passages = 0
        self.crashes = 0
        self.hooks: dict[str, int] = {}
        self.lines: deque[str] = deque(maxlen=HISTORY_LINES)
        self._digest = hashlib.sha256()
        self._set_clock = set_clock
        self._main = greenlet.getcurrent()
        set_clock(now)

    # What happened

    def note(self, *what: object) -> None:
        line = f"{self.step} {self.now:.3f} {self.current.name if self.current else '-'} {' '.join(map(str, what))}"
        self._digest.update(line.encode())
        self.lines.append(line)

    def trace_hash(self) -> str:
        return self._digest.hexdigest()

    # Time

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self._set_clock(self.now)

    # Called by actors

    def pause(self, *, seconds: float = 0.0, steps: int = 0, until: Callable[[], bool] | None = None) -> None:
        """Let others run: for some seconds, some steps, or until something is true (`seconds` at most)."""
        actor = self.current
        if actor is None:  # the driver itself does not wait
            self.pass_time(seconds)
            return
        actor.wakes_at, actor.thaws_at, actor.is_ready = self.now + seconds, self.step + steps, until
        self._main.switch()
        actor.is_ready = None

    def passing(self, hook: str) -> None:
        """Pass a place at which a process may die.

        Raises:
            Crash: it does.
        """
        actor = self.current
        if actor is None or not self.is_counting:
            return
        self.passages += 1
        self.hooks[hook] = self.hooks.get(hook, 0) + 1
        by_chance = self.crash_chance and self.dice.random() < self.crash_chance
        if by_chance or self.passages == self.crash_at_passage:
            self.note("crash", hook)
            self.crashes += 1
            actor.process.is_dying = True
            raise Crash(hook)

    def check_alive(self) -> None:
        """Raise `Crash` in an actor whose process was killed: nothing it does on its way out may have an effect."""
        if self.current is not None and self.current.process.is_dying:
            raise Crash("after death")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let the checker look on, in the middle of whatever an actor does: nothing is handed over, nobody dies."""
        before, self.current = self.current, None
        try:
            yield
        finally:
            self.current = before

    # Called by the driver

    def spawn(self, name: str, process: Process, body: Callable[[], None]) -> Actor:
        actor = Actor(name, process, body, self._main)
        self.actors.append(actor)
        return actor

    def runnable(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.may_run(self.now, self.step)]

    def run(self, actor: Actor) -> None:
        """Let one actor run until it pauses, ends or dies."""
        self.step += 1
        before, self.current = self.current, actor
        try:
            actor.green.switch()
        except Crash:
            self.bury(actor.process)
        finally:
            self.current = before
        if actor.green.dead and actor in self.actors:
            self.actors.remove(actor)

    def kill(self, process: Process) -> None:
        self.note("killed", process.name)
        self.crashes += 1
        self.bury(process)

    def bury(self, process: Process) -> None:
        """Throw `Crash` into whatever is left of a process, and plan its next start."""
        process.is_dying = True
        for actor in [actor for actor in self.actors if actor.process is process]:
            self.actors.remove(actor)
            before, self.current = self.current, actor
            try:
                if not actor.green.dead:
                    actor.green.throw(Crash("killed"))
            except Crash:
                pass
            finally:
                self.current = before
        process.is_dying = process.is_up = False
        process.died()
        process.starts_at_step = self.step + self.dice.randrange(5, 60)

    def start_due(self) -> None:
        for process in self.processes:
            if not process.is_up and self.step >= process.starts_at_step:
                process.is_up = True
                process.lives += 1
                self.note("starts", process.name)
                process.start()

    def next_wake(self) -> float | None:
        times = [actor.wakes_at for actor in self.actors if actor.thaws_at <= self.step]
        return min(times, default=None)


class GreenQueue:
    """`queue.SimpleQueue` for actors."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)

    def get(self, timeout: float) -> Any:
        if not self._items:
            self._hub.pause(seconds=timeout, until=lambda: bool(self._items))
        if not self._items:
            raise Empty
        return self._items.popleft()

    def qsize(self) -> int:
        return len(self._items)

    def empty(self) -> bool:
        return not self._items


class GreenFuture:
    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self.call()
        except Exception as error:
            self.error = error
        self.is_done = True


class GreenPool:
    """`ThreadPoolExecutor` for actors: each worker is an actor of the process that made the pool."""

    def __init__(self, hub: Hub, workers_max: int) -> None:
        self._hub = hub
        self._workers_max = workers_max
        self._workers = 0
        self._waiting: deque[GreenFuture] = deque()
        self._owner = hub.current
        self._name = f"{hub.current.name if hub.current else 'driver'}+"

    def __enter__(self) -> GreenPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.shutdown(wait=kind is not GeneratorExit)  # whoever closes a generator cannot hand over

    def submit(self, call: Callable[..., Any], *arguments: Any) -> GreenFuture:
        future = GreenFuture(lambda: call(*arguments))
        self._waiting.append(future)
        if self._workers < self._workers_max and self._hub.current is not None:
            self._workers += 1
            self._hub.spawn(f"{self._name}{self._workers}", self._hub.current.process, self._work)
        return future

    def map(self, call: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.submit(call, *arguments) for arguments in zip(*items, strict=False)]
        for future in futures:
            self._hub.pause(seconds=1e9, until=lambda future=future: future.is_done)
            if future.error is not None:
                raise future.error
            yield future.value

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._waiting.clear()
        is_owner = self._owner is not None and self._owner is self._hub.current and not self._owner.process.is_dying
        if wait and self._workers and is_owner:  # anybody else is a collector of garbage
            self._hub.pause(seconds=1e9, until=lambda: self._workers == 0)

    def _work(self) -> None:
        while self._waiting:
            self._waiting.popleft().run()
        self._workers -= 1
