from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from financial.models import (
    AuditEvent,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeRequest,
    StripeSubscription,
)
from financial.stripe_services import StripeService
from sandbox.http.server import Server, running
from tests.views import rows as make

pytestmark = pytest.mark.django_db

FORMS = {
    "product-new": {"name": "Novel", "description": "A book", "currency": "usd", "billing": "one_time"},
    "customer-new": {"email": "ada@example.com", "name": "Ada Lovelace", "phone": "+44 20 7946 0000"},
    "payment-new": {"customer": "ada@example.com", "amount": "29.99", "currency": "usd", "payment_method": ""},
    "subscription-new": {"customer": "ada@example.com", "price": "price_x", "quantity": "1", "trial_days": "14"},
}
MIRRORED = (StripeProduct, StripePrice, StripeCustomer, StripePaymentIntent, StripeSubscription)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    with running(background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


def address(name: str, *args: str) -> str:
    """Of the three ways to make a payment, this is about the one that waits; test_new_payment is about the others."""
    return reverse(f"financial:{name}", args=args) + ("?way=wait" if name == "payment-new" else "")


def post(client: Client, name: str, /, *args: str, key: str = "", **values: str) -> Any:
    data = {**FORMS.get(name, {}), **values, "idempotency_key": key or uuid.uuid4().hex}
    return client.post(address(name, *args), data)


def refused(answer: Any, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer
    return {name: " ".join(map(str, messages)) for name, messages in answer.context["form"].errors.items()}


def nothing_written() -> bool:
    return not any(model.objects.exists() for model in (*MIRRORED, AuditEvent))


def test_a_product_and_its_first_price_are_created_in_one_form(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    answer = post(staff, "product-new", amount="29.99", billing="month", interval_count="3")
    product = StripeProduct.objects.get()
    assert answer["Location"] == reverse("financial:product", args=[product.stripe_id])
    price = product.prices.get()
    assert (price.unit_amount_minor, price.currency, price.interval, price.interval_count) == (2999, "usd", "month", 3)
    assert [event.action for event in AuditEvent.objects.order_by("id")] == ["price.created", "product.created"]
    assert {event.user_name for event in AuditEvent.objects.all()} == {"ada"}


def test_a_product_may_come_without_a_price(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    assert post(staff, "product-new").status_code == 302
    assert not StripePrice.objects.exists()


def test_a_refused_first_price_leaves_the_product_and_a_filled_in_price_form(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    # Ours would refuse it first, so Stripe's refusal is provoked with a value only Stripe looks at.
    key = uuid.uuid4().hex
    StripeRequest.objects.create(credential=credential, idempotency_key=f"{key}-price", fingerprint="another")
    answer = post(staff, "product-new", amount="29.99", key=key)
    product = StripeProduct.objects.get()
    assert answer["Location"].startswith(reverse("financial:price-new", args=[product.stripe_id]))
    form = staff.get(answer["Location"])
    assert form.context["form"]["amount"].value() == "29.99"
    assert "The product was created, its price was not." in form.content.decode()
    assert not StripePrice.objects.exists()


def test_a_price_is_added_to_a_product(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    product = StripeService(credential).create_product("Novel")
    answer = post(staff, "price-new", product.stripe_id, amount="500", currency="jpy", billing="one_time")
    assert answer["Location"] == reverse("financial:product", args=[product.stripe_id])
    assert product.prices.get().unit_amount_minor == 500


def test_a_price_without_a_product_is_a_404(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    foreign = make.product(make.credential("Other", is_active=False))
    gone = make.product(credential, deleted_at=make.NOON)
    for stripe_id in ("prod_unknown", foreign.stripe_id, gone.stripe_id):
        values = {"amount": "5", "currency": "usd", "billing": "one_time"}
        assert post(staff, "price-new", stripe_id, **values).status_code == 404
        assert staff.get(reverse("financial:price-new", args=[stripe_id])).status_code == 404
    assert not StripePrice.objects.exists()


def test_a_customer_is_created(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    answer = post(staff, "customer-new")
    customer = StripeCustomer.objects.get()
    assert answer["Location"] == reverse("financial:customer", args=[customer.stripe_id])
    assert (customer.email, customer.name, customer.phone) == ("ada@example.com", "Ada Lovelace", "+44 20 7946 0000")
    assert "created" in str(next(iter(get_messages(answer.wsgi_request))))
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id, event.credential) == ("customer.created", customer.stripe_id, credential)


def test_a_payment_waits_for_the_customer(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    StripeService(credential).create_customer("ada@example.com")
    answer = post(staff, "payment-new")
    payment = StripePaymentIntent.objects.get()
    assert answer["Location"] == reverse("financial:payment", args=[payment.stripe_id])
    assert (payment.amount_minor, payment.status) == (2999, "requires_payment_method")


def test_a_payment_with_a_test_card_succeeds_at_once(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    StripeService(credential).create_customer("ada@example.com")
    answer = post(staff, "payment-new", payment_method="pm_card_visa")
    assert StripePaymentIntent.objects.get().status == "succeeded"
    assert staff.get(answer["Location"]).status_code == 200


def test_a_declined_card_is_said_at_its_field_and_the_payment_is_kept(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    StripeService(credential).create_customer("ada@example.com")
    answer = post(staff, "payment-new", payment_method="pm_card_chargeDeclined")
    errors = refused(answer)
    assert "declined" in errors["payment_method"]
    payment = StripePaymentIntent.objects.get()
    assert payment.has_failed
    assert reverse("financial:payment", args=[payment.stripe_id]) in answer.content.decode()
    assert AuditEvent.objects.get().action == "payment.declined"


@pytest.mark.parametrize("name", FORMS)
def test_an_incomplete_form_is_a_422_and_writes_nothing(
    name: str, sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    assert refused(staff.post(address(name), {"idempotency_key": "0" * 32}))
    assert refused(staff.post(address(name), {**FORMS[name], "idempotency_key": "x"}))
    assert nothing_written()
    assert not StripeRequest.objects.exists()


@pytest.mark.parametrize(
    ("amount", "currency"), [("1.234", "usd"), ("0", "usd"), ("-1", "usd"), ("0.1", "usd"), ("9", "zz")]
)
def test_a_bad_amount_never_reaches_stripe(
    amount: str, currency: str, sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    make.customer(credential)
    assert refused(post(staff, "payment-new", amount=amount, currency=currency))
    assert not StripeRequest.objects.exists()


def test_stripes_refusal_stands_at_the_field_and_writes_nothing(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    ghost = make.customer(credential)  # mirrored, but unknown to this Stripe
    errors = refused(post(staff, "payment-new", customer=ghost.stripe_id))
    assert ghost.stripe_id in errors["customer"]
    assert not StripePaymentIntent.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_wrong_key_is_said_on_top_with_the_next_step(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    StripeCredential.objects.update(secret_key="")
    errors = refused(post(staff, "customer-new"))
    assert "no secret key" in errors["__all__"]
    assert nothing_written()


def test_an_unreachable_stripe_keeps_the_key_of_the_form(
    credential: StripeCredential, staff: Client, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_BASE_URL = "http://127.0.0.1:9"
    key = uuid.uuid4().hex
    answer = post(staff, "customer-new", key=key)
    assert "Stripe API error" in refused(answer)["__all__"]
    assert answer.context["form"]["idempotency_key"].value() == key
    assert nothing_written()


def test_a_form_sent_twice_does_one_thing(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    key = uuid.uuid4().hex
    first, second = (post(staff, "customer-new", key=key) for _ in range(2))
    assert first["Location"] == second["Location"]
    product_key = uuid.uuid4().hex
    for _ in range(2):
        post(staff, "product-new", key=product_key, amount="5")
    assert (StripeCustomer.objects.count(), StripeProduct.objects.count(), StripePrice.objects.count()) == (1, 1, 1)


def test_a_form_sent_again_with_other_values_is_refused(
    sandbox: Server, credential: StripeCredential, staff: Client
) -> None:
    key = uuid.uuid4().hex
    post(staff, "customer-new", key=key)
    answer = post(staff, "customer-new", key=key, name="Bob")
    assert "other values" in refused(answer, 422)["__all__"]
    assert StripeCustomer.objects.get().name == "Ada Lovelace"


def test_what_is_no_field_of_the_form_is_ignored(sandbox: Server, credential: StripeCredential, staff: Client) -> None:
    other = make.credential("Other", is_active=False)
    extra = {
        "id": "7",
        "credential": str(other.pk),
        "stripe_id": "cus_mine",
        "livemode": "1",
        "deleted_at": "2026-01-01",
    }
    post(staff, "customer-new", **extra)
    customer = StripeCustomer.objects.get()
    assert (customer.credential, customer.livemode, customer.deleted_at) == (credential, False, None)
    assert customer.stripe_id != "cus_mine"


@pytest.mark.parametrize("name", FORMS)
def test_a_form_opens_with_a_fresh_key_and_what_its_address_knows(
    name: str, credential: StripeCredential, staff: Client
) -> None:
    url = address(name)
    forms = [
        staff.get(f"{url}{'&' if '?' in url else '?'}customer=cus_1&idempotency_key=mine").context["form"]
        for _ in range(2)
    ]
    keys = {form["idempotency_key"].value() for form in forms}
    assert len(keys) == 2
    assert "mine" not in keys
    if "customer" in forms[0].fields:
        assert forms[0]["customer"].value() == "cus_1"


@pytest.mark.parametrize("name", FORMS)
def test_creating_needs_its_permission_and_a_csrf_token(
    name: str, credential: StripeCredential, client: Client
) -> None:
    url = address(name)
    client.force_login(make.staff("view_stripecustomer", "view_stripeproduct"))
    assert client.get(url).status_code == client.post(url, FORMS[name]).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make.staff())
    assert strict.post(url, FORMS[name]).status_code == 403
    assert not StripeRequest.objects.exists()


@pytest.mark.parametrize("name", FORMS)
def test_without_a_credential_a_form_says_how_to_get_one(name: str, staff: Client) -> None:
    for answer, status in ((staff.get(address(name)), 200), (post(staff, name), 409)):
        assert "No active Stripe credential found" in answer.content.decode()
        assert answer.status_code == status


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_at_once_make_one_customer(sandbox: Server, credential: StripeCredential) -> None:
    user, key = make.staff(), uuid.uuid4().hex
    StripeService(credential).create_product("warm")

    def click(_: int) -> int:
        from django.db import connection

        client = Client()
        try:
            client.force_login(user)
            return post(client, "customer-new", key=key).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(click, range(20)))
    assert statuses <= {302, 409}
    assert StripeCustomer.objects.count() == 1
