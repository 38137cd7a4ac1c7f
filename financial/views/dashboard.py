"""The Financial dashboard (the books) and the Stripe dashboard (the mirrored account)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from financial import accounts, charts, conf, money, reports
from financial.days import day_text
from financial.errors import UnknownCurrency
from financial.models import StripeCredential
from financial.reports import recurring
from financial.reports.periods import usual_group
from financial.spreadsheets import text_cell
from financial.templatetags.financial import days
from financial.views.mirror.rows import subscription_row, with_states
from financial.views.periods import PeriodPage, first_day
from financial.views.sample import may_load

PAYOUTS = "financial.view_stripepayout"
# What activity shows only to those who may see its rows; refunds and disputes are states of payments.
ACTIVITY_PERMISSIONS = {
    "subscription": "financial.view_stripesubscription",
    "customer": "financial.view_stripecustomer",
    "payout": PAYOUTS,
}
# What needs attention and is shown only to those who may see its rows; failed payments and disputes are payments.
ATTENTION_PERMISSIONS = {
    "renewals": "financial.view_stripesubscription",
    "payouts": PAYOUTS,
    "events": "financial.view_stripewebhookevent",
    "suspended": "financial.view_transaction",
}


@dataclass(frozen=True)
class Card:
    """One currency on a dashboard, with how it compares to other days."""

    currency: str
    figures: reports.Figures
    before: reports.Figures | None
    gross: reports.Delta | None
    refunds: reports.Delta | None
    disputes: reports.Delta | None
    fees: reports.Delta | None
    net: reports.Delta | None
    revenue: reports.Delta | None
    all_time: reports.Figures
    parts: tuple[reports.Figures, ...] = ()  # the period bucket by bucket, where it is drawn

    @property
    def lines(self) -> dict[str, list[int]]:
        """Return the values of the small lines, by the figure's name in addresses."""
        drawn = {"gross": "gross_minor", "fees": "fee_minor", "net": "net_minor"}
        return {name: [getattr(figures, attribute) for figures in self.parts] for name, attribute in drawn.items()}


# What a chart shows: its name in addresses, its label and its figure; and how: in words, and what draws it.
MEASURES = {
    "gross": ("Gross payments", "gross_minor"),
    "revenue": ("Total revenue", "revenue_minor"),
    "net": ("Net volume", "net_minor"),
    "fees": ("Fees", "fee_minor"),
}
SHAPES = {"line": ("Line", charts.area), "bars": ("Bars", charts.bars)}


class Dashboard(PeriodPage):
    """A page of cards and a chart of the books."""

    kept = (*PeriodPage.kept, "activity", "measure", "chart")
    measures: tuple[str, ...] = tuple(MEASURES)

    def cards(self, books: reports.Books) -> list[Card]:
        return [_card(books, currency, self.period) for currency in books.currencies]

    def chart(self, books: reports.Books, currency: str, group: reports.Group) -> dict[str, Any]:
        """Return what the chart's templates need: its values, its picture, and what else it can show and how."""
        measure = _among(self.measures, self.request.GET.get("measure", ""))
        shape = _among(tuple(SHAPES), self.request.GET.get("chart", ""))
        label, figure = MEASURES[measure]
        before = self.period.before()
        rows = books.rows(currency, self.period, group)
        was = books.rows(currency, before, group) if before else ()
        series = charts.Series(
            title=f"{label} per {group}",
            currency=currency,
            labels=[bucket_label(row, group) for row in rows],
            now=[getattr(row.figures, figure) for row in rows],
            before=[getattr(row.figures, figure) for row in was]
            if any(not row.figures.is_empty for row in was)
            else (),
            then=days(before) if before else "",
        )
        return {
            "series": series,
            "chart": SHAPES[shape][1](series),
            "shape": shape,
            "measure": label,
            "measures": self.choices("measure", [(name, MEASURES[name][0]) for name in self.measures], measure),
            "shapes": self.choices("chart", [(name, words) for name, (words, _) in SHAPES.items()], shape),
        }


def _among(known: tuple[str, ...], wanted: str) -> str:
    return wanted if wanted in known else known[0]


def _card(books: reports.Books, currency: str, period: reports.Period) -> Card:
    now, before_period = books.total(currency, period), period.before()
    before = books.total(currency, before_period) if before_period else None

    def compare(name: str, *, more_is_good: bool = True) -> reports.Delta | None:
        if before is None:
            return None
        return reports.delta(getattr(now, name), getattr(before, name), more_is_good=more_is_good)

    return Card(
        currency=currency,
        figures=now,
        before=before,
        gross=compare("gross_minor"),
        refunds=compare("refunded_minor", more_is_good=False),
        disputes=compare("disputed_minor", more_is_good=False),
        fees=compare("fee_minor", more_is_good=False),
        net=compare("net_minor"),
        revenue=compare("revenue_minor"),
        all_time=books.total(currency),
    )


def bucket_label(row: reports.ReportRow, group: reports.Group) -> str:
    """Return what a bucket is called: `3 Oct`, `29 Sep – 5 Oct` or `October 2026`; cut months name their days."""
    if row.start == row.last:
        return day_text(row.start)
    if group is reports.Group.MONTH and row.start.day == 1 and row.end.day == 1:
        return day_text(row.start, "F Y")
    return f"{day_text(row.start, 'j M')} – {day_text(row.last)}"


class Overview(Dashboard):
    """The books at a glance, per currency."""

    section = "overview"
    permission = "financial.view_transaction"

    def with_parts(self, books: reports.Books, card: Card) -> Card:
        rows = books.rows(card.currency, self.period, usual_group(self.period))
        return replace(card, parts=tuple(row.figures for row in rows))

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/overview.html", {"books": None, "may_load_sample": may_load(self)})
        books = reports.books(self.credential)
        currency = self.currency(books)
        group = self.group(self.period.start or books.first_day(currency))
        rows = books.rows(currency, self.period, group)
        if "csv" in request.GET:
            return report_csv(self.credential, books, currency, group, rows)
        return self.page(
            "financial/overview.html",
            {
                "books": books,
                "may_load_sample": not books.currencies and may_load(self),
                "unreconciled": reports.unreconciled(self.credential) if self.can(PAYOUTS) else None,
                "cards": [self.with_parts(books, card) for card in self.cards(books)],
                "balances": reports.balances(self.credential),
                "proofs": reports.proofs(self.credential),
                "reserve_account": accounts.RESERVE,
                **self.of_days(first_day(books)),
                "currency": currency,
                "group": group,
                "currencies": self.choices("currency", _currency_options(books), currency),
                "groups": self.choices("group", [(str(g), f"By {g}") for g in reports.GROUPS], group),
                **self.chart(books, currency, group),
                "rows": [(bucket_label(row, group), row) for row in reversed(rows)],
                "total": books.total(currency, self.period),
                "csv_query": self.file_query(currency=currency, group=group),
            },
        )


def _currency_options(books: reports.Books) -> list[tuple[str, str]]:
    return [(currency, currency.upper()) for currency in books.currencies]


class StripeDashboard(Dashboard):
    """The Stripe account at a glance."""

    section = "stripe"
    measures = ("gross", "revenue")  # in what customers paid in there are no fees
    permission = "financial.view_stripepaymentintent"

    @cached_property
    def activities(self) -> dict[str, str]:
        """The kinds of activity one may see, with their labels."""
        needed = {name: ACTIVITY_PERMISSIONS.get(name, self.permission) for name in reports.ACTIVITIES}
        return {name: label for name, (label, *_) in reports.ACTIVITIES.items() if self.can(needed[name])}

    @property
    def activity(self) -> str:
        """The kind of activity asked for; empty for all."""
        wanted = self.request.GET.get("activity", "")
        return wanted if wanted in self.activities else ""

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.credential is None:
            return self.page("financial/stripe.html", {"stock": None, "may_load_sample": may_load(self)})
        books = reports.books(self.credential, reports.Basis.PAID)
        currency = self.currency(books)
        group = self.group(self.period.start or books.first_day(currency))
        recent = reports.recent(self.credential, [self.activity] if self.activity else self.activities)
        return self.page(
            "financial/stripe.html",
            {
                "stock": reports.resource_counts(self.credential),
                "growth": reports.growth(self.credential, self.period),
                "trouble": reports.trouble(self.credential, self.period),
                "attention": self.attention(self.credential),
                "sees_all_attention": all(map(self.can, ATTENTION_PERMISSIONS.values())),
                "unread": self._unread(self.credential),
                "recent": recent,
                "recent_payments": with_states(recent.payments),
                "recent_subscriptions": [subscription_row(row) for row in recent.subscriptions],
                "activities": self.choices("activity", [("", "All"), *self.activities.items()], self.activity),
                "books": books,
                "cards": self.cards(books),
                **self.of_days(first_day(books)),
                "currency": currency,
                "currencies": self.choices("currency", _currency_options(books), currency),
                **self.chart(books, currency, group),
                "headlines": recurring.headlines(self.credential),
            },
        )

    def attention(self, credential: StripeCredential) -> reports.Attention:
        """Return what needs attention, as far as one may see it."""
        found = reports.attention(credential, self.period)
        return replace(found, **{part: () for part, needed in ATTENTION_PERMISSIONS.items() if not self.can(needed)})

    def _unread(self, credential: StripeCredential) -> tuple[str, ...]:
        """Return the kinds that are stale because Stripe refused the key; nothing is asked while it does not."""
        health = self.shell.health if credential.needs_attention else None
        return reports.left_unread(health) if health else ()


def report_csv(
    credential: StripeCredential,
    books: reports.Books,
    currency: str,
    group: reports.Group,
    rows: tuple[reports.ReportRow, ...],
) -> HttpResponse:
    """Answer with the report on the screen; amounts in major units, days in the zone the header names."""
    text = io.StringIO()
    out = csv.writer(text)
    zone = conf.time_zone()
    header = [f"from ({zone})", f"to ({zone})", "mode", "currency", "payments", "estimated"]
    out.writerow([*header, *_CSV_MONEY, "opening balance", "closing balance"])
    for row in rows:
        balances = (books.balance(currency, day) for day in (row.start, row.end))
        amounts = (*(getattr(row.figures, name) for name in _CSV_MONEY.values()), *balances)
        of = (
            row.start,
            row.last,
            credential.mode,
            text_cell(currency.upper()),
            row.figures.count,
            row.figures.estimated,
        )
        out.writerow([*of, *(_plain(amount, currency) for amount in amounts)])
    name = f"financial-{credential.mode}-{currency if currency.isalnum() else 'other'}-by-{group}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


_CSV_MONEY = {
    "gross": "gross_minor",
    "refunds": "refunded_minor",
    "disputes": "disputed_minor",
    "total revenue": "revenue_minor",
    "fees": "fee_minor",
    "net volume": "net_minor",
    "funding": "funding_minor",
    "balance change": "change_minor",
}


def _plain(amount_minor: int, currency: str) -> str:
    """Return a bare number in major units; of a currency we do not know, the minor units, said so."""
    try:
        return f"{money.to_major(amount_minor, currency):f}"
    except UnknownCurrency:
        return f"{amount_minor} minor units"
