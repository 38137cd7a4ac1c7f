"""Somebody else at work on a sandbox's account, what its events are, and the account held against the mirror."""

from __future__ import annotations

import random
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import orjson
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.gateway import StripeGateway
from financial.mirror.resources import RESOURCES, Resource
from financial.mirror.translate import translate
from financial.models import StripeCredential
from sandbox.core import Request, Response
from sandbox.http.service import Service
from tests import payloads
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET

Payload = dict[str, Any]
FOUND = {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}


class Refused(Exception):
    """The account does not do that."""


class Account:
    """Does one thing after the other, by Stripe's API but past the faults that plague the sync."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        self.service = service
        self.chance = chance
        self.customers: list[str] = []
        self.charges: list[str] = []
        self.price = ""
        self.renamed = 0

    def ask(self, method: str, path: str, **form: Any) -> Payload:
        sent = urllib.parse.urlencode(form)
        query, body = (sent, b"") if method == "GET" else ("", sent.encode())
        with self.service.lock:
            rules, self.service.world.faults.rules = self.service.world.faults.rules, []
            try:
                asked = Request(method, path, query, body, {"authorization": f"Bearer {TEST_KEY}"})
                answer = Service.handle(self.service, asked)  # unseen by a `Wire`
            finally:
                self.service.world.faults.rules = rules
        found: Payload = orjson.loads(answer.body)
        if answer.status != 200:
            raise Refused(found["error"]["message"])
        return found

    def every(self, path: str, params: Payload) -> Iterator[Payload]:
        """Yield all of a list."""
        after: Payload = {}
        while True:
            page = self.ask("GET", path, limit=100, **params, **after)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def crowd(self, count: int, *, apart: int = 0) -> list[str]:
        """Make so many plain customers, so many seconds apart, and return their ids, oldest first."""
        made = []
        for number in range(count):
            made.append(self.ask("POST", "/v1/customers", email=f"c{number}@example.com")["id"])
            if apart:
                self.service.advance(apart)
        self.customers += made
        return made

    def new_customer(self) -> None:
        email = f"c{self.chance.randrange(10**6)}@example.com"
        made = self.ask("POST", "/v1/customers", email=email, payment_method="pm_card_visa")
        method = self.ask("GET", f"/v1/customers/{made['id']}/payment_methods")["data"][0]["id"]
        self.ask("POST", f"/v1/customers/{made['id']}", **{"invoice_settings[default_payment_method]": method})
        self.customers.append(made["id"])

    def rename_customer(self) -> None:
        if self.customers:
            self.rename(self.chance.choice(self.customers))

    def rename(self, customer: str) -> None:
        """Names grow, so that of two states the older one can be told."""
        self.renamed += 1
        self.ask("POST", f"/v1/customers/{customer}", name=f"Name {self.renamed:06}")

    def delete_customer(self) -> None:
        if len(self.customers) > 3:
            self.delete(self.chance.choice(self.customers))

    def delete(self, customer: str) -> None:
        self.ask("DELETE", f"/v1/customers/{customer}")
        self.customers.remove(customer)

    def pay(self) -> None:
        if self.customers:
            paid = self.ask(
                "POST",
                "/v1/payment_intents",
                amount=self.chance.randrange(100, 90_000),
                currency=self.chance.choice(["usd", "eur", "jpy"]),
                customer=self.chance.choice(self.customers),
                payment_method="pm_card_visa",
                confirm="true",
                **FOUND,
            )
            self.charges.append(paid["latest_charge"])

    def refund(self) -> None:
        if self.charges:
            self.ask("POST", "/v1/refunds", charge=self.charges.pop(self.chance.randrange(len(self.charges))))

    def subscribe(self) -> None:
        if not self.price:
            product = self.ask("POST", "/v1/products", name="Magazine")["id"]
            plan = {"recurring[interval]": "month", "unit_amount": 900, "currency": "usd", "product": product}
            self.price = self.ask("POST", "/v1/prices", **plan)["id"]
        if self.customers:
            chosen = {"customer": self.chance.choice(self.customers), "items[0][price]": self.price}
            self.ask("POST", "/v1/subscriptions", **chosen)

    def time_passes(self) -> None:
        self.service.advance(self.chance.choice([1, 60, 86_400]))

    def pay_at_least(self) -> None:
        """Pay where that is possible."""
        with suppress(Refused):
            self.pay()

    def do_something(self) -> None:
        with suppress(Refused):  # not every customer has a card
            self.chance.choice(DEEDS)(self)

    def events(self) -> list[Payload]:
        """Return what happened, oldest first."""
        return list(self.every("/v1/events", {}))[::-1]


DEEDS = (
    Account.new_customer,
    Account.new_customer,
    Account.rename_customer,
    Account.rename_customer,
    Account.delete_customer,
    Account.pay,
    Account.pay,
    Account.refund,
    Account.subscribe,
    Account.time_passes,
)


class Wire:
    """Sees the calls that come over HTTP; `before` and `after` their answer is made something else may happen.

    Both run in the sandbox's thread, so they may touch the account, but no database.
    """

    def __init__(self, service: Service) -> None:
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda call: None
        self.after: Callable[[str], None] = lambda call: None
        self._service = service
        service.handle = self._handle  # type: ignore[method-assign]

    def _handle(self, request: Request) -> Response:
        call = f"{request.path}?{urllib.parse.unquote(request.query)}"
        self.calls.append(call)
        self.before(call)
        answer = Service.handle(self._service, request)
        self.after(call)
        return answer

    def count(self, path: str) -> int:
        return sum(call.startswith(f"{path}?") for call in self.calls)


def deliver(credential: StripeCredential, event: Payload, gateway: StripeGateway | None = None) -> None:
    """Let a webhook come with an event of the account, and apply it at once."""
    body = orjson.dumps(event)
    signature = payloads.signature(body, TEST_WEBHOOK_SECRET, at=time.time())
    row = stripe_services.receive_webhook(body, signature, wake=False)
    if row.state == "waiting" and webhooks.claim(row, now=timezone.now()):
        webhooks.apply(row, lambda owner: gateway or stripe_services.gateway_for(owner), now=timezone.now())


def differences(credential: StripeCredential, account: Account) -> list[str]:
    """Return in words where the mirror's rows are not the account's objects, column by column and payload by payload."""
    return [said for resource in RESOURCES for said in _of(resource, credential, account)]


def _of(resource: Resource, credential: StripeCredential, account: Account) -> Iterator[str]:
    there = {item["id"]: item for item in account.every(resource.path, dict(resource.list_params))}
    here = {row.stripe_id: row for row in resource.model.objects.filter(credential=credential)}
    yield from (f"{stripe_id} is missing" for stripe_id in there.keys() - here.keys())
    for stripe_id, row in here.items():
        if row.is_deleted or stripe_id not in there:
            if not row.is_deleted:
                yield f"{stripe_id} is gone at Stripe"
            elif stripe_id in there:
                yield f"{stripe_id} is deleted here only"
            continue
        shown = translate(there[stripe_id], resource.name, resource.columns)
        if (row.payload, row.private) != (shown.public, shown.private):
            yield f"{stripe_id} shows another payload"
        values = {name: value for name, value in shown.values.items() if name != "livemode"}
        yield from (f"{stripe_id}.{name}" for name, value in values.items() if getattr(row, name) != value)
        yield from (f"{stripe_id} has no {key}" for key in resource.parents if _is_unlinked(row, key, credential))


def _is_unlinked(row: Any, key: str, credential: StripeCredential) -> bool:
    parent, named = getattr(row, key), getattr(row, f"{key}_stripe_id")
    if parent is not None:
        return bool(parent.stripe_id != named)
    model = type(row)._meta.get_field(key).related_model
    return bool(named) and model.objects.filter(credential=credential, stripe_id=named).exists()
