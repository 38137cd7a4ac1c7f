from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from financial.models import StripeCredential
from financial.views import palette
from financial.views.base import NAV
from tests.views import rows as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def staff(client: Client, credential: StripeCredential) -> Client:
    client.force_login(make.staff())
    return client


def text_of(client: Client, text: str = "") -> str:
    answer = client.get(reverse("financial:palette"), {"q": text})
    assert answer.status_code == 200
    return answer.text


def options(client: Client, text: str = "") -> list[str]:
    found = re.findall(r'role="option".*?<span>(.*?)(?:<small>|</span>)', text_of(client, text), re.DOTALL)
    return [re.sub(r"<.*?>", "", label).strip() for label in found]


def test_all_pages_and_actions_are_there_before_anything_is_typed(staff: Client) -> None:
    assert options(staff) == [command.label for command in palette.COMMANDS] + [item.label for item in NAV]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("new prod", "New product"),
        ("SUBS", "Subscriptions"),
        ("xero", "Export the books"),
        ("refund", "Refund: choose its payment"),
    ],
)
def test_pages_and_actions_are_found_by_the_beginning_of_their_words(staff: Client, text: str, label: str) -> None:
    assert label in options(staff, text)


def test_a_refund_begins_at_the_payments_that_can_be_given_back(staff: Client) -> None:
    assert f'href="{reverse("financial:payments")}?status=succeeded"' in text_of(staff, "refund")


def test_hits_stand_before_actions_and_the_search_page_last(staff: Client, credential: StripeCredential) -> None:
    ada = make.customer(credential, name="New Ada")
    make.payment(credential, ada, amount_minor=4900)
    found = options(staff, "new")
    assert found[:2] == ["New Ada", "New Ada"]
    assert "New payment" in found[2:]
    assert found[-1] == "Search everything for “new”"
    assert "$49.00" in text_of(staff, "new")


def test_pasted_id_is_the_first_option(staff: Client, credential: StripeCredential) -> None:
    payment = make.payment(credential)
    assert options(staff, payment.stripe_id)[0] == payment.stripe_id
    assert reverse("financial:payment", args=[payment.stripe_id]) in text_of(staff, payment.stripe_id)


def test_only_what_one_may_do_is_offered(client: Client, credential: StripeCredential) -> None:
    make.payment(credential, make.customer(credential))
    client.force_login(make.staff("view_stripecustomer"))
    assert options(client) == ["Customers"]
    assert options(client, "ada") == ["Ada Lovelace", "Search everything for “ada”"]


def test_card_number_is_refused(staff: Client) -> None:
    text = text_of(staff, "4242 4242 4242 4242")
    assert "card number" in text
    assert "4242 4242" not in text


def test_hostile_text_is_only_text(staff: Client) -> None:
    assert "<img" not in text_of(staff, "<img src=x onerror=alert(1)>")


def test_every_option_has_an_id_of_its_own(staff: Client, credential: StripeCredential) -> None:
    make.payment(credential, make.customer(credential))
    ids = re.findall(r' id="(option-[\w-]+)"', text_of(staff, "ada"))
    assert len(ids) == len(set(ids)) > 1


def test_every_page_has_a_key_of_its_own() -> None:
    assert len({item.key for item in NAV}) == len(NAV)


def test_dialogs_stand_on_every_page_and_list_the_pages_one_may_see(
    client: Client, credential: StripeCredential
) -> None:
    client.force_login(make.staff("view_stripecustomer"))
    text = client.get(reverse("financial:customers")).text
    assert '<dialog class="palette"' in text
    assert re.findall(r'data-go="(\w)"', text) == ["c"]


def test_number_of_queries_does_not_grow_with_the_rows(
    staff: Client, credential: StripeCredential, connection_queries: Any
) -> None:
    def fill() -> None:
        for _ in range(8):
            make.charge(make.payment(credential, make.customer(credential)))

    fill()
    few = connection_queries(lambda: text_of(staff, "ada"))
    fill()
    assert connection_queries(lambda: text_of(staff, "ada")) == few < 25
