"""What is mirrored of each kind of object: how many, read when, complete up to when, and what went wrong last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from financial.models import MIRROR_MODELS, StripeCredential, SyncRun, SyncStep
from financial.paging import BoundedCount, CountUpTo
from financial.reports.cached import cached

COUNT_MAX = 100_000


@dataclass(frozen=True)
class Mirrored:
    """One kind of object. `step` is its latest reading, `covers_until` up to when nothing of it is missing here."""

    resource: str
    rows: BoundedCount
    step: SyncStep | None
    covers_until: dt.datetime | None
    now: dt.datetime

    @property
    def lag(self) -> dt.timedelta | None:
        return max(self.now - self.covers_until, dt.timedelta(0)) if self.covers_until else None

    @property
    def left(self) -> int:
        """How many stretches of time are left to read: what a run that failed goes on with."""
        return len(self.step.spans) if self.step and self.step.state != SyncRun.State.DONE else 0


def mirrored(
    credential: StripeCredential, runs: Iterable[SyncRun], resources: Iterable[str], now: dt.datetime
) -> tuple[Mirrored, ...]:
    """Return one row per kind, in the order of `resources`; `runs` are the latest ones with their steps.

    One query, none but the state's when kept.
    """
    counts = cached("mirrored", credential, lambda: _counted(credential))
    steps: dict[str, SyncStep] = {}
    covered: dict[str, dt.datetime] = {}
    for run in runs:
        for step in run.steps.all():
            steps.setdefault(step.resource, step)
            if run.state == SyncRun.State.DONE and run.kind != SyncRun.Kind.VERIFY and run.covers_until:
                covered.setdefault(step.resource, run.covers_until)
    return tuple(
        Mirrored(name, BoundedCount(number, COUNT_MAX), steps.get(name), covered.get(name), now)
        for name, number in zip(resources, counts, strict=True)
    )


def _counted(credential: StripeCredential) -> tuple[int, ...]:
    counts = [CountUpTo(model.objects.of(credential), COUNT_MAX) for model in MIRROR_MODELS]
    numbers: tuple[int, ...] = StripeCredential.objects.filter(pk=credential.pk).values_list(*counts).get()
    return numbers
