"""What every test may use: a stubbed Stripe on loopback, a credential for it, and honest skips."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from xdist.scheduler import LoadScopeScheduling

from financial import signing
from financial.gateway import StripeGateway
from financial.models import StripeCredential
from sandbox.http.server import Server, running
from tests import books
from tests.stripe_stub import StripeStub

TEST_KEY = "sk_test_obviously_fake_0000000000"
TEST_WEBHOOK_SECRET = "whsec_obviously_fake_000000000000000000"
hypothesis.settings.register_profile("ours", deadline=None)  # a shared machine stops for seconds
hypothesis.settings.load_profile("ours")
REQUIRED = set(os.environ.get("FINANCIAL_CI_REQUIRES", "").split())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser") and not (shutil.which("chromium") or "browser" in REQUIRED):
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))
        if item.get_closest_marker("postgres") and not _on_postgres() and "postgres" not in REQUIRED:
            item.add_marker(pytest.mark.skip(reason="DATABASE_URL does not name a PostgreSQL database"))
        if item.get_closest_marker("queue") and "queue" not in REQUIRED and (away := _brokers_away()):
            item.add_marker(pytest.mark.skip(reason=f"nobody answers on loopback: {away}"))


class Scheduling(LoadScopeScheduling):
    """Each test goes to the next free worker, but one worker takes all that share the studio."""

    def _split_scope(self, nodeid: str) -> str:
        return "studio" if nodeid.startswith("tests/browser/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Do what `--dist loadgroup` does: in pytest-xdist 3.8 it groups nothing under pytest 9.2."""
    return Scheduling(config, log)


@lru_cache(maxsize=1)
def _brokers_away() -> str:
    """Name the brokers that the queue's tests need and that do not answer; empty if all do."""
    away = []
    for name, port in (("Redis", 6379), ("RabbitMQ", 5672)):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            away.append(f"{name} on port {port}")
    return ", ".join(away)


def _on_postgres() -> bool:
    return connection.vendor == "postgresql"


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()
    signing.forget()


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    yield
    translation.deactivate()  # a LocaleMiddleware leaves its visitor's language to the thread


@pytest.fixture(autouse=True)
def _emptied_books(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that really commit end in a flush, and the rules of the books refuse it while anything is settled."""
    marker = request.node.get_closest_marker("django_db")
    commits = (marker and marker.kwargs.get("transaction")) or "live_server" in request.fixturenames
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        books.clear()


@pytest.fixture
def stripe_stub(settings: Any) -> Iterator[StripeStub]:
    with StripeStub() as stub:
        settings.FINANCIAL_STRIPE_BASE_URL = stub.url
        yield stub


@pytest.fixture
def credential(db: None) -> StripeCredential:
    return StripeCredential.objects.create(
        name="Test account", secret_key=TEST_KEY, webhook_secret=TEST_WEBHOOK_SECRET, is_active=True
    )


@pytest.fixture
def gateway(stripe_stub: StripeStub) -> StripeGateway:
    return StripeGateway(TEST_KEY, base_url=stripe_stub.url, attempts=3, backoff_seconds=0.01, read_timeout_seconds=2)


@pytest.fixture
def connection_queries() -> Any:
    """`connection_queries(call)` gives the number of queries the call makes, however they are batched."""

    def count(call: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            call()
        return len(
            [query for query in captured.captured_queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
        )

    return count


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    """A stateful Stripe on loopback; its clock stands still and webhooks go out on `deliver()`."""
    with running(background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server
