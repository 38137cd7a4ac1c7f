"""By keyboard alone: everything is reached, seen and used, and nothing keeps the focus."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import Studio

pytestmark = pytest.mark.browser

WALKED = ("overview", "payments", "payment", "payment-new", "subscription", "metrics", "sync", "exports", "style")
STOPS_MAX = 400
# Where the focus is, as one sees it. `mark` numbers the element, so that a second visit is noticed.
FOCUS = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const style = getComputedStyle(node), box = node.getBoundingClientRect();
  const x = box.left + Math.min(box.width / 2, 40), y = box.top + Math.min(box.height / 2, 40);
  const top = document.elementFromPoint(x, y);
  window.stops ??= new Map();
  const again = window.stops.has(node);
  if (!again) window.stops.set(node, window.stops.size);
  const before = [...window.stops.keys()].at(-2);
  return {
    text: node.outerHTML.slice(0, 100),
    again,
    isOutlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    isUncovered: !top || node.contains(top) || top.contains(node),
    isInOrder: !before || again || Boolean(before.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING),
  };
}"""


def walk(tab: Any) -> list[str]:
    """Press Tab until the focus leaves the page; return what is wrong on the way."""
    said = []
    for _ in range(STOPS_MAX):
        tab.keyboard.press("Tab")
        stop = tab.evaluate(FOCUS)
        if stop is None or stop["again"]:
            break
        wrong = [what for what in ("isOutlined", "isInView", "isUncovered", "isInOrder") if not stop[what]]
        if wrong:
            said.append(f"{', '.join(wrong)} false: {stop['text']}")
    else:
        return [*said, "the focus never left"]
    reached = tab.evaluate("window.stops.size")
    if reached < 10:
        said.append(f"only {reached} stops: the focus is kept")
    return said


@pytest.mark.parametrize("name", WALKED)
def test_the_tab_key_goes_through_the_page_and_the_focus_is_always_seen(
    studio: Studio, open_tab: Any, found: dict[str, str], name: str
) -> None:
    tab = open_tab()
    tab.goto(studio.url + found[name])

    said = walk(tab)

    assert not said, "\n".join(said)


def test_the_first_stop_skips_to_the_content(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/stripe/payments/")

    tab.keyboard.press("Tab")
    skip = tab.get_by_role("link", name="Skip to content")
    assert skip.is_visible()
    assert skip.bounding_box()["y"] >= 0
    tab.keyboard.press("Enter")

    assert tab.evaluate("document.activeElement.id") == "main"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('main') !== null")


def test_a_form_is_refused_corrected_and_sent(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/stripe/products/new/")
    tab.get_by_label("Name", exact=True).focus()
    tab.keyboard.press("Enter")

    tab.wait_for_selector("[role=alert]")
    assert tab.evaluate("document.activeElement.getAttribute('role')") == "alert"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # the summary's link leads to the field
    tab.keyboard.press("Tab") if tab.evaluate("document.activeElement.id") != "id_name" else None
    assert tab.evaluate("document.activeElement.id") == "id_name"

    tab.keyboard.type("Typed by keyboard")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile(r"/products/prod_\w+/"))
    assert tab.locator("h1").inner_text().startswith("Typed by keyboard")
    assert tab.said == [] or all("422" in text for text in tab.said)


def test_details_open_with_enter_and_the_table_in_them_scrolls(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/")
    tab.get_by_text("Show as a table").first.focus()

    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")

    assert tab.evaluate("document.activeElement.classList.contains('table-wrap')")


def test_a_chart_says_its_points_one_by_one(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/")
    chart = tab.locator("svg.chart").first
    status = tab.locator("svg.chart + [role=status]").first
    chart.focus()

    tab.keyboard.press("End")
    last = status.inner_text()
    tab.keyboard.press("ArrowLeft")

    assert "$" in last
    assert status.inner_text() != last
    assert chart.locator(".hit.on .tip").text_content() == status.inner_text()


def test_arrows_lead_to_the_days_before_and_back(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/?period=7d")
    steps = tab.get_by_role("navigation", name="Through time")
    newest = steps.inner_text()

    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url("**end=**")
    assert steps.inner_text() != newest

    tab.keyboard.press("ArrowRight")
    tab.wait_for_url(lambda url: "end=" not in url)
    assert steps.inner_text() == newest


def test_the_menu_of_a_phone_opens_closes_and_gives_the_focus_back(studio: Studio, open_tab: Any) -> None:
    phone = open_tab(width=360)
    phone.goto(f"{studio.url}/studio/financial/")
    phone.get_by_role("button", name="Menu").focus()

    phone.keyboard.press("Enter")
    assert phone.get_by_role("navigation", name="Main").is_visible()
    phone.keyboard.press("Tab")
    assert phone.evaluate("document.activeElement.closest('#menu') !== null")
    phone.keyboard.press("Escape")

    assert not phone.get_by_role("navigation", name="Main").is_visible()
    assert phone.evaluate("document.activeElement.textContent.trim()") == "Menu"


def test_exact_times_are_chosen_without_a_mouse_and_stay_chosen(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    tab.goto(f"{studio.url}/studio/financial/stripe/payments/")
    shown = "getComputedStyle(document.querySelector('tbody time > span')).display"
    assert tab.evaluate(shown) != "none"

    tab.get_by_label("Times").focus()
    tab.keyboard.press("ArrowDown")
    tab.reload()

    assert tab.get_by_label("Times").input_value() == "exact"
    assert tab.evaluate(shown) == "none"
    exact = tab.evaluate("getComputedStyle(document.querySelector('tbody time'), '::after').content")
    told = r'"\d+ \w+ \d{4}, \d\d:\d\d \w+( · (\d+ \w+ \d{4}, )?\d\d:\d\d UTC)?"'
    assert re.fullmatch(told, exact) or exact == "attr(data-exact)"
    assert tab.said == []
