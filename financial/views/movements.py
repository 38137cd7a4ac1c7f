"""The movements behind a figure of the metrics page: which customer's MRR changed on which day, from what to what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from financial import conf
from financial.models import StripeCredential, StripeCustomer
from financial.reports import recurring
from financial.reports.movements import LOSSES, Month
from financial.reports.movers import Mover, Which, movers, newest_movers
from financial.views.metric_words import month_words
from financial.views.metrics import KINDS, Asked, RecurringPage, movements_query
from financial.views.mirror import export
from financial.views.periods import Choice

ROWS_MAX = 250
FILE_HEADER = ("day", "customer id", "customer", "movement", "currency", "before", "after", "change")


@dataclass(frozen=True)
class Line:
    """One movement and what its customer is called; `is_known` where they have a page."""

    moved: Mover
    name: str
    is_known: bool


class Movements(RecurringPage):
    """The rows of one kind or of all, in some months; their sum is that of the metrics page."""

    months_shown = 1

    @property
    def kind(self) -> str:
        wanted = self.request.GET.get("kind", "")
        return wanted if wanted in KINDS else ""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        asked = self.asked()
        if self.credential is None or asked is None:
            return self.page("financial/movements.html", {"asked": None})
        which = Which(asked.currency, asked.first.start, asked.last.end, KINDS[self.kind].kinds, asked.product)
        if request.GET.get("format") == "csv":
            return _file(self.credential, asked, which)
        number = _count(asked.shown, self.kind)
        rows = newest_movers(self.credential, which, ROWS_MAX)
        total = _total(asked.shown, self.kind)
        return self.page(
            "financial/movements.html",
            {
                "asked": asked,
                "currency": asked.currency,
                "kind": self.kind,
                "kinds": self._kinds(asked),
                "lines": _lines(self.credential, rows),
                "number": number,
                "most": ROWS_MAX,
                "total": total,
                "rounding": total - sum(row.change_minor for row in rows) if number == len(rows) else 0,
                "title": KINDS[self.kind].label,
                "days": month_words(asked.first) if asked.first == asked.last else _from_to(asked),
                "metrics_query": urlencode(
                    {**asked.query, "from": f"{asked.first.start:%Y-%m}", "to": f"{asked.last.start:%Y-%m}"}
                ),
                "csv_query": f"{movements_query(asked, asked.first, asked.last, self.kind)}&format=csv",
            },
        )

    def _kinds(self, asked: Asked) -> list[Choice]:
        """Return a link per kind there is any of, with how many."""
        found = ((key, words.label, _count(asked.shown, key)) for key, words in KINDS.items())
        return [
            Choice(f"{label} {number:,}", f"?{movements_query(asked, asked.first, asked.last, key)}", key == self.kind)
            for key, label, number in found
            if number or key in ("", self.kind)
        ]


def _from_to(asked: Asked) -> str:
    return f"{month_words(asked.first)} to {month_words(asked.last)}"


def _count(shown: Sequence[Month], kind: str) -> int:
    return sum(month.counts.get(one, 0) for month in shown for one in KINDS[kind].kinds)


def _total(shown: Sequence[Month], kind: str) -> int:
    """Return the sum as the metrics page shows it, what is lost below zero."""
    fitted = [recurring.fitted(month) for month in shown]
    return sum(
        (-1 if one in LOSSES else 1) * amounts.get(one.value, 0) for amounts in fitted for one in KINDS[kind].kinds
    )


def _names(credential: StripeCredential, rows: Iterable[Mover]) -> Mapping[str, str]:
    """Return what customers are called, by Stripe id, those that are mirrored; one query."""
    ids = {row.customer for row in rows}
    found = StripeCustomer.objects.of(credential).filter(stripe_id__in=ids).order_by()
    return {
        stripe_id: name or email or stripe_id
        for stripe_id, name, email in found.values_list("stripe_id", "name", "email")
    }


def _lines(credential: StripeCredential, rows: Sequence[Mover]) -> list[Line]:
    names = _names(credential, rows)
    return [Line(row, names.get(row.customer, row.customer), row.customer in names) for row in rows]


def _file(credential: StripeCredential, asked: Asked, which: Which) -> HttpResponseBase:
    """Answer with every row, amounts in major units; the last heading says of what."""
    product = f"; product {asked.product_name}" if asked.product else ""
    said = f"movements of MRR, {credential.mode}; {_from_to(asked)}{product}; days in {conf.time_zone()}"
    name = "-".join(filter(None, ("movements", asked.product_in_names)))
    return export.stream(name, credential.mode, (*FILE_HEADER, said), _cells(credential, which))


def _cells(credential: StripeCredential, which: Which) -> Iterator[tuple[Any, ...]]:
    found = movers(credential, which)
    for place in range(0, len(found), ROWS_MAX):
        rows = found[place : place + ROWS_MAX]
        names, code = _names(credential, rows), which.currency
        for row in rows:
            amounts = (
                export.amounts(minor, code)[1] for minor in (row.before_minor, row.after_minor, row.change_minor)
            )
            yield (row.day, row.customer, names.get(row.customer, ""), row.kind.value, code.upper(), *amounts, "")
