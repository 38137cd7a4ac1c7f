"""A Stripe that only lists, as fast as loopback allows: small collections are rendered before the first request comes.

Answers as late as it is told and refuses what is over a limit, as Stripe does. Runs in a process of its own, so that its
time is not counted as the client's.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100
FIRST = 1_735_689_600  # 2025-01-01
RENDERED_MAX = 50_000  # objects of a collection; of greater ones each is rendered when it is asked for
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


def payment_intent(number: int, chance: random.Random) -> Payload:
    """About 1.3 kB, succeeded; a third asked for a receipt."""
    amount = chance.randrange(500, 20_000)
    return {
        "id": f"pi_{number:024d}", "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": amount, "application": None, "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": True}, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic_async",
        "client_secret": f"pi_{number:024d}_secret_{chance.getrandbits(100):025x}", "confirmation_method": "automatic",
        "created": FIRST + number * 61, "currency": "usd", "customer": f"cus_{number:014d}",
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


def product(number: int, chance: random.Random) -> Payload:
    return {
        "id": f"prod_{number:014d}", "object": "product", "created": FIRST + number * 62, "livemode": False,
        "name": f"Novel {number}", "description": None, "active": True, "default_price": None, "metadata": {},
    }  # fmt: skip


def charge(number: int, chance: random.Random) -> Payload:
    amount = chance.randrange(500, 20_000)
    return {
        "id": f"ch_{number:024d}", "object": "charge", "created": FIRST + number * 61, "livemode": False, "amount": amount,
        "amount_captured": amount, "amount_refunded": 0, "currency": "usd", "status": "succeeded", "paid": True,
        "captured": True, "payment_intent": f"pi_{number:024d}", "customer": None, "balance_transaction": None,
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242", "country": "US"}},
    }  # fmt: skip


def subscription(number: int, chance: random.Random) -> Payload:
    created = FIRST + number * 63
    item = {
        "id": f"si_{number}", "price": {"id": "price_1"}, "quantity": 1, "current_period_start": created,
        "current_period_end": created + 2_592_000,
    }  # fmt: skip
    return {
        "id": f"sub_{number:014d}", "object": "subscription", "created": created, "livemode": False, "status": "active",
        "currency": "usd", "customer": f"cus_{number:014d}", "items": {"object": "list", "data": [item]},
    }  # fmt: skip


def invoice(number: int, chance: random.Random) -> Payload:
    total = chance.randrange(500, 20_000)
    return {
        "id": f"in_{number:024d}", "object": "invoice", "created": FIRST + number * 64, "livemode": False, "total": total,
        "amount_due": total, "amount_paid": total, "currency": "usd", "status": "paid", "number": f"A-{number:06d}",
        "customer": f"cus_{number:014d}", "billing_reason": "subscription_cycle", "attempt_count": 1,
    }  # fmt: skip


KINDS: Mapping[str, tuple[str, Callable[[int, random.Random], Payload]]] = {
    "customer": ("/v1/customers", customer),
    "payment_intent": ("/v1/payment_intents", payment_intent),
    "product": ("/v1/products", product),
    "charge": ("/v1/charges", charge),
    "subscription": ("/v1/subscriptions", subscription),
    "invoice": ("/v1/invoices", invoice),
}


class Listing:
    """One collection; pages, filters and cursors as Stripe has them. Object n stands at place n, oldest first."""

    def __init__(self, path: str, count: int, make: Callable[[int, random.Random], Payload]) -> None:
        chance = random.Random(7)
        self.path = path
        self._render: Callable[[int], bytes] = lambda number: json.dumps(make(number, random.Random(number))).encode()
        if count <= RENDERED_MAX:
            self._render = [json.dumps(make(number, chance)).encode() for number in range(count)].__getitem__
        step = make(1, chance)["created"] - FIRST
        self.created = range(FIRST, FIRST + count * step, step)

    def page(self, query: dict[str, list[str]]) -> bytes:
        limit = int(query.get("limit", ["10"])[0])
        low = bisect_left(self.created, int(query["created[gte]"][0])) if "created[gte]" in query else 0
        high = (
            bisect_right(self.created, int(query["created[lte]"][0])) if "created[lte]" in query else len(self.created)
        )
        if "starting_after" in query:
            high = min(high, int(query["starting_after"][0].rpartition("_")[2]))
        start = max(low, high - limit)
        more = b"true" if start > low else b"false"
        shown = b", ".join(self._render(number) for number in range(high - 1, start - 1, -1))
        return b'{"object": "list", "url": "%s", "has_more": %s, "data": [%s]}' % (self.path.encode(), more, shown)


def listings(counts: Mapping[str, int]) -> dict[str, Listing]:
    return {KINDS[kind][0]: Listing(KINDS[kind][0], count, KINDS[kind][1]) for kind, count in counts.items()}


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


def _serve(counts: Mapping[str, int], latency: float, endpoint: float, account: float, tell: Connection) -> None:
    stub = _Stub(listings(counts), latency, endpoint, account)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Server(stub), "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def serving(
    counts: Mapping[str, int], *, latency: float = 0, per_endpoint: float = 0, per_account: float = 0
) -> Iterator[str]:
    """Serve so many objects of each kind from another process and yield the base address.

    Seconds of latency, requests a second (0: no limit). `GET /calls` says how many came and how many were refused.
    """
    context = multiprocessing.get_context("spawn")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(counts, latency, per_endpoint, per_account, tell), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{hear.recv()}"
    finally:
        process.terminate()
        process.join()
