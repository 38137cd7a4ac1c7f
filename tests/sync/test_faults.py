"""The sandbox's faults, over HTTP, under a real sync: what is in the mirror afterwards is what is in the account."""

from __future__ import annotations

import random
from typing import Any

import pytest

from financial import stripe_services
from financial.models import StripeCredential, StripeCustomer, SyncRun
from sandbox.http.server import Server
from tests.sync.account import Account, Wire, differences

pytestmark = pytest.mark.django_db
CUSTOMERS = 650


@pytest.fixture
def account(sandbox: Server) -> Account:
    made = Account(sandbox.service, random.Random(1))
    made.crowd(CUSTOMERS, apart=60)
    for _ in range(40):
        made.do_something()
    return made


@pytest.fixture
def wire(account: Account) -> Wire:
    return Wire(account.service)


def strike(account: Account, *rules: dict[str, Any]) -> None:
    account.service.world.faults.load([{"method": "GET", **rule} for rule in rules])


def run(credential: StripeCredential, **options: Any) -> SyncRun:
    return stripe_services.sync_now(credential, requested_by="test", **options)


STORMS: dict[str, list[dict[str, Any]]] = {
    "the account is over its limit": [{"kind": "rate_limit", "reason": "global-rate", "probability": 0.4}],
    "one endpoint is over its limit": [
        {"kind": "rate_limit", "reason": "endpoint-rate", "path": "/v1/customers", "probability": 0.5}
    ],
    "too many at once": [{"kind": "rate_limit", "reason": "endpoint-concurrency", "probability": 0.3}],
    "objects are locked": [{"kind": "lock_timeout", "probability": 0.4}],
    "Stripe is ill": [{"kind": "error_before", "probability": 0.4}],
    "connections are reset": [{"kind": "drop_after", "probability": 0.4}],
    "bodies are cut off": [{"kind": "truncate", "probability": 0.4}],
    "everything at once": [
        {"kind": kind, "probability": 0.12}
        for kind in ("rate_limit", "lock_timeout", "error_before", "error_after", "drop_after", "truncate")
    ],
}


@pytest.mark.parametrize("rules", STORMS.values(), ids=STORMS)
def test_a_storm_costs_further_calls_and_nothing_else(
    account: Account, wire: Wire, credential: StripeCredential, settings: Any, rules: list[dict[str, Any]]
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 25  # at two in five, not to get through would be a wonder
    strike(account, *rules)

    done = run(credential)

    assert (done.state, done.error) == ("done", "")
    assert differences(credential, account) == []
    step = done.steps.get(resource="customer")
    assert (step.delivered, step.stored) == (len(account.customers), len(account.customers))
    answered = step.pages
    assert answered <= 20
    assert answered <= wire.count("/v1/customers") < answered * 8
    assert sum(done.steps.values_list("pages", flat=True)) < len(wire.calls)  # in one collection luck may spare all


def test_answers_that_come_late_and_out_of_order_are_put_together(
    account: Account, credential: StripeCredential
) -> None:
    strike(account, {"kind": "slow", "seconds": 0.15, "probability": 0.3})

    assert run(credential).state == "done"
    assert differences(credential, account) == []


def test_a_storm_that_outlasts_every_attempt_fails_the_run_and_loses_nothing(
    account: Account, wire: Wire, credential: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 3
    strike(account, {"kind": "rate_limit", "path": "/v1/customers", "skip": 4})

    failed = run(credential)

    assert failed.state == "failed"
    assert "customer" in failed.error
    assert failed.covers_until is None
    kept = StripeCustomer.objects.count()
    assert 0 < kept < CUSTOMERS
    asked = wire.count("/v1/customers")
    assert asked <= 4 + 8 * settings.FINANCIAL_STRIPE_ATTEMPTS  # no storm of our own

    strike(account)
    assert run(credential).state == "done"
    assert differences(credential, account) == []
    assert wire.count("/v1/customers") - asked < 20


@pytest.mark.parametrize("kind", ["rate_limit", "error_before", "drop_after", "truncate"])
def test_a_catch_up_survives_faults_too(
    account: Account, credential: StripeCredential, settings: Any, kind: str
) -> None:
    run(credential)
    for _ in range(30):
        account.do_something()
    settings.FINANCIAL_STRIPE_ATTEMPTS = 25
    strike(account, {"kind": kind, "probability": 0.3})

    done = run(credential)

    assert (done.kind, done.state, done.error) == ("incremental", "done", "")
    assert differences(credential, account) == []
