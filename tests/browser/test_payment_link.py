"""A link made in the dashboard, paid by a stranger on Stripe's page, refunded in part, and booked in between."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio, follow
from tests.browser.test_journey import wait_for_text

pytestmark = pytest.mark.browser
AMOUNT = "61.37"


def test_a_link_is_paid_refunded_in_part_and_booked(studio: Studio, open_tab: Any, chromium: Any) -> None:
    staff = open_tab()
    base = f"{studio.url}/studio/financial/stripe"

    staff.goto(f"{base}/payments/new/")
    staff.get_by_label("Amount").fill(AMOUNT)
    staff.get_by_label("Description").fill("A book by link")
    staff.get_by_role("button", name="Create link").click()
    staff.wait_for_url(re.compile(r"/payments/links/plink_\w+/"))
    link = staff.locator("[data-copy]").first.get_attribute("data-copy")
    staff.screenshot(path=str(SHOTS / "payment-link.png"), full_page=True)

    _pay(chromium, link)

    staff.goto(f"{base}/payments/?amount_from={AMOUNT}&amount_to={AMOUNT}&currency=usd")
    wait_for_text(staff, f"${AMOUNT}")  # the row itself: “Succeeded” is a tab as well
    staff.locator("tbody a.main-link").click()
    staff.wait_for_url(re.compile(r"/payments/pi_\w+/$"))
    wait_for_text(staff, "Exact fee")  # 2.9 % of 61.37 and 30 cents: 2.08

    follow(staff.get_by_role("link", name="Refund").first)
    assert "Stripe keeps its fee of $2.08 USD" in staff.inner_text("main")
    staff.get_by_label("Amount in USD").fill("10")
    staff.get_by_label("Amount in USD").blur()
    staff.get_by_role("button", name="Refund $10.00 USD to the customer").click()
    staff.wait_for_url(re.compile(r"/payments/pi_\w+/$"))

    said = staff.inner_text("main")
    assert "$10.00 USD refunded to the customer." in said
    assert "Partly refunded" in said
    assert "$61.37" in said
    staff.screenshot(path=str(SHOTS / "payment-refunded.png"), full_page=True)
    staff.goto(f"{studio.url}/studio/financial/transactions/?kind=refund")
    assert "$10.00" in staff.locator("tbody tr", has_text="10.00").first.inner_text()

    staff.goto(f"{base}/payments/links/")
    assert "1 of 1 paid" in staff.inner_text("main")
    assert staff.said == []


def _pay(chromium: Any, link: str | None) -> None:
    """As somebody who has nothing but the link."""
    stranger = chromium.new_context().new_page()
    stranger.goto(link)
    assert "A book by link" in stranger.inner_text("body")
    filled = {"email": "reader@example.com", "number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123"}
    for name, text in {**filled, "name": "A Reader"}.items():
        stranger.locator(f'input[name="{name}"]').fill(text)
    stranger.get_by_role("button", name=re.compile("Pay")).click()
    stranger.get_by_text(re.compile("Thank|paid|succe", re.IGNORECASE)).first.wait_for()
    stranger.context.close()
