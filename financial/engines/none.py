"""Nobody in this process works; `manage.py financial_worker` does, within seconds."""

from __future__ import annotations


def wake() -> None:
    """Do nothing."""
