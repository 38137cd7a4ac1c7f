"""Many runs in processes of their own, each with its own SQLite database in memory."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.run import Result

Job = tuple[int, str, int]  # seed, profile, steps


def set_up() -> None:
    """Set Django up for a database of this process's own."""
    os.environ["DATABASE_URL"] = "sqlite:///:memory:"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()


def prepare() -> None:
    """Set Django up and make the tables."""
    set_up()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def results(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
    """Do the jobs a few at a time, and yield how they ended, in the order in which they did."""
    set_up()  # to understand what comes back
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawning, initializer=prepare) as pool:
        running: set[Future[Result]] = set()
        while True:
            while len(running) < workers and (job := next(jobs, None)) is not None:
                running.add(pool.submit(_run, job))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _run(job: Job) -> Result:
    from tests.simulation.run import simulate

    return simulate(*job)
