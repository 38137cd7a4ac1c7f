"""The studio's Celery app: `celery -A studio.worker worker --beat`. Needs the extra `celery` (docs/operations.md)."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

from financial.engines.celery import app  # noqa: E402  # reads the settings

__all__ = ["app"]
