"""Pages for customers to pay on, against the sandbox over HTTP; runs with stripe 10.0.0 and the newest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from financial.errors import FinancialError, IdempotencyConflict, InvalidAmount, OutcomeUnknown, ResourceMissing
from financial.models import StripeCredential, StripeRequest
from financial.stripe_services import StripeService
from sandbox.http.server import Server
from tests.conftest import TEST_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.oldest_sdk]
THANKS = "https://shop.example/thanks"
LINKS = "/v1/payment_links"


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    return StripeService()


def link(service: StripeService, key: str = "form-1", **values: Any) -> Any:
    asked = {"amount": Decimal(49), "currency": "eur", "description": "Consulting", **values}
    return service.create_payment_link(idempotency_key=key, **asked)


def test_a_link_is_for_an_amount_and_can_be_paid_so_often(service: StripeService) -> None:
    made = link(service, limit=1)

    assert made.url.startswith("http")
    assert (made.sells, made.amount_minor, made.currency) == ("Consulting", 4900, "eur")
    assert (made.is_active, made.limit, made.paid_count, made.is_used_up) == (True, 1, 0, False)
    assert service.get_payment_link(made.stripe_id) == made


def test_a_link_may_be_paid_any_number_of_times_and_only_reserve(service: StripeService) -> None:
    made = link(service, capture_later=True)
    assert (made.limit, made.captures_later) == (0, True)


@pytest.mark.parametrize(("amount", "currency", "minor"), [("500", "jpy", 500), ("5.120", "kwd", 5120)])
def test_a_link_counts_in_its_currencys_own_units(
    service: StripeService, amount: str, currency: str, minor: int
) -> None:
    assert link(service, amount=Decimal(amount), currency=currency).amount_minor == minor


def test_a_link_is_for_so_many_of_a_price(service: StripeService) -> None:
    price = service.create_price(service.create_product("Novel"), Decimal("12.50"), "eur")

    made = link(service, amount=None, description="", price=price, quantity=3)

    assert (made.sells, made.amount_minor) == ("3 × Novel", 3750)


def test_what_cannot_be_paid_on_a_page_is_refused_before_any_request(service: StripeService) -> None:
    monthly = service.create_price(service.create_product("Magazine"), Decimal(9), recurring=True)
    for values in ({"price": monthly}, {"amount": None}, {"description": ""}):
        with pytest.raises(FinancialError):
            link(service, **values)
    with pytest.raises(InvalidAmount):
        link(service, amount=Decimal("0.10"))
    assert not StripeRequest.objects.filter(operation__startswith="payment_links").exists()


def test_the_same_form_makes_one_link(service: StripeService) -> None:
    first, second = link(service), link(service)

    assert first == second
    assert len(list(service.gateway.iterate(LINKS, {}))) == 1
    with pytest.raises(IdempotencyConflict):
        link(service, amount=Decimal(50))


def test_a_link_whose_answer_was_lost_is_found_by_the_same_form(service: StripeService, sandbox: Server) -> None:
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": LINKS, "count": 1}])
    with pytest.raises(OutcomeUnknown):
        link(service)

    made = link(service)

    assert [item["id"] for item in service.gateway.iterate(LINKS, {})] == [made.stripe_id]


def test_a_link_is_deactivated_and_activated_again(service: StripeService) -> None:
    made = link(service)

    service.set_payment_link_active(made.stripe_id, False, idempotency_key="off")
    assert not service.get_payment_link(made.stripe_id).is_active
    service.set_payment_link_active(made.stripe_id, True, idempotency_key="on")
    assert service.get_payment_link(made.stripe_id).is_active


def test_links_are_listed_newest_first(service: StripeService) -> None:
    made = [link(service, key=f"form-{number}", description=f"Number {number}") for number in range(3)]

    found, after = service.get_payment_links()

    assert {one.stripe_id for one in found} == {one.stripe_id for one in made}
    assert {one.sells for one in found} == {"Number 0", "Number 1", "Number 2"}
    assert after == ""


def test_a_page_is_for_one_payment_of_one_customer(service: StripeService) -> None:
    ada = service.create_customer("ada@example.com", "Ada")

    made = service.create_checkout_page(
        ada, Decimal(49), "eur", "Consulting", success_url=THANKS, idempotency_key="form-1"
    )

    assert (made.amount_minor, made.sells, made.customer_stripe_id) == (4900, "Consulting", ada.stripe_id)
    assert made.is_open
    assert made.expires_at is not None
    assert made.expires_at < datetime.now(UTC) + timedelta(hours=25)
    assert service.get_checkout_pages() == [made]
    service.expire_checkout_page(made.stripe_id, idempotency_key="end")
    assert service.get_checkout_page(made.stripe_id).status == "expired"
    assert service.get_checkout_pages() == []


def test_visitors_of_a_link_are_not_listed_as_pages(service: StripeService, sandbox: Server) -> None:
    from sandbox.core import payment_links

    made = link(service)
    with sandbox.service.lock:
        payment_links.visit(sandbox.world, sandbox.world.get("payment_link", made.stripe_id))

    assert service.get_checkout_pages() == []


def test_saved_methods_are_named_by_their_last_digits_the_default_first(service: StripeService) -> None:
    ada = service.create_customer("ada@example.com", "Ada")
    saved = [
        service.gateway.act("payment_methods", "attach", token, {"customer": ada.stripe_id}, idempotency_key=token)
        for token in ("pm_card_mastercard", "pm_card_visa", "pm_card_amex")
    ]
    service.gateway.act(
        "customers",
        "update",
        ada.stripe_id,
        {"invoice_settings": {"default_payment_method": saved[1]["id"]}},
        idempotency_key="default",
    )
    ada.default_payment_method_stripe_id = saved[1]["id"]

    methods = service.get_saved_methods(ada)

    assert methods[0].stripe_id == saved[1]["id"]
    assert {str(method) for method in methods} == {
        "Visa ••••4242, expires 08/2034",
        "Mastercard ••••4444, expires 08/2034",
        "Amex ••••8431, expires 08/2034",
    }
    assert not methods[0].is_expired(datetime(2034, 8, 31, tzinfo=UTC))
    assert methods[0].is_expired(datetime(2034, 9, 1, tzinfo=UTC))


def test_a_link_stripe_does_not_know_is_said_to_be_missing(service: StripeService) -> None:
    with pytest.raises(ResourceMissing):
        service.get_payment_link("plink_nobody")
