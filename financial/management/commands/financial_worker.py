"""`manage.py financial_worker`: apply webhooks and run syncs outside the web server. Any number may run at once."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from financial import work

LOOK_EVERY_SECONDS = 2.0


class Command(BaseCommand):
    help = "Apply stored webhooks and run requested syncs until stopped (SIGTERM or Ctrl-C)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end as soon as nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            signal.signal(signal.SIGINT, lambda *_: stop.set())
        while not stop.is_set():
            close_old_connections()
            if work.once():
                continue
            if options["once"]:
                return
            stop.wait(LOOK_EVERY_SECONDS)
        self.stdout.write("Stopped; what is left waits in its rows.")
