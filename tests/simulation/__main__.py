"""The simulation from the command line (docs/simulation.md): one run, many, a crash at every hook, every planted bug.

    python -m tests.simulation one 5060 --profile storm --steps 1500
    python -m tests.simulation many --first 1 --runs 20 --minutes 4 --fresh
    python -m tests.simulation sweep 3 --steps 80
    python -m tests.simulation bugs --within 25

Each process has its own SQLite database in memory. Exit status 1 if anything was found (for `bugs`: if one was not).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulation.batch import Job, prepare, results

if TYPE_CHECKING:
    from tests.simulation.run import Result

SHOWN_LINES = 40


def main() -> int:
    chosen = _arguments()
    found: int = chosen.do(chosen)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("one", help="one run, as a failure printed it")
    one.add_argument("seed", type=int)
    one.add_argument("--profile", default="swarm")
    one.add_argument("--steps", type=int, default=1500)
    one.add_argument("--bug", default="")
    one.add_argument("--trace", type=Path, help="write every line of what happened there")
    one.set_defaults(do=_one)

    many = commands.add_parser("many", help="regressions, then seeds in a row, then fresh ones until the time is over")
    many.add_argument("--first", type=int, default=1)
    many.add_argument("--runs", type=int, default=20)
    many.add_argument("--profile", default="swarm")
    many.add_argument("--steps", type=int, default=1500)
    many.add_argument("--minutes", type=float, default=0.0, help="go on with fresh seeds for so long")
    many.add_argument("--jobs", type=int, default=2)
    many.set_defaults(do=_many)

    sweep = commands.add_parser("sweep", help="the same run again and again, with a crash at one hook after the other")
    sweep.add_argument("seed", type=int)
    sweep.add_argument("--profile", default="calm")
    sweep.add_argument("--steps", type=int, default=80)
    sweep.add_argument("--every", type=int, default=1)
    sweep.set_defaults(do=_sweep)

    bugs = commands.add_parser("bugs", help="find each planted bug, first with the run that is known to")
    bugs.add_argument("--within", type=int, default=25)
    bugs.add_argument("--steps", type=int, default=0, help="other than those the bug is known to take")
    bugs.add_argument("--only", default="")
    bugs.set_defaults(do=_bugs)
    return parser.parse_args()


def _one(chosen: argparse.Namespace) -> int:
    prepare()
    from tests.simulation.run import simulate

    result = simulate(chosen.seed, chosen.profile, chosen.steps, bug=chosen.bug, keep_all=bool(chosen.trace))
    if chosen.trace:
        chosen.trace.write_text("\n".join(result.lines) + "\n")
    _say(result)
    print(f"trace {result.trace_hash}")
    return int(bool(result.error))


def _say(result: Result) -> None:
    if result.error:
        print("\n".join(result.lines[-SHOWN_LINES:]))
        print(f"FAILED {result.error}\n{result.replay}", flush=True)
    else:
        print(
            f"ok seed {result.seed} {result.profile}: {result.deliveries} deliveries, {result.crashes} crashes, "
            f"{result.requests} requests, {result.syncs} syncs, {result.cpu_seconds:.1f} CPU-s",
            flush=True,
        )


def _many(chosen: argparse.Namespace) -> int:
    from tests.simulation.regressions import regressions

    began = time.monotonic()
    planned: list[Job] = [*regressions()]
    planned += [(chosen.first + n, chosen.profile, chosen.steps) for n in range(chosen.runs)]
    sums: Counter[str] = Counter()
    for result in results(_jobs(planned, chosen, began), chosen.jobs):
        _say(result)
        sums.update(
            runs=1, failed=bool(result.error), deliveries=result.deliveries, crashes=result.crashes,
            requests=result.requests, events=result.events, cpu_seconds=result.cpu_seconds,
        )  # type: ignore[arg-type]  # fmt: skip
    rate = sums["deliveries"] / max(sums["cpu_seconds"], 0.01)
    print(
        f"{sums['runs']} runs, {sums['failed']} failed: {sums['deliveries']:,} deliveries of {sums['events']:,} events, "
        f"{sums['crashes']:,} crashes, {sums['requests']:,} requests; {rate:.0f} deliveries a CPU-second"
    )
    return int(bool(sums["failed"]))


def _jobs(planned: Iterable[Job], chosen: argparse.Namespace, began: float) -> Iterator[Job]:
    yield from planned
    fresh = time.time_ns() % 1_000_000_000
    while time.monotonic() - began < chosen.minutes * 60:
        fresh += 1
        yield fresh, chosen.profile, chosen.steps


def _sweep(chosen: argparse.Namespace) -> int:
    prepare()
    from tests.simulation.run import sweep

    bad, runs, hooks = 0, 0, Counter[str]()
    for result in sweep(chosen.seed, chosen.profile, chosen.steps, every=chosen.every):
        runs, hooks = runs + 1, hooks | Counter(result.hooks)
        if result.error:
            bad += 1
            _say(result)
    print(f"{runs} runs, {bad} failed; a crash at each of: {', '.join(sorted(hooks))}")
    return int(bool(bad))


def _bugs(chosen: argparse.Namespace) -> int:
    prepare()
    from tests.simulation import bugs

    missed = 0
    for name in [chosen.only] if chosen.only else bugs.BUGS:
        where, result = _seeds_to_find(name, chosen)
        missed += not result.error
        said = f"{where}: {result.error[:110]}" if result.error else f"NOT FOUND within {chosen.within} seeds"
        print(f"{name:42} {said}", flush=True)
    return int(bool(missed))


def _seeds_to_find(name: str, chosen: argparse.Namespace) -> tuple[str, Any]:
    """Run what is known to find it; if it no longer does, the same profile from its first seed on."""
    from tests.simulation.bugs import BUGS
    from tests.simulation.run import simulate

    known = BUGS[name]
    for seed in (known.seed or 1, *range(1, chosen.within + 1)):
        result = simulate(seed, known.profile, chosen.steps or known.steps, bug=name)
        if result.error:
            break
    return f"{known.profile} {seed}", result


if __name__ == "__main__":
    sys.exit(main())
