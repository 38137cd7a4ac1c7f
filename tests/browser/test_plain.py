"""Without JavaScript: every page says the same, and filters, tabs, pages, forms and menus work."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser import atlas
from tests.browser.conftest import SHOTS, Studio, follow

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def plain(open_tabs: Any) -> Any:
    return open_tabs(java_script_enabled=False)


def test_every_page_has_its_content_and_no_button_that_does_nothing(
    studio: Studio, plain: Any, found: dict[str, str]
) -> None:
    said = []
    for name in atlas.PAGES:
        answer = plain.goto(studio.url + found[name])
        if answer.status >= 400 or not plain.locator("main h1").first.is_visible():
            said.append(f"{name}: status {answer.status}, no heading")
        for button in plain.locator("main button:not([popovertarget])").all():
            if button.is_visible() and not button.evaluate(
                "node => node.form || node.closest('[aria-labelledby=buttons-title]')"
            ):
                said.append(f"{name}: {button.inner_text()!r} needs a script")
    plain.goto(studio.url + found["overview"])
    plain.screenshot(path=str(SHOTS / "overview--no-script.png"), full_page=True)

    assert not said, "\n".join(said)


def test_a_list_is_filtered_sorted_and_paged_by_links_and_a_button(studio: Studio, plain: Any) -> None:
    rows = plain.locator("tbody tr")
    plain.goto(f"{studio.url}/studio/financial/stripe/payments/")
    first = rows.first.inner_text()

    follow(plain.get_by_role("link", name="Next"))
    assert rows.first.inner_text() != first
    follow(plain.get_by_role("link", name="Previous"))
    assert rows.count() > 1

    follow(plain.locator("#tabs").get_by_role("link", name="Failed"))
    assert "status=failed" in plain.url
    assert plain.get_by_role("link", name="Failed").get_attribute("aria-current") == "page"

    plain.locator("main").get_by_label("Search").first.fill("nobody@example.org")
    follow(plain.get_by_role("button", name="Filter"))
    assert "q=nobody%40example.org" in plain.url
    assert "Nothing matches" in plain.inner_text("main")
    follow(plain.get_by_role("link", name="Clear all filters"))
    assert rows.count() > 1

    follow(plain.locator("thead").get_by_role("link", name="Amount"))
    assert plain.locator("th[aria-sort]").inner_text().startswith("Amount")


def test_details_open(studio: Studio, plain: Any) -> None:
    plain.goto(f"{studio.url}/studio/financial/")
    table = plain.get_by_role("table", name="Gross payments", exact=False)
    assert not table.is_visible()

    plain.get_by_text("Show as a table").first.click()

    assert table.is_visible()


def test_the_menu_of_a_phone_opens_and_leads_on(studio: Studio, open_tab: Any) -> None:
    phone = open_tab(width=360, java_script_enabled=False)
    phone.goto(f"{studio.url}/studio/financial/")
    link = phone.get_by_role("navigation", name="Main").get_by_role("link", name="Payments")
    assert not link.is_visible()

    phone.get_by_role("button", name="Menu").click()
    phone.screenshot(path=str(SHOTS / "menu--light-360.png"))
    follow(link)

    assert phone.url.endswith("/stripe/payments/")


def test_a_refused_form_says_why_on_top_and_at_the_field(studio: Studio, plain: Any) -> None:
    plain.goto(f"{studio.url}/studio/financial/stripe/products/new/")
    follow(plain.get_by_role("button", name="Create product"))

    summary = plain.get_by_role("alert")
    assert summary.is_visible()
    target = str(summary.get_by_role("link").first.get_attribute("href"))
    field = plain.locator(target)
    assert field.get_attribute("aria-invalid") == "true"
    described = str(field.get_attribute("aria-describedby")).split()
    assert any("This field is required" in plain.locator(f"#{each}").inner_text() for each in described)


def test_a_product_is_made_archived_and_brought_back(studio: Studio, plain: Any) -> None:
    plain.goto(f"{studio.url}/studio/financial/stripe/products/new/")
    plain.get_by_label("Name", exact=True).fill("Made without a script")
    plain.get_by_role("button", name="Create product").click()
    plain.wait_for_url(re.compile(r"/products/prod_\w+/$"))

    follow(plain.get_by_role("link", name="Archive", exact=False).first)
    assert plain.locator(".consequences").is_visible()
    plain.locator("main form").get_by_role("button").last.click()
    plain.wait_for_url(re.compile(r"/products/prod_\w+/$"))
    assert "Archived" in plain.inner_text("main")


def test_a_sync_is_started_by_its_button(studio: Studio, plain: Any) -> None:
    plain.goto(f"{studio.url}/studio/financial/stripe/sync/")
    follow(plain.get_by_role("button", name="Sync now"))

    assert plain.url.rstrip("/").endswith("/sync")
    assert plain.locator("main h1").inner_text() == "Sync"
