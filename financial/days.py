"""How days are written: with the names of months in the visitor's language, each text made once. Knows no models."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from django.utils.formats import date_format
from django.utils.translation import get_language

KEPT = 4096  # a page of a year by day writes some hundred


def day_text(moment: dt.date, pattern: str = "j M Y") -> str:
    """Return a day in words, `3 Oct 2026`; other patterns as in Django's templates, of days alone: `j M`, `F Y`."""
    day = moment.date() if isinstance(moment, dt.datetime) else moment
    return _text(day, pattern, get_language())


@lru_cache(maxsize=KEPT)
def _text(day: dt.date, pattern: str, language: str | None) -> str:
    text: str = date_format(day, pattern)
    return text
