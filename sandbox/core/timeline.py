"""A clock that only moves when told, with the work that is due later.

The account has one timeline; each test clock brings its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

Task = tuple[float, int, str, list[Any]]
Mark = tuple[float, int, list[Task]]


class Timeline:
    """Time, plus a heap of (due, order, name, arguments); names stand for functions."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.tasks: list[Task] = []
        self._order = 0

    def schedule(self, due: float, name: str, *args: Any) -> None:
        """Remember to run task `name` at `due`, or at the next tick if that has passed."""
        self._order += 1
        heapq.heappush(self.tasks, (due, self._order, name, list(args)))

    def advance(self, to: float, run: Callable[[str, list[Any]], None]) -> int:
        """Move to `to`, running what falls due on the way in order; return how many ran.

        Work that is scheduled meanwhile for `to` itself or later waits for the next call:
        nothing ever happens within the answer that caused it.
        """
        ran = 0
        mark = self._order
        held: list[Task] = []
        while self.tasks and self.tasks[0][0] <= to:
            task = heapq.heappop(self.tasks)
            if task[1] > mark and task[0] >= to:
                held.append(task)
                continue
            self.now = max(self.now, task[0])
            run(task[2], task[3])
            ran += 1
        for task in held:
            heapq.heappush(self.tasks, task)
        self.now = max(self.now, to)
        return ran

    def mark(self) -> Mark:
        """Return where it stands, to come back to."""
        return self.now, self._order, list(self.tasks)

    def back(self, mark: Mark) -> None:
        """Stand again where `mark` was taken."""
        self.now, self._order, self.tasks = mark

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values, for a snapshot."""
        return {"now": self.now, "order": self._order, "tasks": sorted(self.tasks)}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Timeline:
        """Return the timeline a snapshot holds."""
        timeline = cls(state["now"])
        timeline._order = state["order"]
        timeline.tasks = [(due, order, name, args) for due, order, name, args in state["tasks"]]
        heapq.heapify(timeline.tasks)
        return timeline
