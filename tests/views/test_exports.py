"""The export page: the form, the file, who may have it, and what is written down."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import cast

import pytest
from django.urls import reverse

from financial.models import AuditEvent
from tests import books
from tests.ledger.exports.conftest import program
from tests.views import factory

pytestmark = pytest.mark.django_db
PAGE = reverse("financial:exports")


@pytest.fixture
def shop():
    return factory.credential()


@pytest.fixture
def page(client):
    client.force_login(factory.staff("view_transaction", name="ada"))
    return client


def body(answer) -> bytes:
    return b"".join(cast(Iterable[bytes], answer.streaming_content))


def test_without_a_credential_the_page_says_what_to_do(page):
    assert "No active Stripe credential found" in page.get(PAGE).text


def test_the_form_offers_every_format_and_the_currencies_of_the_books(page, shop):
    books.booked(shop, currency="eur")

    text = page.get(PAGE).text

    for label in ("CSV", "beancount", "hledger", "QuickBooks Online", "Xero", "OFX"):
        assert label in text
    assert '<option value="eur">EUR</option>' in text and "USD" not in text


def test_a_download_is_streamed_and_named_after_what_is_in_it(page, shop):
    books.booked(shop, stripe_id="txn_1", description="=cmd()")

    answer = page.post(PAGE, {"format": "csv", "by": "transaction", "currency": "usd", "start": "2026-10-01"})

    assert answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="books-test-mode-usd-from-2026-10-01.csv"'
    lines = list(csv.DictReader(io.StringIO(body(answer).decode(), newline="")))
    assert [line["amount"] for line in lines] == ["10.00", "-10.00"]


def test_own_books_are_exported_from_the_page_too(page, shop):
    books.booked(shop, amount_minor=1000)
    books.by_hand(amount_minor=500, currency="usd")
    text = page.get(PAGE, {"books": "house"}).text
    assert '<option value="house" selected>' in text

    answer = page.post(PAGE, {"format": "csv", "books": "house"})

    assert answer["Content-Disposition"] == 'attachment; filename="books-house.csv"'
    amounts = {line["amount"] for line in csv.DictReader(io.StringIO(body(answer).decode(), newline=""))}
    assert amounts == {"5.00", "-5.00"}
    assert AuditEvent.objects.get().credential is None


def test_own_books_are_exported_without_a_stripe_account(page):
    books.by_hand(amount_minor=500, currency="usd")

    text = page.get(PAGE).text

    assert '<option value="house">Own books' in text and "at Stripe" not in text
    assert page.post(PAGE, {"format": "csv", "books": "house"}).status_code == 200


def test_a_download_is_written_down(page, shop):
    books.booked(shop)

    page.post(PAGE, {"format": "ofx", "end": "2026-12-31"})

    event = AuditEvent.objects.get()
    assert (event.user_name, event.action, event.credential) == ("ada", "books.exported", shop)
    assert event.details == {
        "format_name": "ofx",
        "by": "transaction",
        "start": "",
        "end": "2026-12-31",
        "currency": "",
        "payout": "",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"format": "pdf"},
        {"format": "csv", "by": "week"},
        {"format": "csv", "start": "yesterday"},
        {"format": "csv", "start": "2026-10-02", "end": "2026-10-01"},
        {"format": "csv", "currency": "chf"},
        {"format": "csv", "payout": "txn_1"},
        {"format": "csv", "payout": "po_9"},
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written_down(page, shop, wrong):
    answer = page.post(PAGE, wrong)

    assert answer.status_code == 400
    assert "Please correct this" in answer.text
    assert not AuditEvent.objects.exists()


def test_what_cannot_be_exported_is_said_on_the_page(page, shop):
    books.booked(shop, currency="zzz")

    answer = page.post(PAGE, {"format": "csv"})

    assert answer.status_code == 400
    assert "Nobody knows how many decimals ZZZ has" in answer.text


def test_only_the_shown_account_is_exported(page, shop):
    other = factory.credential(is_active=False, account_id="acct_2")
    books.booked(other, stripe_id="txn_of_another")

    assert b"txn_of_another" not in body(page.post(PAGE, {"format": "csv"}))


def test_both_programs_check_the_books_on_request(page, shop):
    program("bean-check")
    program("hledger")
    books.booked(shop)

    text = page.post(PAGE, {"format": "csv", "do": "verify"}).text

    assert "verified by beancount, 2 entries, 0 differences" in text
    assert "verified by hledger, 2 entries, 0 differences" in text
    assert AuditEvent.objects.get().action == "books.verified"


def test_downloads_need_the_token_of_the_form(shop):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(factory.staff("view_transaction"))
    assert client.post(PAGE, {"format": "csv"}).status_code == 403


def test_without_the_permission_there_is_no_file(client, shop):
    client.force_login(factory.staff("view_stripepaymentintent"))
    assert client.post(PAGE, {"format": "csv"}).status_code == 403
