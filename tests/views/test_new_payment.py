from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from financial.models import AuditEvent, StripeCredential, StripeCustomer, StripePaymentIntent, StripeRequest
from financial.stripe_services import StripeService
from sandbox.http.server import Server, running
from tests.stripe_stub import StripeStub, status
from tests.views import rows as make

pytestmark = pytest.mark.django_db
NEW = "/studio/financial/stripe/payments/new/"
LINK = {"amount": "49", "currency": "eur", "description": "Consulting", "times": "1", "quantity": "1"}


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    with running(background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def service(sandbox: Server) -> StripeService:
    return StripeService(make.credential())


@pytest.fixture
def ada(service: StripeService) -> StripeCustomer:
    return service.create_customer("ada@example.com", "Ada")


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff(username="ada"))
    return client


def save(service: StripeService, customer: StripeCustomer, token: str) -> str:
    saved = service.gateway.act(
        "payment_methods", "attach", token, {"customer": customer.stripe_id}, idempotency_key=uuid.uuid4().hex
    )
    return str(saved["id"])


def post(client: Client, way: str, key: str = "", **values: str) -> Any:
    return client.post(f"{NEW}?way={way}", {**values, "idempotency_key": key or uuid.uuid4().hex})


def asked_to_charge(client: Client, customer: StripeCustomer, method: str, **values: str) -> Any:
    """The first of the two steps: what will be charged is said, and nothing done."""
    asked = {"customer": customer.stripe_id, "payment_method": method, "amount": "49", "currency": "eur"}
    return post(client, "saved", **{**asked, **values})


def confirm(client: Client, asked: Any, **changed: str) -> Any:
    """The second step: the form as it came back, sent by its button."""
    form = asked.context["form"]
    shown = {name: form[name].value() for name in form.fields}
    return client.post(f"{NEW}?way=saved", {**{name: value for name, value in shown.items() if value}, **changed})


def charge(client: Client, customer: StripeCustomer, method: str, **values: str) -> Any:
    return confirm(client, asked_to_charge(client, customer, method, **values))


def errors(answer: Any) -> dict[str, str]:
    return {name: " ".join(map(str, found)) for name, found in answer.context["form"].errors.items()}


# A page to pay on


def test_a_link_for_anybody_is_shown_to_be_copied(service: StripeService, staff: Client) -> None:
    answer = post(staff, "link", **LINK)
    text = staff.get(answer["Location"]).content.decode()

    link = service.get_payment_links()[0][0]
    assert answer["Location"] == reverse("financial:payment-link", args=[link.stripe_id])
    assert f'data-copy="{link.url}"' in text
    assert "“Consulting”" in text
    assert "It can be paid once." in text
    assert (link.limit, link.amount_minor) == (1, 4900)
    assert AuditEvent.objects.get().action == "payment_link.created"


def test_a_link_may_be_paid_any_number_of_times_and_reserve_only(service: StripeService, staff: Client) -> None:
    answer = post(staff, "link", **{**LINK, "times": "0", "capture_later": "on"})
    text = staff.get(answer["Location"]).content.decode()
    assert "any number of times, until you deactivate it" in text
    assert "only reserved" in text


def test_a_named_customer_gets_a_page_for_this_one_payment(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    answer = post(staff, "link", **{**LINK, "customer": "ada@example.com"})
    text = staff.get(answer["Location"]).content.decode()

    page = service.get_checkout_pages()[0]
    assert page.customer_stripe_id == ada.stripe_id
    assert answer["Location"] == reverse("financial:checkout-page", args=[page.stripe_id])
    assert "ada@example.com is filled in" in text
    assert "It can be paid once, until" in text
    sent = service.gateway.fetch("/v1/checkout/sessions", page.stripe_id)
    assert sent["success_url"] == "http://testserver/studio/financial/stripe/payments/paid/"


def test_customers_land_where_the_setting_says(
    service: StripeService, ada: StripeCustomer, staff: Client, settings: Any
) -> None:
    settings.FINANCIAL_PAID_URL = "https://shop.example/thanks"
    post(staff, "link", **{**LINK, "customer": ada.stripe_id})
    page = service.get_checkout_pages()[0]
    assert (
        service.gateway.fetch("/v1/checkout/sessions", page.stripe_id)["success_url"] == "https://shop.example/thanks"
    )


def test_customers_are_thanked_without_a_login(client: Client) -> None:
    answer = client.get(reverse("financial:paid"))
    assert answer.status_code == 200
    assert "Your payment was sent" in answer.content.decode()
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_a_resent_form_makes_one_link(service: StripeService, staff: Client) -> None:
    key = uuid.uuid4().hex
    first, second = (post(staff, "link", key, **LINK) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert len(service.get_payment_links()[0]) == 1


def test_stripes_refusal_of_a_price_stands_at_it(service: StripeService, staff: Client) -> None:
    price = make.price(make.product(service.credential), unit_amount_minor=900)  # unknown to this Stripe
    answer = post(staff, "link", price=price.stripe_id, currency="usd", quantity="1")
    assert answer.status_code == 422
    assert price.stripe_id in errors(answer)["price"]
    assert not AuditEvent.objects.exists()


def test_an_unknown_outcome_keeps_the_form_and_its_key(service: StripeService, sandbox: Server, staff: Client) -> None:
    key = uuid.uuid4().hex
    sandbox.world.faults.load([{"kind": "error_after", "method": "POST", "path": "/v1/payment_links", "count": 1}])

    unknown = post(staff, "link", key, **LINK)
    assert unknown.context["form"]["idempotency_key"].value() == key
    assert post(staff, "link", key, **LINK).status_code == 302

    assert len(service.get_payment_links()[0]) == 1


# The list of links


def test_links_are_listed_deactivated_and_activated_again(service: StripeService, staff: Client) -> None:
    address = post(staff, "link", **LINK)["Location"]
    listed = staff.get(reverse("financial:pay-pages")).content.decode()
    assert "Consulting" in listed
    assert "0 of 1 paid" in listed

    assert "Deactivate the link over €49.00 EUR" in staff.get(address).content.decode()

    for wanted, said in (("no", "can no longer be paid"), ("yes", "can be paid again")):
        answer = staff.post(address, {"active": wanted, "idempotency_key": uuid.uuid4().hex})
        assert said in str(list(get_messages(answer.wsgi_request))[-1])
        assert service.get_payment_links()[0][0].is_active == (wanted == "yes")
    actions = {"payment_link.created", "payment_link.deactivated", "payment_link.activated"}
    noted = AuditEvent.objects.all()
    assert {event.action for event in noted} == actions
    assert all(event.details["request"].startswith("req_") for event in noted)


def test_an_open_page_is_listed_with_its_customer_and_can_be_ended(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    address = post(staff, "link", **{**LINK, "customer": ada.stripe_id})["Location"]
    assert "Waiting for their customer" in staff.get(reverse("financial:pay-pages")).content.decode()
    assert "End the page over €49.00 EUR for Ada" in staff.get(address).content.decode()

    staff.post(address, {"idempotency_key": uuid.uuid4().hex})

    assert "Waiting for their customer" not in staff.get(reverse("financial:pay-pages")).content.decode()
    assert "End the page" not in staff.get(address).content.decode()


def test_the_list_says_when_stripe_is_away(staff: Client, stripe_stub: StripeStub, settings: Any) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1
    make.credential()
    stripe_stub.fail(status(500), times=9)
    answer = staff.get(reverse("financial:pay-pages"))
    assert answer.status_code == 200
    assert "cannot be read now" in answer.content.decode()


def test_a_link_of_nobody_is_an_error_in_words(service: StripeService, staff: Client) -> None:
    answer = staff.get(reverse("financial:payment-link", args=["plink_nobody"]))
    assert answer.status_code == 502
    assert "Check the id" in answer.content.decode()


# A saved method


def test_a_saved_card_is_charged_and_stands_with_method_and_fee(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    saved = save(service, ada, "pm_card_visa")
    form = staff.get(f"{NEW}?way=saved&customer={ada.stripe_id}&amount=49")
    assert "Visa ••••4242, expires 08/2034" in form.content.decode()
    assert form.context["form"]["amount"].value() == "49"

    answer = charge(staff, ada, saved)

    payment = StripePaymentIntent.objects.get()
    assert answer["Location"] == reverse("financial:payment", args=[payment.stripe_id])
    line = staff.get(answer["Location"]).context["line"]
    assert (line.state, line.method) == ("succeeded", "Visa ••••4242")
    assert line.entry.fee_minor > 0


def buttons(answer: Any) -> str:
    return " ".join(answer.text.partition('<footer id="confirm">')[2].partition("</footer>")[0].split())


def test_nothing_is_charged_before_the_button_named_amount_and_customer(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"))

    assert asked.status_code == 200
    assert ">Charge €49.00 EUR to Ada</button>" in buttons(asked)
    assert "Visa ••••4242, expires 08/2034 is charged €49.00 EUR at once." in asked.text
    assert not StripePaymentIntent.objects.exists()
    assert not StripeRequest.objects.filter(operation__startswith="payment_intents").exists()


def test_another_amount_than_the_button_named_is_asked_about_again(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"))

    again = confirm(staff, asked, amount="490")

    assert ">Charge €490.00 EUR to Ada</button>" in buttons(again)
    assert not StripePaymentIntent.objects.exists()
    confirm(staff, again)
    assert StripePaymentIntent.objects.get().amount_minor == 49_000


def test_another_customer_than_the_button_named_is_asked_about_again(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"))
    grace = service.create_customer(name="Grace", email="grace@example.com", idempotency_key=uuid.uuid4().hex)
    method = save(service, grace, "pm_card_visa")

    again = confirm(staff, asked, customer=grace.stripe_id, payment_method=method)

    assert ">Charge €49.00 EUR to Grace</button>" in buttons(again)
    assert not StripePaymentIntent.objects.exists()


def test_a_charge_nobody_knows_the_outcome_of_keeps_its_button(
    service: StripeService, ada: StripeCustomer, staff: Client, sandbox: Server, settings: Any
) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"))
    sandbox.world.faults.load([{"kind": "error_before", "path": "/v1/payment_intents"}])

    answer = confirm(staff, asked)

    sandbox.world.faults.load([])
    assert answer.status_code == 422 and not StripePaymentIntent.objects.exists()
    assert ">Charge €49.00 EUR to Ada</button>" in buttons(answer)
    confirm(staff, answer)
    assert StripePaymentIntent.objects.count() == 1


def test_what_is_wrong_is_said_before_anything_is_asked(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    answer = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"), amount="0.10")

    assert answer.status_code == 422 and "amount" in errors(answer)
    assert buttons(answer) == ""


def test_money_of_a_saved_card_may_only_be_reserved(service: StripeService, ada: StripeCustomer, staff: Client) -> None:
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"), capture_later="on")
    assert ">Reserve €49.00 EUR from Ada</button>" in buttons(asked)
    answer = confirm(staff, asked)
    assert StripePaymentIntent.objects.get().status == "requires_capture"
    assert "The money is reserved" in str(next(iter(get_messages(answer.wsgi_request))))


def test_a_card_that_wants_the_customer_is_declined_with_a_link_as_the_next_step(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    saved = save(service, ada, "pm_card_authenticationRequired")

    answer = charge(staff, ada, saved, description="Consulting")

    assert answer.status_code == 422
    assert "authentication" in errors(answer)["payment_method"]
    text = answer.content.decode()
    assert "let the customer pay on a page" in text
    prefilled = staff.get(answer.context["link_address"]).context["form"]
    assert {name: prefilled[name].value() for name in ("customer", "amount", "currency", "description")} == {
        "customer": ada.stripe_id,
        "amount": "49",
        "currency": "eur",
        "description": "Consulting",
    }
    assert StripePaymentIntent.objects.get().error_decline_code == "authentication_required"
    noted = AuditEvent.objects.get()
    assert noted.action == "payment.declined" and noted.details["request"].startswith("req_")


def test_first_the_customer_is_asked_for(service: StripeService, staff: Client) -> None:
    assert "Show saved cards" in staff.get(f"{NEW}?way=saved").content.decode()
    unknown = staff.get(f"{NEW}?way=saved&customer=eve@example.com").content.decode()
    assert "No such customer in the mirror" in unknown
    assert "Show saved cards" in unknown


def test_a_customer_without_a_saved_method_is_sent_a_page(
    service: StripeService, ada: StripeCustomer, staff: Client
) -> None:
    text = staff.get(f"{NEW}?way=saved&customer={ada.stripe_id}").content.decode()
    assert "Ada has no saved method to charge" in text
    assert 'name="amount"' not in text


def test_saved_methods_that_cannot_be_read_are_said_so(staff: Client, stripe_stub: StripeStub, settings: Any) -> None:
    settings.FINANCIAL_STRIPE_ATTEMPTS = 1
    customer = make.customer(make.credential())
    stripe_stub.fail(status(500), times=9)
    answer = staff.get(f"{NEW}?way=saved&customer={customer.stripe_id}")
    assert answer.status_code == 200
    assert "cannot be read now" in answer.content.decode()
    assert 'name="amount"' not in answer.content.decode()


def test_a_resent_charge_is_made_once(service: StripeService, ada: StripeCustomer, staff: Client) -> None:
    asked = asked_to_charge(staff, ada, save(service, ada, "pm_card_visa"))
    first, second = (confirm(staff, asked) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert StripePaymentIntent.objects.count() == 1


@pytest.mark.parametrize("way", ["link", "saved", "wait"])
def test_each_way_leads_to_the_others_with_what_is_known(way: str, staff: Client, stripe_stub: StripeStub) -> None:
    make.credential()
    answer = staff.get(f"{NEW}?way={way}&amount=49&currency=eur")
    queries = {one.name: one.query for one in answer.context["ways"]}
    assert set(queries) == {"link", "saved", "wait"}
    assert all("amount=49&currency=eur" in query for query in queries.values())
    assert not StripeRequest.objects.exists()


@pytest.mark.parametrize("name", ["payment-link", "checkout-page", "pay-pages"])
def test_pages_to_pay_on_need_the_permission(name: str, client: Client) -> None:
    make.credential()
    client.force_login(make.staff("view_stripepaymentintent"))
    url = reverse(f"financial:{name}", args=[] if name == "pay-pages" else ["plink_1"])
    assert client.get(url).status_code == 403
    assert StripeCredential.objects.exists()
