"""How many list pages a second the sandbox serves, beside a bare app that serves one page ready-made.

    python -m bench.bench_sandbox [--payments 100000] [--seconds 3]

Both apps run in one uvicorn worker each, in their own process; one client keeps a connection
busy. Printed last: pages per second, their ratio, and the core's steps per second.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import time
from collections.abc import Callable
from typing import Any

from sandbox.core import Request, World, handle, payment_intents, payment_methods
from sandbox.http.app import App
from sandbox.http.server import listen
from sandbox.http.service import Service

HEADERS = {"Authorization": "Bearer sk_test_bench"}


def fill(payments: int) -> World:
    """Return an account with that many succeeded payments, one a minute."""
    world = World(seed=1, now=1_700_000_000)
    world.events_from = 1 << 60
    method = payment_methods.make(world, "pm_card_visa")
    for _ in range(payments):
        intent = payment_intents.make(world, 2000, "usd", customer=None, description="Book", method=method)
        payment_intents.succeed(world, intent)
        world.advance(60)
    return world


def serve_sandbox(sock: socket.socket, payments: int, ready: Any) -> None:
    """Serve the sandbox on an open socket."""
    app = App(Service(fill(payments)))
    ready.set()
    _serve(app, sock)


def serve_floor(sock: socket.socket, page: bytes, ready: Any) -> None:
    """Serve one page ready-made on an open socket."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(page)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page})

    ready.set()
    _serve(app, sock)


def _serve(app: Any, sock: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[sock])


def started(target: Callable[..., None], argument: Any) -> tuple[multiprocessing.Process, int]:
    """Start a server in a process; return it with its port."""
    sock, ready = listen("127.0.0.1", 0), multiprocessing.Event()
    process = multiprocessing.Process(target=target, args=(sock, argument, ready), daemon=True)
    process.start()
    ready.wait()
    return process, sock.getsockname()[1]


def walk(port: int, seconds: float) -> tuple[float, int]:
    """Return pages per second over a walk by cursor, and the bytes of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    cursor, pages, size = "", 0, 0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        connection.request("GET", f"/v1/payment_intents?limit=100{cursor}", headers=HEADERS)
        body = connection.getresponse().read()
        pages, size = pages + 1, len(body)
        at = body.rfind(b'{"id":"pi_')
        last = body[at + 7 : at + 34].decode().rstrip('"')
        cursor = f"&starting_after={last}" if b'"has_more":true' in body[-120:] else ""
    return pages / (time.perf_counter() - begin), size


def steps(seconds: float) -> float:
    """Return calls per second of the core alone: a payment, then reading it, events included."""
    world = World(seed=1)
    params = b"amount=2000&currency=usd&payment_method=pm_card_visa&confirm=true&return_url=https://example.com"
    headers = {"authorization": "Bearer sk_test_bench"}
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        made = handle(world, Request("POST", "/v1/payment_intents", body=params, headers=headers)).json()
        handle(world, Request("GET", f"/v1/payment_intents/{made['id']}", headers=headers))
        world.advance(60)
        count += 2
    return count / (time.perf_counter() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--payments", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    begin = time.perf_counter()
    sandbox, port = started(serve_sandbox, options.payments)
    filled = time.perf_counter() - begin
    _, size = walk(port, 0.05)
    floor, floor_port = started(serve_floor, b"x" * size)
    floor_rate, _ = walk(floor_port, options.seconds)
    cold, _ = walk(port, options.seconds)
    rate, size = walk(port, options.seconds)
    sandbox.terminate()
    floor.terminate()
    figures = {
        "payments": options.payments, "filled_in_seconds": round(filled, 1), "page_bytes": size,
        "floor_pages_per_second": round(floor_rate), "first_walk_pages_per_second": round(cold),
        "pages_per_second": round(rate), "ratio_to_floor": round(rate / floor_rate, 2),
        "core_calls_per_second": round(steps(options.seconds)),
    }  # fmt: skip
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
