from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from financial.models import AuditEvent, StripeCredential, StripeCustomer, StripePrice, StripeProduct, StripeRequest
from financial.stripe_services import StripeService
from sandbox.http.server import Server, running
from tests.stripe_stub import StripeStub, error_body
from tests.views import rows as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    with running(background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def service(sandbox: Server, credential: StripeCredential) -> StripeService:
    return StripeService(credential)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


@pytest.fixture
def product(service: StripeService) -> StripeProduct:
    return service.create_product("Novel", "A book")


@pytest.fixture
def customer(service: StripeService) -> StripeCustomer:
    return service.create_customer("ada@example.com", "Ada", "+44 20 7946 0000")


def address(name: str, row: Any) -> str:
    return reverse(f"financial:{name}", args=[row.stripe_id])


def opened(client: Client, name: str, row: Any) -> dict[str, str]:
    """The values a browser would send back from the form as it was opened."""
    form = client.get(address(name, row)).context["form"]
    values = {field.html_name: field.value() or "" for field in form}
    shown = {field.html_initial_name: field.value() or "" for field in form if field.field.show_hidden_initial}
    return {**values, **shown}


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_product_is_edited_and_only_what_changed_is_sent(
    staff: Client, product: StripeProduct, service: StripeService
) -> None:
    values = opened(staff, "product-edit", product)
    service.gateway.act(
        "products", "update", product.stripe_id, {"description": "From Stripe"}, idempotency_key="elsewhere"
    )

    answer = staff.post(address("product-edit", product), {**values, "name": "Poems"})

    assert answer["Location"] == address("product", product)
    product.refresh_from_db()
    assert (product.name, product.description) == ("Poems", "From Stripe")
    assert AuditEvent.objects.get().action == "product.changed"


def test_what_was_changed_elsewhere_is_not_overwritten_unseen(
    staff: Client, product: StripeProduct, service: StripeService
) -> None:
    values = opened(staff, "product-edit", product)
    service.update_product(product, name="Essays")

    answer = staff.post(address("product-edit", product), {**values, "name": "Poems"})

    assert answer.status_code == 422
    form = answer.context["form"]
    assert "Meanwhile this was changed to “Essays”" in str(form.errors["name"])
    product.refresh_from_db()
    assert product.name == "Essays"

    again = {**values, "name": "Poems", "initial-name": form.data["initial-name"]}
    assert staff.post(address("product-edit", product), again).status_code == 302
    product.refresh_from_db()
    assert product.name == "Poems"


def test_a_form_sent_twice_changes_once_and_leads_to_the_same_page(staff: Client, product: StripeProduct) -> None:
    values = {**opened(staff, "product-edit", product), "name": "Poems"}

    answers = [staff.post(address("product-edit", product), values) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert StripeRequest.objects.filter(operation="products.update").count() == 1


def test_the_audit_log_and_the_page_tell_who_did_it_with_which_request(staff: Client, product: StripeProduct) -> None:
    staff.post(address("product-archive", product), opened(staff, "product-archive", product))

    request = StripeRequest.objects.get(operation="products.update").stripe_request_id
    assert request.startswith("req_")
    assert AuditEvent.objects.get().details == {"request": request}
    page = staff.get(address("product", product)).content.decode()
    assert "Archived by ada" in page
    assert request in page


def test_a_form_in_which_nothing_was_changed_sends_nothing(staff: Client, product: StripeProduct) -> None:
    answer = staff.post(address("product-edit", product), opened(staff, "product-edit", product))

    assert messages_of(answer) == ["Nothing was changed."]
    assert not StripeRequest.objects.filter(operation="products.update").exists()
    assert not AuditEvent.objects.exists()


def test_the_default_price_is_one_of_the_products_own(
    staff: Client, product: StripeProduct, service: StripeService
) -> None:
    price = service.create_price(product, Decimal(5))
    foreign = service.create_price(service.create_product("Other"), Decimal(7))
    values = opened(staff, "product-edit", product)

    refused = staff.post(address("product-edit", product), {**values, "default_price_stripe_id": foreign.stripe_id})
    taken = staff.post(address("product-edit", product), {**values, "default_price_stripe_id": price.stripe_id})

    assert (refused.status_code, taken.status_code) == (422, 302)
    product.refresh_from_db()
    assert product.default_price_stripe_id == price.stripe_id


def test_a_product_is_archived_and_sold_again(staff: Client, product: StripeProduct) -> None:
    page = staff.get(address("product-archive", product))
    assert "can no longer be chosen" in page.content.decode()
    assert "Nobody is subscribed to it." in page.content.decode()

    answer = staff.post(address("product-archive", product), opened(staff, "product-archive", product))

    assert messages_of(answer) == ["Product “Novel” archived."]
    product.refresh_from_db()
    assert not product.active
    assert "archived already" in staff.get(address("product-archive", product)).content.decode()
    staff.post(address("product-unarchive", product), opened(staff, "product-unarchive", product))
    product.refresh_from_db()
    assert product.active


def test_archiving_twice_with_one_form_is_no_error(staff: Client, product: StripeProduct) -> None:
    values = opened(staff, "product-archive", product)

    answers = [staff.post(address("product-archive", product), values) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]


def test_a_form_that_came_too_late_is_told_why(staff: Client, product: StripeProduct, service: StripeService) -> None:
    values = opened(staff, "product-archive", product)
    service.update_product(product, active=False)

    answer = staff.post(address("product-archive", product), values)

    assert answer.status_code == 409
    assert "archived already" in answer.content.decode()


def test_the_default_price_is_not_offered_to_be_archived(
    staff: Client, product: StripeProduct, service: StripeService
) -> None:
    default, other = (service.create_price(product, Decimal(amount)) for amount in (5, 7))
    service.update_product(product, default_price=default)

    assert "choose another default price first" in staff.get(address("price-archive", default)).content.decode()
    staff.post(address("price-archive", other), opened(staff, "price-archive", other))

    assert set(StripePrice.objects.values_list("stripe_id", "active")) == {
        (default.stripe_id, True),
        (other.stripe_id, False),
    }


def test_a_price_is_renamed_for_staff(staff: Client, product: StripeProduct, service: StripeService) -> None:
    price = service.create_price(product, Decimal(5))

    answer = staff.post(address("price-edit", price), {**opened(staff, "price-edit", price), "nickname": "Launch"})

    assert answer["Location"] == address("product", product)
    price.refresh_from_db()
    assert price.nickname == "Launch"


def test_a_customer_is_edited_and_an_empty_field_removed(staff: Client, customer: StripeCustomer) -> None:
    values = {**opened(staff, "customer-edit", customer), "name": "Ada Lovelace", "phone": ""}

    assert staff.post(address("customer-edit", customer), values).status_code == 302

    customer.refresh_from_db()
    assert (customer.name, customer.phone, customer.email) == ("Ada Lovelace", "", "ada@example.com")


def test_lines_of_a_description_are_kept_as_one_types_them(staff: Client, customer: StripeCustomer) -> None:
    values = {**opened(staff, "customer-edit", customer), "description": "one\r\ntwo"}
    staff.post(address("customer-edit", customer), values)

    customer.refresh_from_db()
    assert customer.description == "one\ntwo"
    again = opened(staff, "customer-edit", customer)
    answer = staff.post(address("customer-edit", customer), {**again, "description": "one\r\ntwo"})
    assert messages_of(answer)[-1] == "Nothing was changed."


def test_an_unknown_outcome_keeps_the_key_and_the_same_form_finishes_it(
    staff: Client, customer: StripeCustomer, sandbox: Server
) -> None:
    values = {**opened(staff, "customer-edit", customer), "name": "Ada Lovelace"}
    away = {"kind": "error_before", "method": "POST", "path": "/v1/customers", "count": 3}
    sandbox.world.faults.load([away])

    unknown = staff.post(address("customer-edit", customer), values)
    form = unknown.context["form"]
    again = staff.post(address("customer-edit", customer), values)

    assert (unknown.status_code, again.status_code) == (422, 302)
    assert form["idempotency_key"].value() == values["idempotency_key"]
    customer.refresh_from_db()
    assert customer.name == "Ada Lovelace"


def test_stripes_refusal_stands_at_the_field(
    staff: Client, credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    customer = make.customer(credential, email="ada@example.com")
    values = {**opened(staff, "customer-edit", customer), "email": "ada@example.org"}
    stripe_stub.on_write = lambda write: (400, error_body("email_invalid", "Invalid email address.", param="email"))

    answer = staff.post(address("customer-edit", customer), values)

    assert answer.status_code == 422
    assert "Invalid email address." in str(answer.context["form"].errors["email"])
    assert answer.context["form"]["idempotency_key"].value() != values["idempotency_key"]


@pytest.mark.parametrize(
    "name", ["product-edit", "product-archive", "product-unarchive", "price-edit", "price-archive", "customer-edit"]
)
def test_rows_of_another_credential_and_deleted_ones_are_not_found(
    staff: Client, credential: StripeCredential, name: str
) -> None:
    kind = name.partition("-")[0]

    def row(of: StripeCredential, **values: Any) -> Any:
        if kind == "price":
            return make.price(make.product(of), **values)
        return make.product(of, **values) if kind == "product" else make.customer(of, **values)

    foreign, gone = row(make.credential("Other", is_active=False)), row(credential, deleted_at=make.NOON)

    addresses = [address(name, found) for found in (foreign, gone)]
    assert [staff.get(place).status_code for place in addresses] == [404, 404]
    key = {"idempotency_key": uuid.uuid4().hex}
    assert [staff.post(place, key).status_code for place in addresses] == [404, 404]


@pytest.mark.parametrize("name", ["product-edit", "product-archive", "product-unarchive"])
def test_who_may_only_look_is_told_which_permission_is_missing(
    client: Client, credential: StripeCredential, name: str
) -> None:
    client.force_login(make.staff("view_stripeproduct", username="grace"))
    row = make.product(credential)

    answer = client.get(address(name, row))

    assert answer.status_code == 403
    assert "financial.manage_stripe" in answer.content.decode()
