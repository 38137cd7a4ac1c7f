"""The public contract, against the sandbox over HTTP with the real SDK; runs with stripe 10.0.0 and the newest."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from financial.errors import (
    CardDeclined,
    CredentialRefused,
    FinancialError,
    FormTooOld,
    IdempotencyConflict,
    InexactAmount,
    InvalidAmount,
    NoActiveCredential,
    OutcomeUnknown,
    RequestRefused,
    UnknownCurrency,
)
from financial.models import (
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeRequest,
    StripeSubscription,
    Transaction,
)
from financial.stripe_services import StripeService, gateway_for, sync_now, test_connection
from sandbox.http.server import Server
from tests.conftest import TEST_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.oldest_sdk]


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    StripeCredential.objects.create(name="Sandbox", secret_key=TEST_KEY, is_active=True)
    return StripeService()


def pay_as(service: StripeService, **options: Any) -> StripePaymentIntent:
    customer = service.create_customer(email="ada@example.com", name="Ada")
    return service.create_payment_intent(customer=customer, amount=Decimal("29.99"), **options)


def test_without_a_credential_the_documented_error_is_raised(db: None) -> None:
    with pytest.raises(NoActiveCredential, match="^No active Stripe credential found"):
        StripeService()


def test_the_documented_example_runs_as_written(service: StripeService) -> None:
    service = StripeService()
    product = service.create_product(name="My Product", description="Product description")
    price = service.create_price(product=product, amount=Decimal("29.99"), recurring=True, interval="month")
    customer = service.create_customer(email="customer@example.com", name="John Doe")
    payment_intent = service.create_payment_intent(
        customer=customer, amount=Decimal("29.99"), description="Monthly subscription"
    )

    assert (product.name, product.description) == ("My Product", "Product description")
    assert (price.product, price.unit_amount_minor, price.interval) == (product, 2999, "month")
    assert (customer.email, customer.name) == ("customer@example.com", "John Doe")
    assert (payment_intent.customer, payment_intent.amount_minor) == (customer, 2999)
    assert payment_intent.status == "requires_payment_method"
    assert list(service.get_products()) == [product]
    assert list(service.get_prices(product=product)) == [price]
    assert list(service.get_customers()) == [customer]
    assert list(service.get_payment_intents(customer=customer)) == [payment_intent]


def test_what_was_created_is_at_stripe(service: StripeService) -> None:
    product = service.create_product("Novel", metadata={"isbn": "978"})

    found = service.gateway.fetch("/v1/products", product.stripe_id)

    assert (found["name"], found["metadata"]["isbn"]) == ("Novel", "978")


def test_a_payment_with_a_method_is_charged_at_once(service: StripeService) -> None:
    assert pay_as(service, payment_method="pm_card_visa").status == "succeeded"


def test_a_declined_payment_is_an_error_and_mirrored_as_failed(service: StripeService) -> None:
    with pytest.raises(CardDeclined) as declined:
        pay_as(service, payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")

    assert declined.value.decline_code == "insufficient_funds"
    row = StripePaymentIntent.objects.get()
    assert (row.has_failed, row.error_decline_code) == (True, "insufficient_funds")
    assert StripeRequest.objects.get(operation="payment_intents.create").state == "refused"


def test_a_subscription_is_created_and_mirrored(service: StripeService, sandbox: Server) -> None:
    product = service.create_product("Magazine")
    price = service.create_price(product, Decimal("9.00"), "eur", recurring=True)
    customer = service.create_customer("ada@example.com")

    subscription = service.create_subscription(customer, price, trial_days=14)

    assert (subscription.status, subscription.price, subscription.customer) == ("trialing", price, customer)
    assert list(service.get_subscriptions(customer=customer)) == [subscription]


def test_a_customer_without_a_payment_method_cannot_subscribe(service: StripeService) -> None:
    price = service.create_price(service.create_product("Magazine"), Decimal("9.00"), recurring=True)
    customer = service.create_customer("ada@example.com")

    with pytest.raises(RequestRefused, match="Stripe API error: .*payment"):
        service.create_subscription(customer, price)
    assert not StripeSubscription.objects.exists()


def test_a_price_paid_once_is_no_subscription(service: StripeService) -> None:
    price = service.create_price(service.create_product("Novel"), Decimal("9.00"))

    with pytest.raises(FinancialError, match="needs a recurring price"):
        service.create_subscription(service.create_customer("ada@example.com"), price)


@pytest.mark.parametrize(
    ("amount", "currency", "error"),
    [
        ("0", "usd", InvalidAmount),
        ("-5", "usd", InvalidAmount),
        ("0.49", "usd", InvalidAmount),
        ("49", "jpy", InvalidAmount),
        ("1.999", "usd", InexactAmount),
        ("10.5", "jpy", InexactAmount),
        ("10", "xyz", UnknownCurrency),
        ("99999999999999", "usd", InvalidAmount),
        ("NaN", "usd", InexactAmount),
    ],
)
def test_amounts_stripe_would_refuse_are_refused_before_any_request(
    service: StripeService, amount: str, currency: str, error: type[Exception]
) -> None:
    customer = service.create_customer("ada@example.com")

    with pytest.raises(error):
        service.create_payment_intent(customer, Decimal(amount), currency)
    assert StripeRequest.objects.filter(operation="payment_intents.create").count() == 0
    assert not StripePaymentIntent.objects.exists()


def test_a_price_may_be_free_but_not_negative(service: StripeService) -> None:
    product = service.create_product("Newsletter")

    assert service.create_price(product, Decimal(0)).unit_amount_minor == 0
    with pytest.raises(InvalidAmount, match="cannot be negative"):
        service.create_price(product, Decimal(-1))


def test_stripe_refusing_leaves_no_row_and_names_the_parameter(service: StripeService) -> None:
    product = service.create_product("Magazine")

    with pytest.raises(RequestRefused) as refused:
        service.create_price(product, Decimal(5), recurring=True, interval="fortnight")

    assert "interval" in refused.value.param
    assert str(refused.value).startswith("Stripe API error: ")
    assert "(request req_" in str(refused.value)
    assert not StripePrice.objects.exists()


def test_the_same_key_creates_one_object(service: StripeService) -> None:
    first = service.create_product("Novel", idempotency_key="form-1")
    second = service.create_product("Novel", idempotency_key="form-1")

    assert first == second
    assert len(list(service.gateway.iterate("/v1/products", {}))) == 1
    assert StripeRequest.objects.count() == 1


def test_the_same_key_for_something_else_is_refused(service: StripeService) -> None:
    service.create_product("Novel", idempotency_key="form-1")

    with pytest.raises(IdempotencyConflict, match="already sent with other values"):
        service.create_product("Poems", idempotency_key="form-1")


def test_a_form_sent_twice_at_once_waits_for_the_first(service: StripeService) -> None:
    StripeRequest.objects.create(
        credential=service.credential, idempotency_key="form-1", operation="products.create", fingerprint="?"
    )
    request = StripeRequest.objects.get()
    with pytest.raises(IdempotencyConflict):
        service.create_product("Novel", idempotency_key="form-1")
    request.refresh_from_db()
    assert request.state == "sending"


def test_a_500_after_the_work_was_done_is_found_out(service: StripeService, sandbox: Server) -> None:
    fault = {"kind": "error_after", "method": "POST", "path": "/v1/products", "count": 1}
    sandbox.world.faults.load([fault])

    product = service.create_product("Novel")

    assert [item["id"] for item in service.gateway.iterate("/v1/products", {})] == [product.stripe_id]
    assert StripeRequest.objects.get().state == "done"


def test_an_answer_lost_on_the_way_is_asked_for_again(service: StripeService, sandbox: Server) -> None:
    sandbox.world.faults.load([{"kind": "drop_after", "method": "POST", "path": "/v1/products", "count": 1}])

    product = service.create_product("Novel")

    assert [item["id"] for item in service.gateway.iterate("/v1/products", {})] == [product.stripe_id]


def test_after_an_unknown_outcome_the_same_form_does_it_once(service: StripeService, sandbox: Server) -> None:
    sandbox.world.faults.load(
        [
            {"kind": "error_after", "method": "POST", "path": "/v1/products", "count": 1},
            {"kind": "error_before", "method": "GET", "path": "/v1/products", "count": 6},
        ]
    )
    with pytest.raises(OutcomeUnknown, match="Send the same form again"):
        service.create_product("Novel", idempotency_key="form-1")
    assert StripeRequest.objects.get().state == "unknown"

    product = service.create_product("Novel", idempotency_key="form-1")

    assert [item["id"] for item in service.gateway.iterate("/v1/products", {})] == [product.stripe_id]
    assert StripeRequest.objects.get().state == "done"


def test_days_after_an_unknown_outcome_nothing_is_sent_before_it_is_known(
    service: StripeService, sandbox: Server
) -> None:
    away = {"kind": "error_before", "method": "GET", "path": "/v1/products", "count": 6}
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": "/v1/products", "count": 1}, away])
    with pytest.raises(OutcomeUnknown):
        service.create_product("Novel", idempotency_key="form-1")
    StripeRequest.objects.update(created_at=timezone.now() - timedelta(days=3))
    sandbox.world.idempotency.kept.clear()  # Stripe forgets a key after a day
    sandbox.world.faults.load([away])

    with pytest.raises(OutcomeUnknown, match="cannot be told now"):
        service.create_product("Novel", idempotency_key="form-1")

    product = service.create_product("Novel", idempotency_key="form-1")
    assert [item["id"] for item in service.gateway.iterate("/v1/products", {})] == [product.stripe_id]


def test_a_product_is_renamed_archived_and_sold_again(service: StripeService) -> None:
    product = service.create_product("Novel", "A book")
    price = service.create_price(product, Decimal(5))

    renamed = service.update_product(product, name="Poems", description="", default_price=price)
    archived = service.update_product(product, active=False)
    sold_again = service.update_product(product, active=True)

    assert (renamed.name, renamed.description) == ("Poems", "")
    assert renamed.default_price_stripe_id == price.stripe_id
    assert (archived.active, sold_again.active, sold_again.name) == (False, True, "Poems")
    assert service.gateway.fetch("/v1/products", product.stripe_id)["name"] == "Poems"


def test_a_price_is_renamed_and_archived(service: StripeService) -> None:
    price = service.create_price(service.create_product("Novel"), Decimal(5))

    changed = service.update_price(price, nickname="Launch", active=False)

    assert (changed.nickname, changed.active, changed.unit_amount_minor) == ("Launch", False, 500)


def test_a_customer_keeps_what_is_not_given_and_loses_what_is_empty(service: StripeService) -> None:
    customer = service.create_customer("ada@example.com", "Ada", phone="+44 20 7946 0000")

    changed = service.update_customer(customer, name="Ada Lovelace", phone="")

    assert (changed.email, changed.name, changed.phone) == ("ada@example.com", "Ada Lovelace", "")


def test_what_was_deleted_meanwhile_is_marked_and_keeps_what_it_showed(service: StripeService) -> None:
    customer = service.create_customer("ada@example.com", "Ada")
    service.gateway.act("customers", "delete", customer.stripe_id, {}, idempotency_key="elsewhere")

    with pytest.raises(FinancialError):
        service.update_customer(customer, name="Ada Lovelace")

    customer.refresh_from_db()
    assert (customer.is_deleted, customer.email, customer.name) == (True, "ada@example.com", "Ada")


def test_a_deleted_object_does_not_pass_for_one_whose_fields_were_cleared(
    service: StripeService, sandbox: Server
) -> None:
    customer = service.create_customer("ada@example.com", "Ada", description="A reader")
    service.gateway.act("customers", "delete", customer.stripe_id, {}, idempotency_key="elsewhere")
    sandbox.world.faults.load([{"kind": "error_before", "method": "POST", "path": "/v1/customers", "count": 3}])

    with pytest.raises(OutcomeUnknown):
        service.update_customer(customer, description="", idempotency_key="form-1")

    assert StripeRequest.objects.get(idempotency_key="form-1").state == "unknown"


def test_the_same_change_sent_twice_is_done_once(service: StripeService) -> None:
    product = service.create_product("Novel")
    service.update_product(product, name="Poems", idempotency_key="form-1")
    service.update_product(product, name="Essays", idempotency_key="form-2")

    again = service.update_product(product, name="Poems", idempotency_key="form-1")

    assert again.name == "Essays"
    assert service.gateway.fetch("/v1/products", product.stripe_id)["name"] == "Essays"


def test_a_change_answered_with_a_500_after_it_was_done_is_found_out(service: StripeService, sandbox: Server) -> None:
    product = service.create_product("Novel")
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": "/v1/products", "count": 1}])

    changed = service.update_product(product, name="Poems", idempotency_key="form-1")

    assert changed.name == "Poems"
    assert StripeRequest.objects.get(idempotency_key="form-1").state == "done"


def test_a_change_that_did_not_come_through_can_be_sent_again(service: StripeService, sandbox: Server) -> None:
    product = service.create_product("Novel")
    away = {"kind": "error_before", "method": "POST", "path": "/v1/products", "count": 3}
    sandbox.world.faults.load([away])
    with pytest.raises(OutcomeUnknown, match="Send the same form again"):
        service.update_product(product, name="Poems", idempotency_key="form-1")
    assert StripeRequest.objects.get(idempotency_key="form-1").state == "unknown"

    changed = service.update_product(product, name="Poems", idempotency_key="form-1")

    assert changed.name == "Poems"


def test_a_change_sent_again_days_later_is_refused(service: StripeService, sandbox: Server) -> None:
    product = service.create_product("Novel")
    sandbox.world.faults.load([{"kind": "error_before", "method": "POST", "path": "/v1/products", "count": 3}])
    with pytest.raises(OutcomeUnknown):
        service.update_product(product, name="Poems", idempotency_key="form-1")
    StripeRequest.objects.update(created_at=timezone.now() - timedelta(days=3))

    with pytest.raises(FormTooOld, match="Reload the page"):
        service.update_product(product, name="Poems", idempotency_key="form-1")

    assert service.gateway.fetch("/v1/products", product.stripe_id)["name"] == "Novel"


def test_objects_of_another_credential_are_refused(service: StripeService) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_other_fake_0000000000")
    theirs = StripeProduct.objects.create(credential=other, stripe_id="prod_theirs")

    with pytest.raises(CredentialRefused, match="belongs to another credential"):
        service.create_price(theirs, Decimal(5))


def test_a_whole_account_created_here_is_unchanged_by_a_sync(service: StripeService) -> None:
    pay_as(service, payment_method="pm_card_visa")
    before = StripeCustomer.objects.values("stripe_id", "digest").get()

    run = sync_now(service.credential, requested_by="test")

    assert (run.state, run.error, run.booked) == ("done", "", 0)  # the payment was booked when it was made
    assert StripeCustomer.objects.values("stripe_id", "digest").get() == before
    assert Transaction.objects.get().amount_minor == 2999


def test_the_connection_test_names_the_account(service: StripeService) -> None:
    facts = test_connection(service.credential)

    service.credential.refresh_from_db()
    assert facts.account_id.startswith("acct_")
    assert (service.credential.account_id, facts.livemode) == (facts.account_id, False)


def test_a_read_only_key_is_told_which_permission_it_lacks(service: StripeService) -> None:
    StripeCredential.objects.update(secret_key="rk_test_readonly_fake_00000000")

    with pytest.raises(FinancialError, match="permission"):
        StripeService().create_product("Novel")
    assert not StripeProduct.objects.exists()


def test_a_live_key_is_never_sent_to_a_sandbox(db: None, sandbox: Server) -> None:
    live = StripeCredential.objects.create(name="Live", secret_key="sk_live_obviously_fake_000", livemode=True)

    with pytest.raises(CredentialRefused, match="only ever sent to Stripe itself"):
        gateway_for(live)


def test_parallel_double_clicks_create_one_object(service: StripeService) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("an in-memory SQLite database has one connection; PostgreSQL runs this")
    results: list[Any] = []

    def click() -> None:
        try:
            results.append(StripeService().create_product("Novel", idempotency_key="form-1").stripe_id)
        except IdempotencyConflict:
            results.append("waiting")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(results) == 8
    assert len(set(results) - {"waiting"}) == 1
    assert len(list(service.gateway.iterate("/v1/products", {}))) == 1
