from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from financial.models import Account, AuditEvent, CategoryAccount, Entry, StripeCredential
from tests import books
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
CHART, SUSPENSE = reverse("financial:accounts"), reverse("financial:suspense")


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(rows.staff())
    return client


def links(text: str) -> dict[str, str]:
    """Account and currency -> the balance shown, of every balance that leads to its rows."""
    found = re.findall(
        r'\?account=([\w:%]+)&amp;currency=(\w+)"><span class="money">([^< ]+).*?</span> (\w*)</a>', text
    )
    return {f"{unquote(code)} {currency}": f"{amount} {side}" for code, currency, amount, side in found}


def test_every_balance_is_shown_per_currency_and_leads_to_its_rows(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=10000, fee_minor=320)
    books.booked(shop, amount_minor=700, currency="eur")

    found = links(page.get(CHART).text)

    assert found["Income:Sales usd"] == "$100.00 Cr"
    assert found["Expenses:StripeFees usd"] == "$3.20 Dr"
    assert found["Assets:Stripe:Payments usd"] == "$96.80 Dr"
    assert found["Assets:Stripe:Payments eur"] == "€7.00 Dr"


def test_the_balance_of_an_account_is_that_of_the_list_it_leads_to(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, amount_minor=10000, fee_minor=320)
    books.booked(shop, "refund", amount_minor=-2500)
    text = page.get(CHART).text

    for address, amount in re.findall(r'href="([^"]+\?account=[^"]+)"><span class="money">([^< ]+)', text):
        listed = page.get(address.replace("&amp;", "&")).text
        sums = re.search(r'<dl class="sums">(.*?)</dl>', listed, re.S)
        assert sums and amount in sums[1], address


def test_the_house_is_never_added_to_a_stripe_account(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "payout", amount_minor=-500)
    books.by_hand(amount_minor=1000)

    text = page.get(CHART).text
    stripe, _, house = text.partition('id="of-house"')

    assert "$10.00" not in stripe
    assert links(house) == {"Assets:Bank usd": "$10.00 Dr", "Income:Other usd": "$10.00 Cr"}


def test_the_number_of_queries_does_not_grow(
    shop: StripeCredential, page: Client, connection_queries: Any, settings: Any
) -> None:
    settings.FINANCIAL_CACHE_SECONDS = 0
    books.booked(shop)
    page.get(CHART)
    few = connection_queries(lambda: page.get(CHART))
    for category in ("refund", "dispute", "payout", "topup", "fee", "contribution"):
        books.booked(shop, category, amount_minor=-7, currency="eur")

    assert connection_queries(lambda: page.get(CHART)) == few < 20


def test_an_account_is_renamed_and_its_code_stays(shop: StripeCredential, page: Client) -> None:
    books.booked(shop)
    sales = Account.objects.get(code="Income:Sales")

    page.post(reverse("financial:account", args=[sales.pk]), {"name": "Erlöse 19 %"})

    sales.refresh_from_db()
    assert (sales.code, sales.name) == ("Income:Sales", "Erlöse 19 %")
    assert "Erlöse 19 %" in page.get(CHART).text
    event = AuditEvent.objects.get()
    assert (event.action, event.details) == ("account.renamed", {"was": "Income:Sales", "now": "Erlöse 19 %"})


@pytest.mark.parametrize("name", ["", " ", "x" * 201])
def test_an_account_keeps_a_name(name: str, shop: StripeCredential, page: Client) -> None:
    books.booked(shop)
    sales = Account.objects.get(code="Income:Sales")

    assert page.post(reverse("financial:account", args=[sales.pk]), {"name": name}).status_code == 422
    assert Account.objects.get(pk=sales.pk).name == "Income:Sales"


def test_renaming_needs_its_own_permission(shop: StripeCredential, client: Client) -> None:
    books.booked(shop)
    address = reverse("financial:account", args=[Account.objects.get(code="Income:Sales").pk])
    client.force_login(factory.staff("view_account"))

    assert "Rename" not in client.get(CHART).text
    assert client.post(address, {"name": "Mine"}).status_code == 403


# Suspense


def test_mapping_a_category_moves_what_waits_and_says_how_many(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    books.booked(shop, "contribution", amount_minor=-200)
    text = page.get(SUSPENSE).text
    assert "contribution" in text and "$7.00" in text

    target = Account.objects.get(code="Expenses:Other")
    answer = page.post(SUSPENSE, {"category": "contribution", "account": target.pk}, follow=True)

    assert "2 transactions left suspense" in answer.text and "Nothing in suspense" in answer.text
    assert sum(Entry.objects.filter(account=target).values_list("amount_minor", flat=True)) == 700
    assert CategoryAccount.objects.get().account == target
    assert AuditEvent.objects.get().details == {"account": "Expenses:Other", "moved": 2}


def test_what_comes_after_the_mapping_goes_there_by_itself(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    page.post(SUSPENSE, {"category": "contribution", "account": Account.objects.get(code="Expenses:Other").pk})

    books.booked(shop, "contribution", amount_minor=-100)

    assert "Nothing in suspense" in page.get(SUSPENSE).text


@pytest.mark.parametrize(
    ("category", "account"), [("contribution", ""), ("charge", "pick"), ("", "pick"), ("contribution", "9" * 30)]
)
def test_only_what_waits_is_mapped_and_only_to_an_account(
    category: str, account: str, shop: StripeCredential, page: Client
) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    picked = str(Account.objects.get(code="Expenses:Other").pk) if account == "pick" else account

    assert page.post(SUSPENSE, {"category": category, "account": picked}).status_code == 400
    assert not CategoryAccount.objects.exists()


def test_money_at_stripe_cannot_be_chosen(shop: StripeCredential, page: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    clearing = Account.objects.get(code="Assets:Stripe:Payments")

    assert page.post(SUSPENSE, {"category": "contribution", "account": clearing.pk}).status_code == 400
    assert not CategoryAccount.objects.exists()


def test_mapping_needs_its_own_permission(shop: StripeCredential, client: Client) -> None:
    books.booked(shop, "contribution", amount_minor=-500)
    client.force_login(factory.staff("view_transaction"))

    assert '<button class="btn small primary">' not in client.get(SUSPENSE).text
    assert client.post(SUSPENSE, {"category": "contribution", "account": "1"}).status_code == 403
