"""Functions that timelines run later, by name, so that a snapshot can hold them."""

from __future__ import annotations

from collections.abc import Callable

TASKS: dict[str, Callable[..., None]] = {}


def task(function: Callable[..., None]) -> Callable[..., None]:
    """Register a function under its own name.

    Raises:
        ValueError: the name is taken.
    """
    if function.__name__ in TASKS:
        raise ValueError(f"two tasks are called {function.__name__}")
    TASKS[function.__name__] = function
    return function
