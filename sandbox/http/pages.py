"""placeholder"""

from __future__ import annotations

from .control import Answer


def answer(service, method, parts, query, body):
    return Answer(b"soon", type="text/plain")
