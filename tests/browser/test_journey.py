"""The whole way, as a member of staff goes it: from a product to a payment that is booked with its exact fee."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.browser.conftest import SHOTS, Studio

pytestmark = pytest.mark.browser


def wait_for_text(tab: Any, text: str, *, seconds: float = 30) -> None:
    """Reload as a person would until the page says it."""
    deadline = time.monotonic() + seconds
    while text not in tab.inner_text("main"):
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(0.5)
        tab.reload()


def test_from_a_product_to_a_payment_booked_with_its_exact_fee(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    base = f"{studio.url}/studio/financial/stripe"

    tab.goto(f"{base}/products/new/")
    tab.get_by_label("Name", exact=True).fill("A journey's book")
    tab.get_by_label("Description").fill("Made in a browser")
    tab.get_by_role("button", name="Create product").click()
    tab.wait_for_url(re.compile(r"/products/prod_\w+/"))

    tab.get_by_role("link", name=re.compile("Add.* price|New price")).first.click()
    tab.get_by_label("Amount", exact=False).first.fill("24.50")
    tab.get_by_role("button", name=re.compile("price")).click()
    tab.wait_for_url(re.compile(r"/products/prod_\w+/$"))
    assert "$24.50" in tab.inner_text("main")

    tab.goto(f"{base}/customers/new/")
    tab.get_by_label("E-mail").fill("journey@example.com")
    tab.locator("main").get_by_label("Name").fill("Jo Urney")
    tab.get_by_role("button", name="Create customer").click()
    tab.wait_for_url(re.compile(r"/customers/cus_\w+/"))

    tab.goto(f"{base}/payments/new/?way=wait")
    tab.get_by_label("Customer").fill("journey@example.com")
    tab.get_by_label("Amount", exact=False).first.fill("24.50")
    tab.get_by_label("Description").fill("One book, by browser")
    tab.get_by_label("Pay with").select_option("pm_card_visa")
    tab.get_by_role("button", name="Create payment").click()
    tab.wait_for_url(re.compile(r"/payments/pi_\w+/"))

    wait_for_text(tab, "Exact fee")  # 2.9 % of 24.50 and 30 cents, half up: 1.01
    said = tab.inner_text("main")
    assert "$1.01" in said
    assert "$23.49" in said
    assert "Jo Urney" in said
    assert "≈" not in said
    tab.screenshot(path=str(SHOTS / "journey.png"), full_page=True)

    tab.goto(f"{base}/payments/?q=journey@example.com")
    assert tab.locator("tbody tr").count() == 1
    tab.goto(f"{base}/sync/")
    assert "payment_intent.succeeded" in tab.inner_text("main")
    assert tab.said == []
    mails = "".join(file.read_text() for file in (studio.folder / "mail").iterdir())
    assert "We received your payment of $24.50" in mails


def test_a_declined_card_is_said_at_the_form_and_kept_as_a_failed_payment(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()
    base = f"{studio.url}/studio/financial/stripe"
    tab.goto(f"{base}/customers/new/")
    tab.get_by_label("E-mail").fill("declined@example.com")
    tab.get_by_role("button", name="Create customer").click()
    tab.wait_for_url(re.compile(r"/customers/cus_\w+/"))

    tab.goto(f"{base}/payments/new/?way=wait")
    tab.get_by_label("Customer").fill("declined@example.com")
    tab.get_by_label("Amount").fill("10")
    tab.get_by_label("Pay with").select_option("pm_card_visa_chargeDeclinedInsufficientFunds")
    tab.get_by_role("button", name="Create payment").click()

    tab.get_by_text("insufficient funds", exact=False).first.wait_for()
    tab.goto(f"{base}/payments/?q=declined@example.com")
    assert "Failed" in tab.inner_text("tbody")
