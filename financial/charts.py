"""Server-side SVG: no script, no inline style, coloured by the stylesheet, readable by screen readers.

Fluid without a script: x in percent, y in pixels; only the lines are stretched. Values are minor units of one currency.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from financial import money

HEIGHT, TOP, BOTTOM = 240, 26, 26
MARGIN = 9  # percent of the width that columns leave to the figures of the axis
STEPS = 4
SPARK = 30


@dataclass(frozen=True)
class Series:
    """What one chart shows: a value per label, and the values of the time before, if compared."""

    title: str
    currency: str
    labels: Sequence[str]
    now: Sequence[int]
    before: Sequence[int] = ()
    then: str = ""  # when `before` was, in words

    @property
    def sentence(self) -> str:
        """The takeaway in words, for those who do not see the picture."""
        if not any(self.now):
            return f"{self.title}, {self.labels[0]} to {self.labels[-1]}: nothing."
        best = max(range(len(self.now)), key=self.now.__getitem__)
        text = (
            f"{self.title}, {self.labels[0]} to {self.labels[-1]}: {self._money(sum(self.now))} in all, "
            f"most in {self.labels[best]} with {self._money(self.now[best])}"
        )
        then = f"; {self._money(sum(self.before))} in {self.then or 'the time before'}" if any(self.before) else ""
        return f"{text}{then}."

    @property
    def rows(self) -> list[tuple[str, int | None, int | None]]:
        """The same as a table: one row per label with its value, and the value of the time before where there is one.

        Where the time before has more of them, they follow, so that both columns sum to what the sentence says.
        """
        rows = zip_longest(self.labels, self.now, self.before)
        return [(label or "further, before", now, before) for label, now, before in rows]

    def _money(self, amount_minor: int) -> str:
        return f"{money.display(amount_minor, self.currency)} {self.currency.upper()}"


def step_minor(most: int) -> int:
    """Return the distance of four grid lines that hold `most`: 1, 1.5, 2, 2.5 or 5 times a power of ten, at least 1."""
    if most <= STEPS:
        return 1
    base = int(10 ** max(floor(log10(most / STEPS)), 0))
    halves = (2, 3, 4, 5, 10, 20)  # in halves of the base, so that 1.5 and 2.5 stay whole
    return next(max(base * k // 2, 1) for k in halves if base * k * STEPS >= 2 * most)


def axis_text(amount_minor: int, currency: str) -> str:
    """Return an amount for an axis: without decimals where they are all zero."""
    text = money.display(amount_minor, currency)
    head, dot, tail = text.rpartition(".")
    return head if dot and tail and set(tail) == {"0"} else text


def spark(values: Sequence[int]) -> SafeString:
    """Draw a small line without a scale; decoration beside a figure that says the same, hidden from screen readers."""
    if len(values) < 2 or not any(values):
        return SafeString()
    high, low, last = max(*values, 0), min(*values, 0), len(values) - 1
    places = (
        (100 * i / last, SPARK - 2 - (SPARK - 4) * (value - low) / (high - low)) for i, value in enumerate(values)
    )
    points = " ".join(f"{round(x, 2)},{round(y, 2)}" for x, y in places)
    return format_html(
        '<svg class="spark" width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false"><polyline points="{1}"/></svg>',
        SPARK,
        points,
    )


def area(series: Series) -> SafeString:
    """Draw the values as a line over a soft area, the time before as a dashed line."""
    plot = _Plot(len(series.now), _band(series), has_columns=False)
    now, base = plot.line(series.now), plot.band.y(0)
    shape = format_html('<path class="fill" d="{0}L100 {1}L0 {1}Z"/>{2}', now, base, _compared(plot, series))
    return _drawn(series, plot, shape, format_html('<path class="now" d="{}"/>', now))


def bars(series: Series) -> SafeString:
    """Draw a column per value, those below nothing hanging from the zero line, the time before as a dashed line."""
    plot = _Plot(len(series.now), _band(series), has_columns=True)
    columns = (
        (*plot.column(i), *plot.band.between(0, value), "falls" if value < 0 else "rises")
        for i, value in enumerate(series.now)
        if value
    )
    drawn = format_html_join("", '<rect class="bar {4}" x="{0}%" width="{1}%" y="{2}" height="{3}"/>', columns)
    return _drawn(series, plot, _compared(plot, series), behind=drawn)


def _drawn(series: Series, plot: _Plot, *lines: SafeString, behind: SafeString | str = "") -> SafeString:
    """Put the picture together: only what is in `lines` is stretched."""
    return format_html(
        '<svg class="chart" width="100%" height="{height}" role="img" aria-label="{label}">{grid}{behind}'
        '<svg width="100%" height="{height}" viewBox="0 0 100 {height}" preserveAspectRatio="none" aria-hidden="true">'
        "{lines}</svg>{zero}{marks}{ticks}{hover}</svg>",
        height=HEIGHT,
        label=series.title,
        grid=_grid(plot.band),
        behind=behind,
        lines=format_html_join("", "{}", ((line,) for line in lines)),
        zero=_zero(plot.band) if plot.band.downs or plot.has_columns else "",
        marks=_marks(plot.band, series.currency),
        ticks=_ticks(plot, series.labels),
        hover=_hover(plot, series),
    )


def _compared(plot: _Plot, series: Series) -> SafeString:
    return format_html('<path class="was" d="{}"/>', plot.line(series.before[: len(series.now)]))


def _band(series: Series) -> _Band:
    """Return the steps that hold every value: four above the zero line where none is below it."""
    values = [*series.now, *series.before[: len(series.now)], 0]
    high, low = max(values), min(values)
    step = step_minor(high - low)
    return _Band(max(-(-high // step), 1), -(low // step), step) if low else _Band(STEPS, 0, step)


@dataclass(frozen=True)
class _Band:
    """Where an amount lies between `ups` steps above and `downs` below the zero line, in pixels from the top."""

    ups: int
    downs: int
    step: int

    def y(self, value: int) -> float:
        high = (HEIGHT - BOTTOM - TOP) / ((self.ups + self.downs) * self.step)
        return round(TOP + (self.ups * self.step - value) * high, 1)

    def between(self, one: int, other: int) -> tuple[float, float]:
        """Return the top and the height of what lies between two values."""
        top = self.y(max(one, other))
        return top, round(self.y(min(one, other)) - top, 1)

    def lines(self) -> list[tuple[float, int]]:
        return [(self.y(k * self.step), k * self.step) for k in range(-self.downs, self.ups + 1)]


@dataclass(frozen=True)
class _Plot:
    """Where a point lies, in percent of the width: from edge to edge, or in the middle of a column beside the axis."""

    points: int
    band: _Band
    has_columns: bool

    @property
    def slot(self) -> float:
        return (100 - MARGIN) / self.points if self.has_columns else 100 / max(self.points - 1, 1)

    def x(self, index: int) -> float:
        return round(MARGIN + self.slot * (index + 0.5) if self.has_columns else self.slot * index, 3)

    def around(self, index: int) -> tuple[float, float]:
        """Return from where to where the point at an index answers to the pointer."""
        return max(self.x(index) - self.slot / 2, 0), min(self.x(index) + self.slot / 2, 100)

    def column(self, index: int) -> tuple[float, float]:
        """Return where a column begins, and its width."""
        return round(self.x(index) - self.slot * 0.3, 3), round(self.slot * 0.6, 3)

    def line(self, values: Sequence[int]) -> str:
        path = "".join(f"{'L' if i else 'M'}{self.x(i)} {self.band.y(v)}" for i, v in enumerate(values))
        return path + (f"L100 {self.band.y(values[0])}" if len(values) == 1 and not self.has_columns else "")


def _grid(band: _Band) -> SafeString:
    return format_html_join("", '<line class="gridline" x2="100%" y1="{0}" y2="{0}"/>', ((y,) for y, _ in band.lines()))


def _zero(band: _Band) -> SafeString:
    return format_html('<line class="zero" x2="100%" y1="{0}" y2="{0}"/>', band.y(0))


def _marks(band: _Band, currency: str) -> SafeString:
    marks = ((round(y - 4, 1), axis_text(value, currency)) for y, value in band.lines() if value)
    return format_html_join("", '<text aria-hidden="true" y="{}">{}</text>', marks)


def _ticks(plot: _Plot, labels: Sequence[str]) -> SafeString:
    last = len(labels) - 1
    picks = sorted({round(last * k / 3) for k in range(4)})
    ends = {0: "first", last: "last"}
    ticks = ((ends.get(i, "mid"), plot.x(i), HEIGHT - 7, labels[i]) for i in picks)
    return format_html_join("", '<text aria-hidden="true" class="tick {}" x="{}%" y="{}">{}</text>', ticks)


def _hover(plot: _Plot, series: Series) -> SafeString:
    """One invisible column per point; pointing at it shows its line, dot and figures. A year by day has 366 of them."""
    base, height = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    cells = []
    for i, value in enumerate(series.now):
        (left, right), x = plot.around(i), plot.x(i)
        side = "first" if x < 25 else "last" if x > 75 else "mid"
        cells.append(
            f'<g class="hit"><rect x="{round(left, 3)}%" y="{TOP}" width="{round(right - left, 3)}%" height="{height}"/>'
            f'<line x1="{x}%" x2="{x}%" y1="{TOP}" y2="{base}"/><circle cx="{x}%" cy="{plot.band.y(value)}" r="4"/>'
            f'<text aria-hidden="true" class="tip {side}" x="{x}%" y="12">{html.escape(_tip(series, i))}</text></g>'
        )
    return mark_safe("".join(cells))  # noqa: S308  (numbers, and a text that is escaped)


def _tip(series: Series, index: int) -> str:
    text = f"{series.labels[index]}: {money.display(series.now[index], series.currency)}"
    if index < len(series.before):
        text += f" (before: {money.display(series.before[index], series.currency)})"
    return text


@dataclass(frozen=True)
class Layer:
    """One colour of a stack: what rises above the line, or what falls below it; a value (zero or more) per label."""

    name: str
    tone: str
    values: Sequence[int]
    falls: bool = False


@dataclass(frozen=True)
class Stack:
    """What a chart of columns shows: layers over the same labels."""

    title: str
    currency: str
    labels: Sequence[str]
    layers: Sequence[Layer]

    @property
    def sentence(self) -> str:
        """The takeaway in words."""
        sums = [(layer.name.lower(), sum(layer.values)) for layer in self.layers]
        told = ", ".join(f"{name} {money.display(value, self.currency)}" for name, value in sums if value)
        return f"{self.title}, {self.labels[0]} to {self.labels[-1]}: {told or 'nothing'}."


def stacks(stack: Stack) -> SafeString:
    """Draw one column per label: gains stacked above the zero line, losses below it."""
    points = len(stack.labels)
    up, down = (_highest(stack.layers, points, falls=falls) for falls in (False, True))
    step = step_minor(up + down)
    band = _Band(-(-up // step) or 1, -(-down // step), step)
    return format_html(
        '<svg class="chart stacks" width="100%" height="{}" role="img" aria-label="{}">{}{}{}{}{}</svg>',
        HEIGHT,
        stack.title,
        _grid(band),
        _columns(band, stack.labels, stack.layers),
        _zero(band),
        _marks(band, stack.currency),
        _stack_hover(band, stack),
    )


def _highest(layers: Sequence[Layer], points: int, *, falls: bool) -> int:
    chosen = [layer for layer in layers if layer.falls == falls]
    return max((sum(layer.values[i] for layer in chosen) for i in range(points)), default=0)


def _columns(band: _Band, labels: Sequence[str], layers: Sequence[Layer]) -> SafeString:
    slot = (100 - MARGIN) / len(labels)
    rects: list[tuple[str, float, float, float, float]] = []
    for i in range(len(labels)):
        edges = {False: 0, True: 0}
        for layer in layers:
            before = edges[layer.falls]
            after = before + (-layer.values[i] if layer.falls else layer.values[i])
            edges[layer.falls] = after
            top, height = band.between(before, after)
            if height:
                rects.append((layer.tone, round(MARGIN + slot * (i + 0.2), 3), round(slot * 0.6, 3), top, height))
    return format_html_join("", '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}"/>', rects)


def _stack_hover(band: _Band, stack: Stack) -> SafeString:
    """One invisible column per label; pointing at it shows its figures. Every few columns are named below."""
    labels, layers, currency = stack.labels, stack.layers, stack.currency
    slot, every = (100 - MARGIN) / len(labels), -(-len(labels) // 6)
    cells = (
        {
            "left": round(MARGIN + slot * i, 3),
            "width": round(slot, 3),
            "middle": round(MARGIN + slot * (i + 0.5), 3),
            "height": HEIGHT,
            "side": "first" if i < len(labels) / 3 else "last" if i >= 2 * len(labels) / 3 else "mid",
            "at": 0 if i < len(labels) / 3 else 100 if i >= 2 * len(labels) / 3 else 50,
            "tick": label if i % every == 0 else "",
            "floor": HEIGHT - 7,
            "text": f"{label}: " + ", ".join(_signed(layer, i, currency) for layer in layers if layer.values[i]),
        }
        for i, label in enumerate(labels)
    )
    return format_html_join(
        "",
        '<g class="hit"><rect x="{left}%" y="0" width="{width}%" height="{height}"/>'
        '<text aria-hidden="true" class="tick mid" x="{middle}%" y="{floor}">{tick}</text>'
        '<text aria-hidden="true" class="tip {side}" x="{at}%" y="12">{text}</text></g>',
        cells,
    )


def _signed(layer: Layer, index: int, currency: str) -> str:
    sign = "\u2212" if layer.falls else "+"
    return f"{layer.name.lower()} {sign}{money.display(layer.values[index], currency)}"
