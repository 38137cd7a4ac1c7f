"""A studio nobody has filled yet, and the pages for what goes wrong."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.browser import atlas, scrutiny
from tests.browser.conftest import ROOT, SHOTS, Studio

pytestmark = pytest.mark.browser

PASSWORD = "not-a-secret-9"
USERS = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("owner", "owner@example.com", "{PASSWORD}")
User.objects.create_user("clerk", "clerk@example.com", "{PASSWORD}", is_staff=True)
"""
# Addresses without an id in them.
PLAIN = [
    pattern.name for pattern in atlas.urls.urlpatterns if pattern.name in atlas.PAGES and not pattern.pattern.converters
]


class Empty:
    """A studio with tables, two users and nothing else."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "STUDIO_VAR": str(folder),
            "STUDIO_DEBUG": "false",
        }

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "studio", *arguments]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    def serve(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "studio.wsgi:application", "--bind", f"127.0.0.1:{self.port}"]
        command += ["--worker-class", "gthread", "--threads", "4", "--no-control-socket", "--log-level", "error"]
        return subprocess.Popen(command, env=self.env, cwd=ROOT)

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError("the empty studio did not start")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Empty]:
    studio = Empty(tmp_path_factory.mktemp("empty"))
    studio.manage("migrate", "--verbosity", "0")
    studio.manage("shell", "--no-imports", "-c", USERS)
    server = studio.serve()
    try:
        studio.wait()
        yield studio
    finally:
        server.terminate()
        server.wait(20)


def enter(tab: Any, url: str, user: str) -> None:
    tab.goto(f"{url}/login/")
    tab.get_by_label("User").fill(user)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(re.compile(r"/(?!login)"))


def look(tab: Any, response: Any, name: str, *, status: int = 200) -> list[str]:
    """Scrutinise an open page on a phone in the dark, the hardest of all looks."""
    said = [] if response.status == status else [f"status {response.status}"]
    said += scrutiny.answer(response) + scrutiny.width(tab) + scrutiny.barriers(tab)
    tab.screenshot(path=str(SHOTS / f"{name}--dark-360.png"), full_page=True)
    # A browser says in the console that a page of its own was answered 403, 404 or 422; nothing else may be there.
    said += [text for text in scrutiny.console(tab) if f"{status}" not in text]
    return [f"{name}: {text}" for text in said]


def test_every_page_of_an_empty_studio_says_what_to_do_next(empty: Empty, open_tab: Any) -> None:
    tab = open_tab(width=360, color_scheme="dark", storage_state=None)
    enter(tab, empty.url, "owner")
    said = []
    for name in PLAIN:
        address = atlas.ROOT + next(str(p.pattern) for p in atlas.urls.urlpatterns if p.name == name)
        response = tab.goto(empty.url + address)
        said += look(tab, response, f"empty-{name}")
        if not tab.locator("main").get_by_role("link").count() and not tab.locator("main form").count():
            said.append(f"{name}: a dead end")

    assert not said, "\n".join(said)


def test_staff_without_a_permission_are_told_which(empty: Empty, open_tab: Any) -> None:
    tab = open_tab(width=360, color_scheme="dark", storage_state=None)
    enter(tab, empty.url, "clerk")

    response = tab.goto(f"{empty.url}/studio/financial/stripe/payments/")

    said = look(tab, response, "error-403", status=403)
    assert not said, "\n".join(said)
    assert "financial.view_stripepaymentintent" in tab.inner_text("main")


@pytest.mark.parametrize(
    ("address", "name"),
    [("/studio/financial/stripe/payments/pi_no/", "error-404-of-the-app"), ("/nowhere/", "error-404-of-the-site")],
)
def test_what_is_not_there_is_said_so(studio: Studio, open_tab: Any, address: str, name: str) -> None:
    tab = open_tab(width=360, color_scheme="dark")

    said = look(tab, tab.goto(studio.url + address), name, status=404)

    assert not said, "\n".join(said)
    assert tab.locator("main a").count() >= 1


def test_the_thanks_for_a_payment_are_for_everybody(studio: Studio, open_tab: Any) -> None:
    tab = open_tab(width=360, color_scheme="dark", storage_state=None)

    said = look(tab, tab.goto(f"{studio.url}/studio/financial/stripe/payments/paid/"), "paid")

    assert not said, "\n".join(said)


def test_an_error_of_our_own_looks_like_the_studio(empty: Empty, open_tab: Any) -> None:
    code = "from django.template.loader import render_to_string as draw; print(draw('500.html'))"
    html = empty.manage("shell", "--no-imports", "-c", code)
    tab = open_tab(width=360, color_scheme="dark", storage_state=None)
    policy = {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"
    }
    page = html[html.index("<!doctype") :]
    tab.route(
        "**/broken/", lambda route: route.fulfill(status=500, content_type="text/html", headers=policy, body=page)
    )

    said = look(tab, tab.goto(f"{empty.url}/broken/"), "error-500", status=500)

    assert not said, "\n".join(said)
    assert "nothing half-done has been saved" in tab.inner_text("main")


@pytest.mark.parametrize("name", [name for name in atlas.PAGES if name.endswith("-new")])
def test_a_form_sent_empty_leads_to_each_field_that_is_wrong(
    studio: Studio, open_tab: Any, found: dict[str, str], name: str
) -> None:
    tab = open_tab(width=360, color_scheme="dark")
    tab.goto(studio.url + found[name])
    for field in tab.locator("main input:not([type=hidden], [type=checkbox], [type=radio]), main textarea").all():
        field.fill("")
    with tab.expect_navigation() as navigation:
        tab.locator("main form .btn.primary").last.click()

    said = look(tab, navigation.value, f"refused-{name}", status=422)
    assert not said, "\n".join(said)
    summary = tab.locator("main [role=alert]").first
    assert tab.evaluate("document.activeElement.getAttribute('role')") == "alert"
    for link in summary.get_by_role("link").all():
        assert tab.locator(str(link.get_attribute("href"))).count() == 1
