"""How much goes wrong in one run: whole profiles drawn per seed, for one medium profile would never show the extremes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

SWARM = "swarm"


@dataclass(frozen=True)
class Chaos:
    """Chances per occasion. `delay_steps` and `clog_steps` are the longest pauses; `busy` is how often the account moves."""

    drop: float = 0.0
    lose: float = 0.0
    duplicate: float = 0.0
    ack_lost: float = 0.0
    delay_steps: int = 0
    fault: float = 0.0
    crash: float = 0.0
    clog: float = 0.0
    clog_steps: int = 300
    switch: float = 0.02
    busy: float = 0.05
    jump: float = 0.0
    sync_every_minutes: int = 3
    batch: int = 8
    full_sync: float = 0.1

    def fault_rules(self) -> list[dict[str, Any]]:
        """Return the sandbox's rules for its own API, all kinds together as likely as `fault`."""
        kinds = ("rate_limit", "lock_timeout", "error_before", "error_after", "drop_after", "truncate")
        return [{"kind": kind, "probability": self.fault / len(kinds)} for kind in kinds] if self.fault else []


PROFILES: dict[str, Chaos] = {
    "calm": Chaos(),
    "races": Chaos(full_sync=0.5, clog=0.4, switch=0.3, duplicate=0.1, delay_steps=50, busy=0.1),
    "lossy": Chaos(drop=0.4, lose=0.1, duplicate=0.1, ack_lost=0.3, delay_steps=400, jump=0.003),
    "faulty": Chaos(fault=0.2, ack_lost=0.05, clog=0.1, jump=0.002),
    "crashing": Chaos(crash=0.04, duplicate=0.1, clog=0.1, jump=0.002),
    "contended": Chaos(full_sync=1.0, clog=0.5, clog_steps=80, switch=0.3, busy=0.25, batch=32),
    "broken": Chaos(fault=0.5, busy=0.1),
    "silent": Chaos(lose=0.6, clog=0.3, switch=0.1, busy=0.12, sync_every_minutes=1, full_sync=0.0),
    "patient": Chaos(jump=0.02, busy=0.08, full_sync=0.0),
    "restless": Chaos(crash=0.08, jump=0.01, busy=0.08, full_sync=0.0),
    "storm": Chaos(
        drop=0.4, lose=0.1, duplicate=0.4, ack_lost=0.3, delay_steps=400, fault=0.2, crash=0.02, clog=0.4, switch=0.2,
        jump=0.003,
    ),
}  # fmt: skip


def chaos(profile: str, seed: int) -> Chaos:
    """Return a profile by name; "swarm" draws one from the seed.

    Raises:
        KeyError: there is none of that name.
    """
    if profile != SWARM:
        return PROFILES[profile]
    dice = Random(f"profile {seed}")
    return Chaos(
        drop=dice.choice((0, 0.1, 0.4)),
        lose=dice.choice((0, 0.02, 0.1)),
        duplicate=dice.choice((0, 0.1, 0.4)),
        ack_lost=dice.choice((0, 0.05, 0.3)),
        delay_steps=dice.choice((0, 50, 400)),
        fault=dice.choice((0, 0.02, 0.2)),
        crash=dice.choice((0, 0.01, 0.05)),
        clog=dice.choice((0.03, 0.1, 0.4)),
        switch=dice.choice((0, 0.02, 0.3)),
        busy=dice.choice((0.02, 0.05, 0.12)),
        jump=dice.choice((0, 0.001, 0.004)),
        sync_every_minutes=dice.choice((1, 3, 10)),
        batch=dice.choice((1, 4, 32)),
        full_sync=dice.choice((0, 0.1, 0.5)),
    )
