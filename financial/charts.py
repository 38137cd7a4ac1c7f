"""Server-side SVG: no script, no inline style, coloured by the stylesheet, readable by screen readers.

Fluid without a script: x in percent, y in pixels; only the lines are stretched. Values are minor units of one currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

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
    high, last = max(values), len(values) - 1
    places = ((100 * i / last, SPARK - 2 - (SPARK - 4) * value / high) for i, value in enumerate(values))
    points = " ".join(f"{round(x, 2)},{round(y, 2)}" for x, y in places)
    return format_html(
        '<svg class="spark" width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false"><polyline points="{1}"/></svg>',
        SPARK,
        points,
    )


def area(series: Series) -> SafeString:
    """Draw the values as a line over a soft area, the time before as a dashed line."""
    step = step_minor(max([*series.now, *series.before, 0]))
    plot = _Plot(len(series.now), step * STEPS)
    return format_html(
        '<svg class="chart" width="100%" height="{height}" role="img" aria-label="{label}">{grid}'
        '<svg width="100%" height="{height}" viewBox="0 0 100 {height}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="fill" d="{now}L100 {base}L0 {base}Z"/><path class="was" d="{was}"/><path class="now" d="{now}"/>'
        "</svg>{marks}{ticks}{hover}</svg>",
        height=HEIGHT,
        label=series.title,
        grid=_grid(plot, step),
        base=plot.base,
        now=plot.line(series.now),
        was=plot.line(series.before[: len(series.now)]) if series.before else "",
        marks=_marks(plot, step, series.currency),
        ticks=_ticks(plot, series.labels),
        hover=_hover(plot, series),
    )


@dataclass(frozen=True)
class _Plot:
    """Where a value lies: x in percent of the width, y in pixels from the top."""

    points: int
    high: int
    base: int = HEIGHT - BOTTOM

    def x(self, index: int) -> float:
        return round(100 * index / max(self.points - 1, 1), 3)

    def y(self, value: int) -> float:
        return round(self.base - (self.base - TOP) * value / self.high, 1)

    def line(self, values: Sequence[int]) -> str:
        path = "".join(f"{'L' if i else 'M'}{self.x(i)} {self.y(v)}" for i, v in enumerate(values))
        return path + (f"L100 {self.y(values[0])}" if len(values) == 1 else "")


def _grid(plot: _Plot, step: int) -> SafeString:
    lines = ((plot.y(step * k),) for k in range(STEPS + 1))
    return format_html_join("", '<line class="gridline" x2="100%" y1="{0}" y2="{0}"/>', lines)


def _marks(plot: _Plot, step: int, currency: str) -> SafeString:
    marks = ((round(plot.y(step * k) - 4, 1), axis_text(step * k, currency)) for k in range(1, STEPS + 1))
    return format_html_join("", '<text aria-hidden="true" y="{}">{}</text>', marks)


def _ticks(plot: _Plot, labels: Sequence[str]) -> SafeString:
    last = len(labels) - 1
    picks = sorted({round(last * k / 3) for k in range(4)})
    ends = {0: "first", last: "last"}
    ticks = ((ends.get(i, "mid"), plot.x(i), HEIGHT - 7, labels[i]) for i in picks)
    return format_html_join("", '<text aria-hidden="true" class="tick {}" x="{}%" y="{}">{}</text>', ticks)


def _hover(plot: _Plot, series: Series) -> SafeString:
    """One invisible column per point; pointing at it shows its line, dot and figures."""
    half = 50 / max(plot.points - 1, 1)
    cells = (
        {
            "left": round(max(plot.x(i) - half, 0), 3),
            "width": round(min(plot.x(i) + half, 100) - max(plot.x(i) - half, 0), 3),
            "top": TOP,
            "height": plot.base - TOP,
            "x": plot.x(i),
            "base": plot.base,
            "y": plot.y(value),
            "side": "first" if plot.x(i) < 25 else "last" if plot.x(i) > 75 else "mid",
            "text": _tip(series, i),
        }
        for i, value in enumerate(series.now)
    )
    return format_html_join(
        "",
        '<g class="hit"><rect x="{left}%" y="{top}" width="{width}%" height="{height}"/>'
        '<line x1="{x}%" x2="{x}%" y1="{top}" y2="{base}"/><circle cx="{x}%" cy="{y}" r="4"/>'
        '<text aria-hidden="true" class="tip {side}" x="{x}%" y="12">{text}</text></g>',
        cells,
    )


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
        format_html_join("", '<line class="gridline" x2="100%" y1="{0}" y2="{0}"/>', ((y,) for y, _ in band.lines())),
        _columns(band, stack.labels, stack.layers),
        format_html('<line class="zero" x2="100%" y1="{0}" y2="{0}"/>', band.y(0)),
        format_html_join(
            "",
            '<text aria-hidden="true" y="{}">{}</text>',
            ((round(y - 4, 1), axis_text(value, stack.currency)) for y, value in band.lines() if value),
        ),
        _stack_hover(band, stack),
    )


@dataclass(frozen=True)
class _Band:
    """Where an amount lies between `ups` steps above and `downs` below the zero line, in pixels from the top."""

    ups: int
    downs: int
    step: int

    def y(self, value: int) -> float:
        high = (HEIGHT - BOTTOM - TOP) / ((self.ups + self.downs) * self.step)
        return round(TOP + (self.ups * self.step - value) * high, 1)

    def lines(self) -> list[tuple[float, int]]:
        return [(self.y(k * self.step), k * self.step) for k in range(-self.downs, self.ups + 1)]


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
            top, bottom = band.y(max(before, after)), band.y(min(before, after))
            if bottom > top:
                rects.append(
                    (layer.tone, round(MARGIN + slot * (i + 0.2), 3), round(slot * 0.6, 3), top, round(bottom - top, 1))
                )
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
