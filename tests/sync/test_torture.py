"""Faults, a killed process and a world that moves: the mirror equals the account all the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import payloads
from tests.conftest import TEST_KEY
from tests.stripe_stub import StripeStub

SETTINGS = """
import os
from tests.settings import *
DATABASES["default"]["OPTIONS"]["timeout"] = 20
FINANCIAL_STRIPE_BASE_URL = os.environ["STUB_URL"]
FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND = float(os.environ.get("PER_SECOND", "100000"))
"""


class Elsewhere:
    """`manage.py` in processes of its own, on a SQLite file."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "elsewhere.py").write_text(SETTINGS)
        path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
        self.file = folder / "mirror.sqlite3"
        self.environment = {
            **os.environ,
            "PYTHONPATH": path,
            "DJANGO_SETTINGS_MODULE": "elsewhere",
            "DATABASE_URL": f"sqlite:///{self.file}",
            "STUB_URL": url,
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "django", *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def do(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said


@pytest.fixture
def elsewhere(tmp_path: Path) -> Any:
    with StripeStub() as stub:
        stub.put(*(payloads.customer(f"cus_{n}", created=payloads.CREATED + 60 * n) for n in range(3000)))
        there = Elsewhere(tmp_path, stub.url)
        assert there.do("migrate", "--verbosity", "0")[0] == 0
        make = f"""
from financial.models import StripeCredential
StripeCredential.objects.create(name="Test account", secret_key={TEST_KEY!r}, is_active=True)
"""
        assert there.do("shell", "-c", make)[0] == 0
        yield there, stub


def wait_for(stub: StripeStub, path: str, times: int) -> None:
    limit = time.monotonic() + 30
    while sum(asked.startswith(path) for asked in list(stub.requests)) < times:
        assert time.monotonic() < limit
        time.sleep(0.01)


def wait_for_rows(there: Elsewhere, count: int) -> None:
    limit = time.monotonic() + 30
    with closing(sqlite3.connect(there.file, timeout=5)) as opened:
        while opened.execute("SELECT COUNT(*) FROM financial_stripecustomer").fetchone()[0] < count:
            assert time.monotonic() < limit
            time.sleep(0.02)


def test_a_process_killed_in_the_middle_is_gone_on_with(elsewhere: tuple[Elsewhere, StripeStub]) -> None:
    there, stub = elsewhere
    killed = there.start("sync_stripe", PER_SECOND="10")
    wait_for_rows(there, 2000)
    killed.kill()
    killed.communicate()
    stub.requests.clear()

    code, said = there.do("sync_stripe")

    assert code == 0, said
    again = sum(asked.startswith("/v1/customers?") for asked in stub.requests)
    assert 1 <= again < 30  # of thirty pages twenty were stored
    code, said = there.do("sync_stripe", "--verify")
    assert code == 0, said
    assert "3,000 of 3,000 stored" in said


def test_a_second_process_is_refused_in_words(elsewhere: tuple[Elsewhere, StripeStub]) -> None:
    there, stub = elsewhere
    ended = threading.Event()
    stub.before = lambda path: None if not path.startswith("/v1/customers") else ended.wait(60)
    first = there.start("sync_stripe")
    wait_for(stub, "/v1/", 1)

    code, said = there.do("sync_stripe")

    first.kill()
    ended.set()
    first.communicate()
    assert code == 1
    assert "already under way" in said
