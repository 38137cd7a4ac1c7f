"""A long walk that touches every operation and every event type once."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import OLD, money, payment_intents, payment_links, payouts, refunds, setup_intents
from sandbox.core.checkout_visit import complete
from sandbox.core.coupons import discount_customer
from sandbox.core.errors import StripeError
from sandbox.core.settings import DAY, HOUR
from tests.sandbox.client import NEW_YEAR, Client

ADDRESS = {"line1": "1 Mill Lane", "city": "Leipzig", "postal_code": "04109", "country": "DE"}


def everything(client: Client) -> None:
    """Walk all of it."""
    for part in (
        catalog,
        people,
        payments,
        refunding,
        disputing,
        paying_out,
        subscribing,
        changing,
        dunning,
        invoicing,
        following,
        reducing,
        setting_up,
        checking_out,
        linking,
        clockwork,
        looking,
    ):
        part(client)


def catalog(c: Client) -> None:
    product = c.post(
        "/v1/products",
        name="Magazine",
        description="Six a year",
        metadata={"a": "1"},
        images=["https://example.com/a.png"],
        package_dimensions={"height": 1, "length": 2, "weight": 3.5, "width": 4},
        url="https://example.com",
        marketing_features=[{"name": "Printed"}],
        default_price_data={"currency": "usd", "unit_amount": 900},
    )
    id = product["id"]
    c.post(f"/v1/products/{id}", name="Magazine, new", description="", active=True, metadata={"b": "2"})
    c.get(f"/v1/products/{id}", expand=["default_price"])
    c.get("/v1/products", active=True, limit=3, ids=[id])
    spare = c.post("/v1/products", id="spare", name="Spare")
    c.delete(f"/v1/products/{spare['id']}")
    tiers = [{"up_to": 5, "unit_amount": 900, "flat_amount": 100}, {"up_to": "inf", "unit_amount_decimal": "512.5"}]
    tiered = c.post(
        "/v1/prices",
        product=id,
        currency="usd",
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=tiers,
        recurring={"interval": "month", "interval_count": 3},
        nickname="Seats",
    )
    c.get(f"/v1/prices/{tiered['id']}", expand=["tiers", "product", "currency_options"])
    price = c.post(
        "/v1/prices",
        product_data={"name": "Other"},
        currency="jpy",
        unit_amount=500,
        lookup_key="other",
        tax_behavior="exclusive",
        transform_quantity={"divide_by": 10, "round": "up"},
        currency_options={"eur": {"unit_amount": 400}},
    )
    c.post("/v1/prices", product=id, currency="kwd", unit_amount_decimal="1250.5")
    c.post("/v1/prices", product=id, currency="usd", custom_unit_amount={"enabled": True, "minimum": 100})
    c.post(f"/v1/prices/{price['id']}", active=False, nickname="Old", metadata={"x": "y"})
    c.get(
        "/v1/prices",
        product=id,
        type="recurring",
        recurring={"interval": "month"},
        expand=["data.product", "data.tiers"],
    )
    c.get("/v1/prices", lookup_keys=["other"], created={"gte": 1})


def people(c: Client) -> None:
    customer = c.post(
        "/v1/customers",
        email="a@example.com",
        name="Ada",
        phone="+49 341 1",
        address=ADDRESS,
        balance=0,
        shipping={"name": "Ada", "address": ADDRESS},
        preferred_locales=["de"],
        tax_exempt="none",
        payment_method="pm_card_visa",
        metadata={"k": "v"},
    )
    id = customer["id"]
    c.post(f"/v1/customers/{id}", name="Ada L.", address="", metadata={"k": ""}, invoice_settings={"footer": "Thanks"})
    c.get(
        f"/v1/customers/{id}", expand=["subscriptions", "invoice_settings.default_payment_method", "sources", "tax_ids"]
    )
    c.get("/v1/customers", email="a@example.com", limit=1)
    method = c.post(
        "/v1/payment_methods",
        type="card",
        card={"number": "4242424242424242", "exp_month": 4, "exp_year": 2031},
        billing_details={"name": "Ada", "address": ADDRESS},
        metadata={"a": "b"},
    )
    c.post(f"/v1/payment_methods/{method['id']}/attach", customer=id)
    c.post(
        f"/v1/payment_methods/{method['id']}",
        billing_details={"email": "a@example.org"},
        card={"exp_month": 5, "exp_year": 2032},
    )
    c.get(f"/v1/payment_methods/{method['id']}", expand=["customer"])
    c.get("/v1/payment_methods", customer=id, type="card")
    c.get(f"/v1/customers/{id}/payment_methods", type="card", limit=5)
    c.get(f"/v1/customers/{id}/payment_methods/{method['id']}")
    c.post(f"/v1/payment_methods/{method['id']}/detach")
    gone = c.post("/v1/customers", name="Gone")
    c.delete(f"/v1/customers/{gone['id']}")
    c.get(f"/v1/customers/{gone['id']}")


def payments(c: Client) -> None:
    customer = c.customer()["id"]
    intent = c.post(
        "/v1/payment_intents",
        amount=5000,
        currency="eur",
        customer=customer,
        capture_method="manual",
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
        metadata={"o": "1"},
        shipping={"name": "Ada", "address": ADDRESS},
        receipt_email="a@example.com",
        description="Book",
    )
    id = intent["id"]
    c.post(f"/v1/payment_intents/{id}", amount=5200, description="Books")
    c.post(f"/v1/payment_intents/{id}/confirm", payment_method="pm_card_mastercard")
    c.post(f"/v1/payment_intents/{id}/capture", amount_to_capture=5100)
    paths = ["latest_charge.balance_transaction", "customer", "payment_method"]
    done = c.get(f"/v1/payment_intents/{id}", expand=paths)
    charge = done["latest_charge"]["id"]
    c.post(f"/v1/charges/{charge}", description="Two books", metadata={"n": "2"}, fraud_details={"user_report": "safe"})
    c.get(
        f"/v1/charges/{charge}", expand=["balance_transaction.source", "customer", "payment_intent.customer", "refunds"]
    )
    c.get("/v1/charges", customer=customer, created={"lte": 1 << 40}, expand=["data.balance_transaction"])
    c.get("/v1/payment_intents", customer=customer, limit=2, expand=["data.latest_charge.balance_transaction"])
    lines = c.get("/v1/balance_transactions", type="charge", expand=["data.source"])
    c.get(f"/v1/balance_transactions/{lines['data'][0]['id']}", expand=["source"])
    c.refused(
        "POST",
        "/v1/payment_intents",
        {
            "amount": 700,
            "currency": "usd",
            "payment_method": "pm_card_chargeDeclined",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        },
    )
    c.get("/v1/payment_intents", limit=1)
    for passed in (True, False):
        waiting = c.pay(
            card="pm_card_threeDSecure2Required",
            return_url="https://example.com/back",
            automatic_payment_methods={"enabled": True},
        )
        payment_intents.authenticate(c.world, c.world.raw("payment_intent", waiting["id"]), passed=passed)
        c.get(f"/v1/payment_intents/{waiting['id']}")
    given_up = c.post("/v1/payment_intents", amount=900, currency="usd")
    c.post(f"/v1/payment_intents/{given_up['id']}/cancel", cancellation_reason="abandoned")
    c.pay(card="pm_card_visa", capture_method="manual")
    c.world.advance(8 * DAY)
    c.get("/v1/balance")


def following(c: Client) -> None:
    for kind, name in (("charges", "refunds"), ("credit_notes", "lines"), ("customers", "subscriptions")):
        id = c.get(f"/v1/{kind}")["data"][0]["id"]
        c.get(f"/v1/{kind}/{id}/{name}", limit=3)
    for name in ("sources", "tax_ids"):
        c.get(f"/v1/customers/{id}/{name}")


def refunding(c: Client) -> None:
    charge = c.pay(4000, customer=c.customer()["id"])["latest_charge"]
    refund = c.post("/v1/refunds", charge=charge, amount=500, reason="requested_by_customer", metadata={"why": "late"})
    c.post(f"/v1/refunds/{refund['id']}", metadata={"why": "lost"})
    more = [] if c.version == OLD else ["customer", "payment_method"]
    c.get(f"/v1/refunds/{refund['id']}", expand=["charge", "balance_transaction", "failure_balance_transaction", *more])
    c.get("/v1/refunds", charge=charge)
    for card in ("pm_card_pendingRefund", "pm_card_refundFail"):
        c.post("/v1/refunds", payment_intent=c.pay(3000, card=card)["id"])
        c.get("/v1/refunds", limit=2)
    failed = c.get("/v1/refunds", limit=1)["data"][0]
    c.get(f"/v1/refunds/{failed['id']}", expand=["failure_balance_transaction"])
    money.topup(c.world, -money.balance(c.world)["available"][0]["amount"] + 1, "usd")
    before, c.world.settings = c.world.settings, _with(c, refunds_wait_for_funds=True)
    waiting = c.post("/v1/refunds", charge=c.pay(6000)["latest_charge"])
    c.post(f"/v1/refunds/{waiting['id']}/cancel")
    c.world.settings = before
    refunds.fail_refund(c.world, refund["id"], "declined")


def _with(c: Client, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(c.world.settings, **changes)


def disputing(c: Client) -> None:
    for text, card in (
        ("winning_evidence", "pm_card_createDispute"),
        ("losing_evidence", "pm_card_createDisputeProductNotReceived"),
        ("escalate_inquiry_evidence", "pm_card_createDisputeInquiry"),
    ):
        c.pay(7000, card=card)
        c.get("/v1/events", limit=1)
        dispute = c.get("/v1/disputes", limit=1)["data"][0]
        c.post(
            f"/v1/disputes/{dispute['id']}",
            evidence={"uncategorized_text": text, "product_description": "A book"},
            metadata={"m": "1"},
        )
        c.get(f"/v1/disputes/{dispute['id']}", expand=["charge", "payment_intent"])
    c.post(f"/v1/disputes/{dispute['id']}/close")
    c.pay(7000, card="pm_card_createDispute")
    c.world.advance(20 * DAY)
    c.get("/v1/disputes", created={"gt": 0})


def paying_out(c: Client) -> None:
    money.topup(c.world, 900_00, "usd")
    money.stripe_fee(c.world, 210, "usd", "Billing - Usage Fee")
    first = c.post(
        "/v1/payouts", amount=1000, currency="usd", description="Wages", metadata={"a": "b"}, method="standard"
    )
    c.post(f"/v1/payouts/{first['id']}", metadata={"a": "c"})
    c.post(f"/v1/payouts/{first['id']}/cancel")
    failing = c.post("/v1/payouts", amount=1100, currency="usd", destination="ba_sandbox_account_closed")
    automatic = payouts.pay_out(c.world, "usd")
    assert automatic is not None
    c.world.advance(6 * DAY)
    c.get(f"/v1/payouts/{failing['id']}", expand=["failure_balance_transaction", "balance_transaction", "destination"])
    c.get("/v1/payouts", status="paid", arrival_date={"gte": 1})
    c.get("/v1/balance_transactions", payout=automatic["id"], currency="usd", created={"gte": 1})
    c.get("/v1/balance_transactions", source=automatic["id"])


def subscribing(c: Client) -> None:
    customer, price = c.customer()["id"], c.price()["id"]
    sub = c.post(
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": price, "quantity": 2, "metadata": {"i": "1"}}],
        metadata={"s": "1"},
        expand=["latest_invoice", "customer"],
        description="Reader",
    )
    id = sub["id"]
    item = sub["items"]["data"][0]["id"]
    c.get("/v1/subscription_items", subscription=id)
    c.get(f"/v1/subscription_items/{item}")
    c.post(f"/v1/subscription_items/{item}", quantity=3, proration_behavior="none")
    more = c.post("/v1/subscription_items", subscription=id, price=c.price(300)["id"], proration_behavior="none")
    c.delete(f"/v1/subscription_items/{more['id']}", proration_behavior="none")
    c.post(
        f"/v1/subscriptions/{id}", items=[{"id": item, "quantity": 1}], proration_behavior="none", metadata={"t": "2"}
    )
    c.post(
        f"/v1/subscriptions/{id}",
        cancel_at_period_end=True,
        cancellation_details={"feedback": "unused", "comment": "Bye"},
    )
    c.post(f"/v1/subscriptions/{id}", cancel_at_period_end=False, pause_collection={"behavior": "void"})
    c.post(
        f"/v1/subscriptions/{id}",
        pause_collection="",
        default_payment_method=c.get("/v1/payment_methods", customer=customer)["data"][0]["id"],
    )
    c.get(
        f"/v1/subscriptions/{id}", expand=["items.data.price.product", "latest_invoice.lines", "default_payment_method"]
    )
    c.get("/v1/subscriptions", status="all", customer=customer, price=price, expand=["data.latest_invoice"])
    c.delete(f"/v1/subscriptions/{id}", cancellation_details={"comment": "Moved"}, expand=["latest_invoice"])
    lonely = c.post("/v1/customers", email="t@example.com")["id"]
    trial = c.post(
        "/v1/subscriptions",
        customer=lonely,
        items=[{"price": price}],
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    c.world.advance(8 * DAY)
    method = c.post("/v1/payment_methods/pm_card_visa/attach", customer=lonely)["id"]
    c.post(f"/v1/subscriptions/{trial['id']}", default_payment_method=method)
    c.post(f"/v1/subscriptions/{trial['id']}/resume", proration_behavior="none")
    early = c.post(
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": price}],
        trial_end=int(c.world.now) + 9 * DAY,
        cancel_at=int(c.world.now) + 90 * DAY,
        payment_settings={"save_default_payment_method": "on_subscription"},
    )
    c.post(f"/v1/subscriptions/{early['id']}", trial_end="now")


def changing(c: Client) -> None:
    """Prorations in all their ways, each previewed before."""
    customer, monthly, dearer = c.customer()["id"], c.price(900)["id"], c.price(2900)["id"]
    sub = c.post("/v1/subscriptions", customer=customer, items=[{"price": monthly}])
    id, item = sub["id"], sub["items"]["data"][0]["id"]
    c.world.advance(9 * DAY)
    at = c.world.now
    _look_ahead(c, subscription=id)
    for price, behavior in ((dearer, "create_prorations"), (monthly, "always_invoice"), (dearer, "none")):
        wish = {"items": [{"id": item, "price": price, "quantity": 2}], "proration_behavior": behavior}
        _look_ahead(c, subscription=id, subscription_details=wish | {"proration_date": at})
        c.post(f"/v1/subscriptions/{id}", **wish, proration_date=at, expand=["latest_invoice.lines"])
        c.get("/v1/invoiceitems", customer=customer)
    _look_ahead(c, subscription=id, subscription_details={"cancel_now": True})
    more = c.post("/v1/subscription_items", subscription=id, price=monthly, proration_date=at, quantity=3)
    c.post(f"/v1/subscription_items/{more['id']}", quantity=4, proration_behavior="always_invoice", off_session=True)
    c.delete(f"/v1/subscription_items/{more['id']}", proration_behavior="create_prorations", proration_date=at)
    anchor = "now" if c.version == OLD else {"type": "now"}
    c.post(f"/v1/subscriptions/{id}", billing_cycle_anchor=anchor, payment_behavior="error_if_incomplete")
    c.post(f"/v1/subscriptions/{id}", items=[{"id": item, "price": c.price(9900, "year")["id"]}])
    c.post(f"/v1/subscriptions/{id}", trial_end=c.world.now + 5 * DAY)
    _look_ahead(c, subscription=id, subscription_details={"trial_end": "now"})
    c.delete(f"/v1/subscriptions/{id}", prorate=True, invoice_now=True)
    c.get("/v1/invoices", subscription=id, expand=["data.discounts"])
    _look_ahead(c, customer=customer, subscription_details={"items": [{"price": monthly, "quantity": 2}]})


def _look_ahead(c: Client, **params: Any) -> None:
    if c.version == OLD:
        c.get("/v1/invoices/upcoming", **params)
    else:
        c.post("/v1/invoices/create_preview", **params)


def dunning(c: Client) -> None:
    price = c.price()["id"]
    renewed = c.customer()["id"]
    sub = c.post("/v1/subscriptions", customer=renewed, items=[{"price": price}])
    bad = c.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=renewed)
    c.post(f"/v1/customers/{renewed}", invoice_settings={"default_payment_method": bad["id"]})
    c.world.advance(32 * DAY)
    c.get(f"/v1/subscriptions/{sub['id']}", expand=["latest_invoice"])
    c.world.advance(40 * DAY)
    c.get("/v1/subscriptions", status="canceled")
    waiting = c.post(
        "/v1/subscriptions",
        customer=c.customer("pm_card_threeDSecure2Required")["id"],
        items=[{"price": price}],
        payment_behavior="allow_incomplete",
        expand=["latest_invoice"],
    )
    c.world.advance(24 * HOUR)
    c.get(f"/v1/subscriptions/{waiting['id']}")


def invoicing(c: Client) -> None:
    customer = c.customer()["id"]
    item = c.post(
        "/v1/invoiceitems",
        customer=customer,
        amount=1200,
        currency="usd",
        description="Work",
        metadata={"h": "2"},
        period={"start": NEW_YEAR, "end": NEW_YEAR + DAY},
    )
    c.post(f"/v1/invoiceitems/{item['id']}", amount=1300, description="More work")
    priced = {"price": c.price(700, None)["id"]}
    extra = {"pricing": priced} if c.version != OLD else priced
    drop = c.post("/v1/invoiceitems", customer=customer, quantity=2, **extra)
    c.get(f"/v1/invoiceitems/{drop['id']}")
    c.get("/v1/invoiceitems", customer=customer, pending=True)
    c.delete(f"/v1/invoiceitems/{drop['id']}")
    invoice = c.post(
        "/v1/invoices",
        customer=customer,
        pending_invoice_items_behavior="include",
        description="January",
        auto_advance=False,
        custom_fields=[{"name": "PO", "value": "7"}],
    )["id"]
    c.post("/v1/invoiceitems", customer=customer, invoice=invoice, amount=50, currency="usd")
    c.post(f"/v1/invoices/{invoice}", footer="Thanks", metadata={"p": "q"})
    c.get(f"/v1/invoices/{invoice}/lines", limit=1)
    c.post(f"/v1/invoices/{invoice}/finalize", auto_advance=False)
    c.post(f"/v1/invoices/{invoice}/send")
    c.post(f"/v1/invoices/{invoice}/pay", expand=["customer"])
    fields = (
        ["payment_intent", "charge.balance_transaction"]
        if c.version == OLD
        else ["payments.data.payment.payment_intent", "confirmation_secret"]
    )
    c.get(f"/v1/invoices/{invoice}", expand=fields)
    if c.version != OLD:
        payment = c.get("/v1/invoice_payments", invoice=invoice, status="paid", expand=["data.payment.payment_intent"])[
            "data"
        ][0]
        c.get(f"/v1/invoice_payments/{payment['id']}", expand=["invoice"])
        inner = payment["payment"]["payment_intent"]["id"]
        c.get("/v1/invoice_payments", payment={"type": "payment_intent", "payment_intent": inner})
    c.get(
        "/v1/invoices", customer=customer, status="paid", collection_method="charge_automatically", created={"gte": 1}
    )
    note = c.post(
        "/v1/credit_notes", invoice=invoice, amount=300, refund_amount=300, reason="order_change", memo="Sorry"
    )
    c.get(f"/v1/credit_notes/{note['id']}", expand=["invoice", "customer"])
    opened = _open(c, customer, days_until_due=3, collection_method="send_invoice")
    note = c.post("/v1/credit_notes", invoice=opened, amount=100)
    c.post(f"/v1/credit_notes/{note['id']}/void")
    c.get("/v1/credit_notes", invoice=opened)
    c.post(f"/v1/invoices/{opened}/mark_uncollectible")
    c.post(f"/v1/invoices/{opened}/void")
    c.post(f"/v1/invoices/{_open(c, customer)}/pay", paid_out_of_band=True)
    draft = c.post("/v1/invoices", customer=customer)["id"]
    c.delete(f"/v1/invoices/{draft}")
    c.post("/v1/invoiceitems", customer=customer, amount=800, currency="usd")
    late = c.post(
        "/v1/invoices",
        customer=customer,
        pending_invoice_items_behavior="include",
        auto_advance=True,
        collection_method="send_invoice",
        days_until_due=2,
    )
    c.world.advance(4 * DAY)
    c.get(f"/v1/invoices/{late['id']}")


def _open(c: Client, customer: str, **params: Any) -> str:
    c.post("/v1/invoiceitems", customer=customer, amount=900, currency="usd")
    invoice = c.post("/v1/invoices", customer=customer, pending_invoice_items_behavior="include", **params)["id"]
    c.post(f"/v1/invoices/{invoice}/finalize")
    return str(invoice)


def reducing(c: Client) -> None:
    old = c.version == OLD
    coupon = c.post(
        "/v1/coupons",
        id="TEN",
        percent_off=12.5,
        duration="repeating",
        duration_in_months=3,
        name="Ten",
        metadata={"a": "1"},
    )
    c.post("/v1/coupons", amount_off=300, currency="usd", duration="once", max_redemptions=5)
    spare = c.post("/v1/coupons", percent_off=5, duration="forever")
    c.post(f"/v1/coupons/{coupon['id']}", name="Twelve and a half", metadata={"a": "2"})
    c.get("/v1/coupons/TEN", expand=["applies_to"])
    c.get("/v1/coupons", limit=2)
    c.delete(f"/v1/coupons/{spare['id']}")
    target = {"coupon": "TEN"} if old else {"promotion": {"type": "coupon", "coupon": "TEN"}}
    code = c.post(
        "/v1/promotion_codes",
        code="READER",
        max_redemptions=9,
        restrictions={"first_time_transaction": False},
        **target,
    )
    c.post(f"/v1/promotion_codes/{code['id']}", metadata={"b": "2"})
    c.get(f"/v1/promotion_codes/{code['id']}", expand=["customer"] if old else ["promotion.coupon"])
    c.get("/v1/promotion_codes", code="READER", active=True)
    price = c.price(1999)["id"]
    given = {"discounts": [{"promotion_code": code["id"]}]}
    sub = c.post(
        "/v1/subscriptions",
        customer=c.customer()["id"],
        items=[{"price": price}],
        expand=["latest_invoice.discounts"],
        **given,
    )
    c.get(f"/v1/subscriptions/{sub['id']}", expand=["discounts"] if old else ["discounts.source.coupon"])
    c.delete(f"/v1/subscriptions/{sub['id']}/discount")
    favoured = c.post("/v1/customers", name="Favoured")["id"]
    discount_customer(c.world, c.world.raw("customer", favoured), "TEN")
    c.get(f"/v1/customers/{favoured}", expand=["discount.customer"])
    c.delete(f"/v1/customers/{favoured}/discount")
    rate = c.post(
        "/v1/tax_rates",
        display_name="VAT",
        percentage=19,
        inclusive=False,
        country="DE",
        jurisdiction="DE",
        tax_type="vat",
    )
    c.post(f"/v1/tax_rates/{rate['id']}", active=False, metadata={"x": "1"})
    c.get(f"/v1/tax_rates/{rate['id']}")
    c.get("/v1/tax_rates", active=False, inclusive=False)


def setting_up(c: Client) -> None:
    customer = c.post("/v1/customers", name="Setup")["id"]
    intent = c.post(
        "/v1/setup_intents", customer=customer, usage="off_session", description="Later", metadata={"a": "b"}
    )
    c.post(f"/v1/setup_intents/{intent['id']}", description="Soon", metadata={"a": "c"})
    c.post(f"/v1/setup_intents/{intent['id']}/confirm", payment_method="pm_card_visa", return_url="https://example.com")
    c.get(f"/v1/setup_intents/{intent['id']}", expand=["customer", "payment_method"])
    c.get("/v1/setup_intents", customer=customer)
    for passed in (True, False):
        waiting = c.post(
            "/v1/setup_intents",
            customer=customer,
            payment_method="pm_card_authenticationRequiredOnSetup",
            confirm=True,
            automatic_payment_methods={"enabled": True},
        )
        setup_intents.authenticate(c.world, c.world.raw("setup_intent", waiting["id"]), passed=passed)
        c.get(f"/v1/setup_intents/{waiting['id']}")
    other = c.post("/v1/setup_intents")
    c.post(f"/v1/setup_intents/{other['id']}/cancel", cancellation_reason="abandoned")


def checking_out(c: Client) -> None:
    once, monthly = c.price(2500, None)["id"], c.price(900)["id"]
    bought = c.post(
        "/v1/checkout/sessions",
        mode="payment",
        line_items=[{"price": once, "quantity": 2}],
        success_url="https://example.com/s",
        cancel_url="https://example.com/c",
        client_reference_id="o-1",
        metadata={"a": "b"},
        customer_email="b@example.com",
    )
    c.get(f"/v1/checkout/sessions/{bought['id']}/line_items")
    complete(c.world, c.world.raw("checkout.session", bought["id"]))
    c.get(f"/v1/checkout/sessions/{bought['id']}", expand=["line_items", "payment_intent"])
    joined = c.post(
        "/v1/checkout/sessions",
        mode="subscription",
        line_items=[{"price": monthly, "quantity": 1}],
        success_url="https://example.com/s",
    )
    complete(c.world, c.world.raw("checkout.session", joined["id"]))
    c.get(f"/v1/checkout/sessions/{joined['id']}", expand=["subscription", "customer", "invoice"])
    saved = c.post("/v1/checkout/sessions", mode="setup", success_url="https://example.com/s", currency="usd")
    complete(c.world, c.world.raw("checkout.session", saved["id"]))
    shut = c.post(
        "/v1/checkout/sessions",
        success_url="https://example.com/s",
        line_items=[
            {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 700, "product_data": {"name": "Card"}}}
        ],
    )
    c.post(f"/v1/checkout/sessions/{shut['id']}", metadata={"a": "c"})
    c.post(f"/v1/checkout/sessions/{shut['id']}/expire")
    coupon = c.post("/v1/coupons", percent_off=20)["id"]
    held = c.post(
        "/v1/checkout/sessions",
        mode="payment",
        line_items=[{"price": once, "quantity": 1}],
        success_url="https://example.com/s?id={CHECKOUT_SESSION_ID}",
        discounts=[{"coupon": coupon}],
        customer_creation="always",
        locale="de",
        submit_type="book",
        payment_intent_data={
            "capture_method": "manual",
            "setup_future_usage": "off_session",
            "description": "Held",
            "metadata": {"a": "b"},
        },
    )
    with pytest.raises(StripeError):
        complete(c.world, c.world.raw("checkout.session", held["id"]), "pm_card_visa_chargeDeclined")
    c.get(f"/v1/checkout/sessions/{held['id']}", expand=["payment_intent.latest_charge"])
    complete(c.world, c.world.raw("checkout.session", held["id"]))
    c.get(f"/v1/checkout/sessions/{held['id']}", expand=["line_items", "payment_intent", "customer"])
    trial = c.post(
        "/v1/checkout/sessions",
        mode="subscription",
        line_items=[{"price": monthly, "quantity": 1}],
        success_url="https://example.com/s",
        subscription_data={"trial_period_days": 7, "metadata": {"a": "b"}},
        allow_promotion_codes=True,
    )
    complete(c.world, c.world.raw("checkout.session", trial["id"]))
    c.get(f"/v1/checkout/sessions/{trial['id']}", expand=["subscription"])
    c.get("/v1/checkout/sessions", status="complete")


def linking(c: Client) -> None:
    price = c.price(2500, None)["id"]
    link = c.post(
        "/v1/payment_links",
        line_items=[{"price": price, "quantity": 2}],
        metadata={"a": "b"},
        after_completion={"type": "redirect", "redirect": {"url": "https://example.com/thanks"}},
        allow_promotion_codes=True,
        customer_creation="always",
        payment_intent_data={"capture_method": "automatic_async", "metadata": {"c": "d"}},
        restrictions={"completed_sessions": {"limit": 9}},
        expand=["line_items"],
    )
    monthly = c.post(
        "/v1/payment_links",
        line_items=[{"price": c.price(900)["id"], "quantity": 1}],
        subscription_data={"trial_period_days": 7, "description": "Reader"},
    )
    id = link["id"]
    c.get(f"/v1/payment_links/{id}", expand=["line_items"])
    c.get(f"/v1/payment_links/{id}/line_items", limit=1)
    session = payment_links.visit(c.world, c.world.raw("payment_link", id))
    complete(c.world, session)
    c.get(f"/v1/checkout/sessions/{session['id']}", expand=["payment_link", "line_items"])
    c.get("/v1/checkout/sessions", payment_link=id)
    confirmation = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Thank you"}}
    c.post(f"/v1/payment_links/{id}", active=False, after_completion=confirmation, inactive_message="Sold out")
    c.get("/v1/payment_links", active=True)
    complete(c.world, payment_links.visit(c.world, c.world.raw("payment_link", monthly["id"])))


def clockwork(c: Client) -> None:
    clock = c.post("/v1/test_helpers/test_clocks", frozen_time=NEW_YEAR, name="Year")["id"]
    c.get(f"/v1/test_helpers/test_clocks/{clock}")
    customer = c.customer(test_clock=clock)["id"]
    sub = c.post("/v1/subscriptions", customer=customer, items=[{"price": c.price()["id"]}])
    c.post(f"/v1/test_helpers/test_clocks/{clock}/advance", frozen_time=NEW_YEAR + 40 * DAY)
    c.get("/v1/test_helpers/test_clocks")
    c.get("/v1/invoices", subscription=sub["id"])
    c.get("/v1/customers", test_clock=clock)
    c.get("/v1/subscriptions", test_clock=clock)
    c.delete(f"/v1/test_helpers/test_clocks/{clock}")


def looking(c: Client) -> None:
    hook = c.post(
        "/v1/webhook_endpoints",
        url="https://example.com/hook",
        enabled_events=["charge.succeeded", "*"],
        description="All",
        api_version=c.version,
        metadata={"a": "b"},
    )
    c.post(
        f"/v1/webhook_endpoints/{hook['id']}",
        enabled_events=["invoice.paid"],
        disabled=True,
        url="https://example.com/h",
    )
    c.get(f"/v1/webhook_endpoints/{hook['id']}")
    c.get("/v1/webhook_endpoints", limit=1)
    c.delete(f"/v1/webhook_endpoints/{hook['id']}")
    event = c.get("/v1/events", types=["charge.succeeded", "charge.updated"], limit=1)["data"][0]
    c.get(f"/v1/events/{event['id']}")
    c.get("/v1/events", type="invoice.*", delivery_success=True, created={"gte": 1})
    account = c.get("/v1/account")
    c.get(f"/v1/accounts/{account['id']}")
    c.get("/v1/customers/search", query="email:'a@example.com' AND name~'ada'")
    c.get("/v1/products/search", query="active:'true'")
    c.get("/v1/prices/search", query="currency:'usd' AND type:'recurring'", limit=2)
    c.get("/v1/payment_intents/search", query="status:'succeeded' AND amount>1000", limit=2)
    c.get("/v1/charges/search", query="amount>=1000 OR refunded:'true'", limit=2)
    c.get("/v1/subscriptions/search", query='-status:"canceled"', limit=2)
    c.get("/v1/invoices/search", query='metadata["p"]:"q"')
