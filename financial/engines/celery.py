"""Celery, for more than one machine, with PostgreSQL. A message only says "look": what to do is in the rows.

A lost message costs time and nothing else, for `celery beat` sends one every 15 seconds; a worker that dies is replaced by
whoever looks after its lease. Run `celery -A studio.worker worker --beat` (docs/operations.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from financial import conf
from financial.engines.attendant import Attendant

logger = logging.getLogger("financial.stripe_services.engine")
LOOK_EVERY_SECONDS = 15.0
QUIET_SECONDS = 5.0  # after a broker that was away
CONNECT_SECONDS = 2.0

app = Celery("financial")
app.conf.update(
    broker_url=conf.get("BROKER_URL"),
    broker_connection_timeout=CONNECT_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker waits for its broker for ever
    broker_transport_options={"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": 30, "max_retries": 0},
    task_acks_late=True,  # a message is done when its work is
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_publish_retry=False,
    task_default_queue=conf.get("QUEUE"),
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,  # else two workers of one machine lock each other out of RabbitMQ
    beat_scheduler="celery.beat:Scheduler",  # one rhythm, nothing to remember
    beat_schedule={
        f"{name} every {LOOK_EVERY_SECONDS:g} s": {
            "task": f"financial.{name}",
            "schedule": LOOK_EVERY_SECONDS,
            "options": {"expires": LOOK_EVERY_SECONDS},
        }
        for name in ("sweep", "chores")
    },
)


@app.task(name="financial.sweep")
def sweep() -> None:
    """Apply events until none is due."""
    from financial import work

    _exhaust(work.apply_events)


@app.task(name="financial.chores")
def chores() -> None:
    """Run syncs and send mails until none is due."""
    from financial import work

    _exhaust(work.do_chores)


def _exhaust(part: Callable[[], bool]) -> None:
    while part():
        pass


def _send() -> bool:
    try:
        with app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
            _publish(connection)
    except (OperationalError, OSError) as error:
        logger.warning("broker away, the work waits in its rows: %s", type(error).__name__)
        time.sleep(QUIET_SECONDS)
    return False


def _publish(connection: Any) -> None:
    for task in (sweep, chores):
        task.apply_async(connection=connection, retry=False, expires=LOOK_EVERY_SECONDS)


SENDER = Attendant("financial-celery", _send)


def wake() -> None:
    """Have a message sent by a thread of this process: whoever stores an event does not wait for the broker."""
    SENDER.ring()
