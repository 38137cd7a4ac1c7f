"""The ASGI app: bytes in, one call to the core, bytes out; faults of the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from sandbox.core import Request, Response
from sandbox.core.faults import Fault

from . import control
from .service import Service

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MAX_BODY = 1_000_000
_UNCHANGED = (
    (b"access-control-allow-credentials", b"true"),
    (b"cache-control", b"no-cache, no-store"),
    (b"server", b"sandbox"),
)
_PAGES = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
                                 b" frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)  # fmt: skip


class App:
    """Serves the API under /v1 and the control page under /_sandbox."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            await _reply(send, 413, b'{"error":{"message":"The request is too large."}}', [])
            return
        if scope["path"].startswith("/_sandbox"):
            await self._control(scope, body, send)
            return
        request = _request(scope, body)
        response = self.service.handle(request)
        if response.fault is not None:
            await self._faulty(request, response, response.fault, send)
            return
        await _reply(send, response.status, response.body, self._headers(response))

    def _headers(self, response: Response) -> list[tuple[bytes, bytes]]:
        """The date is that of the world: by its clock things are created, too."""
        given = {**response.headers, "Date": formatdate(self.service.world.main.now, usegmt=True)}
        return [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in given.items()]

    async def _control(self, scope: Scope, body: bytes, send: Send) -> None:
        query, method, path = scope["query_string"].decode(), scope["method"], scope["path"]
        page = await asyncio.to_thread(control.answer, self.service, method, path, query, body)
        headers = [(b"content-type", page.type.encode()), (b"cache-control", b"no-store"), *_PAGES]
        if page.location:
            headers.append((b"location", page.location.encode()))
        await _reply(send, page.status, page.body, headers)

    async def _faulty(self, request: Request, response: Response, fault: Fault, send: Send) -> None:
        key = request.headers.get("idempotency-key", "")
        if fault.kind == "slow":
            busy = self.service.world.idempotency.in_flight
            busy.add(key)
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                busy.discard(key)
        if response.dropped and _abort(send):
            return
        await _reply(send, response.status, response.body, self._headers(response))


def _request(scope: Scope, body: bytes) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), body, headers)


async def _body(receive: Receive) -> bytes | None:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
    return body


async def _reply(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, *_UNCHANGED, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _abort(send: Send) -> bool:
    """Close the connection without an answer, if the server lets us; return whether it did."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return False
    transport.abort()
    return True
