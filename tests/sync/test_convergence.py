"""Whatever happens at the sandbox between syncs, a sync ends in its state: compared row by row by a verification."""

from __future__ import annotations

import random
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from financial import stripe_services
from financial.models import StripeCredential, StripeCustomer, StripePaymentIntent, SyncRun, Transaction
from sandbox.http.server import Server
from tests.conftest import TEST_KEY

pytestmark = pytest.mark.django_db


class Account:
    """Somebody else at work on the account, over Stripe's API."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server = server
        self.chance = chance
        self.customers: list[str] = []
        self.charges: list[str] = []
        self.price = ""

    def ask(self, method: str, path: str, **form: Any) -> dict[str, Any]:
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(
            self.server.url + path, data=body, method=method, headers={"Authorization": f"Bearer {TEST_KEY}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
        return found

    def new_customer(self) -> None:
        email = f"c{self.chance.randrange(10**6)}@example.com"
        made = self.ask("POST", "/v1/customers", email=email, payment_method="pm_card_visa")
        method = self.ask("GET", f"/v1/customers/{made['id']}/payment_methods")["data"][0]["id"]
        self.ask("POST", f"/v1/customers/{made['id']}", **{"invoice_settings[default_payment_method]": method})
        self.customers.append(made["id"])

    def rename_customer(self) -> None:
        if self.customers:
            name = f"Name {self.chance.randrange(10**6)}"
            self.ask("POST", f"/v1/customers/{self.chance.choice(self.customers)}", name=name)

    def delete_customer(self) -> None:
        if len(self.customers) > 3:
            self.ask("DELETE", f"/v1/customers/{self.customers.pop(self.chance.randrange(len(self.customers)))}")

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
                **{"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"},
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
        self.server.advance(self.chance.choice([1, 60, 86_400]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_syncs_between_random_changes_end_in_the_accounts_state(sandbox: Server, seed: int) -> None:
    credential = StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    chance = random.Random(seed)
    account = Account(sandbox, chance)
    deeds: list[Callable[[], None]] = [
        account.new_customer,
        account.new_customer,
        account.rename_customer,
        account.delete_customer,
        account.pay,
        account.pay,
        account.refund,
        account.subscribe,
        account.time_passes,
        lambda: sync(credential),
    ]
    sync(credential)
    for _ in range(60):
        chance.choice(deeds)()

    sync(credential)

    compared = sync(credential, kind=SyncRun.Kind.VERIFY)
    assert (compared.state, compared.error) == ("done", "")
    assert {step.missing + step.different + step.gone for step in compared.steps.all()} == {0}
    assert StripeCustomer.objects.alive().count() == len(account.customers)
    succeeded = StripePaymentIntent.objects.filter(status="succeeded")
    assert Transaction.objects.filter(kind=Transaction.Kind.PAYMENT).count() == succeeded.count() > 0


def sync(credential: StripeCredential, **options: Any) -> SyncRun:
    run = stripe_services.sync_now(credential, requested_by="test", **options)
    assert run.state == "done" or options, run.error
    return run
