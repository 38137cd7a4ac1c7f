"""Who applies what webhooks stored and runs the syncs that were asked for.

The rows are the truth; an engine only wakes whoever works on them. An engine is a module with `wake()`.
"""

from __future__ import annotations

import logging
from importlib import import_module

from financial import conf

logger = logging.getLogger("financial.stripe_services.engine")


def wake() -> None:
    """Tell the configured engine that there is work; never fails, since the work is safe in its row."""
    try:
        import_module(f"financial.engines.{conf.get('ENGINE')}").wake()
    except Exception:
        logger.exception("engine=%s cannot be woken; the work waits in its rows.", conf.get("ENGINE"))
