"""Days in words."""

from __future__ import annotations

import datetime as dt

from django.utils import translation

from financial.days import day_text

DAY = dt.date(2026, 10, 3)


def test_days_are_written_as_templates_write_them():
    assert day_text(DAY) == day_text(dt.datetime(2026, 10, 3, 23, 59, tzinfo=dt.UTC)) == "3 Oct 2026"
    assert (day_text(DAY, "j M"), day_text(DAY, "F Y")) == ("3 Oct", "October 2026")


def test_months_have_their_names_in_the_language_of_the_visitor():
    assert day_text(DAY, "F") == "October"
    with translation.override("de"):
        assert day_text(DAY, "F") == "Oktober"
