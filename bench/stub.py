"""A Stripe that only lists, as fast as loopback allows: every page is rendered before the first request comes.

Runs in a process of its own, so that its time is not counted as the client's.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
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


def pages(customers: int, payments: int) -> dict[tuple[str, str], bytes]:
    """Return every answer, whole with its head, by path and cursor."""
    chance = random.Random(7)
    found = {
        "/v1/customers": [customer(number, chance) for number in range(customers)],
        "/v1/payment_intents": [payment_intent(number, chance, max(customers, 1)) for number in range(payments)],
    }
    answers = {}
    for path, items in found.items():
        items.reverse()  # newest first
        for start in range(0, max(len(items), 1), PAGE):
            shown, more = items[start : start + PAGE], start + PAGE < len(items)
            body = json.dumps({"object": "list", "url": path, "has_more": more, "data": shown}).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            answers[path, items[start - 1]["id"] if start else ""] = head.encode() + body
    return answers


class _Server(asyncio.Protocol):
    def __init__(self, answers: dict[tuple[str, str], bytes]) -> None:
        self.answers = answers
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while b"\r\n\r\n" in self.held:
            request, _, self.held = self.held.partition(b"\r\n\r\n")
            parts = urlsplit(request.split(b" ", 2)[1].decode())
            after = parse_qs(parts.query).get("starting_after", [""])[0]
            missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
            self.transport.write(self.answers.get((parts.path, after), missing))


def _serve(customers: int, payments: int, tell: Connection) -> None:
    answers = pages(customers, payments)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Server(answers), "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def serving(customers: int, payments: int) -> Iterator[str]:
    """Serve in another process and yield the base address."""
    context = multiprocessing.get_context("spawn")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(customers, payments, tell), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{hear.recv()}"
    finally:
        process.terminate()
        process.join()
