"""How a sync shows itself: live bars on a terminal, a plain line per finished resource anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from financial.models import SyncRun, SyncStep


class Progress:
    """Listens to a sync; used as a context manager."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._bars = _bars() if out.isatty() else None
        self._tasks: dict[str, TaskID] = {}

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
        elif ended:
            self._out.write(f"{step.resource}: {step.read:,} read, {step.written:,} written, {step.state}")
            self._out.flush()

    def _move(self, bars: Bars, step: SyncStep, ended: bool) -> None:
        if step.resource not in self._tasks:
            self._tasks[step.resource] = bars.add_task(step.resource, total=None)
        total = max(int(step.read), 1) if ended else None
        bars.update(self._tasks[step.resource], total=total, completed=step.read, read=step.read)


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed:>9,.0f} read"),
        TimeElapsedColumn(),
        console=Console(),
    )
