"""A daemon thread that answers a bell; each process has its own, started at the first ring, also after a fork."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

logger = logging.getLogger("financial.stripe_services.engine")


class Attendant:
    """`answer` does some work and says whether there may be more. It is also asked every so many seconds, if any.

    Whatever it raises is logged, and the work, which waits in rows, is tried again at the next ring or look.
    """

    def __init__(self, name: str, answer: Callable[[], bool], *, every_seconds: float | None = None) -> None:
        self.name = name
        self._answer = answer
        self._every = every_seconds
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._thread: tuple[int, threading.Thread] | None = None

    def ring(self) -> None:
        """Wake the thread; start it if this process has none yet. Never waits for the answer."""
        self._bell.set()
        with self._lock:
            if self._thread is None or self._thread[0] != os.getpid() or not self._thread[1].is_alive():
                thread = threading.Thread(target=self._attend, name=self.name, daemon=True)
                self._thread = (os.getpid(), thread)
                thread.start()

    def _attend(self) -> None:
        while True:
            self._bell.wait(self._every)
            self._bell.clear()
            try:
                while self._answer():
                    pass
            except Exception:
                logger.exception("%s: the work stays in its rows and is tried again.", self.name)
