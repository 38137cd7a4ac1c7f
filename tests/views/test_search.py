from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from financial.models import (
    AuditEvent,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeInvoice,
    StripePaymentIntent,
)
from tests.stripe_stub import StripeStub
from tests.views import rows as make

pytestmark = pytest.mark.django_db

CARD = "4242 4242 4242 4242"
KEY = "sk_live_obviouslyfake0000"


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff())
    return client


def ask(client: Client, text: str, **more: str) -> Any:
    return client.get(reverse("financial:search"), {"q": text, **more})


def groups(client: Client, text: str, **more: str) -> list[str]:
    answer = ask(client, text, **more)
    assert answer.status_code == 200
    return re.findall(r'id="hits-(\w+)"', answer.text)


def test_hits_are_grouped_and_each_leads_to_its_page(credential: StripeCredential, staff: Client) -> None:
    ada = make.customer(credential)
    payment = make.payment(credential, ada, amount_minor=4900)
    make.charge(payment)
    text = ask(staff, "ada").text
    assert groups(staff, "ada") == ["payments", "customers"]
    assert f'href="{reverse("financial:payment", args=[payment.stripe_id])}"' in text
    assert f'href="{reverse("financial:customer", args=[ada.stripe_id])}"' in text
    assert "$49.00" in text
    assert "Visa ••••4242" in text


def test_empty_search_explains_and_asks_nothing(credential: StripeCredential, staff: Client) -> None:
    text = staff.get(reverse("financial:search")).text
    assert "How to search" in text
    assert "No match" not in text


def test_nothing_found_is_said(credential: StripeCredential, staff: Client) -> None:
    assert "No match in the mirror" in ask(staff, "nobody").text


def test_what_was_not_understood_is_said(credential: StripeCredential, staff: Client) -> None:
    text = ask(staff, "ada currency:xxx").text
    assert "Nothing was searched for" in text
    assert "“xxx” is not a currency" in text


def test_one_kind_alone_is_shown_page_by_page(credential: StripeCredential, staff: Client) -> None:
    ada = make.customer(credential)
    for _ in range(53):
        make.payment(credential, ada)
    assert groups(staff, "ada", type="payments") == ["payments"]
    first = ask(staff, "ada", type="payments").text
    following = re.search(r'rel="next" href="\?([^"]+)"', first)
    assert following
    second = staff.get(f"{reverse('financial:search')}?{following[1].replace('&amp;', '&')}").text
    shown = [re.findall(r"payments/(pi_\w+)/", text) for text in (first, second)]
    assert [len(ids) for ids in shown] == [50, 3]
    assert not set(shown[0]) & set(shown[1])
    assert 'rel="next"' not in second


@pytest.mark.parametrize("form", ["{}", "  {} ", "https://dashboard.stripe.com/test/payments/{}", "{}_secret_xyz"])
def test_pasted_id_leads_to_its_page(credential: StripeCredential, staff: Client, form: str) -> None:
    payment = make.payment(credential)
    answer = ask(staff, form.format(payment.stripe_id))
    assert (answer.status_code, answer.url) == (302, reverse("financial:payment", args=[payment.stripe_id]))


def test_id_of_what_has_no_page_leads_to_what_it_belongs_to(credential: StripeCredential, staff: Client) -> None:
    product = make.product(credential)
    price = make.price(product)
    payment = make.payment(credential)
    charge = make.charge(payment, payment_intent_stripe_id=payment.stripe_id)
    booked = make.booking(payment, settled=True).transaction
    for row_id, page, key in (
        (price.stripe_id, "product", product.stripe_id),
        (charge.stripe_id, "payment", payment.stripe_id),
        (booked.balance_transaction.stripe_id, "transaction", booked.pk),
    ):
        assert ask(staff, row_id).url == reverse(f"financial:{page}", args=[key])


def test_page_one_may_not_see_is_passed_over(client: Client, credential: StripeCredential) -> None:
    StripeInvoice.objects.create(
        credential=credential, stripe_id="in_1", subscription_stripe_id="sub_1", customer_stripe_id="cus_1"
    )
    client.force_login(make.staff("view_stripecustomer"))
    assert ask(client, "in_1").url == reverse("financial:customer", args=["cus_1"])
    client.force_login(make.staff("view_stripeproduct"))
    answer = ask(client, "in_1")
    assert answer.status_code == 200
    assert "You may not see this" in answer.text


def test_only_kinds_one_may_view_are_searched(client: Client, credential: StripeCredential) -> None:
    make.payment(credential, make.customer(credential))
    client.force_login(make.staff("view_stripecustomer"))
    assert groups(client, "ada") == ["customers"]
    assert "type=payments" not in ask(client, "ada").text
    client.force_login(make.staff("view_bankdeposit"))
    assert "Nothing to search in" in ask(client, "ada").text


def test_other_accounts_are_never_shown(credential: StripeCredential, staff: Client) -> None:
    other = make.credential("Other", is_active=False, livemode=True)
    payment = make.payment(other, make.customer(other))
    assert groups(staff, "ada") == []
    assert "No match in the mirror" in ask(staff, payment.stripe_id).text


@pytest.mark.parametrize("text", [CARD, f"ada {CARD}", KEY, f"{CARD.replace(' ', '')} 12/29"])
def test_card_numbers_and_keys_are_neither_searched_nor_kept(
    credential: StripeCredential, staff: Client, text: str
) -> None:
    answer = ask(staff, text)
    assert answer.status_code == 302
    assert "4242" not in answer.url and "fake" not in answer.url
    page = staff.get(answer.url)
    assert page.status_code == 200
    assert "nothing of it was kept" in " ".join(page.text.split()).replace("and nothing", "nothing")
    assert "4242 4242" not in page.text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a'\"b", "%", "_", "\0", "x" * 5000, "ada OR 1=1"])
def test_hostile_text_is_only_text(credential: StripeCredential, staff: Client, text: str) -> None:
    make.customer(credential)
    answer = ask(staff, text)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert groups(staff, text) == []


def test_number_of_queries_does_not_grow_with_the_rows(
    credential: StripeCredential, staff: Client, connection_queries: Any, settings: Any
) -> None:
    settings.FINANCIAL_CACHE_SECONDS = 0

    def fill() -> None:
        for _ in range(12):
            ada = make.customer(credential)
            payment = make.payment(credential, ada, amount_minor=4900)
            make.charge(payment)
            make.subscription(make.price(make.product(credential), type="recurring"), ada)
            make.booking(payment, settled=True)

    fill()
    ask(staff, "ada")
    few = [connection_queries(lambda text=text: ask(staff, text)) for text in ("ada", "49", "4242")]
    fill()
    assert [connection_queries(lambda text=text: ask(staff, text)) for text in ("ada", "49", "4242")] == few
    assert max(few) < 40


def fetch(client: Client, stripe_id: str) -> Any:
    return client.post(reverse("financial:search"), {"id": stripe_id})


def test_what_the_mirror_lacks_is_fetched_with_what_it_belongs_to(
    credential: StripeCredential, staff: Client, stripe_stub: StripeStub
) -> None:
    customer = {"id": "cus_9", "object": "customer", "name": "Ada", "created": 1_750_000_000, "livemode": False}
    payment = {
        "id": "pi_9", "object": "payment_intent", "customer": "cus_9", "amount": 4900, "currency": "eur",
        "status": "succeeded", "created": 1_750_000_000, "livemode": False,
    }  # fmt: skip
    charge = {
        "id": "ch_9", "object": "charge", "payment_intent": "pi_9", "customer": "cus_9", "amount": 4900,
        "currency": "eur", "status": "succeeded", "created": 1_750_000_000, "livemode": False,
    }  # fmt: skip
    stripe_stub.put(customer, payment, charge)
    assert "Fetch it from Stripe" in ask(staff, "ch_9").text

    answer = fetch(staff, "ch_9")

    assert answer.url == reverse("financial:payment", args=["pi_9"])
    row = StripeCharge.objects.select_related("payment_intent", "customer").get(stripe_id="ch_9")
    assert (row.payment_intent.stripe_id, row.customer.stripe_id) == ("pi_9", "cus_9")
    assert AuditEvent.objects.get(action="object.fetched").object_id == "ch_9"


def test_what_stripe_does_not_have_is_said_in_words(
    credential: StripeCredential, staff: Client, stripe_stub: StripeStub
) -> None:
    answer = fetch(staff, "pi_none")
    assert answer.status_code == 422
    assert "No such" in answer.text
    assert not StripePaymentIntent.objects.exists()


def test_what_was_deleted_before_it_came_here_is_said_in_words(
    credential: StripeCredential, staff: Client, stripe_stub: StripeStub
) -> None:
    stripe_stub.put({"id": "cus_9", "object": "customer", "deleted": True})

    answer = fetch(staff, "cus_9")

    assert answer.status_code == 422
    assert "deleted in Stripe before it ever came here" in answer.text
    assert not StripeCustomer.objects.exists()


def test_what_belongs_to_a_deleted_customer_is_fetched_all_the_same(
    credential: StripeCredential, staff: Client, stripe_stub: StripeStub
) -> None:
    payment = {
        "id": "pi_9", "object": "payment_intent", "customer": "cus_9", "amount": 4900, "currency": "eur",
        "status": "succeeded", "created": 1_750_000_000, "livemode": False,
    }  # fmt: skip
    stripe_stub.put(payment, {"id": "cus_9", "object": "customer", "deleted": True})

    assert fetch(staff, "pi_9").url == reverse("financial:payment", args=["pi_9"])


def test_fetching_takes_a_permission(client: Client, credential: StripeCredential) -> None:
    client.force_login(make.staff("view_stripepaymentintent"))
    assert "Fetch it from Stripe" not in ask(client, "pi_9").text
    assert fetch(client, "pi_9").status_code == 403
    client.force_login(make.staff("view_stripepaymentintent", "run_sync"))
    assert "Fetch it from Stripe" in ask(client, "pi_9").text


def prefilled(text: str) -> str | None:
    """What the form that fetches one object is filled with; None without such a form."""
    found = re.search(r'<input id="one-id" name="id" value="([^"]*)"', text)
    return found[1] if found else None


def test_a_text_without_a_match_offers_to_fetch_by_id(client: Client, credential: StripeCredential) -> None:
    client.force_login(make.staff("view_stripepaymentintent"))
    assert prefilled(ask(client, "nobody").text) is None
    client.force_login(make.staff("view_stripepaymentintent", "run_sync"))
    assert prefilled(ask(client, "nobody").text) == ""


@pytest.mark.parametrize(("stripe_id", "filled"), [("pi_9", "pi_9"), ("evt_9", ""), ("hello", "")])
def test_a_page_of_an_unknown_id_offers_to_fetch_it(
    client: Client, credential: StripeCredential, stripe_id: str, filled: str
) -> None:
    address = reverse("financial:payment", args=[stripe_id])
    client.force_login(make.staff("view_stripepaymentintent"))
    assert prefilled(client.get(address).text) is None
    client.force_login(make.staff("view_stripepaymentintent", "manage_stripe"))
    assert prefilled(client.get(address).text) == filled


def test_without_a_stripe_account_nothing_is_offered(staff: Client) -> None:
    make.credential(is_sample=True, is_active=False)

    assert prefilled(ask(staff, "nobody").text) is None
    assert prefilled(staff.get(reverse("financial:payment", args=["pi_9"])).text) is None


def test_addresses_that_name_no_object_offer_nothing(staff: Client, credential: StripeCredential) -> None:
    answer = staff.get(reverse("financial:transaction", args=[999]))

    assert answer.status_code == 404 and prefilled(answer.text) is None


@pytest.mark.parametrize("stripe_id", ["", "evt_1", "hello", "../v1/balance"])
def test_what_is_no_id_is_not_asked_for(credential: StripeCredential, staff: Client, stripe_id: str) -> None:
    assert fetch(staff, stripe_id).status_code in (400, 422)


def test_every_page_has_the_search_box(credential: StripeCredential, staff: Client) -> None:
    text = staff.get(reverse("financial:payments")).text
    assert re.search(r'<form class="quick-search" role="search"[^>]* action="/studio/financial/stripe/search/"', text)


def test_search_works_without_a_credential(staff: Client) -> None:
    assert ask(staff, "ada").status_code == 200
