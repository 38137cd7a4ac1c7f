"""What every list does: filters, order and place stand in the address; one template draws them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from financial import conf, filters, reports, saved_filters
from financial.errors import NoActiveCredential
from financial.models import (
    MirrorRow,
    StripeCredential,
)
from financial.paging import BoundedCount, InvalidPosition, Page, bounded_count, paginate
from financial.views.base import StaffView
from financial.views.mirror import export, rows

EXPORT_PAGE = 200
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Column:
    """A heading; `sort` is the word for its order in the address, if it has one."""

    label: str
    sort: str = ""
    is_number: bool = False


@dataclass(frozen=True)
class Heading:
    """A column as it stands in this answer: where a click leads, and how it is sorted now."""

    label: str
    is_number: bool
    query: str
    direction: str


@dataclass(frozen=True)
class CurrencySum:
    """One row per currency of the rows found; never added to another."""

    currency: str
    count: int
    amount_minor: int
    received_minor: int


@dataclass(frozen=True)
class Figures:
    """How many rows were found, how many behind each tab, and their sums."""

    count: BoundedCount
    tabs: Mapping[str, BoundedCount]
    sums: list[CurrencySum]


class MirrorList(StaffView):
    """What every list does; a subclass says what it lists."""

    model: ClassVar[type[MirrorRow]]
    filterset: ClassVar[type[filters.MirrorFilter]]
    name: ClassVar[str]
    noun: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    sorts: ClassVar[dict[str, str]]
    more_filters: ClassVar[tuple[str, ...]] = ()
    # Whether nothing but the mirror and the books decides what is found.
    keeps_figures: ClassVar[bool] = False
    # Whether the figure of a tab is enough, which is counted less far than a list.
    is_counted_by_tab: ClassVar[bool] = False
    has_sums: ClassVar[bool] = False
    export_header: ClassVar[tuple[str, ...]] = ()
    # A template outside the table that keeps the filters: swapped along with it, as the tabs are.
    follows: ClassVar[str] = ""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.credential is None:
            raise NoActiveCredential
        return self.listing(request, self.credential)

    def listing(self, request: HttpRequest, credential: Any) -> HttpResponseBase:
        """Answer with the list, a part of it or a file; `credential` is whose rows they are."""
        found = self.filterset(request.GET, self.all_rows(), credential=credential)
        if request.GET.get("format") == "csv":
            return self._export(credential, found)
        context = self._context(credential, found)
        if self._wants_part():
            part = self.fragment("financial/_table.html", {**context, "is_part": True})
            part.headers["HX-Push-Url"] = self._address()
            return part
        return self.page(f"financial/{self.noun}_list.html", context)

    def all_rows(self) -> QuerySet[Any]:
        return rows.light(self.model.objects.of(self.credential))

    def dress(self, credential: StripeCredential, found: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError

    def sums(self, found: QuerySet[Any], count: BoundedCount) -> list[CurrencySum]:
        return []

    def counts(self, credential: StripeCredential | None, found: filters.MirrorFilter) -> Mapping[str, BoundedCount]:
        """Return how many rows are behind each tab, the other filters in force; nothing where that is too many."""
        if credential is None or not found.is_valid():
            return {}
        if not found.chips():
            return reports.tab_counts(self.name, credential, found.behind_tabs())
        asked = self.request.GET.copy()
        asked.pop("status", None)
        of_all_tabs = self.filterset(asked, self.all_rows(), credential=credential)
        rows = of_all_tabs.rows()
        if of_all_tabs.is_common:  # so that SQLite takes the index of a customer, not that of the whole account
            rows = rows.order_by(f"-{self.sorts['date']}", "-pk")
        return reports.tab_counts_of(rows, found.conditions())

    def export_cells(self, row: Any) -> Sequence[Any]:
        raise NotImplementedError

    @property
    def _sort(self) -> tuple[str, bool]:
        """The word and direction of the order asked for; newest first if none is known."""
        asked = self.request.GET.get("sort", "-date")
        word = asked.removeprefix("-")
        return (word, asked.startswith("-")) if word in self.sorts else ("date", True)

    def _page(self, found: QuerySet[Any]) -> tuple[Page[Any], bool]:
        """Return the page asked for, and whether its address was stale and the first page stands in for it."""
        word, descending = self._sort
        order: dict[str, Any] = {
            "field": self.sorts[word], "descending": descending, "size": conf.get("PAGE_SIZE"), "whole": self.all_rows(),
        }  # fmt: skip
        after, before = (self.request.GET.get(name, "") for name in ("after", "before"))
        try:
            return paginate(found, **order, after=after, before=before), False
        except InvalidPosition:
            return paginate(found, **order), True

    def _is_all(self, page: Page[Any]) -> bool:
        """Whether a page holds every row that was found."""
        return not (page.after or self.request.GET.get("after") or self.request.GET.get("before"))

    def _context(self, credential: StripeCredential, found: filters.MirrorFilter) -> dict[str, Any]:
        matching = found.rows()
        page, is_stale = self._page(matching)
        figures = self._figures(credential, found, matching)
        count = figures.count
        if self._is_all(page) and len(page.rows) != count.value:  # something was written between the two questions
            anew = self.filterset(self.request.GET, self.all_rows(), credential=credential)
            page, is_stale = self._page(anew.rows())
        base = filters.without(self.request.GET)
        return {
            **self._saved(found),
            "filter": found,
            "tabs": found.tabs(figures.tabs),
            "chips": found.chips(),
            "filter_errors": found.errors(),
            "is_filtered": bool(found.chips() or self.request.GET.get("status")),
            "shows_more": any(self.request.GET.get(name) for name in self.more_filters),
            "more_filters": self.more_filters,
            "headings": list(self._headings()),
            "rows": self.dress(credential, page.rows),
            "row_template": f"financial/_{self.noun}_row.html",
            "empty_template": f"financial/_no_{self.name}.html",
            "page": page,
            "is_stale": is_stale,
            "count": count,
            "sums": figures.sums,
            "is_beyond_sums": self.has_sums and count.is_more,
            "base": base,
            "sort": self.request.GET.get("sort", ""),
            "follows": self.follows,
            "name": self.name,
            "noun": self.noun,
            "export_query": f"{base}&format=csv" if base else "format=csv",
        }

    def _figures(self, credential: Any, found: filters.MirrorFilter, matching: QuerySet[Any]) -> Figures:
        """Count and add up what was found; kept until something is written, where that can be told."""

        def build() -> Figures:
            chips, tab = found.chips(), found.data.get("status", "")
            if self.is_counted_by_tab and tab and not chips:
                tabs = self.counts(credential, found)
                return Figures(tabs.get(tab) or bounded_count(matching, reports.TABS_MAX), tabs, [])
            count = found.count()
            is_much = bool(chips) and count.value > reports.TABS_MAX
            sums = self.sums(found.countable(matching), count)
            return Figures(count, {} if is_much else self.counts(credential, found), sums)

        return self.kept("list", credential, build)

    def kept(self, what: str, credential: Any, build: Callable[[], Answer]) -> Answer:
        """Keep an answer about the rows found until something is written, where that can be told."""
        if credential is None or not self.keeps_figures:
            return build()
        return reports.cached(f"{what}:{self.name}", credential, build, filters.without(self.request.GET, "sort"))

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """What a saved filter of this list may hold."""
        return (*cls.filterset.base_filters, "sort")

    def _saved(self, found: filters.MirrorFilter) -> dict[str, Any]:
        saved = saved_filters.shown(self.request.user, self.name)
        query = saved_filters.kept(self.request.GET, self.parameters())
        is_known = any(one.query == query for one in saved)
        in_force = bool(found.chips() or self.request.GET.get("status"))
        return {
            "saved": saved,
            "saved_query": query,
            "can_save": in_force and not is_known and found.is_valid(),
            "has_own_saved": any(one.is_mine for one in saved),
        }

    def _headings(self) -> Iterator[Heading]:
        current, descending = self._sort
        rest = filters.without(self.request.GET, "sort")
        for column in self.columns:
            is_current = bool(column.sort) and column.sort == current
            # Numbers and dates begin with the largest, names with A.
            other = not descending if is_current else column.sort != "name"
            sort = f"sort={'-' if other else ''}{column.sort}"
            yield Heading(
                column.label,
                column.is_number,
                (f"{rest}&{sort}" if rest else sort) if column.sort else "",
                ("descending" if descending else "ascending") if is_current else "",
            )

    def _address(self) -> str:
        """Return the address of this answer without the filters left empty."""
        asked = self.request.GET.copy()
        for name in [name for name, value in asked.items() if not value]:
            del asked[name]
        return f"{self.request.path}?{asked.urlencode()}" if asked else self.request.path

    def _wants_part(self) -> bool:
        htmx: Any = getattr(self.request, "htmx", None)
        return bool(htmx) and not htmx.boosted and not htmx.history_restore_request

    def _export(self, credential: StripeCredential | None, found: filters.MirrorFilter) -> HttpResponseBase:
        if not found.is_valid():
            problems = "; ".join(f"{label}: {message}" for label, message in found.errors())
            return HttpResponse(f"Nothing was exported. {problems}\n", status=400, content_type="text/plain")
        header = [title.replace("(zone)", f"({conf.time_zone()})") for title in self.export_header]
        mode = credential.mode if credential else "own"
        header.append(self._described(mode, found))
        return export.stream(self.name, mode, header, self._export_lines(credential, found.rows()))

    def _described(self, mode: str, found: filters.MirrorFilter) -> str:
        """Return what a file holds, as the heading of its last, empty column: which rows, in which order and zone."""
        word, descending = self._sort
        tab = next((tab.label for tab in found.tabs() if tab.is_current), "")
        in_force = [f"{chip.label}: {chip.value}" for chip in found.chips()]
        order = f"by {word}, {'falling' if descending else 'rising'}"
        return "; ".join([f"{self.name}, {mode}", f"Status: {tab}", *in_force, order, f"times in {conf.time_zone()}"])

    def _export_lines(self, credential: Any, found: QuerySet[Any]) -> Iterator[Sequence[Any]]:
        word, descending = self._sort
        order: dict[str, Any] = {"field": self.sorts[word], "descending": descending, "whole": self.all_rows()}
        after = ""
        while True:
            page = paginate(found, size=EXPORT_PAGE, after=after, **order)
            yield from ((*self.export_cells(row), "") for row in self.dress(credential, page.rows))
            if not page.after:
                return
            after = page.after
