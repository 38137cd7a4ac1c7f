"""Drive a sandbox with stripe-python 10 in its own API version. Usage: old_sdk_probe.py BASE_URL

The counterpart of an emulator probe for the shapes before 2025: periods on the subscription,
payment_intent on the invoice, coupon on the promotion code. Prints one line per operation
and `N/N ok` at the end; the exit status is 0 when all are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import stripe  # noqa: TID251

VERSION = "2024-06-20"
OFF = {"enabled": True, "allow_redirects": "never"}
client = stripe.StripeClient("sk_test_old", stripe_version=VERSION, base_addresses={"api": sys.argv[1]})
made: dict[str, Any] = {}
CHECKS: list[tuple[str, Callable[[], bool]]] = []


def check(name: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    def keep(function: Callable[[], bool]) -> Callable[[], bool]:
        CHECKS.append((name, function))
        return function

    return keep


def keep(name: str, value: Any) -> Any:
    made[name] = value
    return value


@check("product.create")
def _() -> bool:
    return keep("product", client.products.create({"name": "Plan A", "metadata": {"a": "1"}})).metadata["a"] == "1"


@check("price.create one_time")
def _() -> bool:
    params = {"product": made["product"].id, "unit_amount": 2000, "currency": "usd"}
    return keep("once", client.prices.create(params)).type == "one_time"


@check("price.create recurring")
def _() -> bool:
    params = {"product": made["product"].id, "unit_amount": 1500, "currency": "usd", "recurring": {"interval": "month"}}
    price = keep("price", client.prices.create(params))
    return price.recurring.interval == "month" and price.recurring.aggregate_usage is None


@check("price.list")
def _() -> bool:
    return client.prices.list({"product": made["product"].id, "limit": 1}).has_more is True


@check("price.auto_paging")
def _() -> bool:
    return len(list(client.prices.list({"limit": 1}).auto_paging_iter())) >= 2


@check("customer.create")
def _() -> bool:
    return keep("customer", client.customers.create({"email": "a@example.com", "name": "A"})).object == "customer"


@check("customer.update")
def _() -> bool:
    return client.customers.update(made["customer"].id, {"name": "B"}).name == "B"


@check("customer.retrieve")
def _() -> bool:
    return client.customers.retrieve(made["customer"].id).name == "B"


@check("payment_method.attach")
def _() -> bool:
    method = client.payment_methods.attach("pm_card_visa", {"customer": made["customer"].id})
    return keep("method", method).customer == made["customer"].id and "tax_id" not in method.billing_details


@check("customer default payment method")
def _() -> bool:
    settings = {"invoice_settings": {"default_payment_method": made["method"].id}}
    return (
        client.customers.update(made["customer"].id, settings).invoice_settings.default_payment_method
        == made["method"].id
    )


@check("payment_intent.create with types")
def _() -> bool:
    params = {"amount": 2000, "currency": "usd", "customer": made["customer"].id, "payment_method_types": ["card"]}
    return keep("intent", client.payment_intents.create(params)).status == "requires_payment_method"


@check("payment_intent.confirm")
def _() -> bool:
    intent = client.payment_intents.confirm(made["intent"].id, {"payment_method": "pm_card_visa"})
    return keep("paid", intent).status == "succeeded" and intent.invoice is None


@check("payment_intent decline")
def _() -> bool:
    try:
        params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
        client.payment_intents.create(params | {"automatic_payment_methods": OFF})
    except stripe.CardError as error:
        return error.code == "card_declined" and error.http_status == 402
    return False


@check("payment_intent 3ds")
def _() -> bool:
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_threeDSecure2Required", "confirm": True}
    return client.payment_intents.create(params | {"return_url": "https://example.com"}).status == "requires_action"


@check("payment_intent manual capture")
def _() -> bool:
    params = {
        "amount": 2000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "capture_method": "manual",
    }
    intent = client.payment_intents.create(params | {"automatic_payment_methods": OFF})
    return client.payment_intents.capture(intent.id).status == "succeeded"


@check("payment_intent cancel")
def _() -> bool:
    intent = client.payment_intents.create({"amount": 2000, "currency": "usd"})
    return client.payment_intents.cancel(intent.id).status == "canceled"


@check("idempotency")
def _() -> bool:
    params = {"amount": 2100, "currency": "usd"}
    first, again = (client.payment_intents.create(params, {"idempotency_key": "k1"}) for _ in range(2))
    return first.id == again.id


@check("charge with balance transaction")
def _() -> bool:
    charge = keep("charge", client.charges.retrieve(made["paid"].latest_charge, {"expand": ["balance_transaction"]}))
    return (
        charge.balance_transaction.fee == 88
        and "balance_type" not in charge.balance_transaction
        and charge.invoice is None
    )


@check("balance_transactions.list")
def _() -> bool:
    return len(client.balance_transactions.list({"limit": 10}).data) > 0


@check("balance.retrieve")
def _() -> bool:
    return client.balance.retrieve().available[0].currency == "usd"


@check("refund partial")
def _() -> bool:
    refund = client.refunds.create({"charge": made["charge"].id, "amount": 500})
    return refund.status == "succeeded" and "customer" not in refund


@check("charge.amount_refunded")
def _() -> bool:
    charge = client.charges.retrieve(made["charge"].id)
    return charge.amount_refunded == 500 and charge.refunded is False


@check("refunds.list")
def _() -> bool:
    return len(client.refunds.list({"charge": made["charge"].id}).data) == 1


@check("subscription.create with payment_intent")
def _() -> bool:
    params = {
        "customer": made["customer"].id,
        "items": [{"price": made["price"].id}],
        "expand": ["latest_invoice.payment_intent"],
    }
    sub = keep("sub", client.subscriptions.create(params))
    return sub.status == "active" and sub.latest_invoice.payment_intent.status == "succeeded"


@check("subscription period on top")
def _() -> bool:
    return (
        made["sub"].current_period_end > made["sub"].current_period_start
        and "current_period_end" not in made["sub"]["items"].data[0]
    )


@check("invoice.subscription, paid, charge")
def _() -> bool:
    invoice = made["sub"].latest_invoice
    return (
        invoice.subscription == made["sub"].id
        and invoice.paid is True
        and bool(invoice.charge)
        and "parent" not in invoice
    )


@check("invoice line with price and plan")
def _() -> bool:
    line = made["sub"].latest_invoice.lines.data[0]
    return line.price.id == made["price"].id and line.plan.id == made["price"].id and line.type == "subscription"


@check("charge.invoice")
def _() -> bool:
    return client.charges.retrieve(made["sub"].latest_invoice.charge).invoice == made["sub"].latest_invoice.id


@check("invoices.list")
def _() -> bool:
    invoices = client.invoices.list({"subscription": made["sub"].id}).data
    return len(invoices) == 1 and invoices[0].status == "paid"


@check("invoices.upcoming")
def _() -> bool:
    return client.invoices.upcoming({"subscription": made["sub"].id}).amount_due == 1500


@check("subscription cancel_at_period_end")
def _() -> bool:
    return client.subscriptions.update(made["sub"].id, {"cancel_at_period_end": True}).cancel_at_period_end is True


@check("subscription.cancel")
def _() -> bool:
    return client.subscriptions.cancel(made["sub"].id).status == "canceled"


@check("payouts")
def _() -> bool:
    payout = client.payouts.create({"amount": 100, "currency": "usd"})
    return any(p.id == payout.id for p in client.payouts.list({"limit": 3}).data) and "trace_id" not in payout


@check("disputes.list")
def _() -> bool:
    return client.disputes.list({"limit": 3}).data == []


@check("events.list")
def _() -> bool:
    return "payment_intent.succeeded" in {event.type for event in client.events.list({"limit": 100}).data}


@check("webhook_endpoint.create")
def _() -> bool:
    params = {"url": "http://127.0.0.1:9/x", "enabled_events": ["*"], "api_version": VERSION}
    return str(client.webhook_endpoints.create(params).secret).startswith("whsec_")


@check("checkout session")
def _() -> bool:
    lines = [{"price": made["once"].id, "quantity": 1}]
    params = {"mode": "payment", "line_items": lines, "success_url": "https://example.com/s"}
    return client.checkout.sessions.create(params).id.startswith("cs_")


@check("setup_intent.create")
def _() -> bool:
    return client.setup_intents.create({"customer": made["customer"].id}).object == "setup_intent"


@check("coupon, promotion code with coupon")
def _() -> bool:
    coupon = client.coupons.create({"percent_off": 10, "duration": "once"})
    return client.promotion_codes.create({"coupon": coupon.id}).coupon.id == coupon.id


@check("subscription with coupon, discount.coupon")
def _() -> bool:
    coupon = client.coupons.create({"percent_off": 10, "duration": "forever"})
    params = {"customer": made["customer"].id, "items": [{"price": made["price"].id}], "coupon": coupon.id}
    return client.subscriptions.create(params).discount.coupon.id == coupon.id


@check("tax_rate.create")
def _() -> bool:
    return client.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False}).percentage == 19


@check("account.retrieve")
def _() -> bool:
    return client.accounts.retrieve_current().object == "account"


@check("test_clock and deleted product")
def _() -> bool:
    client.test_helpers.test_clocks.create({"frozen_time": int(time.time())})
    return client.products.delete(client.products.create({"name": "x"}).id).deleted is True


@check("unknown parameter, missing object")
def _() -> bool:
    codes = []
    for call in (lambda: client.customers.create({"nonsense": 1}), lambda: client.customers.retrieve("cus_no")):  # type: ignore[dict-item,typeddict-unknown-key]
        try:
            call()
        except stripe.InvalidRequestError as error:
            codes.append(error.code)
    return codes == ["parameter_unknown", "resource_missing"]


def main() -> int:
    good = 0
    for name, function in CHECKS:
        try:
            fine, word = function(), ""
        except Exception as error:  # the line says what went wrong; the others still run
            fine, word = False, f"{type(error).__name__}: {str(error)[:150]}"
        good += fine
        print(f"{'ok' if fine else 'WRONG':6} {name} {word}")
    print(f"{good}/{len(CHECKS)} ok")
    return 0 if good == len(CHECKS) else 1


sys.exit(main())
