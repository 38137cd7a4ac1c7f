"""Who may see and do what, and the headers every page carries."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from tests import books
from tests.views import factory

PAGES = {
    "exports": "view_transaction",
    "payouts": "view_stripepayout",
    "overview": "view_transaction",
    "stripe": "view_stripepaymentintent",
    "payments": "view_stripepaymentintent",
    "subscriptions": "view_stripesubscription",
    "metrics": "view_stripesubscription",
    "movements": "view_stripesubscription",
    "customers": "view_stripecustomer",
    "products": "view_stripeproduct",
    "sync": "view_syncrun",
    "transactions": "view_transaction",
    "house": "view_transaction",
    "accounts": "view_account",
    "suspense": "view_transaction",
    "revenue": "view_transaction",
    "fees": "view_transaction",
    "proof": "view_transaction",
    "style": "view_transaction",
}
FORMS = ("product-new", "customer-new", "payment-new", "subscription-new")

pytestmark = pytest.mark.django_db


def url(name: str) -> str:
    return reverse(f"financial:{name}")


@pytest.mark.parametrize("name", [*PAGES, *FORMS])
def test_visitors_are_sent_to_sign_in(client, name):
    answer = client.get(url(name))

    assert answer.status_code == 302
    assert answer.url.startswith("/login/?next=/studio/financial/")


@pytest.mark.parametrize("name", [*PAGES, *FORMS])
def test_users_who_are_not_staff_are_refused_and_see_no_data(client, name):
    factory.credential(name="Secret shop")
    client.force_login(get_user_model().objects.create_user("eve", password="x"))

    answer = client.get(url(name))

    assert answer.status_code == 403
    assert "Secret shop" not in answer.text


@pytest.mark.parametrize("name", PAGES)
def test_staff_without_the_permission_are_told_which_one_they_miss(client, name):
    client.force_login(factory.staff(*(p for p in factory.VIEW_ALL if p != PAGES[name])))

    answer = client.get(url(name))

    assert answer.status_code == 403
    assert f"financial.{PAGES[name]}" in answer.text


@pytest.mark.parametrize("name", PAGES)
def test_staff_with_the_permission_see_the_page(client, name):
    factory.credential()
    client.force_login(factory.staff(PAGES[name]))

    assert client.get(url(name)).status_code == 200


@pytest.mark.parametrize("name", FORMS)
def test_viewing_is_not_enough_to_write_to_stripe(client, name):
    factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL))

    assert client.post(url(name), {}).status_code == 403


def test_starting_a_sync_needs_its_own_permission(client):
    factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL, "manage_stripe"))

    assert client.post(url("sync")).status_code == 403


def test_an_ended_session_does_not_swap_a_login_page_into_a_fragment(client):
    answer = client.get(url("sync"), headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"].startswith("/login/")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_forbids_foreign_code_frames_and_caches(client, name):
    factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL))

    answer = client.get(url(name))

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert " style=" not in answer.text and "<style" not in answer.text and " onclick" not in answer.text


def test_the_menu_lists_only_what_one_may_open(client):
    client.force_login(factory.staff("view_stripeproduct"))

    text = client.get(url("products")).text

    assert url("products") in text
    assert url("customers") not in text


def test_an_unknown_address_below_gets_a_friendly_page(client):
    factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL))

    answer = client.get(reverse("financial:payment", args=["pi_unknown"]))

    assert answer.status_code == 404
    assert "Not found" in answer.text


def test_switching_shows_the_other_accounts_rows(client):
    first = factory.credential(name="First shop", account_id="acct_1")
    second = factory.credential(name="Second shop", account_id="acct_2")
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert "account Second shop" in client.get(url("stripe")).text

    answer = client.post(url("credential-switch"), {"credential": first.pk, "next": url("sync")})

    assert (answer.status_code, answer.url) == (302, url("sync"))
    assert "account First shop" in client.get(url("stripe")).text
    assert second.name in client.get(url("stripe")).text  # the way back


@pytest.fixture
def two_accounts(client):
    client.force_login(factory.staff(*factory.VIEW_ALL))
    return factory.credential(account_id="acct_1"), factory.credential(account_id="acct_2")


def switched(client, to, name, *args):
    return client.post(url("credential-switch"), {"credential": to.pk, "next": reverse(f"financial:{name}", args=args)})


@pytest.mark.parametrize(("name", "section"), [("payment", "payments"), ("payment-refund", "payments")])
def test_switching_on_the_page_of_one_object_leads_to_the_list_of_its_section(client, two_accounts, name, section):
    first, second = two_accounts
    paid = factory.payment(second)

    answer = switched(client, first, name, paid.stripe_id)

    assert answer.url == url(section)
    assert f"is not of {first.name}" in client.get(answer.url).text


def test_switching_stays_where_the_other_account_has_the_object_too(client, two_accounts):
    first, second = two_accounts
    for shop in two_accounts:
        factory.customer(shop, stripe_id="cus_same")

    answer = switched(client, first, "customer", "cus_same")

    assert answer.url == reverse("financial:customer", args=["cus_same"])
    assert "is not of" not in client.get(answer.url).text


def test_switching_on_a_transaction_or_an_event_leads_to_their_lists(client, two_accounts):
    first, second = two_accounts
    event = factory.event(second)

    assert switched(client, first, "transaction", books.booked(second).pk).url == url("transactions")
    assert switched(client, first, "event", event.event_id).url == url("events")
    assert switched(client, second, "event", event.event_id).url == reverse("financial:event", args=[event.event_id])


def test_switching_on_own_books_stays_there(client, two_accounts):
    own = books.by_hand()

    assert switched(client, two_accounts[0], "transaction", own.pk).url == reverse(
        "financial:transaction", args=[own.pk]
    )


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", ""]
)
def test_switching_never_leads_to_another_site(client, target):
    shop = factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL))

    answer = client.post(url("credential-switch"), {"credential": shop.pk, "next": target})

    assert answer.url == url("stripe")


@pytest.mark.parametrize("picked", ["", "0", "x", "99999999999999999999999999"])
def test_switching_to_nothing_is_not_found(client, picked):
    client.force_login(factory.staff(*factory.VIEW_ALL))

    assert client.post(url("credential-switch"), {"credential": picked}).status_code == 404


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Test mode"),
        ({"livemode": True, "secret_key": "sk_live_0123456789abcdef"}, "Live mode"),
        ({"is_sample": True, "is_active": False}, "Sample data"),
    ],
)
def test_the_mode_is_said_in_words(client, values, words):
    factory.credential(**values)
    client.force_login(factory.staff(*factory.VIEW_ALL))

    assert f"<strong>{words}</strong>" in client.get(url("stripe")).text


def where(text):
    return re.sub(r"<[^>]+>", "", text.partition('<p class="where">')[2].partition("</p>")[0])


def test_every_page_says_zone_and_main_currency_near_the_top(client, settings):
    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"
    shop = factory.credential()
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert where(client.get(url("products")).text) == "Zone: Europe/Berlin"

    books.booked(shop, currency="usd")
    for _ in range(2):
        books.booked(shop, currency="eur")

    assert where(client.get(url("products")).text) == "Main currency and zone: EUR · Europe/Berlin"
    assert where(client.get(url("house")).text) == "Zone: Europe/Berlin"
    client.force_login(factory.staff("view_stripeproduct"))
    assert where(client.get(url("products")).text) == "Zone: Europe/Berlin"


def test_the_shell_leads_home_and_signs_out_where_the_site_has_addresses_for_it(client, settings):
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert "Sign out" not in client.get("/studio/financial/").text

    settings.ROOT_URLCONF = "studio.urls"
    page = client.get("/studio/financial/").text

    assert '<a href="/">Publisher</a>' in page
    assert '<form method="post" action="/logout/">' in page
