"""Subscriptions are created and changed in two steps: what was shown is what is billed."""

from __future__ import annotations

import re
import time
import uuid
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from financial.models import (
    AuditEvent,
    StripeCredential,
    StripeCustomer,
    StripeInvoice,
    StripeRequest,
    StripeSubscription,
)
from financial.stripe_services import StripeService
from sandbox.http.server import Server
from tests.subscribers import coupon, payer, priced, subscribed
from tests.views import rows as make

pytestmark = pytest.mark.django_db
NEW = "financial:subscription-new"
HALF_A_MONTH = 15 * 86_400


@pytest.fixture
def credential(sandbox: Server) -> StripeCredential:
    return make.credential()


@pytest.fixture
def service(credential: StripeCredential) -> StripeService:
    return StripeService(credential)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


def text_of(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def errors(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.status_code
    return {name: " ".join(map(str, said)) for name, said in answer.context["form"].errors.items()}


def typed(**values: Any) -> dict[str, str]:
    """A new subscription as somebody types it."""
    known = {"customer": "ada@example.com", "quantity": "1", "trial_days": "0", "discount": ""}
    how = {"collection": "charge_automatically", "days_until_due": "30", "idempotency_key": uuid.uuid4().hex}
    return {**known, **how, **{name: str(value) for name, value in values.items()}}


def as_shown(answer: Any) -> dict[str, str]:
    """The values of a form as a browser sends them back."""
    assert answer.status_code == 200, (answer.status_code, answer.context["form"].errors)
    form = answer.context["form"]
    return {field.html_name: "" if (value := field.value()) is None else str(value) for field in form}


def change_address(row: StripeSubscription) -> str:
    return reverse("financial:subscription-change", args=[row.stripe_id])


def previewed(client: Client, row: StripeSubscription, **values: Any) -> Any:
    """Open the form, type these values and ask for the preview."""
    opened = as_shown(client.get(change_address(row)))
    return client.post(change_address(row), {**opened, **{name: str(value) for name, value in values.items()}})


def subscriptions_at(service: StripeService) -> int:
    return len(list(service.gateway.iterate("/v1/subscriptions", {"status": "all"})))


# Created


def test_the_first_form_says_what_will_be_billed_and_creates_nothing(service: StripeService, staff: Client) -> None:
    payer(service)
    price = priced(service, "29.00")

    answer = staff.post(reverse(NEW), typed(price=price.stripe_id, quantity=2))

    said = text_of(answer)
    assert re.search(r"Ada pays \$58\.00 USD today, then \$58\.00 USD each month from \d+ \w+ \d{4}\.", said)
    assert "Create subscription" in said
    assert subscriptions_at(service) == 0
    assert not StripeRequest.objects.filter(operation="subscriptions.create").exists()


def test_the_second_form_creates_it_once(service: StripeService, staff: Client) -> None:
    payer(service)
    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id))

    first, second = (staff.post(reverse(NEW), as_shown(shown)) for _ in range(2))

    row = StripeSubscription.objects.get()
    assert first["Location"] == second["Location"] == reverse("financial:subscription", args=[row.stripe_id])
    assert (row.status, subscriptions_at(service)) == ("active", 1)
    assert AuditEvent.objects.get(object_id=row.stripe_id).action == "subscription.created"
    invoice = StripeInvoice.objects.get(stripe_id=row.latest_invoice_stripe_id)
    assert invoice.total_minor == shown.context["outlook"].now.due_minor == 900


def test_a_trial_is_free_first(service: StripeService, staff: Client) -> None:
    service.create_customer("ada@example.com", "Ada")
    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id, trial_days=14))
    said = text_of(shown)
    assert re.search(r"14 days free first: Ada pays nothing today, then \$9\.00 USD each month from", said)

    staff.post(reverse(NEW), as_shown(shown))

    assert StripeSubscription.objects.get().status == "trialing"


def test_a_discount_is_said_and_taken_off(service: StripeService, staff: Client) -> None:
    payer(service)
    coupon(service, id="autumn", percent_off=50, duration="once")
    body = {"promotion": {"type": "coupon", "coupon": "autumn"}, "code": "LEAVES"}
    service.gateway.create("promotion_codes", body, idempotency_key="code-1")

    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id, discount="LEAVES"))
    said = text_of(shown)
    assert "Ada pays $4.50 USD today, then $9.00 USD each month" in said
    assert "Promotion code LEAVES takes 50 % off one invoice." in said
    staff.post(reverse(NEW), as_shown(shown))

    assert StripeInvoice.objects.get().total_minor == 450


def test_a_discount_nobody_knows_is_said_at_its_field(service: StripeService, staff: Client) -> None:
    payer(service)

    answer = staff.post(reverse(NEW), typed(price=priced(service).stripe_id, discount="NOPE"))

    assert "“NOPE” is known to Stripe neither as a code nor as a coupon" in errors(answer)["discount"]


def test_stripes_own_refusal_of_a_discount_stands_at_its_field(service: StripeService, staff: Client) -> None:
    payer(service)
    coupon(service, id="once", percent_off=50, duration="once")
    body = {"promotion": {"type": "coupon", "coupon": "once"}, "code": "MINE"}
    code = service.gateway.create("promotion_codes", body, idempotency_key="code-1")
    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id, discount="MINE"))
    service.gateway.act("promotion_codes", "update", code["id"], {"active": False}, idempotency_key="off")

    answer = staff.post(reverse(NEW), as_shown(shown))

    assert "not active" in errors(answer)["discount"]
    assert not StripeSubscription.objects.exists()


def test_an_invoice_is_sent_with_days_to_pay(service: StripeService, staff: Client) -> None:
    service.create_customer("ada@example.com", "Ada")
    values = typed(price=priced(service).stripe_id, collection="send_invoice", days_until_due=14)
    shown = staff.post(reverse(NEW), values)
    assert "An invoice of $9.00 USD is sent to Ada today, due in 14 days, then" in text_of(shown)

    staff.post(reverse(NEW), as_shown(shown))

    row = StripeSubscription.objects.get()
    assert (row.collection_method, row.payload["days_until_due"]) == ("send_invoice", 14)


def test_an_invoice_without_days_to_pay_is_refused_at_its_field(service: StripeService, staff: Client) -> None:
    payer(service)
    values = typed(price=priced(service).stripe_id, collection="send_invoice", days_until_due="")

    assert "how many days" in errors(staff.post(reverse(NEW), values))["days_until_due"]


def test_a_card_that_wants_the_customer_leads_to_where_they_confirm(service: StripeService, staff: Client) -> None:
    payer(service, "pm_card_threeDSecure2Required")
    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id))

    answer = staff.post(reverse(NEW), as_shown(shown), follow=True)

    assert StripeSubscription.objects.get().status == "incomplete"
    assert "the customer must confirm its first payment" in text_of(answer)
    assert "The page where they pay" in text_of(answer)


def test_without_a_payment_method_other_ways_are_named_at_the_customer(service: StripeService, staff: Client) -> None:
    service.create_customer("ada@example.com", "Ada")

    said = errors(staff.post(reverse(NEW), typed(price=priced(service).stripe_id)))["customer"]

    assert "no default payment method" in said
    assert "send invoices" in said


def test_a_payment_method_stripe_does_not_know_is_refused_by_stripe(service: StripeService, staff: Client) -> None:
    customer = service.create_customer("ada@example.com", "Ada")
    StripeCustomer.objects.filter(pk=customer.pk).update(default_payment_method_stripe_id="pm_gone")
    shown = staff.post(reverse(NEW), typed(price=priced(service).stripe_id))

    assert "payment" in " ".join(errors(staff.post(reverse(NEW), as_shown(shown))).values())
    assert not StripeSubscription.objects.exists()


def test_a_metered_price_has_no_quantity(service: StripeService, staff: Client, credential: StripeCredential) -> None:
    customer = payer(service)
    product = service.create_product("Calls")
    body = {
        "product": product.stripe_id, "currency": "usd", "unit_amount": 5,
        "recurring": {"interval": "month", "usage_type": "metered"},
    }  # fmt: skip
    price = service._create(type(priced(service)), "price", body, None)
    shown = staff.post(reverse(NEW), typed(price=price.stripe_id, customer=customer.stripe_id, quantity=7))
    assert "What is metered is billed afterwards" in text_of(shown)

    staff.post(reverse(NEW), as_shown(shown))

    assert StripeSubscription.objects.get().quantity is None


def test_other_values_than_those_shown_are_shown_first(service: StripeService, staff: Client) -> None:
    payer(service)
    price = priced(service)
    shown = as_shown(staff.post(reverse(NEW), typed(price=price.stripe_id)))

    again = staff.post(reverse(NEW), {**shown, "quantity": "3"})

    assert "Ada pays $27.00 USD today" in text_of(again)
    assert not StripeSubscription.objects.exists()


def test_an_unknown_outcome_is_finished_by_the_same_form(
    service: StripeService, staff: Client, sandbox: Server
) -> None:
    payer(service)
    shown = as_shown(staff.post(reverse(NEW), typed(price=priced(service).stripe_id)))
    sandbox.world.faults.load(
        [
            {"kind": "error_after", "method": "POST", "path": "/v1/subscriptions", "count": 1},
            {"kind": "error_before", "method": "GET", "path": "/v1/subscriptions", "count": 6},
        ]
    )
    unknown = staff.post(reverse(NEW), shown)
    assert "Send the same form again" in errors(unknown)["__all__"]
    again = {field.html_name: str(field.value() or "") for field in unknown.context["form"]}

    assert staff.post(reverse(NEW), again).status_code == 302
    assert subscriptions_at(service) == StripeSubscription.objects.count() == 1


# Changed


def test_a_change_shows_every_line_and_is_billed_as_shown_with_the_next_invoice(
    service: StripeService, staff: Client, sandbox: Server
) -> None:
    row = subscribed(service, quantity=2)
    sandbox.advance(HALF_A_MONTH)

    shown = previewed(staff, row, quantity_0=5)

    outlook, said = shown.context["outlook"], text_of(shown)
    credit, charge = (line.amount_minor for line in outlook.next.lines if line.is_proration)
    assert credit < 0 < charge
    assert outlook.now is None
    assert "Ada pays nothing today." in said
    assert "MRR goes from $18.00 USD to $45.00 USD (+$27.00 USD)." in said
    assert "Regularly it is $45.00 USD each month." in said
    for minor in (credit, charge, outlook.next.due_minor):
        assert f"{abs(minor) / 100:.2f}" in said
    assert StripeSubscription.objects.get().quantity == 2

    sandbox.advance(60)  # somebody reads it; what was shown is what is billed all the same
    staff.post(change_address(row), as_shown(shown))
    assert StripeSubscription.objects.get().quantity == 5
    billed = [item["amount"] for item in service.gateway.iterate("/v1/invoiceitems", {"pending": "true"})]
    assert sorted(billed) == [credit, charge]


def test_a_change_billed_now_is_paid_as_shown(service: StripeService, staff: Client, sandbox: Server) -> None:
    row = subscribed(service)
    sandbox.advance(HALF_A_MONTH)
    shown = previewed(staff, row, quantity_0=3, proration="always_invoice")
    due_minor = shown.context["outlook"].now.due_minor
    assert f"Change and bill ${due_minor / 100:.2f} USD to Ada" in text_of(shown)
    assert "If the payment is declined, nothing is changed." in text_of(shown)

    sandbox.advance(120)
    answer = staff.post(change_address(row), as_shown(shown))

    assert answer.status_code == 302
    row.refresh_from_db()
    invoice = StripeInvoice.objects.get(stripe_id=row.latest_invoice_stripe_id)
    assert (row.quantity, invoice.status, invoice.total_minor) == (3, "paid", due_minor)


def test_a_change_that_is_not_prorated_bills_nothing(service: StripeService, staff: Client, sandbox: Server) -> None:
    row = subscribed(service)
    sandbox.advance(HALF_A_MONTH)
    shown = previewed(staff, row, quantity_0=3, proration="none")
    assert not any(line.is_proration for line in shown.context["outlook"].next.lines)

    staff.post(change_address(row), as_shown(shown))

    assert StripeSubscription.objects.get().quantity == 3
    assert not [*service.gateway.iterate("/v1/invoiceitems", {"pending": "true"})]


def test_a_dearer_price_and_a_yearly_one_are_previewed_and_taken(
    service: StripeService, staff: Client, sandbox: Server
) -> None:
    row = subscribed(service)
    yearly = priced(service, "90.00", interval="year")
    sandbox.advance(HALF_A_MONTH)

    shown = previewed(staff, row, price_0=yearly.stripe_id)
    now = shown.context["outlook"].now
    assert now is not None  # a new rhythm begins a new period
    assert now.due_minor < 9000
    assert "MRR goes from $9.00 USD to $7.50 USD (−$1.50 USD)." in text_of(shown)
    staff.post(change_address(row), as_shown(shown))

    row.refresh_from_db()
    assert row.price == yearly
    assert StripeInvoice.objects.get(stripe_id=row.latest_invoice_stripe_id).total_minor == now.due_minor


def test_a_declined_card_changes_nothing_and_is_said_at_the_difference(
    service: StripeService, staff: Client, sandbox: Server
) -> None:
    row = subscribed(service)
    body = {"customer": row.customer_stripe_id}
    method = service.gateway.act("payment_methods", "attach", "pm_card_chargeCustomerFail", body, idempotency_key="bad")
    body = {"invoice_settings": {"default_payment_method": method["id"]}}
    service._change(row.customer, "customer", "update", body, None)
    sandbox.advance(HALF_A_MONTH)
    shown = previewed(staff, row, quantity_0=3, proration="always_invoice")

    answer = staff.post(change_address(row), as_shown(shown))

    assert "declined" in errors(answer)["proration"]
    assert StripeSubscription.objects.get().quantity == 1


def test_a_form_sent_twice_changes_once(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))

    first, second = (staff.post(change_address(row), shown) for _ in range(2))

    assert (first.status_code, second.status_code) == (302, 302)
    assert StripeRequest.objects.filter(operation="subscriptions.update").count() == 1
    assert AuditEvent.objects.get().action == "subscription.changed"


def test_an_unknown_outcome_of_a_change_is_finished_by_the_same_form(
    service: StripeService, staff: Client, sandbox: Server
) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))
    sandbox.world.faults.load([{"kind": "error_before", "method": "POST", "path": "/v1/subscriptions", "count": 3}])
    unknown = staff.post(change_address(row), shown)
    assert "Send the same form again" in errors(unknown)["__all__"]
    sandbox.world.idempotency.kept.clear()

    assert staff.post(change_address(row), shown).status_code == 302
    assert StripeSubscription.objects.get().quantity == 3


def test_what_was_changed_meanwhile_is_previewed_anew(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))
    body = {"items": [{"id": row.payload["items"]["data"][0]["id"], "quantity": 2}]}
    service.gateway.act("subscriptions", "update", row.stripe_id, body, idempotency_key="elsewhere")

    answer = staff.post(change_address(row), shown)

    assert "was changed meanwhile" in text_of(answer)
    assert "MRR goes from $18.00 USD to $27.00 USD" in text_of(answer)
    assert StripeSubscription.objects.get().quantity == 2
    assert staff.post(change_address(row), as_shown(answer)).status_code == 302
    assert StripeSubscription.objects.get().quantity == 3


def test_a_preview_older_than_ten_minutes_is_made_anew(
    service: StripeService, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))
    later = time.time() + 601
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)

    answer = staff.post(change_address(row), shown)

    assert "older than ten minutes" in text_of(answer)
    assert StripeSubscription.objects.get().quantity == 1


def test_a_seal_of_somebody_else_counts_for_nothing(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))

    answer = staff.post(change_address(row), {**shown, "previewed": shown["previewed"][:-3] + "abc"})

    assert "Ada pays nothing today." in text_of(answer)
    assert StripeSubscription.objects.get().quantity == 1


def test_nothing_chosen_is_said(service: StripeService, staff: Client) -> None:
    assert "Nothing is changed yet" in errors(previewed(staff, subscribed(service)))["__all__"]


def test_each_item_of_several_is_changed_by_itself(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    extra = priced(service, "2.00")
    body = {"items": [{"price": extra.stripe_id, "quantity": 4}], "proration_behavior": "none"}
    row = service._change(row, "subscription", "update", body, None, is_done=lambda payload: False)

    shown = previewed(staff, row, quantity_1=6, proration="none")
    assert "MRR goes from $17.00 USD to $21.00 USD (+$4.00 USD)." in text_of(shown)
    staff.post(change_address(row), as_shown(shown))

    found = StripeSubscription.objects.get().payload["items"]["data"]
    assert [item["quantity"] for item in found] == [1, 6]


def test_stripes_refusal_of_a_price_stands_at_its_field(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    other = priced(service, "12.00")
    service.gateway.act("prices", "update", other.stripe_id, {"active": False}, idempotency_key="off")

    assert "inactive" in errors(previewed(staff, row, price_0=other.stripe_id))["price_0"]


def test_an_archived_price_is_kept_with_another_quantity(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    service.update_price(row.price, active=False)
    shown = as_shown(previewed(staff, row, quantity_0=3))

    assert staff.post(change_address(row), shown).status_code == 302
    row.refresh_from_db()
    assert (row.quantity, row.price.active) == (3, False)
    assert staff.post(change_address(row), shown).status_code == 302


def test_a_form_that_was_sent_is_not_taken_for_another(service: StripeService, staff: Client) -> None:
    row = subscribed(service)
    shown = as_shown(previewed(staff, row, quantity_0=3))
    staff.post(change_address(row), shown)

    answer = staff.post(change_address(row), {**shown, "quantity_0": "9"})

    assert "already sent with other values" in errors(answer)["__all__"]
    assert StripeSubscription.objects.get().quantity == 3


def test_in_a_trial_revenue_is_told_for_the_time_after(service: StripeService, staff: Client) -> None:
    row = subscribed(service, trial_days=14)

    shown = previewed(staff, row, quantity_0=2)

    assert "Once the trial is over, MRR goes from $9.00 USD to $18.00 USD" in text_of(shown)


@pytest.mark.parametrize(("status", "said"), [("canceled", "has ended"), ("incomplete", "first payment")])
def test_what_cannot_be_changed_says_why(status: str, said: str, credential: StripeCredential, staff: Client) -> None:
    price = make.price(make.product(credential), type="recurring")
    row = make.subscription(price, make.customer(credential), status=status)

    assert said in text_of(staff.get(change_address(row)))
    assert staff.post(change_address(row), {"idempotency_key": "0" * 32}).status_code == 409
    assert not StripeRequest.objects.exists()


def test_a_change_needs_its_permission_and_a_row_of_ones_own(credential: StripeCredential, client: Client) -> None:
    price = make.price(make.product(credential), type="recurring")
    row = make.subscription(price, make.customer(credential))
    other = make.credential("Other", is_active=False)
    foreign = make.subscription(make.price(make.product(other), type="recurring"), make.customer(other))

    client.force_login(make.staff("view_stripesubscription"))
    assert client.get(change_address(row)).status_code == client.post(change_address(row)).status_code == 403
    client.force_login(make.staff())
    assert client.get(change_address(foreign)).status_code == client.post(change_address(foreign)).status_code == 404
    assert not StripeRequest.objects.exists()


def test_the_forms_cost_a_fixed_number_of_queries(
    service: StripeService, staff: Client, connection_queries: Any, settings: Any
) -> None:
    settings.FINANCIAL_CACHE_SECONDS = 0
    row = subscribed(service)
    staff.get(change_address(row))
    addresses = (reverse(NEW), change_address(row))
    few = [connection_queries(lambda url=url: staff.get(url)) for url in addresses]
    for amount in ("1.00", "2.00", "3.00"):
        priced(service, amount)

    assert [connection_queries(lambda url=url: staff.get(url)) for url in addresses] == few
    assert max(few) <= 16
