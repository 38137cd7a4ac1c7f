"""A subscription as a member of staff manages it: begun, changed after a preview, ended with the period, and kept."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio, at_stripe, follow

pytestmark = pytest.mark.browser


def subscriber(tab: Any, studio: Studio) -> str:
    """The id of a customer who brings a new card: the one they are charged on every month may be refused the next time."""
    tab.goto(f"{studio.url}/studio/financial/stripe/subscriptions/?status=active")
    tab.locator("tbody a[href*='/subscriptions/sub_']").first.click()
    link = tab.locator("main dl.facts a[href*='/customers/cus_']").first
    customer = str(link.get_attribute("href")).rstrip("/").rpartition("/")[2]
    card = at_stripe(studio, "payment_methods/pm_card_visa/attach", customer=customer)
    at_stripe(studio, f"customers/{customer}", **{"invoice_settings[default_payment_method]": card["id"]})
    return customer


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without"])
def test_a_subscription_is_begun_changed_ended_and_kept(studio: Studio, open_tab: Any, javascript: bool) -> None:
    tab = open_tab(java_script_enabled=javascript)
    base = f"{studio.url}/studio/financial/stripe"
    customer = subscriber(tab, studio)

    tab.goto(f"{base}/subscriptions/new/?customer={customer}")
    tab.get_by_label("Price").select_option(index=1)
    tab.get_by_label("Quantity").fill("2")
    follow(tab.get_by_role("button", name="Preview"))
    said = tab.inner_text("main")
    assert re.search(r"pays .+ today, then .+ each \w+ from \d+ \w+ \d{4}\.", said)
    tab.screenshot(path=str(SHOTS / "subscription-preview.png"), full_page=True)
    tab.get_by_role("button", name="Create subscription").click()
    tab.wait_for_url(re.compile(r"/subscriptions/sub_\w+/$"))
    assert "× 2" in tab.inner_text("h1")
    begun = tab.url

    tab.get_by_role("link", name="Change plan or quantity").click()
    tab.get_by_label("Quantity").fill("3")
    tab.get_by_label("Is billed now").check()
    follow(tab.get_by_role("button", name="Preview"))
    due = re.search(r"pays (\S+) \w+ today\.", tab.inner_text("main"))
    assert due
    tab.get_by_role("button", name=f"Change and bill {due.group(1)}").click()
    tab.wait_for_url(begun)
    assert "× 3" in tab.inner_text("h1")
    assert due.group(1) in tab.inner_text("section[aria-labelledby=invoices]")

    tab.get_by_role("link", name="Cancel at period end").click()
    tab.get_by_role("button", name=re.compile(r"^End .+ a month from .+ on \d+ \w+ \d{4}$")).click()
    tab.wait_for_url(begun)
    assert "Canceling" in tab.inner_text("h1")

    tab.get_by_role("link", name="Keep it").click()
    tab.get_by_role("button", name="Keep the subscription").click()
    tab.wait_for_url(begun)
    assert "Active" in tab.inner_text("h1")

    tab.get_by_role("link", name="Preview the next invoice").click()
    tab.get_by_role("heading", name="Next invoice").first.wait_for()
    assert tab.url == begun if javascript else tab.url.endswith("/next-invoice/")
    assert tab.said == []
