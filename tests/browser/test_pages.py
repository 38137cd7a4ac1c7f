"""Every page in a real browser: no serious accessibility finding, no console error, no sideways scrolling."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio

pytestmark = pytest.mark.browser

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
    "stripe/metrics/",
    "stripe/subscriptions/new/",
    "stripe/search/",
    "stripe/search/?q=an",
    "stripe/sync/",
    "stripe/events/",
    "stripe/events/?type=nothing",
    "stripe/endpoint/",
    "exports/",
    "transactions/",
    "transactions/?status=differences",
    "transactions/house/",
    "transactions/new/",
    "accounts/",
    "suspense/",
    "revenue/",
    "fees/",
    "proof/",
)
LISTS = ("products", "customers", "payments", "subscriptions")


def details(tab: Any, base: str) -> list[str]:
    """The first row's detail page of each list, and of the inbox."""
    found = []
    for name in LISTS:
        tab.goto(f"{base}/stripe/{name}/")
        link = tab.locator(f"tbody a[href*='/stripe/{name}/']").first
        found.append(str(link.get_attribute("href")).partition("/studio/financial/")[2])
    return [*found, an_event(tab, base)]


def an_event(tab: Any, base: str) -> str:
    """The page of an event with its payload, once the sandbox has sent one."""
    link = tab.locator("tbody a[href*='/stripe/events/']").first
    for _ in range(60):
        tab.goto(f"{base}/stripe/events/")
        if link.count():
            return str(link.get_attribute("href")).partition("/studio/financial/")[2] + "?payload=1"
        tab.wait_for_timeout(1000)
    raise AssertionError("no webhook came within a minute")


def name_of(page: str) -> str:
    name = page.partition("?")[0].strip("/").replace("/", "-") or "overview"
    return f"{name}-filtered" if "?" in page else name


def misfits(tab: Any, address: str) -> list[str]:
    """What is wrong with a page at first sight: its status, its width, its console."""
    answer = tab.goto(address)
    troubles = [f"{address}: status {answer.status}"] if answer.status >= 400 else []
    if not tab.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        troubles.append(f"{address}: scrolls sideways")
    troubles += [f"{address}: console: {text}" for text in tab.said]
    tab.said.clear()
    return troubles


def barriers(tab: Any) -> list[str]:
    """What axe finds serious on the page that is open."""
    from axe_playwright_python.sync_playwright import Axe

    findings = Axe().run(tab).response["violations"]
    return [
        f"{tab.url}: {finding['id']} {finding['nodes'][0]['html'][:120]}"
        for finding in findings
        if finding["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("width", "color_scheme"), [(1360, "light"), (360, "dark")])
def test_every_page_is_accessible_quiet_and_fits(studio: Studio, open_tab: Any, width: int, color_scheme: str) -> None:
    tab = open_tab(width=width, color_scheme=color_scheme)
    base = f"{studio.url}/studio/financial"

    troubles: list[str] = []
    for page in [*PAGES, *details(tab, base)]:
        troubles += misfits(tab, f"{base}/{page}")
        tab.screenshot(path=str(SHOTS / f"{color_scheme}-{width}-{name_of(page)}.png"), full_page=True)
        troubles += barriers(tab)

    assert troubles == []


@pytest.mark.parametrize(("width", "color_scheme"), [(1360, "dark"), (360, "light")])
def test_every_page_is_quiet_and_fits(studio: Studio, open_tab: Any, width: int, color_scheme: str) -> None:
    tab = open_tab(width=width, color_scheme=color_scheme)
    base = f"{studio.url}/studio/financial"
    pages = [*PAGES, *details(tab, base)]

    assert [trouble for page in pages for trouble in misfits(tab, f"{base}/{page}")] == []


def test_pages_work_without_javascript(studio: Studio, open_tab: Any) -> None:
    tab = open_tab(java_script_enabled=False)
    base = f"{studio.url}/studio/financial/stripe"

    tab.goto(f"{base}/payments/")
    first = tab.locator("tbody tr").first.inner_text()
    tab.get_by_role("link", name="Next").first.click()
    assert tab.locator("tbody tr").first.inner_text() != first

    tab.goto(f"{base}/sync/")
    tab.get_by_role("button", name="Sync now").click()
    assert "sync" in tab.url
    assert tab.locator("main").inner_text()


def test_an_unknown_address_says_what_to_do(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()

    answer = tab.goto(f"{studio.url}/studio/financial/stripe/payments/pi_unknown/")

    assert answer.status == 404
    assert "No such payment" in tab.inner_text("main")
