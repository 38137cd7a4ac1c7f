"""Pages about some days: their address says which, what they are compared with, a currency and a grouping."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.functional import cached_property

from financial import conf, reports
from financial.reports.periods import COMPARISONS, day_of, fitting_group, usual_group
from financial.views.base import StaffView

CUSTOM = "custom"
DAYS = ("period", "end", "from", "to")  # what an address says of the days; the rest stays when they change


@dataclass(frozen=True)
class Choice:
    """One link of a row of choices; `query` is the address it leads to."""

    label: str
    query: str
    is_current: bool


@dataclass(frozen=True)
class Steps:
    """Where the same length leads back and forth in time; empty where it leads nowhere."""

    earlier: str
    later: str


def asked(period: reports.Period) -> dict[str, str]:
    """Return what an address says to have these days."""
    if period.key == CUSTOM and period.start:
        return {"from": period.start.isoformat(), "to": period.last.isoformat()}
    return {"period": period.key, **({"end": period.last.isoformat()} if period.is_past else {})}


def period_asked(query: Mapping[str, str], today: dt.date) -> reports.Period:
    """Return the period an address names; without one the newest 30 days."""
    return reports.period_of(query.get("period", ""), today, day_of(query.get("end", "")), query.get("compare", ""))


class PeriodPage(StaffView):
    """A page whose address picks a period, a currency and a grouping."""

    kept: tuple[str, ...] = ("period", "end", "compare", "currency", "group")

    @cached_property
    def today(self) -> dt.date:
        return timezone.now().astimezone(conf.time_zone()).date()

    @cached_property
    def period(self) -> reports.Period:
        return period_asked(self.request.GET, self.today)

    def currency(self, books: reports.Books) -> str:
        wanted = self.request.GET.get("currency", "").lower()
        return wanted if wanted in books.currencies else (books.currencies or ("usd",))[0]

    def group(self, start: dt.date | None) -> reports.Group:
        wanted = self.request.GET.get("group", "")
        group = reports.Group(wanted) if wanted in list(reports.Group) else usual_group(self.period)
        return fitting_group(start or self.today, self.period.end, group)

    def address(self, *, without: Iterable[str] = (), **changes: str) -> str:
        """Return the address of this page with some parts changed or left out, and the others as they are."""
        left_out = {*without, *changes}
        same = {
            name: self.request.GET[name] for name in self.kept if self.request.GET.get(name) and name not in left_out
        }
        return "?" + urlencode({**same, **changes})

    def choices(self, name: str, options: Iterable[tuple[str, str]], current: str) -> list[Choice]:
        """Return links that change one part of the address and keep the others."""
        without = DAYS if name == "period" else ()
        return [Choice(label, self.address(without=without, **{name: key}), key == current) for key, label in options]

    def of_days(self, first: dt.date | None) -> dict[str, Any]:
        """Return what templates need to show the days and to lead to others; before `first` there is nothing to see."""
        period, start = self.period, self.period.start
        earlier = period.earlier(self.today) if not (first and start) or start > first else None
        later = period.later(self.today)
        return {
            "period": period,
            "compared": period.before(),
            "periods": self.choices("period", reports.PERIODS, "" if period.is_past else period.key),
            "steps": Steps(*(self.address(without=DAYS, **asked(step)) if step else "" for step in (earlier, later))),
            "comparisons": self.choices("compare", COMPARISONS, period.compare) if start else [],
        }

    def file_query(self, **parts: str) -> str:
        """Return the query of the file of what is on the screen."""
        return self.address(**parts, csv="1").removeprefix("?")


def first_day(books: reports.Books) -> dt.date | None:
    """Return the first day with a figure in any currency."""
    return min((day for code in books.currencies if (day := books.first_day(code))), default=None)
