"""The studio as `make demo` serves it, and a headless Chromium signed in to it.

Both end with this folder's tests: Playwright runs an event loop in our thread, and Django then refuses the database.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOTS = ROOT / "var" / "screenshots"


@dataclass(frozen=True)
class Studio:
    url: str
    password: str
    folder: Path


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
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
        yield Studio(f"http://127.0.0.1:{port}", _password(process), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _password(process: subprocess.Popen[str]) -> str:
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"\s*Password\s+(\S+)", line):
            return found.group(1)
    raise AssertionError("the demo did not start:\n" + "".join(said))


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


@pytest.fixture
def open_tab(chromium: Any, signed_in: Any) -> Iterator[Any]:
    """`open_tab(width=…, color_scheme=…)` gives a signed-in tab; what its console said is in `tab.said`."""
    contexts: list[Any] = []

    def open_one(*, width: int = 1360, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 900}, storage_state=signed_in, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.said = []
        tab.on("console", lambda message: tab.said.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: tab.said.append(str(error)))
        return tab

    yield open_one
    for context in contexts:
        context.close()
