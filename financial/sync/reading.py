"""Threads that fetch pages of several collections at once, for one thread that writes them.

Each page is asked for before the one before it is written, so network and database work side by side. No more pages are
in memory than are in flight. Knows spans and a gateway; no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from financial.errors import FinancialError, PermissionRefused, RequestRefused
from financial.sync.spans import BEGINNING, Board, Span

if TYPE_CHECKING:
    from financial.gateway import Page, StripeGateway
    from financial.mirror.resources import Resource

RESTARTS_MAX = 3
THREADS_PER_COLLECTION = 8
HEARTBEAT_SECONDS = 5.0
BACKLOG = 3  # answers that wait to be written


class ReadingEnded(FinancialError):
    """Nothing more can be read; names the resource at which it was noticed, the cause is `__cause__`."""


@dataclass(slots=True)
class Collection:
    """One resource's listing: what is left of it, and why it ended early, if it did."""

    resource: Resource
    board: Board
    in_flight: int = 0
    restarts: int = 0
    error: Exception | None = None

    @property
    def is_finished(self) -> bool:
        return self.error is not None or not (self.board.spans or self.in_flight)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A page that came, and the counter value drawn before it was asked for."""

    collection: Collection
    items: list[dict[str, Any]]
    seen: int
    span: Span


@dataclass(slots=True)
class Reader:
    """Iterate to get deliveries; set `seen` to a counter value drawn since, whenever there is one."""

    gateway: StripeGateway
    collections: Sequence[Collection]
    seen: int
    threads: int
    _answers: SimpleQueue[tuple[Collection, Span, int, Page | Exception]] = field(default_factory=SimpleQueue)
    _in_flight: int = 0
    _is_waiting: bool = True

    def __iter__(self) -> Iterator[Delivery | None]:
        """Yield pages as they come, and None where nothing came for a while.

        Raises:
            ReadingEnded: for whatever ends all reading; a missing permission only ends its collection.
        """
        with ThreadPoolExecutor(self.threads, thread_name_prefix="financial-read") as pool:
            try:
                self._fill(pool)
                while self._in_flight:
                    delivery = self._next()
                    self._fill(pool)
                    yield delivery
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        """Hand out spans in turn, one to each collection, until every thread has one or nothing is worth it."""
        if self._answers.qsize() >= BACKLOG:  # Stripe is faster than we write: more threads would only be in the way
            return
        hungry = [collection for collection in self.collections if collection.error is None]
        while hungry and self._in_flight < self._room():
            fed = []
            for collection in hungry:
                if self._in_flight >= self._room() or collection.in_flight >= THREADS_PER_COLLECTION:
                    continue
                span = collection.board.take()
                if span is not None:
                    self._ask(pool, collection, span)
                    fed.append(collection)
            hungry = fed

    def _room(self) -> int:
        """As many as there are threads, once it has shown that answers take their time."""
        return self.threads if self._is_waiting else min(self.threads, BACKLOG)

    def _ask(self, pool: ThreadPoolExecutor, collection: Collection, span: Span) -> None:
        self._in_flight += 1
        collection.in_flight += 1
        pool.submit(self._fetch, collection, span, _query(collection.resource, span), span.after, self.seen)

    def _fetch(self, collection: Collection, span: Span, query: dict[str, Any], after: str, seen: int) -> None:
        try:
            answer: Page | Exception = self.gateway.list_page(collection.resource.path, query, after=after)
        except Exception as error:  # handed to the thread that decides
            answer = error
        self._answers.put((collection, span, seen, answer))

    def _next(self) -> Delivery | None:
        try:
            self._is_waiting = self._answers.empty()
            collection, span, seen, answer = self._answers.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return None
        self._in_flight -= 1
        collection.in_flight -= 1
        span.is_taken = False
        if isinstance(answer, Exception):
            self._trouble(collection, span, answer)
            return None
        created = [int(item.get("created") or 0) for item in answer.items]
        collection.board.advance(span, created, answer.next_after)
        return Delivery(collection, answer.items, seen, span)

    def _trouble(self, collection: Collection, span: Span, error: Exception) -> None:
        if isinstance(error, PermissionRefused):
            collection.error = error
            return
        lost_cursor = isinstance(error, RequestRefused) and error.param == "starting_after"
        if not lost_cursor or collection.restarts >= RESTARTS_MAX:
            raise ReadingEnded(f"{collection.resource.name}: {error}") from error
        collection.restarts += 1
        collection.board.restart(span)


def _query(resource: Resource, span: Span) -> dict[str, Any]:
    query: dict[str, Any] = {**resource.list_params}
    if span.oldest > BEGINNING:
        query["created[gte]"] = span.oldest
    if not span.is_open:
        query["created[lte]"] = span.newest
    return query
