"""Threads that fetch pages of several collections at once, for one thread that writes them.

A reader that has its answer asks for the next page at once, whatever the writer is doing, so network and database work
side by side. So many pages wait to be written and no more. Knows spans and a gateway; no database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

from financial.errors import FinancialError, PermissionRefused, RequestRefused
from financial.mirror.translate import created_second
from financial.sync.spans import BEGINNING, Board, Span, dump

if TYPE_CHECKING:
    from financial.gateway import Page, StripeGateway
    from financial.mirror.resources import Resource

RESTARTS_MAX = 3
THREADS_PER_COLLECTION = 8  # 25 requests a second of a third of a second each; more would only cut finer
HEARTBEAT_SECONDS = 5.0
BACKLOG = 16  # pages that wait to be written
SECONDS_TO_WRITE_A_PAGE = 0.01
THREADS_AT_LEAST = 3


class ReadingEnded(FinancialError):
    """Nothing more can be read; names the resource at which it was noticed, the cause is `__cause__`."""


@dataclass(slots=True)
class Collection:
    """One resource's listing: what is left of it, and why it ended early, if it did."""

    resource: Resource
    board: Board
    asked: int = 0  # not answered yet
    untaken: int = 0  # asked or answered, but not handed out yet
    restarts: int = 0
    is_open: bool = True
    error: Exception | None = None

    @property
    def is_finished(self) -> bool:
        return self.error is not None or (self.board.is_finished and not self.untaken)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A page that came, the counter value drawn before it was asked for, when it was answered, and what is left then.

    `left` is a checkpoint: pages that were answered later are still in it. `again` of the items were shown by the other side
    of a border before; a second look shows again what was shown before.
    """

    collection: Collection
    items: list[dict[str, Any]]
    seen: int
    shown_at: datetime
    left: list[list[object]]
    again: int = 0
    is_second_look: bool = False


_Answer = Delivery | tuple[Collection, Exception | None]


@dataclass(slots=True)
class Reader:
    """Iterate to get deliveries; set `seen` to a counter value drawn since, whenever there is one."""

    gateway: StripeGateway
    collections: Sequence[Collection]
    seen: int
    threads: int
    _answers: SimpleQueue[_Answer] = field(default_factory=SimpleQueue)
    _lock: Lock = field(default_factory=Lock)  # guards boards, counts and the order of answers
    _asked: int = 0
    _is_ending: bool = False
    _seconds: float = float("inf")  # an answer takes at best, of late

    def __iter__(self) -> Iterator[Delivery | None]:
        """Yield pages as they come, and None where nothing came for a while.

        Raises:
            ReadingEnded: for whatever ends all reading; a missing permission only ends its collection.
        """
        with ThreadPoolExecutor(self.threads, thread_name_prefix="financial-read") as pool:
            try:
                while self._goes_on(pool):
                    yield self._next()
            finally:
                with self._lock:
                    self._is_ending = True
                pool.shutdown(wait=False, cancel_futures=True)

    def _goes_on(self, pool: ThreadPoolExecutor) -> bool:
        with self._lock:
            self._fill(pool)
            return bool(self._asked) or not self._answers.empty()

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        """Hand out spans, always to the collection with the fewest readers, until no more are worth it. Holds the lock."""
        hungry = [collection for collection in self.collections if collection.is_open]
        while hungry and self._asked < self._room() and self._answers.qsize() < BACKLOG and not self._is_ending:
            collection = min(hungry, key=lambda one: one.asked)
            span = collection.board.take() if collection.asked < THREADS_PER_COLLECTION else None
            if span is None:
                hungry.remove(collection)
                continue
            self._asked += 1
            collection.asked += 1
            collection.untaken += 1
            pool.submit(self._fetch, pool, collection, span, _query(collection.resource, span), span.after, self.seen)

    def _room(self) -> int:
        """As many readers as can be kept busy: the faster the answers, the fewer, for more would hinder the writer."""
        return min(self.threads, THREADS_AT_LEAST + int(min(self._seconds, 60) / SECONDS_TO_WRITE_A_PAGE))

    # In the reader's thread

    def _fetch(
        self,
        pool: ThreadPoolExecutor,
        collection: Collection,
        span: Span,
        query: dict[str, Any],
        after: str,
        seen: int,
    ) -> None:
        began = time.monotonic()
        try:
            answer: Page | Exception = self.gateway.list_page(collection.resource.path, query, after=after)
        except Exception as error:  # handed to the thread that decides
            answer = error
        with self._lock:
            self._seconds = min(time.monotonic() - began, self._seconds * 1.05)
            self._asked -= 1
            collection.asked -= 1
            self._answers.put(self._taken_in(collection, span, seen, answer))
            self._fill(pool)

    def _taken_in(self, collection: Collection, span: Span, seen: int, answer: Page | Exception) -> _Answer:
        """Note the answer on the board, so that the next page can be asked for before this one is written."""
        span.is_taken = False
        if not isinstance(answer, Exception):
            board, created = collection.board, [created_second(item) for item in answer.items]
            again = board.witness(span, zip(created, (str(item["id"]) for item in answer.items), strict=True))
            board.advance(span, created, answer.next_after)
            return Delivery(
                collection, answer.items, seen, answer.shown_at, dump(board), again, is_second_look=span.is_second_look
            )
        lost_cursor = isinstance(answer, RequestRefused) and answer.param == "starting_after"
        if lost_cursor and collection.restarts < RESTARTS_MAX:
            collection.restarts += 1
            collection.board.restart(span)
            return collection, None
        collection.is_open = False
        self._is_ending = self._is_ending or not isinstance(answer, PermissionRefused)
        return collection, answer

    # In the writer's thread

    def _next(self) -> Delivery | None:
        try:
            answer = self._answers.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return None
        collection, error = (answer.collection, None) if isinstance(answer, Delivery) else answer
        with self._lock:
            collection.untaken -= 1
        if isinstance(answer, Delivery):
            return answer
        if isinstance(error, PermissionRefused):
            collection.error = error
        elif error is not None:
            raise ReadingEnded(f"{collection.resource.name}: {error}") from error
        return None


def _query(resource: Resource, span: Span) -> dict[str, Any]:
    query: dict[str, Any] = {**resource.list_params}
    if span.oldest > BEGINNING:
        query["created[gte]"] = span.oldest
    if not span.is_open:
        query["created[lte]"] = span.newest
    return query
