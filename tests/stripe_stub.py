"""A small Stripe on loopback, in a thread: objects put in by a test, lists with paging, writes answered as the test says,
and faults on demand."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

Payload = dict[str, Any]
Fault = Callable[[BaseHTTPRequestHandler], None]

COLLECTIONS = {
    "product": "/v1/products",
    "price": "/v1/prices",
    "customer": "/v1/customers",
    "payment_intent": "/v1/payment_intents",
    "charge": "/v1/charges",
    "refund": "/v1/refunds",
    "dispute": "/v1/disputes",
    "subscription": "/v1/subscriptions",
    "invoice": "/v1/invoices",
    "payout": "/v1/payouts",
    "balance_transaction": "/v1/balance_transactions",
    "event": "/v1/events",
}


@dataclass(frozen=True, slots=True)
class Write:
    """One POST as it arrived; `parameters` are flat, as Stripe's form encoding spells them (`items[0][price]`)."""

    path: str
    headers: dict[str, str]
    parameters: dict[str, str]


_BOUNDS = (("gte", "0"), ("lte", "99999999999"))


class StripeStub:
    """`put` objects, then read `requests` for what was asked. A queued fault answers instead of the next request whose
    path starts with the fault's prefix."""

    def __init__(self) -> None:
        self.objects: dict[str, Payload] = {}
        self.hidden: dict[str, Payload] = {}  # found by id, in no list
        self.requests: list[str] = []
        self.balance: Payload | None = None  # unknown to the stub unless a test says it
        self.headers: list[dict[str, str]] = []
        self.writes: list[Write] = []
        self.on_write: Callable[[Write], tuple[int, Any]] = lambda write: (200, self._created(write))
        self.faults: deque[tuple[str, Fault]] = deque()
        self.before: Callable[[str], None] = lambda path: None
        self._made: dict[str, Payload] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, *payloads: Payload) -> None:
        """Later objects are newer: lists show them first."""
        for payload in payloads:
            self.objects[payload["id"]] = payload

    def fail(self, fault: Fault, *, times: int = 1, path: str = "") -> None:
        self.faults.extend([(path, fault)] * times)

    def due_fault(self, path: str) -> Fault | None:
        if self.faults and path.startswith(self.faults[0][0]):
            return self.faults.popleft()[1]
        return None

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/v1/balance" and self.balance is not None:
            return 200, {"object": "balance", "pending": [], **self.balance}
        if path == "/v1/account":
            return 200, {"id": "acct_stub", "object": "account", "default_currency": "usd", "email": "a@example.com"}
        kind = next((kind for kind, base in COLLECTIONS.items() if path == base), None)
        if kind:
            return self._list(kind, path, query)
        stripe_id = path.rpartition("/")[2]
        found = self.objects.get(stripe_id) or self.hidden.get(stripe_id)
        if found is None:
            return 404, error_body("resource_missing", f"No such object: '{stripe_id}'", param="id")
        return 200, found

    def _created(self, write: Write) -> Payload:
        """Answer a write with an object of that collection, and keep it; the same idempotency key gives it again."""
        key = write.headers.get("Idempotency-Key", "")
        if key not in self._made:
            kind = next((kind for kind, base in COLLECTIONS.items() if write.path == base), "object")
            made = {"id": f"{kind}_made_{len(self._made) + 1}", "object": kind, "created": 1_775_001_600}
            self._made[key] = {**made, "livemode": False, **write.parameters}
            self.put(self._made[key])
        return self._made[key]

    def _list(self, kind: str, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        items = [item for item in reversed(self.objects.values()) if item["object"] == kind and not item.get("deleted")]
        if "payout" in query:  # what Stripe knows, and no balance transaction says
            items = [item for item in items if item.get("_payout") == query["payout"][0]]
        items.sort(key=lambda item: -int(item.get("created") or 0))  # newest first; later puts first within a second
        oldest, newest = (int(query.get(f"created[{bound}]", [default])[0]) for bound, default in _BOUNDS)
        items = [item for item in items if oldest <= int(item.get("created") or 0) <= newest]
        after = query.get("starting_after", [""])[0]
        if after:
            place = next((place for place, item in enumerate(items) if item["id"] == after), None)
            if place is None:
                return 400, error_body("resource_missing", f"No such object: '{after}'", param="starting_after")
            items = items[place + 1 :]
        limit = int(query.get("limit", ["10"])[0])
        return 200, {"object": "list", "url": path, "has_more": len(items) > limit, "data": items[:limit]}


def error_body(code: str, message: str, *, type: str = "invalid_request_error", param: str = "") -> Payload:  # noqa: A002
    return {"error": {"type": type, "code": code, "message": message, "param": param}}


def status(code: int, body: Any = None, headers: dict[str, str] | None = None) -> Fault:
    """Answer with this status."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        _send(handler, code, json.dumps(body or error_body("", "stubbed")).encode(), headers or {})

    return fault


def raw(body: bytes, *, length: int | None = None) -> Fault:
    """Answer 200 with these bytes; a greater `length` announced than sent is a body cut off."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        _send(handler, 200, body, {"Content-Length": str(length)} if length else {})

    return fault


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()


def _send(handler: BaseHTTPRequestHandler, code: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(code)
    for name, value in {
        "Content-Type": "application/json",
        "Request-Id": "req_stub",
        "Content-Length": str(len(body)),
        **headers,
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _handler(stub: StripeStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together; else each answer waits for the client's delayed acknowledgement
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            stub.requests.append(self.path)
            stub.headers.append(dict(self.headers.items()))
            stub.before(self.path)
            fault = stub.due_fault(self.path)
            if fault:
                fault(self)
                return
            code, body = stub.answer(parts.path, parse_qs(parts.query))
            _send(self, code, json.dumps(body).encode(), {})

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            write = Write(self.path, dict(self.headers.items()), dict(parse_qsl(form)))
            stub.writes.append(write)
            stub.before(self.path)
            fault = stub.due_fault(self.path)
            if fault:
                fault(self)
                return
            code, body = stub.on_write(write)
            _send(self, code, json.dumps(body).encode(), {})

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def handle(self) -> None:
            with suppress(OSError, ValueError):  # the client went away, or a fault closed the connection
                super().handle()

    return Handler
