from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from financial.models import Account, AuditEvent, Entry, StripeCredential, Transaction
from tests import books
from tests.views import factory, rows

pytestmark = pytest.mark.django_db
NEW = reverse("financial:transaction-new")


@pytest.fixture
def shop() -> StripeCredential:
    return factory.credential()


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(rows.staff())
    return client


def url(row: Transaction) -> str:
    return reverse("financial:transaction", args=[row.pk])


def account(code: str) -> Account:
    return Account.objects.get(code=code)


def balance(code: str) -> int:
    return sum(Entry.objects.filter(account__code=code).values_list("amount_minor", flat=True))


def typed(page: Client, **values: str) -> dict[str, str]:
    """What the form sends: 12.50 usd of other income, with the key the page was opened with."""
    text = page.get(NEW).text
    key = re.search(r'name="idempotency_key" value="(\w{32})"', text)
    assert key
    return {
        "idempotency_key": key[1],
        "kind": "income",
        "on": "2026-10-01",
        "amount": "12.50",
        "currency": "usd",
        "credit": str(account("Income:Other").pk),
        "debit": str(account("Assets:Bank").pk),
        "description": "A reading",
        **values,
    }


# One transaction


def test_entries_stand_in_their_columns_and_both_add_up(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop, amount_minor=10000, fee_minor=320)

    text = page.get(url(row)).text

    debits = re.findall(r'data-label="Debit"><span class="money">([^< ]+)', text)
    credits = re.findall(r'data-label="Credit"><span class="money">([^< ]+)', text)
    assert sorted(debits) == ["$100.00", "$3.20", "$96.80"]
    assert credits == ["$100.00", "$100.00"]


def test_what_the_customer_paid_is_apart_from_what_settled(shop: StripeCredential, page: Client) -> None:
    row = books.settled(
        shop, amount_minor=5406, presentment_currency="eur", presentment_amount_minor=5000, exchange_rate="1.0812"
    )

    text = page.get(url(row)).text

    assert "€50.00" in text and "$54.06" in text and "1.0812" in text


def test_the_drift_of_the_estimate_is_shown(shop: StripeCredential, page: Client) -> None:
    row = books.settled(shop, factory.payment(shop), fee_minor=322, estimated_fee_minor=187)

    assert "off by +$1.35" in page.get(url(row)).text


def test_an_estimate_has_no_entries_and_no_actions(shop: StripeCredential, page: Client) -> None:
    text = page.get(url(factory.booked(shop, status="estimated"))).text

    assert "None until Stripe’s exact figures have come" in text
    assert 'name="action"' not in text


def test_the_movement_is_shown_to_those_who_may_see_movements(shop: StripeCredential, client: Client) -> None:
    row = books.booked(shop)
    row.balance_transaction.payload = {"object": "balance_transaction", "seen": "yes"}
    row.balance_transaction.save()
    client.force_login(factory.staff("view_transaction"))
    assert "balance transaction as Stripe sent it" not in client.get(url(row)).text

    client.force_login(factory.staff("view_transaction", "view_stripebalancetransaction"))

    assert "&quot;seen&quot;: &quot;yes&quot;" in client.get(url(row)).text


def test_transactions_of_another_account_are_not_found(shop: StripeCredential, page: Client) -> None:
    other = books.booked(factory.credential(name="Other", is_active=False))

    assert page.get(url(other)).status_code == 404


def test_what_else_concerns_the_charge_is_listed(shop: StripeCredential, page: Client) -> None:
    first = books.settled(shop, charge_stripe_id="ch_1")
    second = books.settled(shop, charge_stripe_id="ch_1", kind="refund")

    assert f'href="{url(second)}"' in page.get(url(first)).text


# Corrections


def test_reclassifying_moves_the_other_side_by_a_further_transaction(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop, "other_adjustment", amount_minor=-500)

    answer = page.post(
        url(row),
        {"action": "reclassify", "source": account("Suspense").pk, "target": account("Expenses:Other").pk},
    )

    correction = Transaction.objects.get(corrects=row)
    assert answer.status_code == 302 and answer.url == url(correction)
    assert (balance("Suspense"), balance("Expenses:Other"), balance("Assets:Stripe:Payments")) == (0, 500, -500)
    assert f'href="{url(correction)}"' in page.get(url(row)).text
    assert f'href="{url(row)}"' in page.get(url(correction)).text
    assert AuditEvent.objects.get().action == "transaction.reclassified"


def test_reclassifying_twice_moves_it_once(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop, "other_adjustment", amount_minor=-500)
    data = {"action": "reclassify", "source": account("Suspense").pk, "target": account("Expenses:Other").pk}
    page.post(url(row), data)

    assert page.post(url(row), data).status_code == 422
    assert balance("Expenses:Other") == 500


def test_a_balance_at_stripe_is_neither_source_nor_target(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop, amount_minor=500)
    clearing, sales = account("Assets:Stripe:Payments").pk, account("Income:Sales").pk

    for source, target in ((clearing, sales), (sales, clearing)):
        assert page.post(url(row), {"action": "reclassify", "source": source, "target": target}).status_code == 422
    assert not Transaction.objects.filter(corrects=row).exists()


def test_a_transaction_of_the_house_is_taken_back_once(page: Client) -> None:
    row = books.by_hand()
    assert "Take it back" in page.get(url(row)).text

    assert page.post(url(row), {"action": "reverse"}).status_code == 302

    assert balance("Assets:Bank") == 0
    assert "Take it back" not in page.get(url(row)).text
    assert page.post(url(row), {"action": "reverse"}).status_code == 400
    assert Transaction.objects.filter(corrects=row).count() == 1


def test_a_movement_at_stripe_is_not_taken_back(shop: StripeCredential, page: Client) -> None:
    row = books.booked(shop)

    assert "Take it back" not in page.get(url(row)).text
    assert page.post(url(row), {"action": "reverse"}).status_code == 400
    assert not Transaction.objects.filter(corrects=row).exists()


def test_an_unknown_action_is_refused(shop: StripeCredential, page: Client) -> None:
    assert page.post(url(books.booked(shop)), {"action": "delete"}).status_code == 400


@pytest.mark.parametrize("action", ["reverse", "reclassify"])
def test_viewing_is_not_enough_to_write(action: str, client: Client) -> None:
    row = books.by_hand()
    client.force_login(factory.staff("view_transaction"))

    assert 'name="action"' not in client.get(url(row)).text
    assert client.post(url(row), {"action": action}).status_code == 403
    assert Transaction.objects.count() == 1


# Written by hand


def test_an_income_is_booked_in_the_books_of_the_house(page: Client) -> None:
    answer = page.post(NEW, typed(page))

    row = Transaction.objects.get()
    assert answer.status_code == 302 and answer.url == url(row)
    assert (row.kind, row.amount_minor, row.currency, row.booked_on) == ("income", 1250, "usd", dt.date(2026, 10, 1))
    assert row.credential is None and row.livemode
    assert (balance("Assets:Bank"), balance("Income:Other")) == (1250, -1250)
    assert AuditEvent.objects.get().action == "transaction.income"


@pytest.mark.parametrize(("currency", "amount", "minor"), [("jpy", "500", 500), ("kwd", "5.120", 5120)])
def test_an_amount_has_the_digits_of_its_currency(currency: str, amount: str, minor: int, page: Client) -> None:
    page.post(NEW, typed(page, currency=currency, amount=amount))

    assert Transaction.objects.get().amount_minor == minor


def test_the_same_form_sent_twice_books_once(page: Client) -> None:
    data = typed(page)

    first, second = page.post(NEW, data), page.post(NEW, data)

    assert first.url == second.url
    assert Transaction.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_a_form_sent_before_with_other_values_is_refused(page: Client) -> None:
    data = typed(page)
    page.post(NEW, data)

    answer = page.post(NEW, {**data, "amount": "13"})

    assert answer.status_code == 422 and "sent before with other values" in answer.text
    assert Transaction.objects.count() == 1


def test_two_forms_alike_are_two_transactions(page: Client) -> None:
    page.post(NEW, typed(page))
    page.post(NEW, typed(page))

    assert Transaction.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "0"),
        ("amount", "-1"),
        ("amount", "1.234"),
        ("amount", "1e400"),
        ("amount", "NaN"),
        ("currency", "xyz"),
        ("on", (timezone.now() + dt.timedelta(days=3)).date().isoformat()),
        ("on", "0001-01-01"),
        ("kind", "payment"),
        ("description", "4242 4242 4242 4242"),
        ("idempotency_key", "x"),
        ("credit", ""),
    ],
)
def test_what_cannot_be_booked_is_refused_at_its_field(field: str, value: str, page: Client) -> None:
    answer = page.post(NEW, typed(page, **{field: value}))

    assert answer.status_code == 422
    assert not Transaction.objects.exists()


@pytest.mark.parametrize(
    ("kind", "credit", "debit"),
    [
        ("income", "Assets:Bank", "Income:Other"),
        ("expense", "Expenses:Other", "Assets:Bank"),
        ("transfer", "Income:Other", "Assets:Bank"),
        ("transfer", "Assets:Bank", "Assets:Bank"),
        ("transfer", "Assets:Bank", "Assets:Stripe:Payments"),
    ],
)
def test_accounts_must_fit_the_kind(kind: str, credit: str, debit: str, page: Client) -> None:
    page.get(NEW)
    sides = {"credit": str(account(credit).pk), "debit": str(account(debit).pk)}

    assert page.post(NEW, typed(page, kind=kind, **sides)).status_code == 422
    assert not Transaction.objects.exists()


def test_the_form_is_for_those_who_may_add_transactions(client: Client) -> None:
    client.force_login(factory.staff("view_transaction", "manage_stripe"))

    assert client.get(NEW).status_code == client.post(NEW, {}).status_code == 403
