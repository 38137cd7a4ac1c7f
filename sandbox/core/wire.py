"""JSON bytes: compact, key order kept, the same bytes for the same values."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """Return compact JSON."""
    return orjson.dumps(value)


def pretty(value: Any) -> bytes:
    """Return indented JSON, as Stripe prints errors."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def loads(data: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON.
    """
    return orjson.loads(data)
