"""Whatever happens at the sandbox between syncs, a sync ends in its state: compared row by row by a verification."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from financial import stripe_services
from financial.models import StripeCredential, StripeCustomer, StripePaymentIntent, SyncRun, Transaction
from sandbox.http.server import Server
from tests.conftest import TEST_KEY
from tests.sync.account import Account, differences

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_syncs_between_random_changes_end_in_the_accounts_state(sandbox: Server, seed: int) -> None:
    credential = StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    chance = random.Random(seed)
    account = Account(sandbox.service, chance)
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

    assert differences(credential, account) == []
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
