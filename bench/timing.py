"""What a benchmark measures: seconds on the wall and of the processor, rows in them, and the peak of memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Watch:
    """Wall and CPU seconds of this process."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


@dataclass(frozen=True)
class Result:
    name: str
    rows: int
    watch: Watch

    @property
    def per_second(self) -> float:
        return self.rows / self.watch.wall

    @property
    def per_cpu_second(self) -> float:
        return self.rows / self.watch.cpu

    def __str__(self) -> str:
        return (
            f"{self.name:<28}{self.per_second:>10,.0f} rows/s{self.per_cpu_second:>10,.0f} rows/CPU-s"
            f"{self.watch.wall:>8.2f} s"
        )


def best(results: list[Result], name: str) -> Result:
    fastest = min(results, key=lambda result: result.watch.wall)
    leanest = min(result.watch.cpu for result in results)
    return Result(name, fastest.rows, Watch(fastest.watch.wall, leanest))


def peak_mib() -> float:
    """The high-water mark of this program, without that of whoever started it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
