"""How a sync shows itself: live bars on a terminal; elsewhere a plain line now and then, and one per finished resource."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from financial.models import SyncRun, SyncStep

LINE_SECONDS = 10.0


@dataclass(slots=True)
class Pace:
    """How fast one resource goes, counted from where this run began with it."""

    began: float
    read_before: int
    told: float

    def per_second(self, step: SyncStep, now: float) -> float | None:
        """Objects a second; None in the first second."""
        seconds = now - self.began
        return (step.read - self.read_before) / seconds if seconds >= 1 else None


class Progress:
    """Listens to a sync; used as a context manager."""

    def __init__(self, out: OutputWrapper, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._bars = _bars() if out.isatty() else None
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, step: SyncStep) -> None:
        ended = step.state in (SyncRun.State.DONE, SyncRun.State.FAILED)
        if self._bars:
            self._move(self._bars, step, ended)
        else:
            self._say(step, ended)

    # Bars

    def _move(self, bars: Bars, step: SyncStep, ended: bool) -> None:
        if step.resource not in self._tasks:  # what an earlier run had read counts for no rate
            self._tasks[step.resource] = bars.add_task(step.resource, total=None, completed=step.read)
        total = max(int(step.read), 1) if ended else _total(step)
        bars.update(self._tasks[step.resource], total=total, completed=step.read)

    # Lines

    def _say(self, step: SyncStep, ended: bool) -> None:
        now = self._clock()
        pace = self._paces.setdefault(step.resource, Pace(now, step.read, now))
        if ended:
            self._write(f"{step.resource}: {step.read:,} read, {step.written:,} written, {step.state}", step, pace, now)
        elif now - pace.told >= LINE_SECONDS:
            pace.told = now
            total = _total(step)
            self._write(
                f"{step.resource}: {step.read:,}{f' of about {total:,}' if total else ''} read", step, pace, now
            )

    def _write(self, line: str, step: SyncStep, pace: Pace, now: float) -> None:
        rate, total = pace.per_second(step, now), _total(step)
        if rate:
            line += f", {rate:,.0f} objects/s"
            if total and step.state == SyncRun.State.RUNNING:
                line += f", {(total - step.read) / rate:,.0f} s left"
        self._out.write(line)
        self._out.flush()


def _total(step: SyncStep) -> int | None:
    """How many objects are expected; None where that is unknown, or has turned out wrong."""
    return step.expected if step.expected is not None and step.expected > step.read else None


class RateColumn(ProgressColumn):
    """Objects a second, of late; over all once it has ended."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:>7,.0f}/s" if speed else " " * 9, style="progress.data.speed")


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed:>11,.0f} read"),
        RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(),
    )
