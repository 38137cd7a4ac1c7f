"""The wire between our code and the sandbox's core: the HTTP libraries' own calls, answered in this process.

Every request is two pauses: before it arrives, and between its answer and whatever the caller does with it; in both an
actor may freeze for long, in the second more often. The retry, paging and parsing of the real gateway run above this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import stripe  # noqa: TID251
import urllib3
from urllib3._collections import HTTPHeaderDict

from sandbox.core import Request, Response
from tests.simulation.account import Account
from tests.simulation.chaos import Chaos
from tests.simulation.scheduling import Hub


class Wire:
    """Answers what the gateway asks."""

    def __init__(self, hub: Hub, account: Account, chaos: Chaos) -> None:
        self.hub = hub
        self.account = account
        self.chaos = chaos
        self.requests = 0

    @contextmanager
    def plugged_in(self) -> Iterator[None]:
        """Let urllib3 and Stripe's SDK speak over this wire."""
        wire = self

        def by_urllib3(pool: Any, method: str, url: str, **options: Any) -> urllib3.HTTPResponse:
            answer = wire.ask(method, url, b"", options["headers"])
            if answer.dropped:
                raise urllib3.exceptions.ProtocolError("the connection was closed")
            return urllib3.HTTPResponse(answer.body, HTTPHeaderDict(answer.headers), answer.status)

        def by_sdk(client: Any, method: str, url: str, headers: Any, post_data: Any = None) -> tuple[bytes, int, Any]:
            answer = wire.ask(method.upper(), url, (post_data or "").encode(), headers)
            if answer.dropped:
                raise stripe.APIConnectionError("the connection was closed", should_retry=True)
            return answer.body, answer.status, HTTPHeaderDict(answer.headers)

        with (
            mock.patch.object(urllib3.PoolManager, "request", by_urllib3),
            mock.patch.object(stripe.RequestsClient, "request", by_sdk),
        ):
            yield

    def ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        self.hub.check_alive()
        self.hub.passing("before a request")
        self.hub.pause(steps=self._freeze(self.chaos.clog / 4))
        address = urlsplit(url)
        given = {name.lower(): value for name, value in headers.items()}
        answer = self.account.answer(Request(method, address.path, address.query, body, given), now=self.hub.now)
        self.requests += 1
        fault = answer.fault.kind if answer.fault else ""
        self.hub.note(method, address.path, address.query, answer.status, fault)
        self.hub.passing("after a request")
        self.hub.pause(steps=self._freeze(self.chaos.clog))
        return answer

    def _freeze(self, chance: float) -> int:
        is_frozen = self.hub.dice.random() < chance
        return self.hub.dice.randrange(20, self.chaos.clog_steps + 1) if is_frozen else 0
