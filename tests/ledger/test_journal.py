from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from financial.ledger import journal
from financial.ledger.journal import Booked
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import StripeCredential, StripePaymentIntent, StripeTransaction, Transaction
from tests import payloads

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 4, 2, tzinfo=UTC)


def mirror(credential: StripeCredential, *items: dict[str, Any]) -> None:
    for item in items:
        store.save_many(credential, BY_NAME[item["object"]], [item], seen=store.draw(), api_version="test")


def book_all(credential: StripeCredential) -> Booked:
    return journal.book_all(credential, now=NOW)


def test_a_succeeded_payment_without_its_balance_transaction_is_an_estimate(credential: StripeCredential) -> None:
    mirror(credential, payloads.customer(), payloads.payment_intent(), payloads.charge(balance_transaction=None))

    assert book_all(credential) == Booked(booked=1, settled=0)

    link = StripeTransaction.objects.select_related("transaction").get()
    booked = link.transaction
    assert (booked.status, booked.amount_minor, booked.fee_minor, booked.net_minor) == ("estimated", 2999, 117, 2882)
    assert (link.estimated_fee_minor, link.is_rough, link.balance_transaction) == (117, False, None)


def test_the_exact_fee_replaces_the_estimate_once(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent(), payloads.charge(balance_transaction=None))
    book_all(credential)

    mirror(credential, payloads.charge(), payloads.balance_transaction(fee=150, net=2849))

    assert book_all(credential) == Booked(booked=0, settled=1)
    link = StripeTransaction.objects.select_related("transaction").get()
    assert (link.transaction.status, link.transaction.fee_minor, link.transaction.net_minor) == ("settled", 150, 2849)
    assert (link.estimated_fee_minor, link.settled_at) == (117, NOW)
    assert book_all(credential) == Booked()


def test_a_payment_whose_balance_transaction_is_there_is_booked_settled(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent(), payloads.charge(), payloads.balance_transaction())

    assert book_all(credential) == Booked(booked=1, settled=1)
    assert Transaction.objects.get().status == "settled"


def test_booking_again_changes_nothing(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent(), payloads.charge(), payloads.balance_transaction())
    book_all(credential)
    before = list(Transaction.objects.values()), list(StripeTransaction.objects.values())

    assert book_all(credential) == Booked()
    assert journal.book(credential, list(StripePaymentIntent.objects.all()), now=NOW) == Booked()
    assert (list(Transaction.objects.values()), list(StripeTransaction.objects.values())) == before


def test_settlement_in_another_currency_keeps_what_the_customer_paid(credential: StripeCredential) -> None:
    mirror(
        credential,
        payloads.payment_intent(amount=5000, amount_received=5000, currency="eur"),
        payloads.charge(amount=5000, currency="eur"),
        payloads.balance_transaction(amount=5406, fee=322, net=5084, currency="usd", exchange_rate=1.0812),
    )

    book_all(credential)

    booked = Transaction.objects.get()
    assert (booked.currency, booked.amount_minor, booked.net_minor) == ("usd", 5406, 5084)
    assert (booked.presentment_currency, booked.presentment_amount_minor) == ("eur", 5000)
    assert booked.exchange_rate == "1.0812"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "requires_payment_method", "amount_received": 0},
        {"status": "requires_capture", "amount_received": 0},
        {"status": "canceled", "amount_received": 0},
        {"status": "processing", "amount_received": 0},
    ],
)
def test_a_payment_that_did_not_succeed_is_not_booked(credential: StripeCredential, changes: dict[str, Any]) -> None:
    mirror(credential, payloads.payment_intent(**changes))

    assert book_all(credential) == Booked()


def test_a_balance_transaction_that_does_not_add_up_leaves_a_visible_estimate(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent(), payloads.charge(), payloads.balance_transaction(net=1))

    assert book_all(credential) == Booked(booked=1, settled=0)
    assert Transaction.objects.get().status == "estimated"
    assert book_all(credential) == Booked()


def test_zero_decimal_currency_is_booked_in_whole_units(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent(amount=3500, amount_received=3500, currency="jpy", latest_charge=None))

    book_all(credential)

    booked = Transaction.objects.get()
    assert (booked.amount_minor, booked.fee_minor, booked.currency) == (3500, 102, "jpy")
    assert StripeTransaction.objects.get().is_rough


def test_the_same_payment_id_under_two_credentials_is_booked_for_each(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other")
    for owner in (credential, other):
        mirror(owner, payloads.payment_intent())
        book_all(owner)

    assert Transaction.objects.count() == 2


def test_the_database_refuses_a_second_booking_of_a_payment(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent())
    book_all(credential)
    copy = Transaction.objects.get()
    copy.pk = None

    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()


def test_the_database_refuses_a_net_that_is_not_gross_less_fee(credential: StripeCredential) -> None:
    mirror(credential, payloads.payment_intent())
    book_all(credential)

    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.update(net_minor=1)


def test_query_count_does_not_grow_with_the_number_of_payments(
    credential: StripeCredential, connection_queries: Any
) -> None:
    def story(size: int) -> list[StripePaymentIntent]:
        for n in range(size):
            name = f"{size}_{n}"
            mirror(
                credential,
                payloads.payment_intent(f"pi_{name}", latest_charge=f"ch_{name}"),
                payloads.charge(f"ch_{name}", payment_intent=f"pi_{name}", balance_transaction=f"txn_{name}"),
                payloads.balance_transaction(f"txn_{name}", source=f"ch_{name}"),
            )
        return list(StripePaymentIntent.objects.filter(stripe_id__startswith=f"pi_{size}_"))

    journal.book(credential, story(1), now=NOW)  # makes the accounts
    small, large = story(20), story(60)

    assert connection_queries(lambda: journal.book(credential, small, now=NOW)) == connection_queries(
        lambda: journal.book(credential, large, now=NOW)
    )


def test_more_payments_than_a_batch_are_all_booked(
    credential: StripeCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "BATCH", 3)
    intents = [payloads.payment_intent(f"pi_{n}", latest_charge=None) for n in range(8)]
    store.save_many(credential, BY_NAME["payment_intent"], intents, seen=store.draw(), api_version="test")

    assert book_all(credential) == Booked(booked=8)
