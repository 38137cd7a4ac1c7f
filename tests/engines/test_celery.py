"""Real brokers, real worker processes, real kills: whatever happens to messages, the rows are worked off."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from bench.site import Site, deliver, event, free_port, kill, product, until
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.queue
BROKERS = {
    "redis": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    "rabbitmq": os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    with StripeStub() as stub:
        for number in range(100):
            stub.put(product(number))
        yield stub


@pytest.fixture
def sites(tmp_path: Path, stub: StripeStub) -> Iterator[list[Site]]:
    made: list[Site] = []
    yield made
    for site in made:
        site.close()


def queue_of(folder: Path) -> str:
    """One for each test: whoever shares a queue takes the others' messages."""
    return "-".join(folder.parts[-3:])


def site_with(sites: list[Site], folder: Path, stub: StripeStub, broker: str, **settings: str) -> Site:
    queue = {"FINANCIAL_ENGINE": "celery", "FINANCIAL_BROKER_URL": broker, "FINANCIAL_QUEUE": queue_of(folder)}
    site = Site(folder, FINANCIAL_STRIPE_BASE_URL=stub.url, **queue, **settings)
    sites.append(site)
    return site


def send(url: str, numbers: range) -> list[int]:
    with urllib3.HTTPConnectionPool("127.0.0.1", urlsplit(url).port or 0, timeout=20) as pool:
        return [deliver(pool, event(number, product(number))) for number in numbers]


def done(site: Site, count: int) -> bool:
    return site.states() == {"done": count}


def lose_messages(broker: str, queue: str) -> None:
    """Empty the queue as an operator might; nobody else's are touched."""
    from kombu import Connection

    with Connection(broker, connect_timeout=5) as connection:
        connection.default_channel.queue_purge(queue)


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_a_message_wakes_the_worker_at_once(sites: list[Site], tmp_path: Path, stub: StripeStub, broker: str) -> None:
    site = site_with(sites, tmp_path, stub, broker)
    server = site.serve()
    site.celery(beat=False)
    assert send(server.url, range(1)) == [200]
    assert until(lambda: done(site, 1), seconds=90)  # it listens now

    assert send(server.url, range(1, 20)) == [200] * 19

    assert until(lambda: done(site, 20), seconds=60), site.states()


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_lost_messages_are_made_up_for_by_the_beat(
    sites: list[Site], tmp_path: Path, stub: StripeStub, broker: str
) -> None:
    site = site_with(sites, tmp_path, stub, broker)
    server = site.serve()
    assert send(server.url, range(20)) == [200] * 20
    time.sleep(1)
    lose_messages(broker, queue_of(tmp_path))
    assert site.states() == {"waiting": 20}

    site.celery()

    assert until(lambda: done(site, 20), seconds=60), site.states()


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_what_a_killed_worker_had_is_done_by_another_after_the_lease(
    sites: list[Site], tmp_path: Path, stub: StripeStub, broker: str
) -> None:
    site = site_with(sites, tmp_path, stub, broker, FINANCIAL_WEBHOOK_LEASE_SECONDS="3")
    server = site.serve()
    held = []

    def hang(path: str) -> None:
        held.append(path)
        time.sleep(30)

    stub.before = hang
    first = site.celery()
    send(server.url, range(3))
    assert until(lambda: bool(held), seconds=90)
    kill(first)
    stub.before = lambda path: None
    assert site.states() == {"waiting": 3}

    site.celery()

    assert until(lambda: done(site, 3), seconds=60), site.states()
    assert site.rows("SELECT max(attempts) FROM financial_stripewebhookevent") == [(2,)]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away_neither_fails_nor_delays_the_answer(
    sites: list[Site], tmp_path: Path, stub: StripeStub, scheme: str
) -> None:
    site = site_with(sites, tmp_path, stub, f"{scheme}://127.0.0.1:{free_port()}//")
    server = site.serve()
    send(server.url, range(1))  # the first request loads what there is to load
    began = time.monotonic()

    assert send(server.url, range(1, 21)) == [200] * 20

    assert time.monotonic() - began < 15  # a wait for the broker would be twenty times two seconds
    assert site.states() == {"waiting": 21}


def test_a_broker_that_never_answers_does_not_delay_the_answer(
    sites: list[Site], tmp_path: Path, stub: StripeStub
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site = site_with(sites, tmp_path, stub, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        server = site.serve()
        send(server.url, range(1))
        began = time.monotonic()

        assert send(server.url, range(1, 21)) == [200] * 20

        assert time.monotonic() - began < 15


def test_a_stopped_worker_ends_what_it_began(sites: list[Site], tmp_path: Path, stub: StripeStub) -> None:
    site = site_with(sites, tmp_path, stub, BROKERS["redis"])
    server = site.serve()
    stub.before = lambda path: time.sleep(1)
    worker = site.celery()
    send(server.url, range(1))
    assert until(lambda: bool(stub.requests), seconds=90)

    os.kill(worker.pid, signal.SIGTERM)

    assert worker.wait(timeout=30) == 0
    assert done(site, 1)
