"""What a look at an event's payload must not give away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from financial.mirror.masking import HIDDEN, masked

CANARY = "canary4711"
FIELDS: dict[str, dict[str, Any]] = {
    "client_secret": {"object": "payment_intent", "client_secret": f"pi_1_secret_{CANARY}"},
    "confirmation secret": {"object": "invoice", "confirmation_secret": {"client_secret": CANARY}},
    "a signing secret": {"object": "webhook_endpoint", "secret": f"whsec_{CANARY}"},
    "a hosted invoice": {"object": "invoice", "hosted_invoice_url": f"https://invoice.stripe.com/i/{CANARY}"},
    "an invoice file": {"object": "invoice", "invoice_pdf": f"https://pay.stripe.com/{CANARY}/pdf"},
    "a receipt": {"object": "charge", "receipt_url": f"https://pay.stripe.com/receipts/{CANARY}"},
    "a checkout link": {"object": "checkout.session", "url": f"https://checkout.stripe.com/c/pay/{CANARY}"},
    "a file link": {"object": "file_link", "url": f"https://files.stripe.com/links/{CANARY}"},
    "an account link": {"object": "account_link", "url": f"https://connect.stripe.com/setup/{CANARY}"},
    "a redirect": {"object": "payment_intent", "next_action": {"redirect_to_url": {"url": CANARY}}},
    "a link in metadata": {"object": "product", "metadata": {"door": f"https://example.com/{CANARY}"}},
    "a key in metadata": {"object": "product", "metadata": {"note": f"sk_live_{CANARY}"}},
    "an e-mail": {"object": "customer", "email": f"{CANARY}@example.com"},
    "a name": {"object": "customer", "name": CANARY},
    "an address": {"object": "customer", "address": {"line1": CANARY}},
    "billing details": {"object": "charge", "billing_details": {"name": CANARY}},
    "an invoice's customer": {"object": "invoice", "customer_name": CANARY, "customer_email": CANARY},
    "a session's customer": {"object": "checkout.session", "customer_details": {"email": CANARY, "name": CANARY}},
    "previous attributes": {"object": "event", "data": {"previous_attributes": {"email": CANARY}}},
    "an expanded customer": {"object": "charge", "customer": {"object": "customer", "phone": CANARY}},
    "a list of customers": {"object": "list", "data": [{"object": "customer", "name": CANARY}]},
}


@pytest.mark.parametrize("field", FIELDS)
def test_what_opens_something_or_names_somebody_is_hidden_at_any_depth(field: str) -> None:
    payload = {"object": "event", "data": {"object": FIELDS[field]}}

    assert CANARY not in json.dumps(masked(payload))


def test_a_card_number_in_a_text_is_hidden() -> None:
    assert masked({"object": "product", "description": "card 4242 4242 4242 4242"})["description"] == HIDDEN


def test_shape_ids_states_and_amounts_stay() -> None:
    payload = {
        "id": "evt_1",
        "object": "event",
        "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 1200, "customer": None, "email": ""}},
        "items": ["a", 1, None, True],
    }

    assert masked(payload) == payload


def test_a_product_keeps_its_name() -> None:
    assert masked({"object": "product", "name": "Novel"}) == {"object": "product", "name": "Novel"}


def test_a_link_says_where_it_leads_and_no_more() -> None:
    link = {"object": "file", "url": "https://files.stripe.com/v1/x?key=1"}
    assert masked(link)["url"] == "a link to files.stripe.com"


def test_depth_is_cut() -> None:
    payload: Any = "end"
    for _ in range(900):
        payload = {"a": payload}

    assert "too deep to be shown" in json.dumps(masked(payload))
