"""Payloads as Stripe's API version 2026-10-28.endive writes them: every field it always sends, most of them null.

Pure. Amounts are minor units, times unix seconds, both as on the wire.
"""

from __future__ import annotations

from typing import Any

API_VERSION = "2026-10-28.endive"

Payload = dict[str, Any]


def _null(names: str) -> Payload:
    return dict.fromkeys(names.split())


def _listed(data: list[Payload], url: str) -> Payload:
    return {"object": "list", "data": data, "has_more": False, "url": url}


def product(**known: Any) -> Payload:
    """`id`, `name`, `description`, `active`, `created`, `updated`, `metadata`, `default_price`."""
    nothing = _null("package_dimensions shippable statement_descriptor tax_code tax_details unit_label url")
    return (
        nothing
        | {"object": "product", "images": [], "livemode": False, "marketing_features": [], "type": "good"}
        | known
    )


def price(**known: Any) -> Payload:
    """`id`, `product`, `currency`, `unit_amount`, `created`, `nickname`, `type`, `recurring`; `tiers` if any."""
    return (
        _null("custom_unit_amount lookup_key recurring tiers_mode transform_quantity")
        | {"object": "price", "active": True, "billing_scheme": "per_unit", "livemode": False, "metadata": {}}
        | {"tax_behavior": "unspecified", "type": "one_time"}
        | known
        | {"unit_amount_decimal": None if known["unit_amount"] is None else str(known["unit_amount"])}
    )


def tier(up_to: int | None, unit_amount: int) -> Payload:
    nothing = _null("flat_amount flat_amount_decimal")
    return nothing | {"up_to": up_to, "unit_amount": unit_amount, "unit_amount_decimal": str(unit_amount)}


def recurring(interval: str, interval_count: int) -> Payload:
    nothing = _null("meter trial_period_days")
    return nothing | {"interval": interval, "interval_count": interval_count, "usage_type": "licensed"}


def address(city: str, postal_code: str, country: str, line1: str) -> Payload:
    return _null("line2 state") | {"city": city, "postal_code": postal_code, "country": country, "line1": line1}


def customer(**known: Any) -> Payload:
    """`id`, `email`, `name`, `phone`, `address`, `created`, `currency`, `payment_method`, `delinquent`, `metadata`."""
    method = known.pop("payment_method")
    nothing = _null("customer_account default_source description discount shipping test_clock")
    settings = _null("custom_fields footer rendering_options") | {"default_payment_method": method}
    fixed = {"object": "customer", "balance": 0, "livemode": False, "preferred_locales": [], "tax_exempt": "none"}
    return nothing | fixed | {"invoice_settings": settings, "next_invoice_sequence": 1} | known


def payment_intent(**known: Any) -> Payload:
    """`id`, `amount`, `currency`, `customer`, `created`, `status`, `description`, `latest_charge`, …"""
    nothing = _null(
        "allowed_payment_method_types application application_fee_amount canceled_at cancellation_reason"
        " customer_account excluded_payment_method_types last_payment_error latest_charge managed_payments next_action"
        " on_behalf_of payment_method_configuration_details payment_record processing receipt_email review"
        " setup_future_usage shipping source statement_descriptor statement_descriptor_suffix transfer_data"
        " transfer_group"
    )
    succeeded = known["status"] == "succeeded"
    fixed: Payload = {
        "object": "payment_intent",
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": known["amount"] if succeeded else 0,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": True},
        "capture_method": "automatic_async",
        "client_secret": f"{known['id']}_secret_sample",
        "confirmation_method": "automatic",
        "livemode": False,
        "metadata": {},
        "payment_method_options": {},
        "payment_method_types": ["card"],
    }
    return nothing | fixed | known


def payment_error(charge: str, code: str, decline_code: str, message: str) -> Payload:
    return {
        "type": "card_error",
        "charge": charge,
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
    }


def charge(card: Payload, billing: Payload, **known: Any) -> Payload:
    """`id`, `amount`, `currency`, `customer`, `created`, `payment_intent`, `status`, `balance_transaction`, …"""
    nothing = _null(
        "application application_fee application_fee_amount calculated_statement_descriptor failure_balance_transaction"
        " failure_code failure_message on_behalf_of receipt_email receipt_number review shipping source source_transfer"
        " statement_descriptor statement_descriptor_suffix transfer_data transfer_group"
    )
    paid = known["status"] == "succeeded"
    fixed = {
        "object": "charge",
        "amount_captured": known["amount"] if paid else 0,
        "amount_refunded": 0,
        "billing_details": {"tax_id": None} | billing,
        "captured": paid,
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "outcome": _outcome(paid),
        "paid": paid,
        "payment_method_details": {"type": "card", "card": card},
        "receipt_url": None,
        "refunded": False,
    }
    return nothing | fixed | known


def _outcome(paid: bool) -> Payload:
    nothing = _null("advice_code network_advice_code network_decline_code reason")
    return nothing | {
        "network_status": "approved_by_network" if paid else "declined_by_network",
        "risk_level": "normal",
        "seller_message": "Payment complete." if paid else "The bank did not return any further details.",
        "type": "authorized" if paid else "issuer_declined",
    }


def card(brand: str, last4: str, country: str, exp_year: int) -> Payload:
    nothing = _null(
        "amount_authorized authorization_code electronic_commerce_indicator installments mandate network_transaction_id"
        " regulated_status three_d_secure transaction_link_id wallet"
    )
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    return nothing | {
        "brand": brand,
        "checks": checks,
        "country": country,
        "exp_month": 8,
        "exp_year": exp_year,
        "fingerprint": f"sample{brand}{last4}",
        "funding": "credit",
        "last4": last4,
        "network": brand,
    }


def balance_transaction(**known: Any) -> Payload:
    """`id`, `type`, `reporting_category`, `source`, `amount`, `fee`, `currency`, `created`, `available_on`, …"""
    described = "Stripe processing fees" if known["type"] == "charge" else "Dispute fee"
    fee = {
        "amount": known["fee"],
        "application": None,
        "currency": known["currency"],
        "description": described,
        "type": "stripe_fee",
    }
    return (
        {"object": "balance_transaction", "balance_type": "payments", "description": None, "exchange_rate": None}
        | known
        | {"fee_details": [fee] if known["fee"] else [], "net": known["amount"] - known["fee"]}
    )


def refund(**known: Any) -> Payload:
    """`id`, `amount`, `currency`, `charge`, `payment_intent`, `customer`, `created`, `balance_transaction`, …"""
    nothing = _null("customer_account payment_method receipt_number source_transfer_reversal transfer_reversal")
    where = {"type": "card", "card": {"type": "refund", "reference_status": "available"}}
    return nothing | {"object": "refund", "destination_details": where, "metadata": {}, "status": "succeeded"} | known


def dispute(due_by: int, **known: Any) -> Payload:
    """`id`, `amount`, `currency`, `charge`, `payment_intent`, `created`, `status`, `reason`, `balance_transactions`."""
    evidence = _null(
        "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal"
        " customer_communication customer_email_address customer_name customer_purchase_ip customer_signature"
        " duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt"
        " refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation"
        " shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number"
        " uncategorized_file uncategorized_text"
    )
    answered = known["status"] in ("under_review", "won", "lost")
    details = {
        "due_by": due_by,
        "enhanced_eligibility": {},
        "has_evidence": answered,
        "past_due": False,
        "submission_count": int(answered),
        "submission_method": "manual" if answered else "not_submitted",
    }
    fixed = {
        "object": "dispute",
        "enhanced_eligibility_types": [],
        "evidence": evidence | {"enhanced_evidence": {}},
        "evidence_details": details,
        "intended_submission_method": None,
        "is_charge_refundable": known["status"].startswith("warning"),
        "livemode": False,
        "metadata": {},
    }
    return fixed | known


BANK = {
    "id": "ba_sample",
    "object": "bank_account",
    "bank_name": "Sample Bank",
    "last4": "6789",
}


def payout(**known: Any) -> Payload:
    """`id`, `amount`, `currency`, `created`, `arrival_date`, `balance_transaction`, `status`, …"""
    nothing = _null(
        "application_fee application_fee_amount failure_balance_transaction failure_code failure_message"
        " original_payout payout_method reversed_by statement_descriptor"
    )
    fixed = {
        "object": "payout",
        "automatic": True,
        "description": "STRIPE PAYOUT",
        "destination": BANK["id"],
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "trace_id": {"status": "supported", "value": f"TRACE{known['id'][-6:].upper()}"},
        "type": "bank_account",
    }
    return nothing | fixed | known


def subscription(items: list[Payload], **known: Any) -> Payload:
    """`id`, `customer`, `currency`, `created`, `status`, `trial_start`, `trial_end`, `canceled_at`, …"""
    nothing = _null(
        "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at"
        " canceled_at customer_account days_until_due default_payment_method default_source description ended_at"
        " latest_invoice managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection"
        " pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock transfer_data trial_end"
        " trial_start"
    )
    fixed = {
        "object": "subscription",
        "automatic_tax": _null("disabled_reason liability") | {"enabled": False},
        "billing_cycle_anchor": known["created"],
        "billing_schedules": [],
        "billing_mode": {"type": "flexible", "flexible": None},
        "cancel_at_period_end": False,
        "cancellation_details": _null("comment feedback feedback_option reason"),
        "collection_method": "charge_automatically",
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": _null("account_tax_ids custom_fields description footer") | {"issuer": {"type": "self"}},
        "items": _listed(items, f"/v1/subscription_items?subscription={known['id']}"),
        "livemode": False,
        "metadata": {},
        "payment_settings": _null("payment_method_options payment_method_types")
        | {"save_default_payment_method": "off"},
        "start_date": known["created"],
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "pause"}},
    }
    return nothing | fixed | known


def subscription_item(price: Payload, **known: Any) -> Payload:
    """`id`, `subscription`, `quantity`, `created`, `current_period_start`, `current_period_end`."""
    fixed = {"object": "subscription_item", "discounts": [], "metadata": {}, "tax_rates": [], "price": price}
    return _null("billing_thresholds current_trial") | fixed | {"plan": _plan(price)} | known


def _plan(price: Payload) -> Payload:
    same = "id active billing_scheme created currency livemode metadata nickname product tiers_mode".split()
    return (
        _null("meter transform_usage trial_period_days")
        | {name: price[name] for name in same}
        | {name: price["recurring"][name] for name in ("interval", "interval_count", "usage_type")}
        | {"object": "plan", "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"]}
    )


def invoice(line: Payload, subscription: str, billed_to: Payload, **known: Any) -> Payload:
    """`id`, `number`, `customer`, `currency`, `created`, `status`, `total`, `paid`, `billing_reason`, …"""
    nothing = _null(
        "account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_shipping"
        " default_payment_method default_source description due_date ending_balance footer from_invoice"
        " last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering"
        " shipping_cost shipping_details statement_descriptor test_clock total_pretax_credit_amounts total_taxes"
    )
    total, created, status = known.pop("total"), known["created"], known["status"]
    moments = _null("finalized_at marked_uncollectible_at paid_at voided_at") | {"finalized_at": created}
    if status in ("paid", "uncollectible", "void"):
        ended = {"paid": "paid_at", "uncollectible": "marked_uncollectible_at", "void": "voided_at"}[status]
        moments[ended] = created
    amounts = dict.fromkeys("subtotal subtotal_excluding_tax total total_excluding_tax amount_due".split(), total)
    paid = total if status == "paid" else 0
    zeros = "amount_overpaid amount_shipping post_payment_credit_notes_amount pre_payment_credit_notes_amount".split()
    details = {"metadata": {}, "subscription": subscription}
    fixed = {
        "object": "invoice",
        "account_country": "US",
        "account_name": "Lanternfish Press",
        "amount_paid": paid,
        "amount_remaining": total - paid,
        "attempt_count": 1,
        "attempted": True,
        "auto_advance": status == "open",
        "automatic_tax": _null("disabled_reason liability provider status") | {"enabled": False},
        "collection_method": "charge_automatically",
        "customer_address": billed_to["address"],
        "customer_email": billed_to["email"],
        "customer_name": billed_to["name"],
        "customer_phone": billed_to["phone"],
        "customer_tax_exempt": "none",
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": created,
        "issuer": {"type": "self"},
        "lines": _listed([line], f"/v1/invoices/{known['id']}/lines"),
        "livemode": False,
        "metadata": {},
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": _null("default_mandate payment_method_options payment_method_types"),
        "starting_balance": 0,
        "status_transitions": moments,
        "total_discount_amounts": [],
        "webhooks_delivered_at": created,
    }
    return nothing | dict.fromkeys(zeros, 0) | amounts | fixed | known


def invoice_line(price: Payload, subscription: str, item: str, **known: Any) -> Payload:
    """`id`, `invoice`, `amount`, `currency`, `quantity`, `description`, `period`."""
    details = _null("invoice_item proration_details") | {
        "proration": False,
        "subscription": subscription,
        "subscription_item": item,
    }
    parent = {"invoice_item_details": None, "subscription_item_details": details}
    pricing = {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }
    fixed = {
        "object": "line_item",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "parent": parent | {"type": "subscription_item_details"},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity_decimal": str(known["quantity"]),
        "subscription": subscription,
        "subtotal": known["amount"],
        "taxes": [],
    }
    return fixed | known
