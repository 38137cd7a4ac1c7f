"""The default: one daemon thread of the server process works through the rows. Any number of processes may."""

from __future__ import annotations

import logging
import os
import threading

from django.db import Error, close_old_connections

logger = logging.getLogger("financial.stripe_services.engine")
LOOK_EVERY_SECONDS = 5.0

_bell = threading.Event()
_lock = threading.Lock()
_thread: tuple[int, threading.Thread] | None = None


def wake() -> None:
    """Ring the bell; start the thread if this process has none yet, also after a fork."""
    global _thread
    with _lock:
        if _thread is None or _thread[0] != os.getpid() or not _thread[1].is_alive():
            _thread = (os.getpid(), threading.Thread(target=_run, name="financial", daemon=True))
            _thread[1].start()
    _bell.set()


def _run() -> None:
    from financial import work

    while True:
        _bell.clear()
        try:
            close_old_connections()
            busy = work.once()
        except Error:
            busy = False
            logger.exception("The database refused; the work stays in its rows and is tried again.")
        except Exception:
            busy = False
            logger.exception("Unexpected; the work stays in its rows and is tried again.")
        if not busy:
            close_old_connections()
            _bell.wait(LOOK_EVERY_SECONDS)
