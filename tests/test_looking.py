from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from financial import looking
from financial.errors import StripeUnavailable
from financial.gateway import StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import StripeBalanceTransaction, StripeCharge, StripeCredential, StripePaymentIntent, Transaction
from tests import payloads
from tests.stripe_stub import StripeStub, status

pytestmark = pytest.mark.django_db
PAYMENT = BY_NAME["payment_intent"]


def paid(**values: Any) -> dict[str, Any]:
    money = payloads.balance_transaction("txn_1", source="ch_1")
    charge = payloads.charge("ch_1", payment_intent="pi_1", balance_transaction=money)
    return payloads.payment_intent("pi_1", **{"status": "succeeded", "latest_charge": charge, **values})


def look(credential: StripeCredential, gateway: StripeGateway) -> None:
    looking.again(credential, PAYMENT, "pi_1", gateway, now=timezone.now())


def test_one_request_brings_the_payment_with_its_charge_and_books_it(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(paid())

    look(credential, gateway)

    assert len(stripe_stub.requests) == 1
    assert StripeCharge.objects.get().payment_intent == StripePaymentIntent.objects.get()
    assert Transaction.objects.get().balance_transaction == StripeBalanceTransaction.objects.get()


def test_looking_twice_changes_nothing(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(paid())
    look(credential, gateway)
    versions = StripePaymentIntent.objects.get().version, StripeCharge.objects.get().version

    look(credential, gateway)

    assert (StripePaymentIntent.objects.get().version, StripeCharge.objects.get().version) == versions
    assert Transaction.objects.count() == 1


def test_what_somebody_wrote_meanwhile_is_left_alone(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(paid(description="older"))
    newer = payloads.payment_intent("pi_1", description="newer")
    store.save(credential, PAYMENT, newer, seen=store.draw(), api_version="test")
    StripePaymentIntent.objects.update(version=store.draw() + 1000)  # written while the answer was under way

    look(credential, gateway)

    assert StripePaymentIntent.objects.get().description == "newer"


def test_what_stripe_no_longer_has_is_left_as_it_is(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    look(credential, gateway)
    assert not StripePaymentIntent.objects.exists()


def test_nothing_is_written_where_stripe_is_away(
    credential: StripeCredential, gateway: StripeGateway, stripe_stub: StripeStub
) -> None:
    stripe_stub.fail(status(500), times=9)
    with pytest.raises(StripeUnavailable):
        look(credential, gateway)
    assert not StripePaymentIntent.objects.exists()
