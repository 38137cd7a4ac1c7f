"""Runs that once failed, for ever part of every batch: one `seed profile steps` a line, then why it is there."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("regressions.txt")


def regressions() -> list[tuple[int, str, int]]:
    lines = [line.split() for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    return [(int(seed), profile, int(steps)) for seed, profile, steps, *_ in lines]
