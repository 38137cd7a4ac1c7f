"""How pages write money, moments, states and icons: one place, so that every page says it the same way."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from financial import charts, conf
from financial import money as money_rules
from financial.days import day_text
from financial.templatetags._explanations import EXPLANATIONS
from financial.templatetags._words import ICONS, STATUSES, Status

register = template.Library()
DASH = "—"


@register.filter
def money(amount_minor: int | str | None, currency: str = "") -> SafeString | str:
    """`{{ amount_minor|money:currency }}`: the amount with its ISO code, digits aligned."""
    if amount_minor is None or amount_minor == "":
        return DASH
    text, code = html.escape(money_rules.display(int(amount_minor), currency)), html.escape(currency.upper())
    written = text if code in text else f'{text}<abbr class="iso"> {code}</abbr>'
    return mark_safe(f'<span class="money">{written}</span>')  # noqa: S308  (escaped above)


@register.filter
def money_text(amount_minor: int | str | None, currency: str = "") -> str:
    """The same as plain text, for titles, labels and buttons."""
    return DASH if amount_minor is None or amount_minor == "" else money_rules.with_code(int(amount_minor), currency)


@register.filter
def change(difference: int, currency: str = "") -> str:
    """`{{ delta.change|change:currency }}`: a difference with its sign; without a currency it is a number of things."""
    if not difference:
        return "unchanged"
    sign, size = "+" if difference > 0 else "−", abs(difference)
    return f"{sign}{money_text(size, currency) if currency else f'{size:,}'}"


@register.filter
def signed(amount_minor: int, currency: str) -> SafeString | str:
    """`{{ row.change_minor|signed:currency }}`: an amount that says by how much something changed, with its sign."""
    return format_html("+{}", money(amount_minor, currency)) if amount_minor > 0 else money(amount_minor, currency)


@register.simple_tag
def figure_link(amount_minor: int, figure: str, currency: str, row: Any = None, none: str = "–") -> SafeString | str:
    """A figure of the revenue report as a link to the transactions it is the sum of; `row` has `start` and `last`."""
    if not amount_minor:
        return none or money(0, currency)
    return format_html('<a href="{}">{}</a>', figure_rows(figure, currency, row), money(amount_minor, currency))


# The columns of the revenue report: the figure's name in addresses, its attribute, its label.
_REPORTED = (
    ("gross", "gross_minor", "Gross"),
    ("refunds", "refunded_minor", "Refunds"),
    ("disputes", "disputed_minor", "Disputes"),
    ("revenue", "revenue_minor", "Total revenue"),
    ("fees", "fee_minor", "Fees"),
    ("net", "net_minor", "Net volume"),
    ("funding", "funding_minor", "Funding"),
    ("change", "change_minor", "Balance change"),
)


@register.simple_tag
def report_rows(rows: Iterable[tuple[str, Any]], currency: str) -> SafeString:
    """The buckets of the revenue report, pairs of a label and a row with `figures`, `start` and `last`.

    Each figure is a link to its rows, the label to its payments. Written in one piece: a year by day has 366 rows of ten
    cells, which as templates take half a second.
    """
    address = escape(reverse("financial:transactions"))
    written = (_report_row(label, row.figures, currency, row, address, is_part=True) for label, row in rows)
    return mark_safe("".join(written))  # noqa: S308  (each row is escaped)


@register.simple_tag
def report_row(label: str, figures: Any, currency: str, days: Any = None) -> SafeString:
    """One row of the revenue report that is none of its buckets: the sum of them, or of what was before."""
    address = escape(reverse("financial:transactions"))
    return mark_safe(_report_row(label, figures, currency, days, address))  # noqa: S308  (escaped there)


def _report_row(label: str, figures: Any, currency: str, days: Any, address: str, *, is_part: bool = False) -> str:
    query, name, count = html.escape(f"&{urlencode(_of_days(currency, days))}"), html.escape(label), "–"
    if figures.count:
        count = str(figures.count)
    estimated = figures.estimated
    if is_part and figures.count:
        name = f'<a href="{address}?figure=gross{query}">{name}</a>'
    if estimated:
        count = f"{count} {approx()}&nbsp;+{estimated}"
    none = "" if figures.count or estimated else " none"
    cells = [f'<tr><th scope="row">{name}</th><td class="end{none}" data-label="Payments">{count}</td>']
    for figure, attribute, title in _REPORTED:
        if minor := getattr(figures, attribute):
            link = f'<a href="{address}?figure={figure}{query}">{money(minor, currency)}</a>'
            cells.append(f'<td class="end" data-label="{title}">{link}</td>')
        else:
            cells.append(f'<td class="end none" data-label="{title}">–</td>')
    return "".join([*cells, "</tr>"])


@register.simple_tag
def chart_rows(series: charts.Series, currency: str) -> SafeString:
    """What a chart shows, as the rows of a table: days, amount, and that of the time before where it is compared."""
    rows = []
    for label, now, before in series.rows:
        was = f'<td class="end">{money(before, currency)}</td>' if series.before else ""
        rows.append(
            f'<tr><th scope="row">{html.escape(label)}</th><td class="end">{money(now, currency)}</td>{was}</tr>'
        )
    return mark_safe("".join(rows))  # noqa: S308  (labels are escaped, amounts by `money`)


@register.simple_tag
def figure_rows(figure: str, currency: str, row: Any = None) -> str:
    """The address of the transactions that make up a figure of the revenue report."""
    return f"{reverse('financial:transactions')}?{urlencode({'figure': figure, **_of_days(currency, row)})}"


def _of_days(currency: str, row: Any, name_of_currency: str = "currency") -> dict[str, str]:
    asked = {name_of_currency: currency}
    for name, day in (("date_from", getattr(row, "start", None)), ("date_to", getattr(row, "last", None))):
        if day:
            asked[name] = day.isoformat()
    return asked


@register.simple_tag
def paid_rows(figure: str, currency: str, row: Any = None) -> str:
    """The address of the transactions that make up a figure in the currency customers paid in."""
    asked = {"figure": figure, **_of_days(currency, row, "paid_in")}
    return f"{reverse('financial:transactions')}?{urlencode(asked)}"


@register.simple_tag
def spark(values: Sequence[int]) -> SafeString:
    """`{% spark growth.parts %}`: a small line for the eye; the figures beside it say the same."""
    drawn = charts.spark(values)
    return format_html('<dd class="spark-line">{}</dd>', drawn) if drawn else drawn


@register.inclusion_tag("financial/_explain.html")
def explain(key: str, label: str = "", rows_url: str = "") -> dict[str, Any]:
    """`{% explain "mrr" "MRR, USD" url %}`: how a figure is computed, and the way to the rows it is made of."""
    return {"how": EXPLANATIONS[key], "label": label, "rows_url": rows_url}


@register.filter
def absolute(amount_minor: int) -> int:
    """An amount without its sign, where a word beside it says which side it is on."""
    return abs(amount_minor)


@register.simple_tag
def approx() -> SafeString:
    """`{% if transaction.is_estimated %}{% approx %}{% endif %}` in front of an estimated figure."""
    return mark_safe(  # noqa: S308  (constant)
        '<abbr class="approx" title="Estimated; Stripe’s exact figure replaces it">≈</abbr>'
    )


@register.filter
def when(moment: dt.datetime | dt.date | None, style: str = "") -> SafeString | str:
    """`{{ at|when }}`: relative, exact in the title. `when:"date"` the day, `when:"exact"` date and time."""
    if not moment:
        return DASH
    if not isinstance(moment, dt.datetime):
        return format_html('<time datetime="{}">{}</time>', moment.isoformat(), day_text(moment))
    local = moment.astimezone(conf.time_zone())
    utc = moment.astimezone(dt.UTC)
    title = f"{day_text(local)}, {local:%H:%M:%S} {local.tzname()} · {day_text(utc)}, {utc:%H:%M:%S} UTC"
    text, exact = _moment_text(local, style), _with_utc(local, utc)
    # Whoever asks for exact times, and paper, gets the second instead of the first.
    other = "" if text == exact else f' data-exact="{exact}"'
    shown = text if text == exact else f"<span>{text}</span>"
    return mark_safe(  # noqa: S308  (numbers, names of months and of zones)
        f'<time datetime="{utc.isoformat()}" title="{title}"{other}>{shown}</time>'
    )


@register.filter
def days(period: Any) -> str:
    """`{{ compared|days }}`: the days of something with `start` and `last`, in words: `1–30 Oct 2026`."""
    first, last = period.start, period.last
    if first is None:
        return f"until {day_text(last)}"
    if first == last:
        return day_text(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day_text(last)}"
    return f"{day_text(first, 'j M' if first.year == last.year else 'j M Y')} – {day_text(last)}"


def _moment_text(local: dt.datetime, style: str) -> str:
    if style == "date":
        return day_text(local)
    if style == "exact":
        return f"{day_text(local)}, {local:%H:%M} {local.tzname()}"
    now = timezone.now().astimezone(local.tzinfo)
    if age := _relative(now - local):
        return age
    return f"{day_text(local, 'j M')}, {local:%H:%M}" if local.year == now.year else day_text(local)


def _with_utc(local: dt.datetime, utc: dt.datetime) -> str:
    """The account's date and time, and the same in UTC where that is another; its day only if that is another, too."""
    exact = _moment_text(local, "exact")
    if not local.utcoffset():
        return exact
    day = "" if utc.date() == local.date() else f"{day_text(utc)}, "
    return f"{exact} · {day}{utc:%H:%M} UTC"


def _relative(age: dt.timedelta) -> str:
    """Words for a moment within a week either way, nothing beyond."""
    seconds = int(abs(age).total_seconds())
    if seconds >= 7 * 86400:
        return ""
    if seconds < 60:
        return "just now" if age >= dt.timedelta(0) else "in a moment"
    count, unit = next((seconds // size, unit) for size, unit in _UNITS if seconds >= size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if age >= dt.timedelta(0) else f"in {words}"


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


@register.filter
def resource_words(name: str) -> str:
    """A resource's name as people say it: `payment_intent` → `Payments`, `balance_transaction` → `Balance transactions`."""
    words = {"payment_intent": "payment"}.get(name, name).replace("_", " ").capitalize()
    return words if words.endswith("s") else f"{words}s"


@register.filter
def object_word(name: str) -> str:
    """One object's kind as people say it: `payment_intent` → `Payment`."""
    return {"payment_intent": "payment"}.get(name, name).replace("_", " ").capitalize()


@register.filter
def words(code: str, style: str = "") -> SafeString | str:
    """Stripe's snake case as people say it, its own spelling in the title; `words:"lower"` within a sentence."""
    if not code:
        return DASH
    text = code.replace("_", " ")
    return format_html('<span title="{}">{}</span>', code, text if style == "lower" else text.capitalize())


@register.filter
def dotted(name: str) -> SafeString:
    """Let a name such as `customer.subscription.updated` break behind its dots, not inside of a word."""
    return mark_safe(escape(name).replace(".", ".<wbr>"))  # noqa: S308  (escaped)


@register.filter
def duration(row: Any) -> str:
    """How long something with `started_at` and `finished_at` took; of what still runs, so far."""
    if not row.started_at:
        return DASH
    return lapse((row.finished_at or timezone.now()) - row.started_at)


@register.filter
def lapse(time: dt.timedelta | None) -> str:
    """A length of time: `0.4 s`, `3 min 12 s`, `2 h 5 min`, `3 days`."""
    if time is None:
        return DASH
    seconds = max(time.total_seconds(), 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


@register.filter
def status(row: Any, of: Any = "") -> SafeString:
    """A badge for a row's `status` or `state`, `{{ payment|status }}`, or for a word, `{{ word|status:"reckoned" }}`.

    The title holds the word as Stripe (or our own table) spells it; an unknown word is shown as it is. Where our word says
    more than Stripe's, the row beside it has that: `{{ line.state|status:line.payment }}`.
    """
    source = row if isinstance(of, str) else of
    raw = source if isinstance(source, str) else str(getattr(source, "status", None) or getattr(source, "state", ""))
    kind = of if of and isinstance(of, str) else "" if isinstance(source, str) else source._meta.model_name
    key = row if isinstance(row, str) else "failed" if getattr(row, "has_failed", False) else raw
    found = STATUSES.get(kind, {}).get(key) or Status(key.replace("_", " ").capitalize() or "Unknown", "muted", "dot")
    return format_html(
        '<span class="badge {}" title="{}">{}{}</span>', found.tone, raw or "no status", icon(found.icon), found.text
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """`{% icon "payments" %}`: a decorative picture, hidden from screen readers."""
    shape = ICONS.get(name, ICONS["dot"])
    return mark_safe(  # noqa: S308  (constants only)
        f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">{shape}</svg>'
    )


_WIDGET_KINDS = {
    "CheckboxInput": "checkbox",
    "RadioSelect": "radio",
    "CheckboxSelectMultiple": "radio",
    "Select": "select",
}


@register.filter
def widget_kind(field: Any) -> str:
    """The kind of a bound field's widget, e.g. `checkbox` or `select`, for the field partial."""
    name: str = type(field.field.widget).__name__
    return _WIDGET_KINDS.get(name, "text")
