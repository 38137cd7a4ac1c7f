"""The command palette and the shortcuts, with the keyboard alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio
from tests.browser.scrutiny import barriers

pytestmark = pytest.mark.browser


def opened(studio: Studio, tab: Any, page: str = "stripe/payments/") -> Any:
    tab.goto(f"{studio.url}/studio/financial/{page}")
    return tab


def palette(tab: Any) -> Any:
    tab.keyboard.press("Control+k")
    tab.wait_for_selector("#palette[open] [role=option]")
    return tab.locator("#palette")


def chosen(tab: Any) -> str:
    """The text of the option the field names, which must be the one drawn as chosen."""
    named = tab.get_attribute("#palette-text", "aria-activedescendant")
    option = tab.locator(f"#{named}")
    assert option.get_attribute("aria-selected") == "true"
    assert tab.locator("#palette [aria-selected=true]").count() == 1
    return str(option.inner_text())


def typed(tab: Any, text: str, wanted: str) -> None:
    tab.keyboard.type(text)
    tab.wait_for_selector(f"#palette [role=option]:has-text('{wanted}')")
    tab.wait_for_timeout(300)


def test_a_page_is_opened_by_its_name(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    palette(tab)
    typed(tab, "metr", "Metrics")
    assert chosen(tab).startswith("Metrics")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("/stripe/metrics/"))
    assert tab.said == []


def test_a_customer_is_found_and_opened(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab(), "stripe/customers/")
    name = tab.locator("tbody a.main-link").first.inner_text().split()[0]
    palette(tab)
    typed(tab, name, name)
    while "Search everything" not in chosen(tab) and name not in chosen(tab):
        tab.keyboard.press("ArrowDown")
    assert name in chosen(tab)
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("/(customers|payments|subscriptions)/[a-z]+_"))


def test_arrows_go_round_and_the_last_option_searches_everything(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    palette(tab)
    typed(tab, "an", "Search everything for “an”")
    first = chosen(tab)
    tab.keyboard.press("ArrowUp")
    assert "Search everything" in chosen(tab)
    tab.keyboard.press("ArrowDown")
    assert chosen(tab) == first
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile(r"/stripe/search/\?q=an"))


def test_escape_closes_and_gives_the_focus_back(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    link = tab.locator("tbody a.main-link").first
    link.focus()
    palette(tab)
    assert tab.evaluate("document.activeElement.id") == "palette-text"
    tab.keyboard.press("Escape")
    assert tab.locator("#palette[open]").count() == 0
    assert tab.evaluate("document.activeElement.getAttribute('href')") == link.get_attribute("href")


def test_sync_is_asked_for_by_keyboard(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    palette(tab)
    typed(tab, "sync now", "Sync now")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("/stripe/sync/"))
    assert re.search("asked for|under way", tab.inner_text("main"))


def test_a_card_number_is_never_sent(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    palette(tab)
    sent: list[str] = []
    tab.on("request", lambda request: sent.append(request.url))
    tab.keyboard.insert_text("4242 4242 4242 4242")
    tab.wait_for_timeout(600)
    assert "card number" in tab.inner_text("#palette [role=status]")
    assert sent == []


def test_single_keys_lead_to_pages_and_to_the_search_box(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab(), "")
    for key, address in (("c", "/stripe/customers/"), ("l", "/transactions/"), ("p", "/stripe/payments/")):
        tab.keyboard.press("g")
        tab.keyboard.press(key)
        tab.wait_for_url(re.compile(f"{address}$"))
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "quick-search"
    tab.keyboard.type("g c /?")
    assert tab.input_value("#quick-search") == "g c /?"
    assert tab.url.endswith("/stripe/payments/")


def test_arrows_step_periods_but_not_with_other_keys(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab(), "")
    tab.keyboard.press("Alt+ArrowRight")
    tab.keyboard.press("Shift+ArrowLeft")
    tab.keyboard.press("ArrowRight")  # there is nothing later than today
    assert "end=" not in tab.url
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url(re.compile("end="))
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url(lambda url: "end=" not in url)


def test_help_lists_the_keys_and_switches_them_off(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab())
    tab.keyboard.press("?")
    tab.wait_for_selector("#shortcuts[open]")
    tab.screenshot(path=str(SHOTS / "shortcuts.png"))
    assert barriers(tab) == []
    tab.get_by_label("Use single keys as shortcuts").focus()
    tab.keyboard.press("Space")
    tab.keyboard.press("Escape")
    tab.keyboard.press("g")
    tab.keyboard.press("c")
    tab.keyboard.press("?")
    tab.wait_for_timeout(300)
    assert tab.url.endswith("/stripe/payments/")
    tab.reload()
    tab.keyboard.press("?")
    assert tab.locator("#shortcuts[open]").count() == 0
    palette(tab)  # has a modifier, and stays


@pytest.mark.parametrize(("width", "color_scheme"), [(1360, "light"), (360, "dark")])
def test_palette_is_accessible_and_fits(studio: Studio, open_tab: Any, width: int, color_scheme: str) -> None:
    tab = opened(studio, open_tab(width=width, color_scheme=color_scheme))
    box = palette(tab).bounding_box()
    typed(tab, "an", "Search everything")
    tab.screenshot(path=str(SHOTS / f"palette-{color_scheme}-{width}.png"))
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert barriers(tab) == []
    heights = tab.evaluate(
        "[...document.querySelectorAll('#palette [role=option], #palette button')].map(e => e.offsetHeight)"
    )
    assert min(heights) >= 24
    assert tab.said == []


def test_without_scripts_the_box_searches(studio: Studio, open_tab: Any) -> None:
    tab = opened(studio, open_tab(java_script_enabled=False))
    assert not tab.locator("[data-opens]").first.is_visible()
    tab.fill("#quick-search", "an")
    tab.press("#quick-search", "Enter")
    tab.wait_for_url(re.compile(r"/stripe/search/\?q=an"))
    assert tab.locator(".hits li").count()
