from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from financial.models import (
    PayoutRow,
    StripeCredential,
    StripeCustomer,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripeRefund,
    StripeWebhookEvent,
)
from financial.views.mirror.details import dashboard_url
from tests import books
from tests.views import rows as make

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert('x')</script>"
NAMES = ("product", "customer", "payment", "subscription")


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff())
    return client


def objects(credential: StripeCredential, **text: str) -> dict[str, Any]:
    customer = make.customer(credential, **text)
    product = make.product(credential, **text)
    price = make.price(product, type="recurring", nickname=text.get("name", ""))
    payment = make.payment(credential, customer, description=text.get("description", ""))
    charge = make.charge(payment)
    make.booking(payment)
    subscription = make.subscription(price, customer)
    StripeInvoice.objects.create(
        credential=credential,
        stripe_id=f"in_{payment.pk}",
        customer=customer,
        subscription=subscription,
        number=text.get("name", "A-1"),
        payment_intent_stripe_id=payment.stripe_id,
        total_minor=2999,
        currency="usd",
        status="paid",
        created_at=make.NOON,
    )
    StripeRefund.objects.create(
        credential=credential,
        stripe_id=f"re_{payment.pk}",
        payment_intent=payment,
        charge=charge,
        amount_minor=500,
        currency="usd",
        status="succeeded",
        reason=text.get("name", "requested_by_customer"),
        created_at=make.NOON,
    )
    StripeDispute.objects.create(
        credential=credential,
        stripe_id=f"dp_{payment.pk}",
        payment_intent=payment,
        charge=charge,
        amount_minor=2999,
        currency="usd",
        status="needs_response",
        reason="fraudulent",
        created_at=make.NOON,
    )
    return {"product": product, "customer": customer, "payment": payment, "subscription": subscription}


def page(client: Client, name: str, stripe_id: str) -> str:
    answer = client.get(reverse(f"financial:{name}", args=[stripe_id]))
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def plain(text: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


@pytest.mark.parametrize("name", NAMES)
def test_an_object_is_shown_with_what_belongs_to_it(name: str, credential: StripeCredential, staff: Client) -> None:
    row = objects(credential)[name]
    text = plain(page(staff, name, row.stripe_id))
    assert row.stripe_id in text
    wanted = {
        "product": ("Novel", "$29.99 USD per month", "Ada Lovelace", "Subscribe a customer"),
        "customer": ("ada@example.com", "Novel", "A-1", "Paid net, USD", "Payment of $29.99 USD succeeded"),
        "payment": ("Visa ••••4242 was charged $29.99 USD", "$5.00 USD refunded", "Customer disputed", "≈ $1.17"),
        "subscription": ("Novel", "per month", "A-1", "Subscription created"),
    }[name]
    for piece in wanted:
        assert piece in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stripe_id", ["unknown_1", "x" * 300, "'; --", HOSTILE.replace("/", "")])
def test_an_unknown_id_is_a_404_that_says_what_to_do(name: str, stripe_id: str, credential: Any, staff: Client) -> None:
    answer = staff.get(reverse(f"financial:{name}", args=[stripe_id]))
    assert answer.status_code == 404
    text = plain(answer.content.decode())
    assert f"No such {name} in the mirror" in text
    assert "synced" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_id_of_another_credential_is_answered_like_an_unknown_one(
    name: str, credential: StripeCredential, staff: Client
) -> None:
    foreign = objects(make.credential("Other", is_active=False))[name]
    answers = [staff.get(reverse(f"financial:{name}", args=[i])) for i in (foreign.stripe_id, "unknown_1")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert plain(answers[0].content.decode()) == plain(answers[1].content.decode())


@pytest.mark.parametrize("name", NAMES)
def test_text_from_stripe_is_escaped(name: str, credential: StripeCredential, staff: Client) -> None:
    row = objects(credential, name=HOSTILE, description=HOSTILE)[name]
    type(row).objects.update(payload={"name": HOSTILE})
    assert "<script>alert" not in page(staff, name, row.stripe_id)


@pytest.mark.parametrize("name", NAMES)
def test_the_payload_is_shown_without_its_private_part(name: str, credential: StripeCredential, staff: Client) -> None:
    row = objects(credential)[name]
    row.payload, row.private = {"object": "shown_here"}, {"client_secret": "never_shown_here"}
    row.save()
    text = page(staff, name, row.stripe_id)
    assert "shown_here" in text
    assert "never_shown" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_queries_does_not_grow_with_what_belongs_to_it(
    name: str, credential: StripeCredential, staff: Client, connection_queries: Any
) -> None:
    made = objects(credential)
    row = made[name]
    page(staff, name, row.stripe_id)
    few = connection_queries(lambda: page(staff, name, row.stripe_id))
    price = make.price(made["product"], type="recurring")
    for _ in range(15):
        make.charge(made["payment"], status="failed")
        payment = make.payment(credential, made["customer"])
        make.charge(payment)
        make.booking(payment)
        subscription = make.subscription(price, made["customer"])
        for of in (subscription, made["subscription"]):
            StripeInvoice.objects.create(
                credential=credential, stripe_id=f"in_{of.pk}_{payment.pk}", customer=made["customer"], subscription=of,
                payment_intent_stripe_id=payment.stripe_id, currency="usd", created_at=make.NOON,
            )  # fmt: skip
        make.price(made["product"])
    page(staff, name, row.stripe_id)  # what is kept ended with these writes
    assert connection_queries(lambda: page(staff, name, row.stripe_id)) == few < 40


def test_a_payment_leads_to_its_transaction(credential: StripeCredential, staff: Client) -> None:
    row = make.payment(credential)
    make.charge(row)
    booked = make.booking(row, 150, settled=True)
    ledger = reverse("financial:transaction", args=[booked.transaction_id])

    html = page(staff, "payment", row.stripe_id)

    assert f'href="{ledger}">{booked.balance_transaction.stripe_id}</a>' in html
    for sentence in ("Booked with an estimated fee", "Stripe’s exact fee of $1.50 USD replaced the estimate"):
        assert f'<a href="{ledger}">{sentence}</a>' in html


def test_who_may_not_see_the_books_is_not_led_there(credential: StripeCredential, client: Client) -> None:
    row = make.payment(credential)
    make.charge(row)
    make.booking(row, settled=True)
    client.force_login(make.staff("view_stripepaymentintent"))

    html = page(client, "payment", row.stripe_id)

    assert "Booked with an estimated fee" in html
    assert "/transactions/" not in html


def test_a_renewal_not_paid_leads_to_its_payment_and_back(credential: StripeCredential, staff: Client) -> None:
    customer = make.customer(credential)
    price = make.price(make.product(credential, name="Novel club"), type="recurring")
    late = make.subscription(price, customer, status="past_due", latest_invoice_stripe_id="in_late")
    row = make.payment(credential, customer, status="requires_payment_method", error_code="card_declined")
    StripeInvoice.objects.create(
        credential=credential, stripe_id="in_late", customer=customer, subscription=late, number="A-7", status="open",
        payment_intent_stripe_id=row.stripe_id, total_minor=2999, currency="usd", created_at=make.NOON,
    )  # fmt: skip
    payment, subscription = (
        reverse(f"financial:{name}", args=[of.stripe_id]) for name, of in (("payment", row), ("subscription", late))
    )

    html = page(staff, "subscription", late.stripe_id)
    assert f'<a href="{payment}">See the payment</a>' in html
    assert f'<a href="{payment}">Invoice A-7 of $29.99 USD (open)</a>' in html
    assert "Failed payment of invoice A-7" in plain(html)
    assert f'href="{payment}"' in page(staff, "customer", customer.stripe_id)

    html = page(staff, "payment", row.stripe_id)
    assert f'<a href="{subscription}">Novel club</a>' in html
    assert 'href="https://dashboard.stripe.com/test/invoices/in_late"' in html
    assert "Invoice A-7" in plain(html)


def test_the_revenue_of_a_product_leads_to_its_subscriptions_in_that_currency(
    credential: StripeCredential, staff: Client
) -> None:
    product = make.product(credential)
    subscription = make.subscription(make.price(product, type="recurring", currency="eur"), make.customer(credential))
    StripeInvoice.objects.create(
        credential=credential, stripe_id="in_1", subscription=subscription, status="paid", amount_paid_minor=2999,
        currency="eur", created_at=timezone.now(),
    )  # fmt: skip

    html = page(staff, "product", product.stripe_id)

    query = f"?product={product.stripe_id}&amp;currency=eur"
    (address,) = re.findall(rf'<dd><a href="([^"]+{re.escape(query)})"><span class="money">€29.99', html)
    assert subscription.stripe_id in staff.get(unescape(address)).text


def test_reasons_are_words_and_disputes_lead_to_where_they_are_answered(
    credential: StripeCredential, staff: Client
) -> None:
    row = objects(credential)["payment"]
    StripeRefund.objects.update(failure_reason="expired_or_canceled_card")
    StripeDispute.objects.update(reason="product_not_received")

    html = page(staff, "payment", row.stripe_id)

    assert '<span title="product_not_received">Product not received</span>' in html
    assert '<span title="expired_or_canceled_card">Expired or canceled card</span>' in html
    address = f"https://dashboard.stripe.com/test/payments/{row.stripe_id}"
    assert re.search(rf'Answer in <a href="{address}"', html)


def test_a_customer_pays_with_the_card_a_payment_tells_of(credential: StripeCredential, staff: Client) -> None:
    customer = make.customer(credential, default_payment_method_stripe_id="pm_9")
    make.charge(make.payment(credential, customer), payload={"payment_method": "pm_8"}, card_last4="1111")
    assert "Pays with pm_9" in plain(page(staff, "customer", customer.stripe_id))

    make.charge(make.payment(credential, customer), payload={"payment_method": "pm_9"}, card_last4="4444")
    html = page(staff, "customer", customer.stripe_id)
    assert '<span title="pm_9">Visa ••••4444</span>' in html


def test_a_failed_payment_says_why_and_what_to_do(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(
        credential,
        status="requires_payment_method",
        error_code="card_declined",
        error_decline_code="insufficient_funds",
        error_message="Your card has insufficient funds.",
    )
    make.charge(payment, status="failed", failure_code="expired_card", card_last4="0069")
    make.charge(payment, status="failed", failure_code="card_declined", card_last4="9995")
    html = page(staff, "payment", payment.stripe_id)
    assert '<small title="expired_card">The card has expired.' in html
    assert '<small title="insufficient_funds">The account behind the card has too little money.' in html
    text = plain(html)
    assert "Your card has insufficient funds." in text
    assert "too little money" in text
    assert "Visa ••••9995 was declined for $29.99 USD" in text


def test_a_failure_without_words_still_has_a_next_step(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential, status="requires_payment_method", error_code="a_new_reason")
    text = plain(page(staff, "payment", payment.stripe_id))
    assert "a_new_reason" in text
    assert "The customer should ask their bank, or pay otherwise." in text


def test_the_exact_fee_is_shown_against_its_estimate(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential)
    make.charge(payment)
    booking = make.booking(payment, 150, settled=True)
    text = plain(page(staff, "payment", payment.stripe_id))
    assert "+$0.33 USD against the estimate" in text
    assert booking.balance_transaction.stripe_id in text
    assert "≈" not in text


def test_the_timeline_is_newest_first_and_names_the_webhooks(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential)
    make.charge(payment, created_at=make.NOON + dt.timedelta(minutes=1))
    StripeWebhookEvent.objects.create(
        credential=credential,
        event_id="evt_1",
        type="payment_intent.succeeded",
        object_stripe_id=payment.stripe_id,
        body=b"{}",
        received_at=make.NOON + dt.timedelta(minutes=2),
        state="done",
    )
    text = plain(page(staff, "payment", payment.stripe_id))
    order = [text.index(part) for part in ("Webhook payment_intent.succeeded", "was charged", "Payment of $29.99")]
    assert order == sorted(order)


def test_the_timeline_of_a_customer_tells_of_what_went_back_and_leads_there(
    credential: StripeCredential, staff: Client
) -> None:
    made = objects(credential)
    for _ in range(11):  # the payment with the refund and the dispute is none of the newest ten
        make.payment(credential, made["customer"])
    StripeWebhookEvent.objects.create(
        credential=credential, event_id="evt_7", type="customer.updated", object_stripe_id=made["customer"].stripe_id,
        body=b"{}", received_at=make.NOON, state="done",
    )  # fmt: skip

    for number in range(30):
        StripeRefund.objects.create(
            credential=credential, stripe_id=f"re_old_{number}", payment_intent=made["payment"], amount_minor=100,
            currency="usd", status="succeeded", created_at=make.NOON - dt.timedelta(days=number + 1),
        )  # fmt: skip

    html = page(staff, "customer", made["customer"].stripe_id)

    assert html.count("refunded (succeeded)</a>") == 19  # with the dispute, the newest twenty
    payment, subscription = (
        reverse(f"financial:{name}", args=[made[name].stripe_id]) for name in ("payment", "subscription")
    )
    assert f'<a href="{payment}">$5.00 USD refunded (succeeded)</a>' in html
    assert f'<a href="{payment}">Customer disputed $29.99 USD (fraudulent)</a>' in html
    assert f'<a href="{subscription}">Subscribed to Novel</a>' in html
    assert html.count(">Payment of $29.99 USD succeeded</a>") == 10
    event = reverse("financial:event", args=["evt_7"])
    assert f'<a href="{event}">Webhook customer.updated received</a>' in html


def test_what_happened_within_one_second_keeps_its_natural_order(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential)
    make.charge(payment)
    booking = make.booking(payment, settled=True)
    booking.settled_at = booking.transaction.created_at.replace(microsecond=0)
    booking.save()
    text = plain(page(staff, "payment", payment.stripe_id))
    order = [text.index(part) for part in ("replaced the estimate", "Booked with", "was charged", "Payment of $29.99")]
    assert order == sorted(order)


def test_only_ids_that_look_like_stripes_become_links() -> None:
    credential = StripeCredential(name="x")
    row = StripeCustomer(credential=credential, stripe_id="cus_1")
    assert dashboard_url("customers", row) == "https://dashboard.stripe.com/test/customers/cus_1"
    row.livemode = True
    assert dashboard_url("customers", row) == "https://dashboard.stripe.com/customers/cus_1"
    for bad in ("cus_1/../x", "javascript:x", "cus_1\n", "", "cus 1"):
        assert dashboard_url("customers", StripeCustomer(credential=credential, stripe_id=bad)) == ""
    credential.is_sample = True
    assert dashboard_url("customers", row) == ""


def test_a_deleted_customer_is_marked_and_offers_no_payment(credential: StripeCredential, staff: Client) -> None:
    customer = make.customer(credential, deleted_at=make.NOON)
    text = page(staff, "customer", customer.stripe_id)
    assert "Deleted in Stripe on" in text
    assert reverse("financial:payment-new") not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_detail_needs_its_permission(name: str, credential: StripeCredential, client: Client) -> None:
    client.force_login(make.staff("view_syncrun"))
    row = objects(credential)[name]
    assert client.get(reverse(f"financial:{name}", args=[row.stripe_id])).status_code == 403


def test_a_payment_without_anything_beside_it_is_shown(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential, status="a_new_word", currency="zzz", created_at=None)
    StripePaymentIntent.objects.filter(pk=payment.pk).update(customer_stripe_id="cus_unknown")
    text = plain(page(staff, "payment", payment.stripe_id))
    assert "A new word" in text
    assert "cus_unknown" in text


def test_the_timeline_of_a_payment_joins_refunds_disputes_entries_and_the_payout(
    credential: StripeCredential, staff: Client
) -> None:
    row = make.payment(credential, make.customer(credential))
    charge = make.charge(row)
    booking = make.booking(row, settled=True)
    refund = books.settled(credential, amount_minor=-500, fee_minor=0, kind="refund", charge_stripe_id=charge.stripe_id)
    payout = StripePayout.objects.create(
        credential=credential, stripe_id="po_9", amount_minor=2882, currency="usd", arrival_at=make.NOON, status="paid"
    )
    PayoutRow.objects.create(payout=payout, balance_transaction=booking.transaction.balance_transaction)
    html = page(staff, "payment", row.stripe_id)
    text = plain(html)
    assert "Refund of −$5.00 USD booked on" in text
    assert reverse("financial:transaction", args=[refund.pk]) in html
    assert "$28.82 USD in the payout of $28.82 USD" in text
    assert html.count(reverse("financial:payout", args=["po_9"])) == 2  # a fact, and in the timeline
