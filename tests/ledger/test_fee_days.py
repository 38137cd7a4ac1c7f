"""What payments cost per day: kept with each booking, and the same when it is summed anew."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest

from financial.bands import band_of, band_words
from financial.ledger import journal, totals
from financial.models import FeeDay, StripeCredential, StripePaymentIntent, SyncRun
from tests import payloads
from tests.ledger.test_journal import book_all, mirror

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 4, 2, tzinfo=UTC)
# Without the one in which a payment stays an estimate, as its charge was not there when the movement was booked.
ORDERS = [
    order for order in permutations(("payment", "charge", "movement")) if order != ("payment", "movement", "charge")
]


def parts() -> dict[str, dict[str, Any]]:
    return {
        "payment": payloads.payment_intent(),
        "charge": payloads.charge(),
        "movement": payloads.balance_transaction(fee=150, net=2849),
    }


def days(**among: Any) -> dict[tuple[str, str], tuple[int, ...]]:
    figures = ("count", "amount_minor", "fee_minor", "compared", "estimated_minor", "exact_minor", "rough")
    rows = FeeDay.objects.filter(**among).values_list("cut", "label", *figures)
    return {(cut, label): tuple(numbers) for cut, label, *numbers in rows}


def test_a_settled_payment_is_in_every_cut_of_its_day(credential: StripeCredential) -> None:
    mirror(credential, *parts().values())
    book_all(credential)

    found = days()
    assert found["all", ""] == (1, 2999, 150, 1, 117, 150, 0)
    assert found["country", "US"] == found["brand", "visa"] == found["size", "10"] == (1, 2999, 150, 0, 0, 0, 0)
    assert len(found) == 4 and FeeDay.objects.filter(day=date(2026, 4, 1)).count() == 4


def test_an_estimate_is_in_no_day_and_is_compared_as_it_was_booked(credential: StripeCredential, settings: Any) -> None:
    mirror(credential, payloads.payment_intent(), payloads.charge(balance_transaction=None))
    book_all(credential)
    assert not days()

    settings.FINANCIAL_FEE_RULES = {"*": ("0.5", 0)}
    mirror(credential, payloads.charge(), payloads.balance_transaction(fee=150, net=2849))
    book_all(credential)

    assert days()["all", ""] == (1, 2999, 150, 1, 117, 150, 0)
    assert not totals.rebuild(credential)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_any_order_ends_in_the_same_days(credential: StripeCredential, order: tuple[str, ...]) -> None:
    SyncRun.objects.create(credential=credential, requested_at=NOW, covers_until=NOW)  # so nothing waits for its cause
    for name in order:
        mirror(credential, parts()[name])
        book_all(credential)
    journal.book(credential, list(StripePaymentIntent.objects.all()), now=NOW)

    assert days(cut="all") == {("all", ""): (1, 2999, 150, 1, 117, 150, 0)}
    is_late = order.index("movement") < order.index("charge")
    assert totals.rebuild(credential) is is_late  # the card was not known when the movement was booked
    assert days()["country", "US"] == (1, 2999, 150, 0, 0, 0, 0)
    assert not totals.rebuild(credential)


def test_what_settled_in_another_currency_is_compared_with_nothing(credential: StripeCredential) -> None:
    mirror(
        credential,
        payloads.payment_intent(amount=5000, amount_received=5000, currency="eur"),
        payloads.charge(amount=5000, currency="eur"),
        payloads.balance_transaction(amount=5406, fee=322, net=5084, currency="usd", exchange_rate=1.0812),
    )
    book_all(credential)

    assert days(cut="all") == {("all", ""): (1, 5406, 322, 0, 0, 0, 0)}
    assert not totals.rebuild(credential)


def test_other_movements_cost_no_payment_anything(credential: StripeCredential) -> None:
    mirror(credential, payloads.balance_transaction(type="stripe_fee", reporting_category="fee", source=None))
    book_all(credential)

    assert not days()


@pytest.mark.parametrize(
    ("amount_minor", "currency", "band", "words"),
    [
        (0, "usd", 0, "below $10.00"),
        (-5, "usd", 0, "below $10.00"),
        (1000, "usd", 10, "$10.00 – $50.00"),
        (99_999_999, "usd", 1000, "$1,000.00 and more"),
        (999, "jpy", 500, "¥500 – ¥1,000"),
        (1_000_000, "kwd", 1000, "KWD\u00a01,000.000 and more"),
        (1000, "zzz", 10, "1000 ZZZ (minor units) – 5000 ZZZ (minor units)"),
    ],
)
def test_bands_are_of_major_units(amount_minor: int, currency: str, band: int, words: str) -> None:
    assert band_of(amount_minor, currency) == band
    assert band_words(band, currency) == words
