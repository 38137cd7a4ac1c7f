"""The studio as `make demo` serves it, and a headless Chromium signed in to it.

Both end with this folder's tests: Playwright runs an event loop in our thread, and Django then refuses the database.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.browser import atlas

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
SHOTS = ROOT / "var" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one process: they share a demo and a browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("browser"))


@dataclass(frozen=True)
class Studio:
    """A demo that runs: its address, who may sign in, its folder, and the sandbox that plays Stripe for it."""

    url: str
    password: str
    folder: Path
    stripe: str


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A demo of its own; or one that runs already, where BROWSER_DEMO names the file with what it printed."""
    if running := os.environ.get("BROWSER_DEMO"):
        yield _studio(Path(running).read_text())
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("studio") / "demo"
    process = subprocess.Popen(
        [sys.executable, "-m", "studio", "demo", "--port", str(port), "--folder", str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield _studio(_first_words(process))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _first_words(process: subprocess.Popen[str]) -> str:
    """What the demo prints until it runs."""
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C stops" in line:
            return "".join(said)
    raise AssertionError("the demo did not start:\n" + "".join(said))


def _studio(said: str) -> Studio:
    def word(pattern: str) -> str:
        found = re.search(pattern, said)
        assert found, said
        return found.group(1)

    return Studio(
        url=word(r"The demo runs\.\s+(http://\S+)/"),
        password=word(r"Password\s+(\S+)"),
        folder=Path(word(r"Mails to customers\s+(\S+)/mail")),
        stripe=word(r"by the sandbox at (http://\S+);"),
    )


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(chromium: Any, studio: Studio) -> Any:
    """The cookies of a member of staff who signed in at the form."""
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(f"{studio.url}/login/")
    tab.get_by_label("User").fill("demo")
    tab.get_by_label("Password").fill(studio.password)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(re.compile(r"/(?!login)"))
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture(scope="package")
def found(chromium: Any, signed_in: Any, studio: Studio) -> dict[str, str]:
    """An address of every page, found by following links. Events come with the first webhooks: it may take a while."""
    context = chromium.new_context(storage_state=signed_in)

    def fetch(address: str) -> tuple[int, str]:
        answer = context.request.get(studio.url + address)
        html = answer.text()
        refuses = atlas.name_of(address) in atlas.UNDOES.values() and " data-once" not in html.partition("<main")[2]
        return (409 if refuses else answer.status), html

    _authorize_only(studio)
    found = atlas.explore(
        fetch, set(atlas.PAGES) - atlas.UNDOES.keys() - atlas.RARE.keys() - set(atlas.MADE), atlas.STARTS
    )
    found["checkout-page"] = _checkout_page(context, studio)
    for name, listing in atlas.RARE.items():
        deadline = time.monotonic() + 40
        while name not in found and time.monotonic() < deadline:
            found |= atlas.explore(fetch, {name}, [listing])
            time.sleep(1)
    for name, maker in atlas.UNDOES.items():
        if maker in found:
            done = _do(context, studio.url + found[maker])
            found |= atlas.explore(fetch, {name}, [done])
    # What was just done cannot be done again: another one of each.
    found |= atlas.explore(fetch, atlas.UNDOES.values(), atlas.STARTS)
    context.close()
    return found


def _authorize_only(studio: Studio) -> None:
    """Make a payment that waits to be captured, as a shop would that ships first; the webhook brings it here."""
    at_stripe(
        studio,
        "payment_intents",
        amount="2400",
        currency="usd",
        payment_method="pm_card_visa",
        capture_method="manual",
        confirm="true",
        return_url=studio.url,
    )


def at_stripe(studio: Studio, path: str, **form: str) -> dict[str, Any]:
    """Do something at the sandbox as a shop's own program would; return its answer."""
    request = urllib.request.Request(
        f"{studio.stripe}/v1/{path}",
        data=urlencode(form).encode(),
        headers={"Authorization": "Bearer sk_test_browser_0123456789"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def _checkout_page(context: Any, studio: Studio) -> str:
    """Make a page where one customer pays once; return its address in the studio."""
    tab = context.new_page()
    tab.goto(f"{studio.url}/studio/financial/stripe/customers/")
    customer = str(tab.locator("tbody a.main-link").first.get_attribute("href")).rstrip("/").rpartition("/")[2]
    tab.goto(f"{studio.url}/studio/financial/stripe/payments/new/?customer={customer}")
    tab.get_by_label("Amount").first.fill("12")
    tab.get_by_label("Description").fill("One page to pay on")
    follow(tab.locator("main form .btn.primary").last)
    made = urlsplit(str(tab.url)).path
    assert atlas.name_of(made) == "checkout-page", tab.inner_text("main")
    tab.close()
    return made


def _do(context: Any, address: str) -> str:
    """Press the button of a page that asks before it does something; return where that led."""
    tab = context.new_page()
    tab.goto(address)
    follow(tab.locator("main form button").last)
    done = urlsplit(str(tab.url)).path
    tab.close()
    return done


def _tabs(chromium: Any, signed_in: Any) -> Iterator[Any]:
    contexts: list[Any] = []

    def open_one(*, width: int = 1360, **options: Any) -> Any:
        options = {"storage_state": signed_in, **options}
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.said = []
        tab.on("console", lambda message: tab.said.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: tab.said.append(str(error)))
        return tab

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def open_tab(chromium: Any, signed_in: Any) -> Iterator[Any]:
    """`open_tab(width=…, color_scheme=…)` gives a signed-in tab; what its console said is in `tab.said`."""
    yield from _tabs(chromium, signed_in)


@pytest.fixture(scope="module")
def open_tabs(chromium: Any, signed_in: Any) -> Iterator[Any]:
    """The same, for a tab that a module's tests share."""
    yield from _tabs(chromium, signed_in)


def follow(link: Any) -> None:
    """Click what leads to another page, and wait until that is there: a click alone returns before."""
    with link.page.expect_navigation():
        link.click()
