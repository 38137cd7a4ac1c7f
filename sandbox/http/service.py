"""A world that several threads share: its lock, its real seconds, its webhook sender."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

import urllib3

from sandbox.core import Request, Response, World, handle
from sandbox.core.api import broken
from sandbox.core.deliveries import Sending, sending

SEND_TIMEOUT_SECONDS = 15.0
MAX_ROUNDS = 50


class Service:
    """Answers calls and sends webhooks for one world.

    Unless `frozen`, the world's clock runs with real seconds from where it stood.
    """

    def __init__(self, world: World, *, frozen: bool = False, wall: Callable[[], float] = time.time) -> None:
        self.world = world
        self.lock = threading.RLock()
        self.frozen = frozen
        self._wall = wall
        self._offset = world.main.now - wall()
        self._sending = threading.Lock()
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=SEND_TIMEOUT_SECONDS))

    def tick(self) -> None:
        """Let the world catch up with real time."""
        with self.lock:
            self.world.tick(None if self.frozen else self._wall() + self._offset)

    def advance(self, seconds: float) -> None:
        """Move the world's clock forward on top of real time."""
        with self.lock:
            self._offset += seconds
            self.world.advance(seconds)

    def handle(self, request: Request) -> Response:
        """Answer one API call."""
        with self.lock:
            self.tick()
            try:
                return handle(self.world, request)
            except Exception:  # a bug of ours: say so like Stripe would, and where it can be seen
                traceback.print_exc()
                return broken(self.world, request)

    def deliver(self, *, everything: bool = False) -> int:
        """Send all webhooks that are due, and those their receivers cause; return how many were sent.

        With `everything`, also those that wait for a later moment (retries, late ones).
        """
        total = 0
        with self._sending:
            for _ in range(MAX_ROUNDS):
                batch = self._due(everything)
                if not batch:
                    break
                for one in batch:
                    self._send(one)
                total += len(batch)
                everything = False
        return total

    def _due(self, everything: bool) -> list[Sending]:
        with self.lock:
            self.tick()
            self.world.outbox.prune()
            ready = []
            for delivery in self.world.outbox.due(self.world.main.now, everything=everything):
                built = sending(self.world, delivery, int(self._wall()))
                if built is None:
                    self.world.outbox.drop(delivery.id)
                else:
                    ready.append(built)
            return ready

    def _send(self, one: Sending) -> None:
        try:
            answer = self._http.request("POST", one.url, body=one.body, headers=one.headers, redirect=False)
            status = answer.status
        except (urllib3.exceptions.HTTPError, OSError):
            status = 0
        with self.lock:
            self.world.outbox.record(self.world, one.delivery, status)
