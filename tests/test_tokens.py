"""The colours of the stylesheet: contrast by WCAG's formula, in both schemes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from financial import tokens

STYLESHEET = (Path(tokens.__file__).parent / "static" / "financial" / "app.css").read_text()
COLOURS = tokens.colours(STYLESHEET)


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000", "#ffffff", 21), ("#fff", "#fff", 1), ("#777777", "#fff", 4.48)]
)
def test_contrast_is_that_of_the_standard(one: str, other: str, ratio: float) -> None:
    assert tokens.ratio(one, other) == pytest.approx(ratio, abs=0.005)
    assert tokens.ratio(other, one) == tokens.ratio(one, other)


@pytest.mark.parametrize(
    "found", tokens.contrasts(COLOURS), ids=lambda found: f"{found.pair.front} on {found.pair.behind}"
)
def test_colours_that_meet_differ_enough_in_both_schemes(found: tokens.Contrast) -> None:
    assert found.is_enough, (found.light, found.dark)


def test_every_colour_is_in_a_pair_or_only_decorates() -> None:
    paired = {name for pair in tokens.PAIRS for name in (pair.front, pair.behind)}
    assert set(COLOURS) - paired == {"line", "brand"}


def test_colours_are_written_in_the_tokens_only() -> None:
    rules = re.sub(r"--[a-z0-9-]+:[^;]*;", "", STYLESHEET)
    written = re.findall(r"#[0-9a-f]{3,8}\b", rules)
    assert written == []


def test_type_is_set_in_sizes_of_the_scale() -> None:
    sizes = re.findall(r"font-size: ([^;]+);", STYLESHEET)
    assert {size for size in sizes if not re.fullmatch(r"var\(--text-[a-z0-9]+\)|[0-9.]+em|8\.5pt", size)} == set()


def test_every_token_in_use_is_defined() -> None:
    defined = set(re.findall(r"(--[a-z0-9-]+):", STYLESHEET))
    assert set(re.findall(r"var\((--[a-z0-9-]+)", STYLESHEET)) <= defined


def test_scales_are_read_with_their_lengths() -> None:
    lengths = tokens.lengths(STYLESHEET)
    assert lengths["text-m"] == "1rem"
    assert [float(v[:-3]) for n, v in lengths.items() if n.startswith("text")] == sorted(
        float(v[:-3]) for n, v in lengths.items() if n.startswith("text")
    )
