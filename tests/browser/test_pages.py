"""Every page in a real browser: no serious accessibility finding, no console error, no sideways scrolling."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("studio")]

PAGES = (
    "",
    "stripe/",
    "stripe/products/",
    "stripe/products/new/",
    "stripe/customers/",
    "stripe/customers/new/",
    "stripe/payments/",
    "stripe/payments/?status=failed",
    "stripe/payments/?q=nobody@example.org",
    "stripe/payments/new/",
    "stripe/subscriptions/",
    "stripe/subscriptions/new/",
    "stripe/sync/",
)
LISTS = ("products", "customers", "payments", "subscriptions")


def details(tab: Any, base: str) -> list[str]:
    """The first row's detail page of each list."""
    found = []
    for name in LISTS:
        tab.goto(f"{base}/stripe/{name}/")
        link = tab.locator(f"tbody a[href*='/stripe/{name}/']").first
        found.append(str(link.get_attribute("href")).partition("/studio/financial/")[2])
    return found


def check(tab: Any, address: str, shot: str) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    answer = tab.goto(address)
    troubles = [f"{address}: status {answer.status}"] if answer.status >= 400 else []
    tab.screenshot(path=str(SHOTS / f"{shot}.png"), full_page=True)
    findings = Axe().run(tab).response["violations"]
    troubles += [
        f"{address}: {finding['id']} {finding['nodes'][0]['html'][:120]}"
        for finding in findings
        if finding["impact"] in ("serious", "critical")
    ]
    if not tab.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        troubles.append(f"{address}: scrolls sideways")
    troubles += [f"{address}: console: {text}" for text in tab.said]
    tab.said.clear()
    return troubles


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 360])
def test_every_page_is_accessible_quiet_and_fits(studio: Studio, open_tab: Any, width: int, color_scheme: str) -> None:
    tab = open_tab(width=width, color_scheme=color_scheme)
    base = f"{studio.url}/studio/financial"
    pages = [*PAGES, *details(tab, base)]

    troubles: list[str] = []
    for page in pages:
        name = page.partition("?")[0].strip("/").replace("/", "-") or "overview"
        name += "-filtered" if "?" in page else ""
        troubles += check(tab, f"{base}/{page}", f"{color_scheme}-{width}-{name}")

    assert troubles == []


def test_pages_work_without_javascript(studio: Studio, open_tab: Any) -> None:
    tab = open_tab(java_script_enabled=False)
    base = f"{studio.url}/studio/financial/stripe"

    tab.goto(f"{base}/payments/")
    first = tab.locator("tbody tr").first.inner_text()
    tab.get_by_role("link", name="Next").first.click()
    assert tab.locator("tbody tr").first.inner_text() != first

    tab.goto(f"{base}/sync/")
    tab.get_by_role("button", name="Start sync").click()
    assert "sync" in tab.url
    assert tab.locator("main").inner_text()


def test_an_unknown_address_says_what_to_do(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()

    answer = tab.goto(f"{studio.url}/studio/financial/stripe/payments/pi_unknown/")

    assert answer.status == 404
    assert "No such payment" in tab.inner_text("main")
