"""The colours of the stylesheet and their contrast: read from its text, judged by WCAG's formula. Pure.

Knows nothing of pages. The style page shows `PAIRS` with their ratios; a test demands them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TEXT, SHAPE = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11
_COLOUR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\);")
_LENGTH = re.compile(r"--((?:text|space)-[a-z0-9]+): ([0-9.]+rem);")


@dataclass(frozen=True)
class Colour:
    """One token in both schemes, as `#rgb` or `#rrggbb`."""

    name: str
    light: str
    dark: str


@dataclass(frozen=True)
class Pair:
    """Two tokens that meet on a page: text or a shape in front, what is behind it, and how far they must differ."""

    front: str
    behind: str
    least: float
    used_for: str


@dataclass(frozen=True)
class Contrast:
    """A pair with its ratios, 1 to 21."""

    pair: Pair
    light: float
    dark: float

    @property
    def is_enough(self) -> bool:
        return min(self.light, self.dark) >= self.pair.least


_GROUNDS = ("bg", "surface", "sunken")
_TONES = ("ok", "warn", "bad", "info")
PAIRS = (
    *(Pair("text", ground, TEXT, "text") for ground in (*_GROUNDS, "accent-soft")),
    *(Pair("muted", ground, TEXT, "labels, notes, table heads") for ground in (*_GROUNDS, "muted-soft")),
    *(Pair("accent", ground, TEXT, "links, the current tab, the focus ring") for ground in (*_GROUNDS, "accent-soft")),
    Pair("on-accent", "accent", TEXT, "the primary button"),
    Pair("on-bad", "bad", TEXT, "the danger button"),
    *(Pair(tone, f"{tone}-soft", TEXT, f"badges and alerts, {tone}") for tone in _TONES),
    *(Pair(tone, ground, TEXT, f"words in the tone {tone}") for tone in _TONES for ground in _GROUNDS),
    *(Pair("edge", ground, SHAPE, "borders of fields and buttons, the compared line") for ground in _GROUNDS),
    *(
        Pair(layer, "surface", SHAPE, f"columns of the chart, {layer}")
        for layer in ("new", "reactivation", "expansion", "contraction", "churn")
    ),
)


def colours(stylesheet: str) -> dict[str, Colour]:
    """Return every colour token of a stylesheet by its name, in the order they are written."""
    return {name: Colour(name, light, dark) for name, light, dark in _COLOUR.findall(stylesheet)}


def lengths(stylesheet: str) -> dict[str, str]:
    """Return the scales of type (`text-…`) and of space (`space-…`): name to length in rem."""
    return dict(_LENGTH.findall(stylesheet))


def contrasts(found: Mapping[str, Colour]) -> list[Contrast]:
    """Return every pair with its ratio in both schemes.

    Raises:
        KeyError: a pair names a token the stylesheet does not have.
    """
    return [
        Contrast(
            pair,
            ratio(found[pair.front].light, found[pair.behind].light),
            ratio(found[pair.front].dark, found[pair.behind].dark),
        )
        for pair in PAIRS
    ]


def ratio(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21. WCAG: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    red, green, blue = (_linear(int(digits[i : i + 2], 16) / 255) for i in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
