"""The pages of customers: cards typed by hand, declines, the bank's question, the way back to the shop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.core import snapshot, wire
from sandbox.core.card_entry import read
from sandbox.core.cards import _NUMBERS
from sandbox.core.errors import StripeError
from sandbox.http.server import Server, running
from tests.sandbox.client import NEW_YEAR, Client

GOOD = {"email": "b@example.com", "number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "B"}
SUCCESS = "https://example.com/?s={CHECKOUT_SESSION_ID}"


@pytest.fixture
def server() -> Iterator[Server]:
    with running(background=False, frozen=True) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.world)


def _session(client: Client, **params: Any) -> dict[str, Any]:
    given = {"success_url": SUCCESS, "cancel_url": "https://example.com/basket"} | params
    if given.get("mode") != "setup":
        given.setdefault("line_items", [{"price": client.price(900, None)["id"], "quantity": 2}])
    return client.post("/v1/checkout/sessions", **given)


def _get(url: str) -> requests.Response:
    return requests.get(url, timeout=5, allow_redirects=False)


def _send(url: str, **form: str) -> requests.Response:
    return requests.post(url, data=form, timeout=5, allow_redirects=False)


def test_a_customer_pays_and_comes_back_to_the_shop(client: Client) -> None:
    session = _session(client)
    page = _get(session["url"])
    assert (page.status_code, "18.00 USD" in page.text, "Quantity 2" in page.text) == (200, True, True)

    answer = _send(session["url"], **GOOD)

    assert (answer.status_code, answer.headers["location"]) == (303, f"https://example.com/?s={session['id']}")
    after = client.get(f"/v1/checkout/sessions/{session['id']}", expand=["payment_intent.latest_charge"])
    card = after["payment_intent"]["latest_charge"]["payment_method_details"]["card"]
    assert (after["payment_status"], card["last4"], card["exp_month"], card["exp_year"]) == ("paid", "4242", 12, 2034)


def test_sending_a_form_twice_pays_once(client: Client) -> None:
    session = _session(client)

    first, second = _send(session["url"], **GOOD), _send(session["url"], **GOOD)

    assert first.headers["location"] == second.headers["location"]
    assert len(client.get("/v1/charges")["data"]) == 1


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("number", "4000000000000002", "Your card was declined."),
        ("number", "4000 0000 0000 9995", "Your card has insufficient funds."),
        ("number", "4000000000000069", "Your card has expired."),
        ("number", "4000000000000127", "Your card&#x27;s security code is incorrect."),
        ("number", "4111111111111111", "used a non test card"),
        ("number", "4242424242424241", "Your card number is incorrect."),
        ("number", "4242", "Your card number is incomplete."),
        ("number", "not a card", "Your card number is invalid."),
        ("expiry", "12 / 25", "Your card&#x27;s expiration year is in the past."),
        ("expiry", "13 / 30", "Your card&#x27;s expiration date is invalid."),
        ("expiry", "12", "Your card&#x27;s expiration date is incomplete."),
        ("cvc", "12", "Your card&#x27;s security code is invalid."),
        ("cvc", "1234", "Your card&#x27;s security code is invalid."),
        ("email", "nobody", "Your email is invalid."),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_can_be_put_right(
    client: Client, field: str, text: str, message: str
) -> None:
    session = _session(client)

    refused = _send(session["url"], **GOOD | {field: text})

    assert refused.status_code == 402
    assert message in refused.text
    wrong = re.search(
        rf'<input name="{field}"[^>]*aria-invalid="true" aria-describedby="({field}-error)"', refused.text
    )
    assert wrong is not None
    assert f'id="{wrong[1]}"' in refused.text
    assert _send(session["url"], **GOOD).status_code == 303


def test_a_card_number_is_kept_nowhere(server: Server, client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    session = _session(client)
    pages = [_send(session["url"], **GOOD | {"number": n}).text for n in ("4000000000000002", "4000 0000 0000 9995")]
    _send(session["url"], **GOOD)
    card = {"number": "5555555555554444", "exp_month": 4, "exp_year": 2031}
    client.call("POST", "/v1/payment_methods", {"type": "card", "card": card}, idempotency_key="k")

    kept = wire.dumps(snapshot.dump(server.world)).decode() + "".join(pages) + "".join(capfd.readouterr())

    numbers = "4000000000000002", "4000000000009995", "4242424242424242", "5555555555554444", "4000 0000 0000 9995"
    assert not [number for number in numbers if number in kept]
    assert "4242 4242 4242 4242" in pages[0]  # only as the hint what to type


@pytest.mark.parametrize(("answer", "status"), [("yes", "complete"), ("no", "open")])
def test_the_bank_asks_and_the_customer_answers(client: Client, answer: str, status: str) -> None:
    session = _session(client)
    asked = _send(session["url"], **GOOD | {"number": "4000 0025 0000 3155"})
    assert "Your bank asks" in _get(asked.headers["location"]).text

    back = _send(asked.headers["location"], passed=answer).headers["location"]

    assert client.get(f"/v1/checkout/sessions/{session['id']}")["status"] == status
    if answer == "yes":
        assert back == f"https://example.com/?s={session['id']}"
    else:
        assert "unable to authenticate" in _get(back).text
        assert _send(back, **GOOD).status_code == 303


def test_an_intent_of_the_api_can_be_confirmed_at_the_bank(server: Server, client: Client) -> None:
    intent = client.pay(
        card="pm_card_threeDSecure2Required",
        return_url="https://example.com/back",
        automatic_payment_methods={"enabled": True},
    )

    answer = _send(intent["next_action"]["redirect_to_url"]["url"], passed="yes")

    assert answer.headers["location"] == "https://example.com/back"
    assert server.world.raw("payment_intent", intent["id"])["status"] == "succeeded"


def test_a_subscription_says_how_often_it_is_paid(client: Client) -> None:
    items = [{"price": client.price(900)["id"], "quantity": 1}]
    session = _session(client, mode="subscription", line_items=items, subscription_data={"trial_period_days": 9})

    page = _get(session["url"]).text

    assert "free at first, then 9.00 USD every month" in page
    assert _send(session["url"], **GOOD).status_code == 303
    assert client.get("/v1/subscriptions")["data"][0]["status"] == "trialing"


def test_a_card_can_be_saved_without_paying(client: Client) -> None:
    session = _session(client, mode="setup", currency="usd")
    assert "Nothing is charged now" in _get(session["url"]).text

    assert _send(session["url"], **GOOD | {"number": "4000000000000002"}).status_code == 402
    assert _send(session["url"], **GOOD).status_code == 303

    assert client.get("/v1/setup_intents")["data"][0]["status"] == "succeeded"


def test_nothing_due_asks_for_no_card(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=100)["id"]
    session = _session(client, discounts=[{"coupon": coupon}])

    assert 'name="number"' not in _get(session["url"]).text
    assert _send(session["url"], email="b@example.com").status_code == 303


def test_a_promotion_code_is_typed_in(client: Client) -> None:
    coupon = client.post("/v1/coupons", percent_off=50)["id"]
    client.post("/v1/promotion_codes", code="HALF", promotion={"type": "coupon", "coupon": coupon})
    session = _session(client, allow_promotion_codes=True)

    refused = _send(session["url"], promotion_code="NONE")
    _send(session["url"], promotion_code="HALF")

    assert "This code is invalid." in refused.text
    assert "9.00 USD" in _get(session["url"]).text
    _send(session["url"], **GOOD)
    assert client.get("/v1/charges")["data"][0]["amount"] == 900


def test_a_session_that_is_over_says_so(client: Client) -> None:
    expired, paid = _session(client), _session(client)
    client.post(f"/v1/checkout/sessions/{expired['id']}/expire")
    _send(paid["url"], **GOOD)

    assert "This page has expired" in _get(expired["url"]).text
    assert _get(expired["url"]).status_code == 410
    assert "https://example.com/basket" in _get(expired["url"]).text
    assert "Thanks for your payment" in _get(paid["url"]).text


def test_a_link_opens_a_session_and_thanks(client: Client) -> None:
    confirmation = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "It is on its way <3"}}
    items = [{"price": client.price(900, None)["id"], "quantity": 1}]
    link = client.post("/v1/payment_links", line_items=items, after_completion=confirmation)

    opened = _get(link["url"]).headers["location"]
    thanks = _send(opened, **GOOD).headers["location"]

    assert "It is on its way &lt;3" in _get(thanks).text
    session = client.get("/v1/checkout/sessions", payment_link=link["id"])["data"][0]
    assert (session["status"], session["customer_details"]["email"]) == ("complete", "b@example.com")
    client.post(f"/v1/payment_links/{link['id']}", active=False)
    closed = _get(link["url"])
    assert (closed.status_code, "no longer active" in closed.text) == (404, True)


def _sent(client: Client, **params: Any) -> dict[str, Any]:
    customer = client.post("/v1/customers", email="b@example.com", balance=-200)["id"]
    client.post("/v1/invoiceitems", customer=customer, amount=2700, currency="usd", description="Translation")
    invoice = client.post(
        "/v1/invoices",
        customer=customer,
        collection_method="send_invoice",
        days_until_due=14,
        pending_invoice_items_behavior="include",
    )
    return client.post(f"/v1/invoices/{invoice['id']}/send")


def test_a_sent_invoice_is_paid_on_its_page(client: Client) -> None:
    invoice = _sent(client)
    url = invoice["hosted_invoice_url"]
    page = _get(url).text
    assert all(text in page for text in ("Translation", "27.00 USD", "-2.00 USD", "25.00 USD", "due on 20"))

    refused = _send(url, **GOOD | {"number": "4000000000000002"})
    paid = _send(url, **GOOD)

    assert (refused.status_code, "Your card was declined." in refused.text) == (402, True)
    assert "is paid" in _get(paid.headers["location"]).text
    assert _send(url, **GOOD).status_code == 303
    after = client.get(f"/v1/invoices/{invoice['id']}")
    assert (after["status"], after["amount_paid"], after["next_payment_attempt"]) == ("paid", 2500, None)
    assert len([c for c in client.get("/v1/charges")["data"] if c["paid"]]) == 1


def test_the_bank_may_ask_about_an_invoice(client: Client) -> None:
    url = _sent(client)["hosted_invoice_url"]

    asked = _send(url, **GOOD | {"number": "4000000000003220"}).headers["location"]
    back = [_send(asked, passed="yes").headers["location"] for _ in range(2)]

    assert back == [url, url]
    assert "is paid" in _get(url).text


def test_an_invoice_that_is_not_open_says_why(client: Client) -> None:
    invoice = _sent(client)
    client.post(f"/v1/invoices/{invoice['id']}/void")
    draft = client.post("/v1/invoices", customer=invoice["customer"])["id"]

    assert "is void" in _get(invoice["hosted_invoice_url"]).text
    assert "not finished" in _get(invoice["hosted_invoice_url"].replace(invoice["id"], draft)).text


def test_the_pages_run_nothing_and_load_nothing(client: Client) -> None:
    client.world.change(client.world.raw("product", client.post("/v1/products", name="<b>x</b>")["id"]), active=True)
    session = _session(client, customer_email='"><script>@example.com')

    page = _get(session["url"])

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|<b>|(?:src|href)=\"(?!https://example\.com/basket|data:)", page.text)


def test_every_number_of_the_testing_page_can_be_typed() -> None:
    for number in _NUMBERS:
        code = "1234" if number.startswith("37") else "123"
        assert read(number, "1/27", code, NEW_YEAR).exp_year == 2027
        with pytest.raises(StripeError):
            read(number[:-1] + str((int(number[-1]) + 1) % 10), "1/27", code, NEW_YEAR)
