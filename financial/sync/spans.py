"""Which stretches of time are left to read of one collection, and how they are split among readers. Pure.

A span is a closed range of whole seconds of `created`, read newest first; its cursor walks within it, so a second is never
cut, however many objects it holds. A reader that has nothing left takes the older part of the span that promises the
most rows: the split follows the data, not the calendar, and costs about half a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt

WORTH_SPLITTING_ROWS = 400
PAGE_ROWS = 100
BEGINNING = 0  # 1970, before everything


@dataclass(slots=True)
class Span:
    """What remains: objects created from `oldest` to `newest` (unix seconds, both included) after the cursor `after`.

    An open span has no upper bound yet: nothing of it was read.
    """

    oldest: int
    newest: int
    after: str = ""
    is_open: bool = False
    rows_per_second: float = 0.0
    is_taken: bool = False
    pages: int = 0

    @property
    def expected_rows(self) -> float:
        return self.rows_per_second * (self.newest - self.oldest)


@dataclass(slots=True)
class Board:
    """The spans of one collection that are not read to their end."""

    spans: list[Span]
    slices: int = 1

    def take(self) -> Span | None:
        """Return a span to read: a waiting one, else the older part of the most promising; None if there is no point."""
        free = next((span for span in self.spans if not span.is_taken), None) or self._split()
        if free is not None:
            free.is_taken = True
        return free

    def _split(self) -> Span | None:
        started = [span for span in self.spans if span.pages and span.newest - span.oldest > 1]
        best = max(started, key=lambda span: span.expected_rows, default=None)
        if best is None or best.expected_rows < WORTH_SPLITTING_ROWS:
            return None
        middle = best.newest - _kept_seconds(best)
        older = Span(best.oldest, middle, rows_per_second=best.rows_per_second, pages=0)
        best.oldest = middle + 1
        self.spans.append(older)
        self.slices += 1
        return older

    def advance(self, span: Span, created: Sequence[int], next_after: str) -> bool:
        """Note a page of `span` that was delivered, newest first; True if the span goes on."""
        span.pages += 1
        if not next_after or not created or created[-1] < span.oldest:
            self.spans.remove(span)
            return False
        span.newest, span.after, span.is_open = created[-1], next_after, False
        span.rows_per_second = len(created) / (created[0] - created[-1] + 1)
        return True

    def restart(self, span: Span) -> None:
        """The object the cursor named is gone: read on from its second, all of it again."""
        span.after = ""


def _kept_seconds(span: Span) -> int:
    """Return how much a span keeps when it is split: the geometric mean of one page's time and of all that is left.

    Half would follow the calendar: where rows came in a burst, thief after thief would find an empty half.
    """
    left = span.newest - span.oldest
    return max(1, min(left - 1, isqrt(int(left * PAGE_ROWS / span.rows_per_second))))


def fresh(now: int) -> Board:
    """Return the board of a collection of which nothing was read."""
    return Board([Span(BEGINNING, now, is_open=True)])


def since(oldest: int, now: int) -> Board:
    """Return the board of what was created from `oldest` on."""
    return Board([Span(oldest, now, is_open=True)])


def dump(board: Board) -> list[list[object]]:
    """Return what is left as plain JSON values, for a checkpoint."""
    return [[span.oldest, span.newest, span.after, span.is_open] for span in board.spans]


def load(checkpoint: Iterable[Sequence[object]]) -> Board | None:
    """Return the board of a checkpoint, None where there is nothing to go on with."""
    left = [
        Span(int(str(oldest)), int(str(newest)), str(after), bool(is_open))
        for oldest, newest, after, is_open in checkpoint
    ]
    return Board(left, slices=len(left)) if left else None
