"""The sandbox's state machine: pure Python, no HTTP, no wall clock, no global dice."""

from __future__ import annotations

from .api import Request, Response, handle
from .settings import OLD, PINNED, VERSIONS, Settings
from .world import World

__all__ = ["OLD", "PINNED", "VERSIONS", "Request", "Response", "Settings", "World", "handle"]
