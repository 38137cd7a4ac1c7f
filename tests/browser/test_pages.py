"""Every page in a real browser: nothing serious for axe, nothing in the console, nothing that scrolls sideways.

The pages are asked of the app's addresses: a new one without a way to it fails here.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import atlas, scrutiny
from tests.browser.conftest import SHOTS, Studio

pytestmark = pytest.mark.browser

# One page says different things; each with its address behind `/studio/financial/`.
STATES = {
    "payments-failed": "stripe/payments/?status=failed",
    "payments-nothing-found": "stripe/payments/?q=nobody@example.org",
    "payments-wrong-filter": "stripe/payments/?date_from=2026-99-99",
    "payments-stale-page": "stripe/payments/?after=nonsense",
    "payments-by-amount": "stripe/payments/?sort=amount",
    "search-something": "stripe/search/?q=an",
    "search-nothing": "stripe/search/?q=qqqqqq",
    "events-none": "stripe/events/?type=nothing",
    "ledger-differences": "transactions/?status=differences",
    "overview-a-year-by-month": "?period=12m&group=month",
    "overview-all-time": "?period=all",
    "overview-another-currency": "?currency=eur",
    "dashboard-all-time": "stripe/?period=all",
    "fees-another-currency": "fees/?currency=eur",
    "revenue-by-month": "revenue/?period=12m&group=month",
}
# The first row of a list, where it is not like the others.
ROWS = {
    "payment-failed": "stripe/payments/?status=failed",
    "payment-refunded": "stripe/payments/?status=refunded",
    "payment-disputed": "stripe/payments/?status=disputed",
    "payment-waiting": "stripe/payments/?status=requires_action",
    "subscription-past-due": "stripe/subscriptions/?status=past_due",
    "subscription-canceled": "stripe/subscriptions/?status=canceled",
    "payout-failed": "stripe/payouts/?status=failed",
    "refund-in-the-ledger": "transactions/?kind=refund",
}
# Width, scheme, whether axe looks, whether it is kept as a picture.
LOOKS = (
    (1360, "light", True, True),
    (1360, "dark", False, True),
    (360, "dark", True, True),
    (320, "light", False, False),
)


def scrutinise(tab: Any, address: str, name: str) -> list[str]:
    """Open a page and look at it as everybody may see it; return every complaint."""
    response = tab.goto(address)
    said = [f"status {response.status}"] if response.status >= 400 else []
    said += scrutiny.answer(response) + scrutiny.structure(tab)
    for width, scheme, asks_axe, keeps in LOOKS:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        said += scrutiny.width(tab)
        if asks_axe:
            said += [f"{width} {scheme}: {text}" for text in scrutiny.barriers(tab)]
        if keeps:
            tab.screenshot(path=str(SHOTS / f"{name}--{scheme}-{width}.png"), full_page=True)
    return said + scrutiny.console(tab)


@pytest.fixture(scope="module")
def tab(open_tabs: Any) -> Any:
    return open_tabs()


@pytest.mark.parametrize("name", atlas.PAGES)
def test_page_is_accessible_quiet_and_fits(studio: Studio, tab: Any, found: dict[str, str], name: str) -> None:
    assert name in found, "no page leads there"

    said = scrutinise(tab, studio.url + found[name], name)
    assert not said, "\n".join(said)


@pytest.mark.parametrize("name", STATES)
def test_page_in_another_state_is_so_too(studio: Studio, tab: Any, name: str) -> None:
    said = scrutinise(tab, f"{studio.url}/studio/financial/{STATES[name]}", name)
    assert not said, "\n".join(said)


@pytest.mark.parametrize("name", ROWS)
def test_row_unlike_the_others_is_so_too(studio: Studio, tab: Any, name: str) -> None:
    section = ROWS[name].partition("?")[0]
    tab.goto(f"{studio.url}/studio/financial/{ROWS[name]}")
    row = tab.locator(f"tbody a[href^='/studio/financial/{section}']").first

    said = scrutinise(tab, studio.url + str(row.get_attribute("href")), name)
    assert not said, "\n".join(said)


def test_the_payload_of_an_event_is_so_too(studio: Studio, tab: Any, found: dict[str, str]) -> None:
    address = f"{studio.url}{found['event'].partition('?')[0]}?payload=1"

    said = scrutinise(tab, address, "event-with-payload")
    assert not said, "\n".join(said)


def test_an_unknown_address_says_what_to_do(studio: Studio, open_tab: Any) -> None:
    tab = open_tab()

    answer = tab.goto(f"{studio.url}/studio/financial/stripe/payments/pi_unknown/")

    assert answer.status == 404
    assert "No such payment" in tab.inner_text("main")
