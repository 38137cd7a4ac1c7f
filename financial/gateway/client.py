"""A Stripe account over HTTP: pages and single objects by plain GET, writes by Stripe's SDK.

Reads bypass the SDK because building its typed objects costs 45 times the parsing of the JSON, and because none of its
releases retries a 429 or a list that was cut off. Writes use the SDK from 10.0 to 16.x. The API version is pinned here
and sent with every request, so that upgrading the SDK never changes the shape of what we store.

Knows nothing of models, the mirror or the books.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson
import stamina
import urllib3

from financial.errors import (
    CredentialRefused,
    GatewayError,
    OutcomeUnknown,
    ResourceMissing,
    StripeUnavailable,
    UnreadableAnswer,
)
from financial.gateway.budget import Budget
from financial.gateway.clock import RemoteClock
from financial.gateway.encoding import flat, form
from financial.gateway.endpoints import WebhookEndpoint, endpoint_of
from financial.gateway.failures import error_from

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
STRIPE_HOST = "api.stripe.com"
PAGE_SIZE = 100
Payload = dict[str, Any]
_Answer = TypeVar("_Answer")
_Query = Mapping[str, Any] | list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first; `next_after` is the cursor of the following page, empty on the last.

    `shown_at` is when Stripe answered, by its own clock.
    """

    items: list[Payload]
    next_after: str
    shown_at: datetime


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Whose account a key opens."""

    account_id: str
    name: str
    livemode: bool
    default_currency: str


class Written(Payload):
    """The object that Stripe answered a write with, and the id under which Stripe logged the request."""

    def __init__(self, payload: Payload, *, request_id: str) -> None:
        super().__init__(payload)
        self.request_id = request_id


@lru_cache(maxsize=1)
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=4, maxsize=64, retries=False)


@lru_cache(maxsize=1)
def _user_agent() -> str:
    try:
        return f"financial/{version('financial')}"
    except PackageNotFoundError:
        return "financial"


class StripeGateway:
    """Speaks with Stripe for one key. Holds no state but connections; safe to share between threads."""

    api_version = API_VERSION

    def __init__(
        self,
        secret_key: str,
        *,
        base_url: str = f"https://{STRIPE_HOST}",
        connect_timeout_seconds: float = 5,
        read_timeout_seconds: float = 30,
        attempts: int = 6,
        backoff_seconds: float = 0.5,
        budget: Budget | None = None,
    ) -> None:
        address = urlsplit(base_url)
        if "_live_" in secret_key and (address.scheme, address.hostname) != ("https", STRIPE_HOST):
            raise CredentialRefused("A live key is only ever sent to Stripe itself; unset FINANCIAL_STRIPE_BASE_URL.")
        self._key = secret_key
        self._base = base_url.rstrip("/")
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._attempts = attempts
        self._backoff = backoff_seconds
        self._budget = budget or Budget(1_000_000, 1_000_000)  # none given: as fast as Stripe answers
        self._clock = RemoteClock()

    def __repr__(self) -> str:
        return f"<StripeGateway {self._base} …{self._key[-4:]}>"

    def now(self) -> datetime:
        """Return the time by Stripe's clock, as its answers tell it; ours until the first answer."""
        return self._clock.now()

    @property
    def skew_seconds(self) -> float:
        """How far Stripe's clock is ahead of ours; signatures are refused at 300 either way."""
        return self._clock.ahead_seconds

    # Reading

    def fetch(self, path: str, stripe_id: str, *, expand: tuple[str, ...] = ()) -> Payload:
        """Return one object; a deleted one may come as Stripe's stub `{id, object, deleted: true}`.

        Raises:
            ResourceMissing: Stripe does not know the id.
            GatewayError: as the tree in `financial.errors` says, after retries where they make sense.
        """
        payload = self._get(f"{path}/{quote(stripe_id, safe='')}", {"expand[]": list(expand)} if expand else {})
        if not isinstance(payload, dict) or payload.get("id") != stripe_id:
            raise UnreadableAnswer(f"Asked for {stripe_id}, got something else.")
        return payload

    def look(self, path: str, stripe_id: str, *, expand: tuple[str, ...] = ()) -> Payload | None:
        """Return one object as it is now, None where it is gone: unknown to Stripe, or only its deletion stub is left."""
        try:
            payload = self.fetch(path, stripe_id, expand=expand)
        except ResourceMissing:
            return None
        return None if payload.get("deleted") else payload

    def list_page(self, path: str, params: Mapping[str, Any], *, after: str = "", limit: int = PAGE_SIZE) -> Page:
        """Return one page of at most `limit` (1 to 100) payloads, those that follow the cursor `after`.

        Raises:
            UnreadableAnswer: the answer stays cut off, or is no list.

        Stripe: https://docs.stripe.com/api/pagination
        """
        query = {"limit": limit, **params, **({"starting_after": after} if after else {})}
        return self._retried(lambda: self._page(path, query))

    def iterate(self, path: str, params: Mapping[str, Any]) -> Iterator[Payload]:
        """Yield every payload of a list, newest first, page after page."""
        after = ""
        while True:
            page = self.list_page(path, params, after=after)
            yield from page.items
            if not page.next_after:
                return
            after = page.next_after

    def account(self) -> AccountFacts:
        """Return whose account the key opens."""
        said = self._get("/v1/account", {})
        settings = said.get("settings") or {}
        name = (settings.get("dashboard") or {}).get("display_name") or (said.get("business_profile") or {}).get("name")
        return AccountFacts(
            account_id=str(said.get("id") or ""),
            name=str(name or said.get("email") or ""),
            livemode="_live_" in self._key,
            default_currency=str(said.get("default_currency") or ""),
        )

    def balance(self) -> Payload:
        """Return the account's balance as it is now, per currency.

        Stripe: https://docs.stripe.com/api/balance/balance_object
        """
        payload = self._get("/v1/balance", {})
        if not isinstance(payload, dict) or payload.get("object") != "balance":
            raise UnreadableAnswer("Asked for the balance, got something else.")
        return payload

    def preview_invoice(self, body: Mapping[str, Any]) -> Payload:
        """Return the invoice that a subscription, or a change of one, would lead to; nothing is written.

        Plain HTTP, for the SDK's 10.0 does not know of it.

        Stripe: https://docs.stripe.com/api/invoices/create_preview
        """
        payload = self._retried(lambda: self._read("/v1/invoices/create_preview", flat(body), method="POST"))
        if not isinstance(payload, dict) or payload.get("object") != "invoice":
            raise UnreadableAnswer("Asked for the preview of an invoice, got something else.")
        return payload

    def _get(self, path: str, query: Mapping[str, Any]) -> Any:
        return self._retried(lambda: self._read(path, query))

    def _page(self, path: str, query: Mapping[str, Any]) -> Page:
        answer = self._read(path, query)
        items = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("id") for item in items):
            raise UnreadableAnswer(f"{path} did not answer with a list.")
        if answer.get("has_more") and not items:  # taken for the end, it would hide everything that follows
            raise UnreadableAnswer(f"{path} announced more, but gave nothing to go on from.")
        return Page(items, str(items[-1]["id"]) if items and answer.get("has_more") else "", self.now())

    def _retried(self, ask: Callable[[], _Answer]) -> _Answer:
        waiting = stamina.retry_context(
            on=_is_retryable,
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._backoff,
            wait_max=20 * self._backoff + 0.01,
            wait_jitter=self._backoff,
        )
        for attempt in waiting:
            with attempt:
                return ask()
        raise AssertionError("a retry ends by returning or raising")

    def _read(self, path: str, query: _Query, *, method: str = "GET") -> Any:
        endpoint = _endpoint(path)
        self._budget.wait(endpoint)
        answer = self._asked(method, path, urlencode(query, doseq=True))
        if answer.status == 429 and (reason := answer.headers.get("Stripe-Rate-Limited-Reason")):
            self._budget.refused(endpoint, reason)
        elif answer.status < 500:
            self._budget.answered(endpoint)
        return self._parsed(answer)

    def _asked(self, method: str, path: str, query: str) -> urllib3.BaseHTTPResponse:
        in_url = f"?{query}" if query and method == "GET" else ""
        form_type = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        asked_at = time.time()
        try:
            answer = _pool().request(
                method,
                f"{self._base}{path}{in_url}",
                body=query if method == "POST" else None,
                headers={
                    **form_type,
                    "Authorization": f"Bearer {self._key}",
                    "Stripe-Version": API_VERSION,
                    "User-Agent": _user_agent(),
                    "Accept-Encoding": "gzip",
                },
                timeout=urllib3.Timeout(connect=self._timeouts[0], read=self._timeouts[1]),
                redirect=False,
            )
        # `from None`: the frames of the library hold the key, and error reports show what frames hold.
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError):
            raise UnreadableAnswer("The connection was lost before the whole answer had come.") from None
        except urllib3.exceptions.HTTPError as error:
            raise StripeUnavailable(f"Stripe could not be reached ({type(error).__name__}).") from None
        self._clock.heard(answer.headers.get("Date", ""), asked_at=asked_at, answered_at=time.time())
        return answer

    def _parsed(self, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            body = orjson.loads(answer.data)
        except orjson.JSONDecodeError as error:
            if answer.status == 200:
                raise UnreadableAnswer("The answer is not JSON.") from error
            body = None
        if answer.status != 200:
            raise error_from(answer.status, body, answer.headers, hide=self._key)
        return body

    # Writing

    def create(self, service: str, body: Mapping[str, Any], *, idempotency_key: str) -> Written:
        """Create an object through the SDK's `service` ("products", "payment_intents") and return its payload.

        The same key with the same body does the thing once, however often this is called within a day.

        Raises:
            CardDeclined: the payment was refused; `payment_intent_id` names what exists at Stripe all the same.
            IdempotencyConflict: the key was used with another body, or that request is still under way.
            OutcomeUnknown: call again with the same key.

        Stripe: https://docs.stripe.com/api/idempotent_requests
        """
        create = self._service(service).create
        return self._retried(lambda: self._written(create, form(body), _options(idempotency_key)))

    def act(
        self, service: str, method: str, stripe_id: str, body: Mapping[str, Any], *, idempotency_key: str
    ) -> Written:
        """Do `method` ("update", "cancel", "capture", "resume") with one object through the SDK's `service`.

        Returns the object as it is afterwards. An empty text clears a field. Keys and errors as in `create`.
        """
        call = getattr(self._service(service), method)
        return self._retried(lambda: self._written(call, stripe_id, form(body), _options(idempotency_key)))

    def _service(self, name: str) -> Any:
        """Return a service of the SDK, "products" or "checkout.sessions"; releases since 12.5 keep them under `v1`."""
        return attrgetter(name)(getattr(self._sdk, "v1", self._sdk))

    def webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return every webhook endpoint of the account.

        Stripe: https://docs.stripe.com/api/webhook_endpoints/list
        """
        return [endpoint_of(payload) for payload in self.iterate("/v1/webhook_endpoints", {})]

    def _written(self, call: Callable[..., Any], *arguments: Any) -> Written:
        import stripe

        try:
            done = call(*arguments)
        except stripe.APIConnectionError:  # `from None`: as in `_read`
            raise OutcomeUnknown("Stripe could not be reached; whether it did it is unknown.") from None
        except stripe.StripeError as error:
            refusal = error_from(error.http_status or 500, error.json_body, error.headers or {}, hide=self._key)
            raise _final(refusal) from None
        answer = getattr(done, "last_response", None)  # a list or null has none
        payload = _object(answer.body) if answer else None
        if answer is None or payload is None or not payload.get("id"):
            raise OutcomeUnknown("Stripe's answer could not be read.")
        return Written(payload, request_id=str(answer.request_id or ""))

    @cached_property
    def _sdk(self) -> stripe.StripeClient:
        import stripe  # takes a second to import: only those who write pay for it

        logging.getLogger("stripe").addFilter(_is_trouble)
        return stripe.StripeClient(
            self._key,
            stripe_version=API_VERSION,
            base_addresses={"api": self._base},
            max_network_retries=2,  # connection errors, 409 and 5xx, always with our idempotency key
            http_client=stripe.RequestsClient(timeout=self._timeouts),
        )


def _is_trouble(record: logging.LogRecord) -> bool:
    """Below a warning the SDK logs requests and answers in full: personal data and client secrets."""
    return record.levelno >= logging.WARNING


def _final(error: GatewayError) -> GatewayError:
    if isinstance(error, StripeUnavailable | UnreadableAnswer):
        return OutcomeUnknown(error.message, code=error.code, status=error.status, request_id=error.request_id)
    return error


def _object(body: str) -> Payload | None:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None


def _endpoint(path: str) -> str:
    """Return what Stripe counts requests by: the operation, not the object."""
    version, collection, *rest = path.strip("/").split("/")
    return f"/{version}/{collection}" + ("/{id}" if rest else "")


def _options(idempotency_key: str) -> dict[str, str]:
    return {"idempotency_key": idempotency_key, "stripe_version": API_VERSION}


def _is_retryable(error: Exception) -> bool:
    if isinstance(error, OutcomeUnknown):  # the SDK has tried again already
        return False
    return isinstance(error, GatewayError) and error.retryable
