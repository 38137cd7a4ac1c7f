"""What the last verification of the books found, invariant by invariant, as it was kept then."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from financial.models import BooksCheck, StripeCredential


@dataclass(frozen=True)
class Compared:
    """Two amounts that had to be equal; minor units of `currency`."""

    what: str
    currency: str
    booked_minor: int
    expected_minor: int

    @property
    def holds(self) -> bool:
        return self.booked_minor == self.expected_minor


@dataclass(frozen=True)
class Invariant:
    """One invariant. `rows` are the first few that broke it, `count` says how many there were."""

    name: str
    title: str
    holds: bool
    figures: tuple[Compared, ...]
    rows: tuple[str, ...]
    count: int

    @property
    def differences(self) -> int:
        """How many rows broke it and how many figures were not equal."""
        return self.count + sum(not figure.holds for figure in self.figures)

    @property
    def unnamed(self) -> int:
        """How many rows broke it beside those that are named."""
        return max(self.count - len(self.rows), 0)


@dataclass(frozen=True)
class Verified:
    """One verification; `invariants` is empty where none were kept, which was so before they could be."""

    at: dt.datetime
    invariants: tuple[Invariant, ...]


def verified(credential: StripeCredential) -> Verified | None:
    """Return what the last verification of all currencies found, None before the first; one query."""
    check = BooksCheck.objects.filter(credential=credential).first()
    return Verified(check.checked_at, tuple(_invariant(kept) for kept in check.found)) if check else None


def _invariant(kept: dict[str, Any]) -> Invariant:
    figures = tuple(Compared(**figure) for figure in kept["figures"])
    return Invariant(**{**kept, "figures": figures, "rows": tuple(kept["rows"])})
