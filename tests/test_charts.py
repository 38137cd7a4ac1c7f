"""The charts' arithmetic and markup; no database."""

from __future__ import annotations

import re

import pytest

from financial.charts import Layer, Series, Stack, area, axis_text, bars, spark, stacks, step_minor


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (3, 1), (4, 1), (7, 2), (45_000, 15_000), (100_000, 25_000), (160_001, 50_000)]
)
def test_four_steps_hold_the_highest_value(most, step):
    assert step_minor(most) == step
    assert step * 4 >= most


def test_steps_of_huge_amounts_still_hold_them():
    assert step_minor(999_999_999_999) * 4 >= 999_999_999_999


def test_axis_leaves_out_decimals_that_are_all_zero():
    assert axis_text(250_000, "usd") == "$2,500"
    assert axis_text(250, "usd") == "$2.50"
    assert axis_text(1000, "jpy") == "¥1,000"


def test_sentence_says_the_total_the_best_bucket_and_the_time_before():
    series = Series("Gross payments per day", "usd", ["1 Oct", "2 Oct"], [100, 300], [50, 0])

    assert series.sentence == (
        "Gross payments per day, 1 Oct to 2 Oct: $4.00 USD in all, most in 2 Oct with $3.00 USD; "
        "$0.50 USD in the time before."
    )


def test_nothing_moved_is_said_so():
    assert Series("Volume", "eur", ["1 Oct", "2 Oct"], [0, 0]).sentence == "Volume, 1 Oct to 2 Oct: nothing."


def test_a_table_has_a_row_per_label_and_the_time_before_where_there_is_one():
    assert Series("Volume", "usd", ["a", "b"], [1, 5], [4]).rows == [("a", 1, 4), ("b", 5, None)]
    assert Series("Volume", "usd", ["a"], [1]).rows == [("a", 1, None)]


def test_a_longer_time_before_is_told_and_listed_in_full():
    series = Series("Volume", "usd", ["a"], [100], [200, 300], "1–2 Sep 2026")

    assert series.sentence.endswith("; $5.00 USD in 1–2 Sep 2026.")
    assert series.rows == [("a", 100, 200), ("further, before", None, 300)]
    assert 'class="was" d="M0.0 ' in area(series)


def test_chart_has_no_inline_style_or_script_and_a_label():
    drawn = area(Series("Volume", "usd", ["a", "b", "c"], [1, 5, 2], [0, 1, 9]))

    assert "style" not in drawn and "<script" not in drawn
    assert 'role="img"' in drawn and 'aria-label="Volume"' in drawn


def test_labels_are_escaped():
    drawn = area(Series("<script>alert(1)</script>", "usd", ["<b>", "<i>"], [1, 2]))

    assert "<script>" not in drawn and "<b>" not in drawn


def test_a_single_day_draws_a_level_line():
    drawn = area(Series("Volume", "usd", ["today"], [500]))

    assert 'class="now" d="M0.0 ' in drawn and "L100 " in drawn


def test_what_is_below_nothing_is_drawn_below_the_zero_line():
    series = Series("Net volume", "usd", ["a", "b", "c"], [2000, -1000, 0], [500, 500, -500])
    lined, barred = area(series), bars(series)

    [(top, height)] = columns(barred, "bar rises")
    [(hung, depth)] = columns(barred, "bar falls")
    assert zero_line(lined) == zero_line(barred) < 214  # there is something under it
    assert top + height == pytest.approx(zero_line(barred), abs=0.2)
    assert hung == pytest.approx(zero_line(barred), abs=0.2)
    assert depth == pytest.approx(height / 2, abs=0.2)
    assert ">−$10</text>" in barred and ">−$10</text>" in lined
    floor = 240 - 26
    assert all(26 <= y <= floor for y in ys(lined, "now") + ys(lined, "was") + ys(barred, "was"))


def test_bars_say_compare_and_answer_to_the_keyboard_as_the_line_does():
    series = Series("Volume", "usd", ["a", "b", "c"], [100, 500, 200], [0, 100, 900])

    said = [re.findall(r'class="tip [a-z]+"[^>]*>([^<]+)<', drawn) for drawn in (area(series), bars(series))]

    assert said[0] == said[1] == ["a: $1.00 (before: $0.00)", "b: $5.00 (before: $1.00)", "c: $2.00 (before: $9.00)"]
    assert len(columns(bars(series), "bar rises")) == 3
    assert len(ys(bars(series), "was")) == 3
    assert 'role="img"' in bars(series) and "style" not in bars(series)


def test_a_single_bar_and_bars_of_nothing_are_drawn_too():
    assert len(columns(bars(Series("Volume", "usd", ["today"], [500])), "bar rises")) == 1
    assert "<rect class=" not in bars(Series("Volume", "usd", ["a", "b"], [0, 0]))


def test_a_small_line_goes_below_nothing_and_back():
    def heights(*values: int) -> list[float]:
        return [float(point.split(",")[1]) for point in re.search(r'points="([^"]*)"', spark(values))[1].split()]  # type: ignore[index]

    assert heights(0, 50, 100) == [28, 15, 2]
    assert heights(100, -100, 0) == [2, 28, 15]
    assert heights(-10, -20) == [15, 28]
    assert spark([0, 0]) == spark([5]) == spark([]) == ""


def ys(svg: str, tone: str) -> list[float]:
    """Where the points of a line lie."""
    path = re.search(rf'<path class="{tone}" d="([^"]*)"', svg)[1]  # type: ignore[index]
    return [float(y) for y in re.findall(r"[ML][0-9.]+ ([0-9.]+)", path)]


def stack(*layers: Layer, labels: tuple[str, ...] = ("Jan", "Feb")) -> str:
    return str(stacks(Stack("Movements", "usd", labels, layers)))


def zero_line(svg: str) -> float:
    return float(re.search(r'class="zero" x2="100%" y1="([0-9.]+)"', svg)[1])  # type: ignore[index]


def columns(svg: str, tone: str) -> list[tuple[float, float]]:
    """Top and height of each column of a colour."""
    found = re.findall(rf'<rect class="{tone}" [^>]*y="([0-9.]+)" height="([0-9.]+)"', svg)
    return [(float(y), float(height)) for y, height in found]


def test_gains_stand_on_the_zero_line_and_losses_hang_from_it() -> None:
    svg = stack(Layer("New", "new", [1000, 0]), Layer("Churn", "churn", [500, 0], falls=True))

    [(top, height)], [(hung, _)] = columns(svg, "new"), columns(svg, "churn")
    assert top + height == pytest.approx(zero_line(svg), abs=0.2)
    assert hung == pytest.approx(zero_line(svg), abs=0.2)


def test_layers_of_one_column_do_not_overlap() -> None:
    svg = stack(Layer("New", "new", [1000, 0]), Layer("Expansion", "expansion", [500, 0]))

    [(below, _)], [(top, height)] = columns(svg, "new"), columns(svg, "expansion")
    assert top + height == pytest.approx(below, abs=0.2)


def test_a_stack_is_told_in_one_sentence() -> None:
    layers = [Layer("New", "new", [1000, 500]), Layer("Churn", "churn", [0, 250], falls=True)]

    told = Stack("Movements", "usd", ("Jan", "Feb"), layers).sentence

    assert told == "Movements, Jan to Feb: new $15.00, churn $2.50."


def test_a_stack_of_nothing_is_drawn_all_the_same() -> None:
    nothing = Layer("New", "new", [0, 0])

    assert "Jan" in stack(nothing)
    assert Stack("Movements", "usd", ("Jan", "Feb"), [nothing]).sentence == "Movements, Jan to Feb: nothing."
