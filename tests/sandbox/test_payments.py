"""Payments, refunds, disputes, payouts: states, money, and what Stripe's test cards do."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import currencies, disputes, money, payment_intents, payouts, refunds, setup_intents
from sandbox.core.cards import TOKENS
from sandbox.core.settings import DAY, Settings
from tests.sandbox.client import Client, Refused, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def _line(client: Client, intent: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/v1/charges/{intent['latest_charge']}", expand=["balance_transaction"])["balance_transaction"]


def _types(client: Client, **params: Any) -> list[str]:
    return [e["type"] for e in client.get("/v1/events", limit=100, **params)["data"]][::-1]


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(50, 31), (500, 45), (999, 59), (1000, 59), (1500, 74), (2500, 103), (4999, 175), (10000, 320), (33333, 997)],
)
def test_fees_round_half_up_on_the_exact_total(amount: int, fee: int) -> None:
    assert currencies.fee(amount, "usd", Settings()) == fee


def test_the_balance_transaction_comes_after_the_answer() -> None:
    client = Client(world(settle_seconds=60))
    intent = client.pay()

    assert _line(client, intent) is None
    succeeded = client.get("/v1/events", type="charge.succeeded")["data"][0]["data"]["object"]
    assert succeeded["balance_transaction"] is None
    client.world.advance(60)

    line = _line(client, intent)
    assert (line["amount"], line["fee"], line["net"], line["status"]) == (2000, 88, 1912, "available")
    updated = client.get("/v1/events", type="charge.updated")["data"][0]["data"]
    assert updated["previous_attributes"] == {"balance_transaction": None}
    assert updated["object"]["balance_transaction"] == line["id"]


def test_money_is_pending_until_its_day(client: Client) -> None:
    client = Client(world(delay_days=2))
    client.pay()
    assert client.get("/v1/balance")["pending"][0]["amount"] == 1912

    client.world.advance(2 * DAY)

    balance = client.get("/v1/balance")
    assert (balance["pending"][0]["amount"], balance["available"][0]["amount"]) == (0, 1912)


def test_bypass_cards_skip_the_wait() -> None:
    client = Client(world(delay_days=2))

    line = _line(client, client.pay(card="pm_card_bypassPending"))

    assert line["status"] == "available"


def test_a_foreign_payment_converts_at_the_rate_of_its_day(client: Client) -> None:
    intent = client.pay(5000, "eur")
    line = _line(client, intent)
    client.world.advance(40 * DAY)
    refund = client.post("/v1/refunds", payment_intent=intent["id"], expand=["balance_transaction"])

    assert line["currency"] == "usd"
    assert line["amount"] == round(5000 * line["exchange_rate"])
    assert line["fee"] == currencies.fee(line["amount"], "usd", client.world.settings)
    assert refund["balance_transaction"]["exchange_rate"] != line["exchange_rate"]
    assert refund["amount"] == 5000


def test_yen_and_dinar_convert_between_their_exponents(client: Client) -> None:
    yen, dinar = _line(client, client.pay(1000, "jpy")), _line(client, client.pay(5120, "kwd"))

    assert yen["amount"] == round(1000 * yen["exchange_rate"] * 100)
    assert dinar["amount"] == round(5.120 * dinar["exchange_rate"] * 100)


def test_a_currency_with_its_own_balance_is_not_converted() -> None:
    client = Client(world(balance_currencies=("usd", "eur")))

    line = _line(client, client.pay(5000, "eur"))

    assert (line["currency"], line["amount"], line["exchange_rate"], line["fee"]) == ("eur", 5000, None, 145)


@pytest.mark.parametrize(
    ("token", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_chargeDeclinedFraudulent", "card_declined", "fraudulent"),
    ],
)
def test_a_decline_leaves_an_intent_and_a_failed_charge(client: Client, token: str, code: str, decline: str) -> None:
    with pytest.raises(Refused) as caught:
        client.pay(card=token)

    error = caught.value.error
    assert caught.value.status == 402
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", code, decline)
    intent = client.get(f"/v1/payment_intents/{error['payment_intent']['id']}")
    assert (intent["status"], intent["last_payment_error"]["code"]) == ("requires_payment_method", code)
    charge = client.get(f"/v1/charges/{error['charge']}")
    assert (charge["status"], charge["paid"], charge["balance_transaction"]) == ("failed", False, None)
    assert _types(client)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_every_attempt_makes_a_new_charge(client: Client) -> None:
    intent = client.post(
        "/v1/payment_intents",
        amount=900,
        currency="usd",
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
    )
    client.refused("POST", f"/v1/payment_intents/{intent['id']}/confirm", {"payment_method": "pm_card_chargeDeclined"})
    done = client.post(f"/v1/payment_intents/{intent['id']}/confirm", payment_method="pm_card_visa")

    charges = client.get("/v1/charges", payment_intent=intent["id"])["data"]
    assert [c["status"] for c in charges] == ["succeeded", "failed"]
    assert done["latest_charge"] == charges[0]["id"]
    assert done["last_payment_error"] is None


def test_every_token_makes_a_payment_method(client: Client) -> None:
    for token in (token for token in TOKENS if token.startswith("pm_")):
        intent = client.post("/v1/payment_intents", amount=900, currency="usd", payment_method=token)
        assert intent["status"] == "requires_confirmation"
        assert intent["payment_method"].startswith("pm_")


def test_cards_that_fail_when_charged_can_be_attached_others_cannot(client: Client) -> None:
    customer = client.post("/v1/customers")["id"]

    client.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=customer)
    refused = client.refused("POST", "/v1/payment_methods/pm_card_chargeDeclined/attach", {"customer": customer})

    assert refused.status == 402


@pytest.mark.parametrize(("passed", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
def test_three_d_secure_waits_for_the_customer(client: Client, passed: bool, status: str) -> None:
    intent = client.pay(card="pm_card_threeDSecure2Required")
    assert (intent["status"], intent["next_action"]["type"]) == ("requires_action", "redirect_to_url")

    payment_intents.authenticate(client.world, client.world.raw("payment_intent", intent["id"]), passed=passed)

    assert client.get(f"/v1/payment_intents/{intent['id']}")["status"] == status


def test_off_session_three_d_secure_is_declined(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.pay(card="pm_card_threeDSecure2Required", off_session=True)

    assert caught.value.error["code"] == "authentication_required"


def test_a_card_set_up_once_needs_no_more_authentication(client: Client) -> None:
    customer = client.post("/v1/customers")["id"]
    card = "pm_card_authenticationRequiredOnSetup"
    intent = client.post("/v1/setup_intents", customer=customer, payment_method=card, confirm=True)
    assert intent["status"] == "requires_action"
    with pytest.raises(Refused):
        client.pay(customer=customer, card=intent["payment_method"], off_session=True)

    setup_intents.authenticate(client.world, client.world.raw("setup_intent", intent["id"]), passed=True)

    assert client.pay(customer=customer, card=intent["payment_method"], off_session=True)["status"] == "succeeded"


def test_a_card_may_need_authentication_only_when_its_owner_is_there(client: Client) -> None:
    card = "pm_card_authenticationRequiredSetupForOffSession"

    assert client.pay(card=card)["status"] == "requires_action"
    assert client.pay(card=card, off_session=True)["status"] == "succeeded"


def test_manual_capture_takes_a_part_and_only_then_moves_money(client: Client) -> None:
    intent = client.pay(5000, capture_method="manual")
    assert (intent["status"], intent["amount_capturable"]) == ("requires_capture", 5000)
    assert client.get("/v1/balance_transactions")["data"] == []

    refused = client.refused("POST", f"/v1/payment_intents/{intent['id']}/capture", {"amount_to_capture": 5001})
    done = client.post(f"/v1/payment_intents/{intent['id']}/capture", amount_to_capture=3000)

    assert refused.error["param"] == "amount_to_capture"
    assert (done["status"], done["amount_received"]) == ("succeeded", 3000)
    assert _line(client, done)["amount"] == 3000


def test_an_authorisation_expires_after_a_week(client: Client) -> None:
    intent = client.pay(5000, capture_method="manual")

    client.world.advance(7 * DAY + 1)

    assert client.get(f"/v1/payment_intents/{intent['id']}")["status"] == "canceled"


@pytest.mark.parametrize("step", ["confirm", "capture", "cancel"])
def test_a_finished_intent_takes_no_further_step(client: Client, step: str) -> None:
    intent = client.pay()

    refused = client.refused("POST", f"/v1/payment_intents/{intent['id']}/{step}")

    assert refused.error["code"] == "payment_intent_unexpected_state"
    assert refused.error["payment_intent"]["id"] == intent["id"]


def test_confirming_with_redirects_needs_a_return_url(client: Client) -> None:
    params = {"amount": 900, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}

    assert client.refused("POST", "/v1/payment_intents", params).error["param"] == "return_url"
    assert client.post("/v1/payment_intents", **params, return_url="https://example.com")["status"] == "succeeded"


# ---- refunds


def test_partial_refunds_add_up_and_never_exceed_the_charge(client: Client) -> None:
    charge = client.pay(2000)["latest_charge"]
    client.post("/v1/refunds", charge=charge, amount=500)
    part = client.get(f"/v1/charges/{charge}")
    refused = client.refused("POST", "/v1/refunds", {"charge": charge, "amount": 1501})
    client.post("/v1/refunds", charge=charge)
    whole = client.get(f"/v1/charges/{charge}", expand=["refunds"])

    assert (part["amount_refunded"], part["refunded"]) == (500, False)
    assert "greater than unrefunded amount" in refused.error["message"]
    assert (whole["amount_refunded"], whole["refunded"]) == (2000, True)
    assert [r["amount"] for r in whole["refunds"]["data"]] == [1500, 500]
    assert client.refused("POST", "/v1/refunds", {"charge": charge}).error["code"] == "charge_already_refunded"


def test_a_refund_returns_no_fee(client: Client) -> None:
    refund = client.post("/v1/refunds", payment_intent=client.pay()["id"], expand=["balance_transaction"])

    line = refund["balance_transaction"]
    assert (line["amount"], line["fee"], line["net"], line["reporting_category"]) == (-2000, 0, -2000, "refund")


def test_a_pending_refund_succeeds_later() -> None:
    client = Client(world(refund_seconds=3600))
    refund = client.post("/v1/refunds", payment_intent=client.pay(card="pm_card_pendingRefund")["id"])
    assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")

    client.world.advance(3600)

    done = client.get(f"/v1/refunds/{refund['id']}")
    assert done["status"] == "succeeded"
    assert "pending_reason" not in done
    assert _types(client)[-2:] == ["refund.updated", "charge.refund.updated"]


def test_a_refund_that_fails_brings_the_money_back() -> None:
    client = Client(world(refund_seconds=3600))
    refund = client.post("/v1/refunds", payment_intent=client.pay(card="pm_card_refundFail")["id"])
    assert refund["status"] == "succeeded"

    client.world.advance(3600)

    failed = client.get(f"/v1/refunds/{refund['id']}", expand=["failure_balance_transaction"])
    back = failed["failure_balance_transaction"]
    assert (failed["status"], back["amount"], back["type"]) == ("failed", 2000, "refund_failure")
    assert client.get(f"/v1/charges/{refund['charge']}")["amount_refunded"] == 0
    assert "refund.failed" in _types(client)


def test_a_refund_can_wait_for_funds() -> None:
    client = Client(world(refunds_wait_for_funds=True, delay_days=3))
    refund = client.post("/v1/refunds", payment_intent=client.pay()["id"])
    assert (refund["status"], refund["pending_reason"], refund["balance_transaction"]) == (
        "pending",
        "insufficient_funds",
        None,
    )

    money.topup(client.world, 5000, "usd")
    client.world.advance(DAY)

    assert client.get(f"/v1/refunds/{refund['id']}")["status"] == "succeeded"


# ---- disputes


def _dispute(client: Client, card: str = "pm_card_createDispute") -> dict[str, Any]:
    client.pay(4000, card=card)
    client.get("/v1/balance")
    return client.get("/v1/disputes")["data"][0]


def test_a_dispute_takes_the_money_and_a_fee(client: Client) -> None:
    dispute = _dispute(client)

    line = dispute["balance_transactions"][0]
    assert (dispute["status"], dispute["reason"]) == ("needs_response", "fraudulent")
    assert (line["amount"], line["fee"], line["net"], line["reporting_category"]) == (-4000, 1500, -5500, "dispute")
    assert _types(client)[-3:] == ["charge.dispute.created", "charge.updated", "charge.dispute.funds_withdrawn"]
    refused = client.refused("POST", "/v1/refunds", {"charge": dispute["charge"]})
    assert refused.error["code"] == "charge_disputed"


def test_winning_returns_the_money_and_the_counter_fee_but_not_the_dispute_fee(client: Client) -> None:
    dispute = _dispute(client)
    before = sum(x["net"] for x in client.get("/v1/balance_transactions")["data"])

    client.post(f"/v1/disputes/{dispute['id']}", evidence={"uncategorized_text": "winning_evidence"})

    won = client.get(f"/v1/disputes/{dispute['id']}")
    after = sum(x["net"] for x in client.get("/v1/balance_transactions")["data"])
    assert [x["amount"] for x in won["balance_transactions"]] == [-4000, 4000]
    assert (won["status"], after - before) == ("won", 4000)
    assert _types(client)[-2:] == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]


@pytest.mark.parametrize("how", ["losing_evidence", "close", "silence"])
def test_losing_moves_no_further_money(client: Client, how: str) -> None:
    dispute = _dispute(client)
    if how == "close":
        client.post(f"/v1/disputes/{dispute['id']}/close")
    elif how == "silence":
        client.world.advance(10 * DAY)
    else:
        client.post(f"/v1/disputes/{dispute['id']}", evidence={"uncategorized_text": how})

    lost = client.get(f"/v1/disputes/{dispute['id']}")
    assert (lost["status"], len(lost["balance_transactions"])) == ("lost", 1)


def test_an_inquiry_moves_no_money_until_it_escalates(client: Client) -> None:
    dispute = _dispute(client, "pm_card_createDisputeInquiry")
    assert (dispute["status"], dispute["balance_transactions"]) == ("warning_needs_response", [])

    client.post(f"/v1/disputes/{dispute['id']}", evidence={"uncategorized_text": "escalate_inquiry_evidence"})

    escalated = client.get(f"/v1/disputes/{dispute['id']}")
    assert (escalated["status"], len(escalated["balance_transactions"])) == ("needs_response", 1)


def test_an_inquiry_that_is_answered_just_closes(client: Client) -> None:
    dispute = _dispute(client, "pm_card_createDisputeInquiry")

    client.post(f"/v1/disputes/{dispute['id']}", evidence={"uncategorized_text": "We wrote to them"})

    assert client.get(f"/v1/disputes/{dispute['id']}")["status"] == "warning_closed"


def test_the_bank_can_be_played_by_hand(client: Client) -> None:
    dispute = _dispute(client)

    disputes.finish(client.world, client.world.raw("dispute", dispute["id"]), "won")

    assert client.get(f"/v1/disputes/{dispute['id']}")["status"] == "won"


# ---- payouts


def test_an_automatic_payout_is_the_sum_of_its_lines() -> None:
    client = Client(world(payout_schedule="weekly", delay_days=1))
    payouts.plan(client.world)
    for amount in (2000, 3000):
        client.pay(amount)
    client.post("/v1/refunds", payment_intent=client.pay(900)["id"])
    client.world.advance(8 * DAY)

    payout = client.get("/v1/payouts")["data"][0]
    lines = client.get("/v1/balance_transactions", payout=payout["id"], limit=100)["data"]
    contained = [line["net"] for line in lines if line["source"] != payout["id"]]
    assert payout["amount"] == sum(contained) > 0
    assert sum(line["net"] for line in lines) == 0
    assert (payout["automatic"], payout["reconciliation_status"]) == (True, "completed")
    assert "payout.reconciliation_completed" in _types(client)


def test_a_payout_lists_its_lines_only_when_it_is_reconciled() -> None:
    client = Client(world(settle_seconds=600))
    client.pay(5000)
    client.world.advance(600)
    payout = payouts.pay_out(client.world, "usd")
    assert payout is not None
    early = client.get("/v1/balance_transactions", payout=payout["id"])["data"]
    assert (payout["reconciliation_status"], len(early)) == ("in_progress", 1)

    client.world.advance(600)

    lines = client.get("/v1/balance_transactions", payout=payout["id"])["data"]
    assert (payout["reconciliation_status"], sum(line["net"] for line in lines)) == ("completed", 0)


def test_a_manual_payout_needs_available_money_and_has_no_links(client: Client) -> None:
    client.pay(20000)
    refused = client.refused("POST", "/v1/payouts", {"amount": 19391, "currency": "usd"})
    payout = client.post("/v1/payouts", amount=19390, currency="usd")

    assert refused.error["code"] == "balance_insufficient"
    assert payout["reconciliation_status"] == "not_applicable"
    assert [x["type"] for x in client.get("/v1/balance_transactions", payout=payout["id"])["data"]] == ["payout"]


def test_a_payout_can_fail_after_it_was_paid(client: Client) -> None:
    client.pay(20000)
    payout = client.post("/v1/payouts", amount=5000, currency="usd", destination="ba_sandbox_account_closed")
    client.world.advance(2 * DAY)
    assert client.get(f"/v1/payouts/{payout['id']}")["status"] == "paid"

    client.world.advance(2 * DAY)

    failed = client.get(f"/v1/payouts/{payout['id']}", expand=["failure_balance_transaction"])
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    assert failed["failure_balance_transaction"]["amount"] == 5000
    assert client.get("/v1/balance")["available"][0]["amount"] == 19390


def test_a_canceled_payout_returns_the_money(client: Client) -> None:
    client.pay(20000)
    payout = client.post("/v1/payouts", amount=5000, currency="usd")

    assert client.post(f"/v1/payouts/{payout['id']}/cancel")["status"] == "canceled"
    assert client.get("/v1/balance")["available"][0]["amount"] == 19390
    assert client.refused("POST", f"/v1/payouts/{payout['id']}/cancel").status == 400


def test_a_refund_heavy_week_makes_a_negative_payout() -> None:
    client = Client(world())
    intent = client.pay(5000)
    client.get("/v1/balance")
    payouts.pay_out(client.world, "usd")
    client.post("/v1/refunds", payment_intent=intent["id"])

    payout = payouts.pay_out(client.world, "usd")

    assert payout is not None
    assert payout["amount"] == -5000
    assert client.get("/v1/balance")["available"][0]["amount"] == 0


def test_a_refund_failing_by_hand_is_told(client: Client) -> None:
    refund = client.post("/v1/refunds", payment_intent=client.pay()["id"])

    refunds.fail_refund(client.world, refund["id"], "declined")

    assert client.get(f"/v1/refunds/{refund['id']}")["failure_reason"] == "declined"


def test_a_partly_captured_charge_is_refunded_with_what_was_captured(client: Client) -> None:
    intent = client.pay(5000, capture_method="manual")
    client.post(f"/v1/payment_intents/{intent['id']}/capture", amount_to_capture=3000)

    refund = client.post("/v1/refunds", payment_intent=intent["id"])

    assert refund["amount"] == 3000
    assert client.get(f"/v1/charges/{refund['charge']}")["refunded"] is True
    again = client.refused("POST", "/v1/refunds", {"payment_intent": intent["id"]})
    assert again.error["code"] == "charge_already_refunded"


def test_a_saved_card_pays_only_for_its_customer(client: Client) -> None:
    owner, other = client.customer()["id"], client.customer()["id"]
    card = client.get(f"/v1/customers/{owner}/payment_methods")["data"][0]["id"]
    params = {"amount": 900, "currency": "usd", "payment_method": card}

    for more in ({}, {"customer": other}):
        refused = client.refused("POST", "/v1/payment_intents", params | more)
        assert refused.error["param"] == "payment_method"
    assert client.pay(900, card=card, customer=owner, off_session=True)["status"] == "succeeded"


def test_a_saved_card_that_needs_its_owner_is_declined_without_him(client: Client) -> None:
    customer = client.customer("pm_card_threeDSecure2Required")["id"]
    card = client.get("/v1/payment_methods", customer=customer)["data"][0]["id"]

    with pytest.raises(Refused) as caught:
        client.pay(900, card=card, customer=customer, off_session=True)

    error = caught.value.error
    assert (caught.value.status, error["code"], error["decline_code"]) == (
        402,
        "authentication_required",
        "authentication_required",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"


def test_a_held_payment_can_be_let_go_with_a_reason(client: Client) -> None:
    intent = client.pay(5000, capture_method="manual")

    gone = client.post(f"/v1/payment_intents/{intent['id']}/cancel", cancellation_reason="duplicate")

    assert (gone["status"], gone["cancellation_reason"], gone["amount_capturable"]) == ("canceled", "duplicate", 0)
    wrong = {"cancellation_reason": "boredom"}
    refused = client.refused("POST", f"/v1/payment_intents/{intent['id']}/cancel", wrong)
    assert refused.error["param"] == "cancellation_reason"


def test_an_empty_text_clears_what_a_customer_has(client: Client) -> None:
    customer = client.post(
        "/v1/customers", name="A", phone="1", description="x", address={"line1": "Mill Lane"}, metadata={"a": "1"}
    )["id"]

    cleared = client.post(
        f"/v1/customers/{customer}", name="", phone="", description="", address="", metadata={"a": ""}
    )

    assert [cleared[name] for name in ("name", "phone", "description", "address", "metadata")] == [None] * 4 + [{}]


def test_the_default_price_of_a_product_is_not_archived(client: Client) -> None:
    price = client.price(900, None)
    client.post(f"/v1/products/{price['product']}", default_price=price["id"])

    refused = client.refused("POST", f"/v1/prices/{price['id']}", {"active": False})
    other = client.post("/v1/prices", product=price["product"], currency="usd", unit_amount=1000)
    client.post(f"/v1/products/{price['product']}", default_price=other["id"])

    assert "default price" in refused.error["message"]
    assert client.post(f"/v1/prices/{price['id']}", active=False, nickname="Old")["active"] is False


def test_a_typed_number_that_is_no_test_card_is_refused(client: Client) -> None:
    for number, code in (("4111111111111111", "card_declined"), ("4242424242424241", "incorrect_number")):
        card = {"number": number, "exp_month": 4, "exp_year": 2031}
        assert client.refused("POST", "/v1/payment_methods", {"type": "card", "card": card}).error["code"] == code
