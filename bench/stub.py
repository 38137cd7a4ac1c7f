"""A Stripe that only lists, as fast as loopback allows: every object is rendered before the first request comes.

Runs in a process of its own, so that its time is not counted as the client's.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100
FIRST = 1_735_689_600  # 2025-01-01
Payload = dict[str, Any]

NAMES = ("Ada", "Grace", "Linus", "Edsger", "Barbara", "Donald", "Radia", "Tim", "Frances", "Ken")
CITIES = (("Berlin", "10115", "DE"), ("Lyon", "69001", "FR"), ("Leeds", "LS1 1UR", "GB"), ("Zürich", "8001", "CH"))


def customer(number: int, chance: random.Random) -> Payload:
    """About 650 bytes; 1 kB for the half that left an address and a phone number."""
    name = f"{chance.choice(NAMES)} {chance.choice(NAMES)}son"
    city, code, country = chance.choice(CITIES)
    known = number % 2 == 0
    address = {
        "city": city, "country": country, "line1": f"{number % 97} Long Street", "line2": None, "postal_code": code,
        "state": None,
    }  # fmt: skip
    return {
        "id": f"cus_{number:014d}", "object": "customer", "address": address if known else None, "balance": 0,
        "created": FIRST + number * 60, "currency": "usd", "customer_account": None, "default_source": None,
        "delinquent": False, "description": None, "discount": None, "email": f"reader{number}@example.com",
        "invoice_prefix": f"{chance.getrandbits(32):08X}",
        "invoice_settings": {"custom_fields": None, "default_payment_method": f"pm_{number:014d}", "footer": None,
                             "rendering_options": None},
        "livemode": False, "metadata": {"shelf": str(number % 50), "source": "website"}, "name": name,
        "next_invoice_sequence": 1, "phone": f"+49 30 {number:07d}" if known else None, "preferred_locales": ["en-US"],
        "shipping": {"address": address, "name": name, "phone": None} if known else None, "tax_exempt": "none",
        "test_clock": None,
    }  # fmt: skip


def payment_intent(number: int, chance: random.Random, customers: int) -> Payload:
    """About 1.3 kB, succeeded; a third asked for a receipt."""
    amount = chance.randrange(500, 20_000)
    return {
        "id": f"pi_{number:024d}", "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": amount, "application": None, "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": True}, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic_async",
        "client_secret": f"pi_{number:024d}_secret_{chance.getrandbits(100):025x}", "confirmation_method": "automatic",
        "created": FIRST + number * 61, "currency": "usd", "customer": f"cus_{number % customers:014d}",
        "customer_account": None, "description": f"Order {number}", "excluded_payment_method_types": None,
        "last_payment_error": None, "latest_charge": f"ch_{number:024d}", "livemode": False,
        "managed_payments": {"enabled": False}, "metadata": {"order": str(number), "channel": "website"},
        "next_action": None, "on_behalf_of": None, "payment_method": f"pm_{number:024d}",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"installments": None, "mandate_options": None, "network": None,
                                            "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"], "processing": None,
        "receipt_email": f"reader{number}@example.com" if number % 3 == 0 else None, "review": None,
        "setup_future_usage": None, "shipping": None, "source": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "status": "succeeded", "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


class Listing:
    """One collection, every object rendered beforehand; pages, filters and cursors as Stripe has them."""

    def __init__(self, path: str, items: list[Payload]) -> None:
        self.path = path
        self.created = [item["created"] for item in items]  # oldest first
        self.places = {item["id"]: place for place, item in enumerate(items)}
        self.rendered = [json.dumps(item).encode() for item in items]

    def page(self, query: dict[str, list[str]]) -> bytes:
        limit = int(query.get("limit", ["10"])[0])
        low = bisect_left(self.created, int(query["created[gte]"][0])) if "created[gte]" in query else 0
        high = (
            bisect_right(self.created, int(query["created[lte]"][0])) if "created[lte]" in query else len(self.created)
        )
        if "starting_after" in query:
            high = min(high, self.places[query["starting_after"][0]])
        start = max(low, high - limit)
        more = b"true" if start > low else b"false"
        shown = b", ".join(reversed(self.rendered[start:high]))
        return b'{"object": "list", "url": "%s", "has_more": %s, "data": [%s]}' % (self.path.encode(), more, shown)


def listings(customers: int, payments: int) -> dict[str, Listing]:
    chance = random.Random(7)
    found = {
        "/v1/customers": [customer(number, chance) for number in range(customers)],
        "/v1/payment_intents": [payment_intent(number, chance, max(customers, 1)) for number in range(payments)],
    }
    return {path: Listing(path, items) for path, items in found.items()}


class Limit:
    """So many requests a second, counted over the last one; the rest are refused as Stripe refuses them."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self.turns: deque[float] = deque()

    def refuses(self, now: float) -> bool:
        while self.turns and self.turns[0] <= now - 1:
            self.turns.popleft()
        if self.per_second and len(self.turns) >= self.per_second:
            return True
        self.turns.append(now)
        return False


class _Server(asyncio.Protocol):
    def __init__(self, stub: _Stub) -> None:
        self.stub = stub
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while b"\r\n\r\n" in self.held:
            request, _, self.held = self.held.partition(b"\r\n\r\n")
            answer = self.stub.answer(request.split(b" ", 2)[1].decode())
            if self.stub.latency:
                asyncio.get_running_loop().call_later(self.stub.latency, self.transport.write, answer)
            else:
                self.transport.write(answer)


class _Stub:
    def __init__(self, listings: dict[str, Listing], latency: float, endpoint: float, account: float) -> None:
        self.listings = listings
        self.latency = latency
        self.endpoints = {path: Limit(endpoint) for path in listings}
        self.account = Limit(account)
        self.calls = self.refused = 0

    def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path == "/calls":
            return _answer(b'{"calls": %d, "refused": %d}' % (self.calls, self.refused))
        listing = self.listings.get(parts.path)
        if listing is None:
            return _answer(b'{"object": "list", "url": "/", "has_more": false, "data": []}')
        self.calls += 1
        now = time.monotonic()
        for limit, reason in ((self.endpoints[parts.path], "endpoint-rate"), (self.account, "global-rate")):
            if limit.refuses(now):
                self.refused += 1
                return _answer(b'{"error": {"code": "rate_limit"}}', "429 Too Many", reason)
        return _answer(listing.page(parse_qs(parts.query)))


def _answer(body: bytes, status: str = "200 OK", reason: str = "") -> bytes:
    limited = f"Stripe-Rate-Limited-Reason: {reason}\r\n" if reason else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{limited}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _serve(objects: tuple[int, int], latency: float, endpoint: float, account: float, tell: Connection) -> None:
    stub = _Stub(listings(*objects), latency, endpoint, account)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Server(stub), "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def serving(
    customers: int, payments: int, *, latency: float = 0, per_endpoint: float = 0, per_account: float = 0
) -> Iterator[str]:
    """Serve in another process and yield the base address; seconds of latency, requests a second (0: no limit)."""
    context = multiprocessing.get_context("spawn")
    hear, tell = context.Pipe(duplex=False)
    arguments = ((customers, payments), latency, per_endpoint, per_account, tell)
    process = context.Process(target=_serve, args=arguments, daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{hear.recv()}"
    finally:
        process.terminate()
        process.join()
