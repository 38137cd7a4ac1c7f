"""The style page: every token and every component as it looks, with the line that includes it.

A component is a partial that two or more templates include. Rows and cells of a list (`…_row`, `…_cell`), excerpts of
one model (`_mini_…`) and the empty states made of `_empty` (`_no_…`) are parts of their pages and not shown here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from financial import charts, reports, tokens
from financial.models import BooksProof
from financial.paging import BoundedCount
from financial.templatetags._words import ICONS
from financial.views.base import StaffView
from financial.views.periods import Steps


class SampleForm(forms.Form):
    """One field of each kind."""

    name = forms.CharField(help_text="As it stands on the receipt.")
    amount = forms.DecimalField(min_value=0)
    currency = forms.ChoiceField(choices=[("usd", "USD"), ("eur", "EUR")])
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    timing = forms.ChoiceField(
        choices=[("now", "At once"), ("end", "At the end of the period")], widget=forms.RadioSelect, initial="end"
    )
    notify = forms.BooleanField(required=False, label="Tell the customer by e-mail")


@dataclass(frozen=True)
class Component:
    """One partial: what it is for, how to include it, and values to show it with."""

    partial: str
    says: str
    given: Mapping[str, Any] = field(default_factory=dict)
    arguments: str = ""
    term: str = ""  # of a partial that is the description of one

    @property
    def include(self) -> str:
        return f'{{% include "financial/{self.partial}"{self.arguments and " " + self.arguments} %}}'

    def drawn(self, request: HttpRequest) -> SafeString:
        html = render_to_string(f"financial/{self.partial}", dict(self.given), request=request)
        return format_html("<dl><dt>{}</dt>{}</dl>", self.term, html) if self.term else html


DAY = dt.datetime(2026, 10, 15, 9, 30, tzinfo=dt.UTC)
_TABS = [
    SimpleNamespace(label=label, query=f"status={label.lower()}", is_current=not i, count=count)
    for i, (label, count) in enumerate((("All", "1,724"), ("Succeeded", "1,647"), ("Failed", "31"), ("Disputed", "9")))
]
_CHOICES = [SimpleNamespace(label=label, query="?", is_current=label == "Week") for label in ("Day", "Week", "Month")]
_TIMELINE = [
    SimpleNamespace(at=DAY, text="Refunded $10.00", tone="info", icon="back", note="requested by the customer"),
    SimpleNamespace(at=DAY, text="Booked with the exact fee, $1.72", tone="muted", icon="ledger", note=""),
    SimpleNamespace(at=DAY, text="Succeeded with Visa ••••4242", tone="ok", icon="check", note=""),
    SimpleNamespace(at=DAY, text="The first card was declined", tone="bad", icon="cross", note="insufficient_funds"),
]
_CONSEQUENCES = [
    "$49.00 goes back to Ada Lovelace’s card; it takes five to ten days to arrive.",
    "Stripe keeps its fee of $1.72.",
    "The books show the refund today; the month of the sale stays as it is.",
]
_REFUSED = "The key lacks the permission rak_charge_read. Give it that one at Stripe."
_INVOICE = SimpleNamespace(
    currency="usd",
    lines=[
        SimpleNamespace(text=text, amount_minor=minor, is_proration=minor < 0, starts_at=DAY, ends_at=DAY)
        for text, minor in (("Unused time on Club after 15 Oct 2026", -1450), ("5 × Club", 14500))
    ],
    discount_minor=-500,
    tax_minor=0,
    total_minor=12550,
    balance_minor=-1000,
    due_minor=11550,
)
_SERIES = charts.Series("Gross payments", "usd", ("1 Oct", "2 Oct", "3 Oct"), (4900, 12900, 8800), (3900, 5900, 9900))
_INVARIANT = reports.Invariant(
    "I2",
    "clearing accounts equal Stripe's balances",
    holds=False,
    figures=(reports.Compared("Assets:Stripe:Payments", "usd", 4900, 5200),),
    rows=(),
    count=0,
)
_GRID = [
    SimpleNamespace(
        label="Aug 2026", size=24, cells=[("100 %", 10, "24 of 24"), ("88 %", 8, "21 of 24"), ("79 %", 7, "")]
    ),
    SimpleNamespace(label="Sep 2026", size=31, cells=[("100 %", 10, "31 of 31"), ("90 %", 9, "28 of 31"), ("", 0, "")]),
]


def components() -> list[Component]:
    """Every component, in the order of the page."""
    form, refused = (
        SampleForm(),
        SampleForm({"name": "", "amount": "-3", "currency": "usd", "timing": "end"}, auto_id="refused_%s"),
    )
    page = SimpleNamespace(before="", after="token")
    return [
        Component(
            "_badge.html",
            "A state: word, icon and colour. For a row’s own status use {{ row|status }}.",
            {"tone": "ok", "symbol": "check", "text": "Settled"},
            'with tone="ok" symbol="check" text="Settled"',
        ),
        Component(
            "_consequences.html",
            "What a button will do, in sentences, before it is pressed.",
            {"sentences": _CONSEQUENCES},
            "with sentences=consequences only",
        ),
        Component(
            "_confirm_form.html",
            "The last question before a write, on a page of its own, with the panel above in it.",
            {
                "is_danger": True,
                "button": "Refund $49.00 to Ada Lovelace",
                "back_url": "#confirm_form",
            },
            'with button="Refund $49.00 to Ada Lovelace" is_danger=True',
        ),
        Component(
            "_invoice_preview.html",
            "An invoice that does not exist yet, line by line.",
            {"invoice": _INVOICE, "heading": "Billed now", "id": "billed-now"},
            'with invoice=outlook.now heading="Billed now" id="billed-now" only',
        ),
        Component(
            "_create_form.html",
            "A form that creates one thing at Stripe. `wide` fields take a whole row.",
            {"form": form, "button": "Create product", "back_url": "#create_form"},
            'with button="Create product"',
        ),
        Component(
            "_field.html",
            "One field with label, help and errors.",
            {"field": refused["amount"]},
            "with field=form.amount only",
        ),
        Component("_form_errors.html", "On top of a refused form; each line leads to its field.", {"form": refused}),
        Component(
            "_empty.html",
            "Nothing there yet: why, and the one next step.",
            {
                "symbol": "products",
                "title": "No products yet",
                "text": "A product is what you sell.",
                "action_url": "#empty",
                "action_label": "Create one",
            },
            'with symbol="products" title="No products yet" text="…" action_url=url action_label="Create one"',
        ),
        Component("_tabs.html", "The states of a list, as links.", {"tabs": _TABS}),
        Component(
            "_choices.html",
            "One of a few, at once: period, currency, grouping.",
            {"choices": _CHOICES, "name": "Group"},
            'with choices=groups name="Group"',
        ),
        Component("_periods.html", "The days of a report, and what they are compared with.", {"periods": _CHOICES}),
        Component(
            "_steps.html",
            "The same length earlier and later; ← and → follow these links.",
            {"steps": Steps("#earlier", "#later"), "period": SimpleNamespace(start=DAY.date(), last=DAY.date())},
        ),
        Component(
            "_pager.html",
            "Earlier and later rows; never “page 7 of 93”.",
            {"page": page, "base": "", "summary": "1 – 50"},
            'with target="results"',
        ),
        Component(
            "_delta.html",
            "How a figure compares; fees up is bad.",
            {
                "delta": reports.delta(11200, 10000),
                "compared": SimpleNamespace(start=DAY.date(), last=DAY.date()),
            },
            "with delta=card.gross",
            term="Gross volume",
        ),
        Component(
            "_chart.html",
            "A line over time with its takeaway and the same as a table. Arrow keys go from point to point.",
            {"series": _SERIES, "chart": charts.area(_SERIES), "currency": "usd"},
        ),
        Component(
            "_stale.html",
            "Above figures that may be old.",
            {"shell": SimpleNamespace(health=SimpleNamespace(is_stale=True, has_failed=True, synced_at=DAY))},
        ),
        Component(
            "_refused.html",
            "What Stripe refused the key, in its words, and what was not read because of it.",
            {"credential": SimpleNamespace(needs_attention=_REFUSED), "unread": ["charge"]},
        ),
        Component(
            "_proofs.html",
            "What programs of others last said of the books.",
            {"proofs": [BooksProof(program="beancount", checked_at=DAY, entries=1204, differences=0)]},
        ),
        Component("_timeline.html", "What happened to one object, newest first.", {"timeline": _TIMELINE}),
        Component(
            "_identity.html",
            "Stripe’s id, to copy, and the way to Stripe.",
            {"row": SimpleNamespace(stripe_id="pi_3Nexample"), "stripe_url": "https://dashboard.stripe.com/"},
        ),
        Component(
            "_payload.html", "The payload as mirrored, folded away.", {"payload": '{\n  "object": "payment_intent"\n}'}
        ),
        Component(
            "_invariants.html",
            "What the last verification of the books found.",
            {"verified": reports.Verified(DAY, (_INVARIANT,)), "is_brief": True},
            "with is_brief=True",
        ),
        Component(
            "_cohort_grid.html",
            "Shares over time; the number is always written.",
            {"grid": _GRID, "title": "Customers retained"},
            'with grid=customers_grid title="Customers retained"',
        ),
    ]


class StylePage(StaffView):
    """For whoever writes a template: what there is, live."""

    section, permission = "style", "financial.view_transaction"

    def get(self, request: HttpRequest) -> HttpResponse:
        stylesheet = stylesheet_text()
        found = tokens.colours(stylesheet)
        lengths = tokens.lengths(stylesheet)
        return self.page(
            "financial/style.html",
            {
                "colours": found.values(),
                "contrasts": tokens.contrasts(found),
                "type_scale": [(n, length) for n, length in lengths.items() if n.startswith("text-")],
                "space_scale": [(n, length) for n, length in lengths.items() if n.startswith("space-")],
                "icons": sorted(ICONS),
                "count": BoundedCount(1724),
                "at": DAY,
                "shown": [(one, one.drawn(request)) for one in components()],
            },
        )


def stylesheet_text() -> str:
    """Return the stylesheet as it stands in the app, where the site collected it from."""
    found = finders.find("financial/app.css") or Path(__file__).parents[1] / "static" / "financial" / "app.css"
    return Path(str(found)).read_text()
