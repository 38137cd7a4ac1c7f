"""Pull an account through the line: read several collections at once, store, link, book, prove.

`runs` is the life of a run, `spans` what is left to read, `reading` the threads that read, `pulling` the order of steps,
`proof` whether anything is missing, `catchup` what changed since.
"""

from __future__ import annotations

from financial.sync.pulling import Listener, perform
from financial.sync.runs import bury_dead_runs, claim, refuse, request

__all__ = ["Listener", "bury_dead_runs", "claim", "perform", "refuse", "request"]
