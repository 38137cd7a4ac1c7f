from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from financial import bookkeeping
from financial.models import AuditEvent, BalanceReading, BooksCheck, StripeBalanceTransaction, StripeCredential
from financial.views.books import proof
from tests import books
from tests.stripe_stub import StripeStub, status
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
PROOF, ANYWHERE = reverse("financial:proof"), reverse("financial:products")
SYNC = reverse("financial:sync")
INVARIANTS = [f"I{number}" for number in range(1, 9)]


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


@pytest.fixture
def sample() -> StripeCredential:
    """An account with nobody to ask for its balance."""
    return factory.credential(is_sample=True, is_active=False)


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(rows.staff())
    return client


def read(of: StripeCredential, stripe_minor: int, booked_minor: int, **values: Any) -> BalanceReading:
    values = {"currency": "usd", "pending_minor": 0, "is_steady": True, "read_at": timezone.now(), **values}
    return BalanceReading.objects.create(
        credential=of, available_minor=stripe_minor, booked_minor=booked_minor, **values
    )


# The strip on every page


def test_equal_books_are_said_with_the_time_of_the_reading(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=1000)
    read(shop, 1000, 1000, read_at=timezone.now() - dt.timedelta(minutes=7))

    text = page.get(ANYWHERE).text

    assert "Books equal Stripe’s balance</a>, read " in text and "7 minutes ago" in text


def test_a_difference_is_said_with_its_amount(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=1000)
    read(shop, 999, 1000)

    assert "Books differ from Stripe’s balance by $0.01 USD" in page.get(ANYWHERE).text


@pytest.mark.parametrize("reading", [{"is_steady": False}, None])
def test_what_was_not_compared_is_neither_green_nor_red(
    reading: dict[str, Any] | None, shop: StripeCredential, page: Client
) -> None:
    books.booked(shop, amount_minor=1000)
    if reading:
        read(shop, 5, 7, **reading)

    text = page.get(ANYWHERE).text

    assert "Books not compared with Stripe’s balance" in text
    assert "Books equal" not in text and "Books differ" not in text


def test_money_in_suspense_is_said(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    read(shop, -500, -500)

    assert "$5.00 USD in suspense" in page.get(ANYWHERE).text


def test_a_broken_invariant_is_said(shop: StripeCredential, page: Client) -> None:
    books.booked(shop)
    read(shop, 1000, 1000)
    BooksCheck.objects.create(credential=shop, checked_at=timezone.now(), broken="I3 I8")

    assert "Books: I3, I8 broken" in page.get(ANYWHERE).text


def test_sample_data_has_no_balance_to_compare_with(page: Client) -> None:
    books.booked(factory.credential(is_sample=True, is_active=False))

    assert "Books" not in page.get(ANYWHERE).text.partition('class="health"')[2].partition("</ul>")[0]


def test_the_strip_is_for_those_who_may_see_the_books(shop: StripeCredential, client: Client) -> None:
    books.booked(shop)
    client.force_login(factory.staff("view_stripeproduct"))

    assert "Books not compared" not in client.get(ANYWHERE).text


# The page


def test_every_invariant_is_listed_with_its_figures_after_verifying(page: Client, sample: StripeCredential) -> None:
    books.booked(sample, amount_minor=1000, fee_minor=59)

    answer = page.post(PROOF, follow=True)

    assert answer.redirect_chain == [(PROOF, 302)]
    assert "all eight invariants hold" in answer.text
    assert all(f">{name}<" in answer.text for name in INVARIANTS)
    assert "$9.41" in answer.text
    assert AuditEvent.objects.get().action == "books.verified"
    assert BooksCheck.objects.get(credential=sample).holds


def test_rows_that_break_an_invariant_are_named(page: Client, sample: StripeCredential) -> None:
    books.movement(sample, amount_minor=1000, net_minor=998, stripe_id="txn_broken")

    text = page.post(PROOF, follow=True).text

    assert "Broken" in text and "txn_broken" in text and "I2, I3 did not hold" in text
    assert "all eight invariants hold" not in text


@pytest.mark.parametrize("address", [PROOF, SYNC])
def test_what_the_command_found_stands_on_the_pages_until_the_next_time(
    address: str, page: Client, sample: StripeCredential
) -> None:
    books.booked(sample, amount_minor=1000, fee_minor=59)
    books.movement(sample, amount_minor=1000, net_minor=998)
    bookkeeping.verify_books(sample)
    StripeBalanceTransaction.objects.filter(net_minor=998).delete()  # mended since: what was found stays of its moment

    table = page.get(address).text.partition("The eight invariants when last verified")[2].partition("</table>")[0]

    assert all(f">{name}<" in table for name in INVARIANTS)
    assert "$9.41" in table and "instead of" in table and "$19.39" in table
    assert "1 difference<" in table and "1 row broke it" in table


def test_only_the_proof_names_the_rows(page: Client, sample: StripeCredential) -> None:
    books.booked(sample)
    books.movement(sample, amount_minor=1000, net_minor=998, stripe_id="txn_broken")
    bookkeeping.verify_books(sample)

    assert "txn_broken" in page.get(PROOF).text
    assert "txn_broken" not in page.get(SYNC).text


def test_a_check_from_before_figures_were_kept_says_so(page: Client, shop: StripeCredential) -> None:
    BooksCheck.objects.create(credential=shop, checked_at=timezone.now())

    assert "figures were not kept then" in page.get(PROOF).text


def test_books_too_large_to_wait_for_say_what_to_do_and_what_was_found(
    page: Client, sample: StripeCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.booked(sample, amount_minor=1000, fee_minor=59)
    bookkeeping.verify_books(sample)
    monkeypatch.setattr(proof, "INLINE_MAX", 0)

    text = page.post(PROOF, follow=True).text

    assert "too large to be verified while you wait" in text
    assert f"manage.py verify_books --live --credential-id {sample.pk}" in text
    assert "$9.41" in text and "Verify now" not in text
    assert not AuditEvent.objects.exists()


def test_books_are_verified_although_stripe_does_not_answer(
    page: Client, credential: StripeCredential, stripe_stub: StripeStub, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1
    stripe_stub.fail(status(500), path="/v1/balance")
    books.booked(credential)

    text = page.post(PROOF, follow=True).text

    assert "could not be read now" in text and "when they were last verified: all held" in text


def test_verifying_takes_the_right_to_start_a_sync(shop: StripeCredential, client: Client) -> None:
    client.force_login(factory.staff("view_transaction"))

    assert "Verify now" not in client.get(PROOF).text
    assert client.post(PROOF).status_code == 403
