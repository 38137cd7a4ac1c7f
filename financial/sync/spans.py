"""Which stretches of time are left to read of one collection, and how they are split among readers. Pure.

A span is a closed range of whole seconds of `created`, read newest first; its cursor walks within it, so a second is never
cut, however many objects it holds. A reader that has nothing left takes the older part of the span that promises the
most rows: the split follows the data, not the calendar, and costs about half a page.

Seconds at a border are read twice, to see that nothing fell between. The second of a split belongs to both spans; and
where one page did not show everything, the second of the newest object is read again at the end, with all made since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isqrt

WORTH_SPLITTING_ROWS = 400
PAGE_ROWS = 100
BEGINNING = 0  # 1970, before everything
NOWHERE = -1


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
    is_second_look: bool = False
    border: int = NOWHERE  # the second it shares with the span it was split from, at its newest

    @property
    def expected_rows(self) -> float:
        return self.rows_per_second * (self.newest - self.oldest)


@dataclass(slots=True)
class Border:
    """The objects of one second, as the spans on both sides of it showed them."""

    newer: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)

    @property
    def torn(self) -> int:
        """How many were shown to one side only."""
        return len(self.newer ^ self.older)


@dataclass(slots=True)
class Board:
    """The spans of one collection that are not read to their end, and the borders between those that were split.

    `newest` is the second of the newest object that was delivered, until it is read again.
    """

    spans: list[Span]
    slices: int = 1
    borders: dict[int, Border] = field(default_factory=dict)
    newest: int = NOWHERE
    second_looks: int = 0

    @property
    def is_finished(self) -> bool:
        return not self.spans and self.newest == NOWHERE

    @property
    def reread(self) -> int:
        """The number of seconds that were read twice."""
        return len(self.borders) + self.second_looks

    @property
    def torn(self) -> int:
        """How many objects of border seconds were shown to one side only."""
        return sum(border.torn for border in self.borders.values())

    def take(self) -> Span | None:
        """Return a span to read: a waiting one, else the older part of the most promising; None if there is no point."""
        waiting = next((span for span in self.spans if not span.is_taken), None)
        free = waiting or self._split() or self._second_look()
        if free is not None:
            free.is_taken = True
        return free

    def _second_look(self) -> Span | None:
        """As late as it goes without a reader waiting for it: when what is left should end with the pages under way."""
        if self.newest == NOWHERE or any(span.expected_rows > PAGE_ROWS for span in self.spans):
            return None
        again = Span(self.newest, self.newest, is_open=True, is_second_look=True)
        self.newest = NOWHERE
        self.second_looks += 1
        self.spans.append(again)
        return again

    def _split(self) -> Span | None:
        started = [
            span for span in self.spans if span.pages and span.newest - span.oldest > 1 and not span.is_second_look
        ]
        best = max(started, key=lambda span: span.expected_rows, default=None)
        if best is None or best.expected_rows < WORTH_SPLITTING_ROWS:
            return None
        middle = best.newest - _kept_seconds(best)
        older = Span(best.oldest, middle, rows_per_second=best.rows_per_second, border=middle)
        best.oldest = middle
        self.borders[middle] = Border()
        self.spans.append(older)
        self.slices += 1
        return older

    def witness(self, span: Span, shown: Iterable[tuple[int, str]]) -> int:
        """Note what a page of `span` showed at borders, as (second, id), and return how much of it the other side had."""
        again = 0
        for second, stripe_id in shown:
            border = self.borders.get(second)
            if border is not None:
                here, there = (border.older, border.newer) if second == span.border else (border.newer, border.older)
                again += stripe_id in there
                here.add(stripe_id)
        return again

    def advance(self, span: Span, created: Sequence[int], next_after: str) -> bool:
        """Note a page of `span` that was delivered, newest first; True if the span goes on."""
        if span.is_open and created and next_after and not span.is_second_look:
            self.newest = max(self.newest, created[0])
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
    left: list[list[object]] = [[span.oldest, span.newest, span.after, span.is_open] for span in board.spans]
    return left if board.newest == NOWHERE else [*left, [board.newest, board.newest, "", True]]


def load(checkpoint: Iterable[Sequence[object]]) -> Board | None:
    """Return the board of a checkpoint, None where there is nothing to go on with."""
    left = [
        Span(int(str(oldest)), int(str(newest)), str(after), bool(is_open))
        for oldest, newest, after, is_open in checkpoint
    ]
    return Board(left, slices=len(left)) if left else None
