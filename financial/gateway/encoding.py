"""Bodies as Stripe reads them: nested names in brackets, booleans in small letters. Pure.

Stripe: https://docs.stripe.com/api#intro
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def form(value: Any) -> Any:
    """Return a body with booleans as Stripe writes them; the SDK's 10.0 would send Python's `True`."""
    if isinstance(value, Mapping):
        return {name: form(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [form(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else value


def flat(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a body as the pairs of a form: `items[0][price]=price_1`."""
    return [pair for name, value in body.items() for pair in _pairs(name, form(value))]


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _pairs(f"{name}[{place}]", inner)
    elif value is not None:
        yield name, str(value)
