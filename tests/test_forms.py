from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from financial import forms
from financial.card_numbers import passes_luhn
from financial.errors import CredentialRefused, IdempotencyConflict, OutcomeUnknown, RequestRefused
from financial.forms.subscriptions import PRICES_MAX
from financial.models import StripeCredential, StripeCustomer
from tests.views import rows as make

pytestmark = pytest.mark.django_db

KEY = "0" * 32
GOOD: dict[Any, dict[str, Any]] = {
    forms.ProductForm: {"name": "Novel", "currency": "usd", "billing": "one_time"},
    forms.PriceForm: {"amount": "29.99", "currency": "usd", "billing": "one_time"},
    forms.CustomerForm: {"email": "ada@example.com"},
    forms.PaymentForm: {"customer": "ada@example.com", "amount": "29.99", "currency": "usd"},
}


def filled(form: Any, credential: StripeCredential | None = None, **values: Any) -> Any:
    data = QueryDict(mutable=True)
    data.update({"idempotency_key": KEY, **GOOD.get(form, {}), **values})
    return form(data, credential=credential or make.credential())


def errors(form: Any) -> dict[str, str]:
    return {name: " ".join(messages) for name, messages in form.errors.items()}


def test_a_fresh_form_holds_a_key_that_a_sent_one_keeps() -> None:
    first, second = (forms.CustomerForm(credential=make.credential()) for _ in range(2))
    assert first["idempotency_key"].value() != second["idempotency_key"].value()
    sent = filled(forms.CustomerForm)
    assert sent.is_valid()
    assert sent.key == KEY


@pytest.mark.parametrize("key", ["", "x", "0" * 33, "0" * 31 + "\n"])
def test_a_form_without_its_key_asks_for_a_reload(key: str) -> None:
    form = filled(forms.CustomerForm, idempotency_key=key)
    assert "Reload" in errors(form)["__all__"]


@pytest.mark.parametrize(
    ("amount", "currency", "field", "words"),
    [
        ("12.345", "usd", "amount", "two decimals"),
        ("5.5", "jpy", "amount", "no decimals"),
        ("5.124", "kwd", "amount", "last decimal"),
        ("5.50", "isk", "amount", "no decimals"),
        ("0", "usd", "amount", "greater than zero"),
        ("-3", "usd", "amount", "greater than zero"),
        ("0.49", "usd", "amount", "smallest charge"),
        ("49", "jpy", "amount", "smallest charge"),
        ("99999999999.99", "usd", "amount", "largest charge"),
        ("12,50", "usd", "amount", "with a dot"),
        ("1e400", "usd", "amount", "digits"),
        ("NaN", "usd", "amount", "with a dot"),
        ("", "usd", "amount", "required"),
        ("10", "zzz", "currency", "not a currency"),
        ("10", "", "currency", "required"),
    ],
)
def test_a_bad_amount_is_refused_at_its_field(amount: str, currency: str, field: str, words: str) -> None:
    make.customer(make.credential())
    form = filled(forms.PaymentForm, amount=amount, currency=currency)
    assert set(errors(form)) == {field}
    assert words in errors(form)[field]


@pytest.mark.parametrize(("amount", "words"), [("0", "greater than zero"), ("-1", "greater"), ("1.234", "decimals")])
def test_a_bad_price_is_refused_at_its_field(amount: str, words: str) -> None:
    for kind in (forms.PriceForm, forms.ProductForm):
        assert words in errors(filled(kind, amount=amount))["amount"]


def test_a_price_may_be_small_and_a_recurring_one_free() -> None:
    assert filled(forms.PriceForm, amount="0.01").is_valid()
    form = filled(forms.PriceForm, amount="0", billing="month", interval_count="3")
    assert form.is_valid()
    assert form.price_values() == {
        "amount": Decimal("0"),
        "currency": "usd",
        "recurring": True,
        "interval": "month",
        "interval_count": 3,
        "nickname": "",
    }


def test_no_price_is_billed_less_often_than_stripe_allows() -> None:
    assert "3 at most" in errors(filled(forms.PriceForm, billing="year", interval_count="4"))["interval_count"]


def test_a_product_needs_no_price() -> None:
    form = filled(forms.ProductForm)
    assert form.is_valid()
    assert not form.has_price


TEXTS = [
    (forms.ProductForm, "name"),
    (forms.ProductForm, "description"),
    (forms.PriceForm, "nickname"),
    (forms.CustomerForm, "email"),
    (forms.CustomerForm, "name"),
    (forms.CustomerForm, "phone"),
    (forms.CustomerForm, "description"),
    (forms.PaymentForm, "customer"),
    (forms.PaymentForm, "description"),
]


@pytest.mark.parametrize(("kind", "field"), TEXTS)
@given(body=st.text("0123456789", min_size=12, max_size=17).filter(lambda text: text.strip("0") != ""))
def test_no_text_takes_a_card_number(kind: Any, field: str, body: str) -> None:
    number = next(body + check for check in "0123456789" if passes_luhn(body + check))
    text = f"{number}@example.com" if field == "email" else number
    assert "card number" in errors(filled(kind, StripeCredential(pk=1), **{field: text}))[field]


def test_no_form_has_a_field_for_a_card() -> None:
    for kind in (forms.ProductForm, forms.PriceForm, forms.CustomerForm, forms.PaymentForm, forms.SubscriptionForm):
        fields = kind(credential=make.credential()).fields
        assert not {name for name in fields if any(word in name for word in ("card", "cvc", "expir"))}


def test_a_phone_number_may_be_long_but_must_be_one() -> None:
    assert filled(forms.CustomerForm, phone="+49 (30) 1234-567").is_valid()
    assert "phone" in errors(filled(forms.CustomerForm, phone="call me"))


def test_a_customer_is_named_by_id_or_address_within_the_credential() -> None:
    credential, other = make.credential(), make.credential("Other", is_active=False)
    ada, gone = make.customer(credential), make.customer(credential, email="x@y.org", deleted_at=make.NOON)
    foreign = make.customer(other, email="bob@example.com")
    for text in (ada.stripe_id, "ada@example.com", "ADA@example.com"):
        form = filled(forms.PaymentForm, customer=text)
        assert form.is_valid(), form.errors
        assert form.cleaned_data["customer"] == ada
    for text in (foreign.stripe_id, "bob@example.com", "nobody", "cus_", "x@y.org"):
        assert "No such customer" in errors(filled(forms.PaymentForm, customer=text))["customer"]
    assert "deleted" in errors(filled(forms.PaymentForm, customer=gone.stripe_id))["customer"]
    twin = make.customer(credential)
    assert twin.stripe_id in errors(filled(forms.PaymentForm))["customer"]


def page(**values: str) -> Any:
    form = filled(forms.PayPageForm, **{"currency": "eur", "times": "1", **values})
    form.is_valid()
    return form


def test_a_page_to_pay_on_is_for_an_amount_or_for_a_price() -> None:
    price = make.price(make.product(make.credential()), unit_amount_minor=1250, currency="eur")

    assert page(amount="49", description="Consulting").sold()["amount"] == Decimal(49)
    assert page(price=price.stripe_id, quantity="3").sold() == {"price": price, "quantity": 3, "description": ""}
    assert set(errors(page())) == {"amount", "description"}
    assert "one of the two" in errors(page(price=price.stripe_id, amount="5"))["amount"]
    assert "smallest charge" in errors(page(amount="0.10", description="Sweets"))["amount"]


def test_a_page_takes_no_price_that_is_billed_again_or_no_longer_used() -> None:
    product = make.product(make.credential())
    for price in (make.price(product, type="recurring"), make.price(product, active=False)):
        assert "No such active one-time price" in errors(page(price=price.stripe_id))["price"]


def test_so_many_of_a_price_must_be_an_amount_stripe_charges() -> None:
    cheap = make.price(make.product(make.credential()), unit_amount_minor=10, currency="eur")
    assert "smallest charge" in errors(page(price=cheap.stripe_id, quantity="4"))["quantity"]
    assert errors(page(price=cheap.stripe_id, quantity="5")) == {}


def test_a_page_may_be_for_anybody_or_for_one_customer() -> None:
    ada = make.customer(make.credential())
    assert page(amount="49", description="Consulting").payer is None
    assert page(amount="49", description="Consulting", customer=ada.stripe_id).payer == ada
    assert "No such customer" in errors(page(customer="eve@example.com"))["customer"]


def test_only_an_id_of_a_saved_method_is_charged() -> None:
    make.customer(make.credential())
    values = {"customer": "ada@example.com", "amount": "49", "currency": "eur"}
    assert filled(forms.SavedMethodForm, payment_method="pm_1Abc", **values).is_valid()
    for wrong in ("", "4242424242424242", "pm_1;drop", "<b>"):
        assert errors(filled(forms.SavedMethodForm, payment_method=wrong, **values))["payment_method"]


def test_test_methods_are_offered_in_test_mode_only() -> None:
    live = make.credential("Live", livemode=True, is_active=False, secret_key="rk_live_0000000000")
    make.customer(make.credential())
    make.customer(live)
    assert filled(forms.PaymentForm, payment_method="pm_card_visa").is_valid()
    assert "payment_method" in errors(filled(forms.PaymentForm, live, payment_method="pm_card_visa"))


def subscribed(**values: Any) -> Any:
    credential = make.credential()
    price = make.price(make.product(credential), type="recurring")
    make.customer(credential)
    typed = {"customer": "ada@example.com", "price": price.stripe_id, "quantity": "2", "trial_days": "0"}
    return filled(forms.SubscriptionForm, **{**typed, "collection": "charge_automatically", **values})


def test_a_subscription_needs_a_payment_method_or_a_trial() -> None:
    assert "no default payment method" in errors(subscribed())["customer"]
    credential = make.credential()
    credential_customers = StripeCustomer.objects.of(credential)
    credential_customers.all().delete()
    assert subscribed(trial_days="14").is_valid()
    credential_customers.update(email="other@example.com")
    make.customer(credential, email="paying@example.com", default_payment_method_stripe_id="pm_1")
    assert subscribed(customer="paying@example.com").is_valid()


def test_a_subscription_whose_invoices_are_sent_needs_no_payment_method_but_days_to_pay() -> None:
    form = subscribed(collection="send_invoice", days_until_due="0")
    assert form.is_valid()
    assert form.days_to_pay() == 0
    assert "how many days" in errors(subscribed(collection="send_invoice"))["days_until_due"]


def test_a_subscription_needs_an_active_recurring_price_of_the_credential() -> None:
    credential, other = make.credential(), make.credential("Other", is_active=False)
    product = make.product(credential)
    for price in (
        make.price(product),
        make.price(product, type="recurring", active=False),
        make.price(product, type="recurring", deleted_at=make.NOON),
        make.price(make.product(other), type="recurring"),
    ):
        assert "No such active" in errors(subscribed(price=price.stripe_id))["price"]
    assert "price" in errors(subscribed(price=""))


@pytest.mark.parametrize("values", [{"quantity": "0"}, {"quantity": "x"}, {"trial_days": "731"}, {"trial_days": "-1"}])
def test_counts_have_limits(values: dict[str, str]) -> None:
    assert set(errors(subscribed(**values))) >= set(values)


def test_a_metered_price_is_subscribed_without_a_quantity() -> None:
    metered = make.price(make.product(make.credential()), type="recurring", usage_type="metered")
    form = subscribed(price=metered.stripe_id, trial_days="7")
    assert form.is_valid()
    assert form.terms()["quantity"] is None


def test_an_old_price_is_offered_when_its_address_asks_for_it() -> None:
    credential = make.credential()
    product = make.product(credential)
    old = make.price(product, type="recurring", created_at=make.NOON - timedelta(days=365))
    for _ in range(PRICES_MAX):
        make.price(product, type="recurring")
    asked = forms.SubscriptionForm(credential=credential, initial={"price": old.stripe_id})
    assert asked.fields["price"].widget.choices[1][0] == old.stripe_id
    plain = forms.SubscriptionForm(credential=credential)
    assert old.stripe_id not in dict(plain.fields["price"].widget.choices)


def test_stripes_refusal_stands_at_its_field_and_the_next_try_has_a_new_key() -> None:
    form = filled(forms.CustomerForm)
    assert form.is_valid()
    form.refuse(RequestRefused("Invalid email address: x", param="email", request_id="req_1"))
    assert errors(form) == {"email": "Invalid email address: x (request req_1)"}
    assert form["idempotency_key"].value() != KEY
    assert form["email"].value() == "ada@example.com"


def test_a_refusal_without_a_field_stands_on_top_with_the_next_step() -> None:
    form = filled(forms.CustomerForm)
    form.refuse(RequestRefused("No.", param="unheard_of", request_id="req_2"))
    assert errors(form)["__all__"] == "Stripe API error: No. (request req_2). Correct the value and send it again."


@pytest.mark.parametrize("error", [OutcomeUnknown("cut off"), IdempotencyConflict("other values")])
def test_the_key_stays_while_the_first_try_may_have_worked(error: Any) -> None:
    form = filled(forms.CustomerForm)
    form.refuse(error)
    assert form["idempotency_key"].value() == KEY


def test_our_own_refusals_stand_on_top() -> None:
    form = filled(forms.CustomerForm)
    form.refuse(CredentialRefused("Sample data has no Stripe account behind it."))
    assert "Sample data" in errors(form)["__all__"]
