"""The account itself.

Stripe: https://docs.stripe.com/api/accounts/object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import StripeError
from .operation import Params, Plain, op

if TYPE_CHECKING:
    from .world import World


def account(world: World) -> dict[str, Any]:
    """Return the account object."""
    settings = world.settings
    schedule = {"delay_days": max(settings.delay_days, 1), "interval": settings.payout_schedule}
    nothing_due: dict[str, Any] = {"alternatives": [], "current_deadline": None, "currently_due": [],
                                   "disabled_reason": None,
                   "errors": [], "eventually_due": [], "past_due": [], "pending_verification": []}  # fmt: skip
    no_names = {"statement_descriptor_kana": None, "statement_descriptor_kanji": None,
                "statement_descriptor_prefix_kana": None, "statement_descriptor_prefix_kanji": None}  # fmt: skip
    return {
        "id": settings.account, "object": "account",
        "business_profile": {
            "annual_revenue": None, "estimated_worker_count": None, "mcc": "5192", "name": settings.account_name,
            "minority_owned_business_designation": None, "product_description": None,
            "specified_commercial_transactions_act_url": None, "support_address": None, "support_email": None,
            "support_phone": None, "support_url": None, "url": "https://example.com",
        },
        "business_type": "company", "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True, "controller": {"type": "account"}, "country": settings.country,
        "created": 1_700_000_000, "default_currency": settings.default_currency, "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {"object": "list", "data": [], "has_more": False,
                              "url": f"/v1/accounts/{settings.account}/external_accounts"},
        "future_requirements": nothing_due, "metadata": {}, "payouts_enabled": True, "requirements": nothing_due,
        "settings": {
            "bacs_debit_payments": {"display_name": None, "service_user_number": None},
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
            "card_payments": {"decline_on": {"avs_failure": False, "cvc_failure": False},
                              "statement_descriptor_prefix": None, "statement_descriptor_prefix_kana": None,
                              "statement_descriptor_prefix_kanji": None},
            "dashboard": {"display_name": settings.account_name, "timezone": "Etc/UTC"},
            "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
            "payments": {"statement_descriptor": settings.account_name.upper()[:22]} | no_names,
            "payouts": {"debit_negative_balances": True, "schedule": schedule, "statement_descriptor": None},
            "sepa_debit_payments": {},
        },
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None}, "type": "standard",
    }  # fmt: skip


def _current(world: World, params: Params) -> Plain:
    return Plain(account(world))


def _by_id(world: World, params: Params, id: str) -> Plain:
    if id != world.settings.account:
        raise StripeError(403, f"The provided key does not have access to account '{id}' (or that account does not"
                          " exist). Application access may have been revoked.", "account_invalid")  # fmt: skip
    return Plain(account(world))


OPERATIONS = [
    op("GET", "/v1/account", _current, kind="account"),
    op("GET", "/v1/accounts/{account}", _by_id, kind="account"),
]
