from __future__ import annotations

import random
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.gateway import API_VERSION
from financial.mirror import history, store
from financial.mirror.resources import BY_NAME
from financial.models import MrrSpan, StripeCredential, SubscriptionSight
from sandbox.core import Settings, World
from sandbox.http.server import Server, running
from tests import payloads
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET

pytestmark = pytest.mark.django_db
DAY = 86_400
MARCH = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
APRIL = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp())
LOOKED_AT = datetime(2026, 6, 1, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def price(unit_amount: int | None = 5000, **changes: Any) -> dict[str, Any]:
    return payloads.price(unit_amount=unit_amount, unit_amount_decimal=unit_amount and str(unit_amount), **changes)


def subscription(*, quantity: int = 1, of: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    item = {"id": "si_1", "price": of or price(), "quantity": quantity, "discounts": []}
    return payloads.subscription(**{"created": MARCH, "start_date": MARCH, "items": {"data": [item]}, **changes})


def invoice(name: str, start: int, end: int, *, quantity: int = 1, **changes: Any) -> dict[str, Any]:
    line = {
        "quantity": quantity,
        "period": {"start": start, "end": end},
        "parent": {"type": "subscription_item_details", "subscription_item_details": {"proration": False}},
        "pricing": {"price_details": {"price": "price_1", "product": "prod_1"}},
    }
    parent = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}
    fields = {"parent": parent, "status": "paid", "currency": "usd", "lines": {"data": [line]}, "created": start}
    return {"id": name, "object": "invoice", "livemode": False, **fields, **changes}


def save(credential: StripeCredential, *objects: dict[str, Any], shown_at: datetime | None = LOOKED_AT) -> None:
    for payload in objects:
        resource = BY_NAME[payload["object"]]
        store.save_many(
            credential, resource, [payload], seen=store.draw(), api_version=API_VERSION, shown_at=shown_at, rewrite=True
        )


def spans(credential: StripeCredential) -> list[tuple[datetime, datetime | None, int, bool]]:
    rows = MrrSpan.objects.of(credential).order_by("starts_at", "product_stripe_id")
    return [(row.starts_at, row.ends_at, int(row.monthly_minor), row.is_reconstructed) for row in rows]


def test_a_subscription_seen_first_by_a_sync_has_a_reconstructed_past(credential: StripeCredential) -> None:
    save(credential, price(), subscription())

    history.catch_up(credential)

    assert spans(credential) == [(at(MARCH), None, 5000, True)]


def test_invoices_tell_of_quantities_before_the_first_sight(credential: StripeCredential) -> None:
    first, second = invoice("in_1", MARCH, APRIL, quantity=1), invoice("in_2", APRIL, APRIL + 30 * DAY, quantity=3)
    save(credential, price(), first, second, subscription(quantity=3))

    history.catch_up(credential)

    assert spans(credential) == [(at(MARCH), at(APRIL), 5000, True), (at(APRIL), None, 15_000, True)]


def test_a_past_trial_brought_nothing(credential: StripeCredential) -> None:
    save(credential, price(), subscription(trial_start=MARCH, trial_end=APRIL))

    history.catch_up(credential)

    assert spans(credential) == [(at(APRIL), None, 5000, True)]


def test_a_subscription_that_had_ended_before_the_first_sight_has_a_closed_span(credential: StripeCredential) -> None:
    save(credential, price(), subscription(status="canceled", ended_at=APRIL))

    history.catch_up(credential)

    assert spans(credential) == [(at(MARCH), at(APRIL), 5000, True)]


def test_a_subscription_never_paid_for_has_no_history(credential: StripeCredential) -> None:
    save(credential, price(), subscription(status="incomplete_expired", ended_at=MARCH + DAY))

    history.catch_up(credential)

    assert spans(credential) == []


def test_catching_up_twice_changes_nothing(credential: StripeCredential) -> None:
    save(credential, price(), subscription())
    history.catch_up(credential)

    assert history.catch_up(credential) == 0
    assert SubscriptionSight.objects.count() == 1


def test_a_rebuild_gives_the_same_past_and_touches_no_row(credential: StripeCredential) -> None:
    save(credential, price(), subscription())
    history.catch_up(credential)
    save(credential, subscription(quantity=2), shown_at=LOOKED_AT + timedelta(days=1))
    history.catch_up(credential)
    before = list(MrrSpan.objects.order_by("pk").values_list())

    assert history.rebuild(credential) == 0
    assert list(MrrSpan.objects.order_by("pk").values_list()) == before


def test_a_change_no_event_tells_of_is_dated_by_the_look_that_shows_it(credential: StripeCredential) -> None:
    later = LOOKED_AT + timedelta(days=9)
    save(credential, price(), subscription())
    history.catch_up(credential)
    save(credential, subscription(quantity=2), shown_at=later)

    history.catch_up(credential)

    assert spans(credential) == [(at(MARCH), later, 5000, True), (later, None, 10_000, False)]


def test_tiers_come_from_the_mirrored_price(credential: StripeCredential) -> None:
    tiers = [
        {"up_to": 5, "unit_amount_decimal": "700", "flat_amount_decimal": None},
        {"up_to": None, "unit_amount_decimal": "600.5", "flat_amount_decimal": "100"},
    ]
    tiered = price(None, billing_scheme="tiered", tiers_mode="graduated")
    save(credential, {**tiered, "tiers": tiers}, subscription(of=tiered, quantity=7))

    history.catch_up(credential)

    assert spans(credential)[0][2] == 3500 + 1201 + 100


def discount(duration: str, **coupon: Any) -> dict[str, Any]:
    body = {"id": "SAVE", "object": "coupon", "duration": duration, "percent_off": 20.0, "amount_off": None, **coupon}
    return {"id": "di_1", "object": "discount", "start": MARCH, "end": None, "source": {"coupon": body}}


def test_a_discount_forever_lowers_mrr(credential: StripeCredential) -> None:
    save(credential, price(), subscription(discounts=[discount("forever")]))

    history.catch_up(credential)

    assert spans(credential)[0][2] == 4000


def test_example_15_a_coupon_once_counts_as_long_as_its_invoice_if_all_discounts_count(
    credential: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_MRR_DISCOUNTS = "all"
    taken = [{"amount": 1000, "discount": "di_1"}]
    first = invoice("in_1", MARCH, APRIL, discounts=["di_1"], total_discount_amounts=taken)
    save(credential, price(), subscription(), first, invoice("in_2", APRIL, APRIL + 30 * DAY))

    history.catch_up(credential)

    assert spans(credential) == [(at(MARCH), at(APRIL), 4000, True), (at(APRIL), None, 5000, True)]


def test_a_credentials_history_is_its_own(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_other_fake_00000000000")
    save(credential, price(), subscription())

    history.catch_up(other)
    history.catch_up(credential)

    assert spans(other) == []


# Over HTTP


class Shop:
    """A sandbox's account with its webhooks, from the first of March on."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told: set[str] = set()

    def post(self, path: str, **form: Any) -> dict[str, Any]:
        return self.ask("POST", path, **form)

    def ask(self, method: str, path: str, **form: Any) -> dict[str, Any]:
        body = urllib.parse.urlencode(form).encode() if form else None
        headers = {"Authorization": f"Bearer {TEST_KEY}"}
        request = urllib.request.Request(self.server.url + path, data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
        return found

    def customer(self) -> str:
        made = self.post("/v1/customers", email="ada@example.com", payment_method="pm_card_visa")
        method = self.ask("GET", f"/v1/customers/{made['id']}/payment_methods")["data"][0]["id"]
        self.post(f"/v1/customers/{made['id']}", **{"invoice_settings[default_payment_method]": method})
        return str(made["id"])

    def plan(self, amount: int, **changes: Any) -> str:
        product = self.post("/v1/products", name="Magazine")["id"]
        form = {"recurring[interval]": "month", "unit_amount": amount, "currency": "usd", "product": product, **changes}
        return str(self.post("/v1/prices", **form)["id"])

    def events(self) -> list[bytes]:
        """Return what is new in the list of events, oldest first, as Stripe would deliver it."""
        listed = self.ask("GET", "/v1/events?limit=100")["data"][::-1]
        new = [event for event in listed if event["id"] not in self.told]
        self.told |= {event["id"] for event in new}
        return [orjson.dumps(event) for event in new]


@pytest.fixture
def shop(settings: Any) -> Iterator[Shop]:
    with running(World(Settings(), seed=5, now=MARCH), background=False, frozen=True) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield Shop(server)


def deliver(bodies: list[bytes]) -> None:
    for body in bodies:
        signature = payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp())
        stripe_services.receive_webhook(body, signature, wake=False)
        webhooks.apply_due(stripe_services.gateway_for, now=timezone.now())


def live(shop: Shop, *, deliver_now: bool) -> list[bytes]:
    """Subscribe, take a second seat, cancel at the period's end; return every event of it."""
    told: list[bytes] = []

    def tell() -> None:
        new = shop.events()
        told.extend(new)
        if deliver_now:
            deliver(new)

    plan = shop.plan(1000)
    made = shop.post("/v1/subscriptions", customer=shop.customer(), **{"items[0][price]": plan})
    tell()
    shop.server.advance(10 * DAY)
    item = made["items"]["data"][0]["id"]
    shop.post(f"/v1/subscriptions/{made['id']}", **{"items[0][id]": item, "items[0][quantity]": 2})
    tell()
    shop.server.advance(DAY)
    shop.post(f"/v1/subscriptions/{made['id']}", cancel_at_period_end="true")
    tell()
    shop.server.advance(25 * DAY)
    tell()
    return told


EXPECTED = [(at(MARCH), at(MARCH + 10 * DAY), 1000, False), (at(MARCH + 10 * DAY), at(APRIL), 2000, False)]


def test_a_subscription_created_changed_and_cancelled_over_http_is_its_history(
    shop: Shop, credential: StripeCredential
) -> None:
    live(shop, deliver_now=True)

    assert spans(credential) == EXPECTED


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_late_disordered_and_doubled_webhooks_end_in_the_same_history(
    shop: Shop, credential: StripeCredential, seed: int
) -> None:
    bodies = live(shop, deliver_now=False)
    chance = random.Random(seed)
    disordered = bodies + chance.sample(bodies, len(bodies) // 2)
    chance.shuffle(disordered)

    deliver(disordered)

    assert spans(credential) == EXPECTED


def test_webhooks_that_come_after_a_sync_make_the_history_exact(shop: Shop, credential: StripeCredential) -> None:
    bodies = live(shop, deliver_now=False)
    stripe_services.sync_now(credential, requested_by="test")

    deliver(bodies)

    assert spans(credential) == EXPECTED


def test_a_sync_alone_knows_the_coupon_and_the_end(shop: Shop, credential: StripeCredential) -> None:
    shop.post("/v1/coupons", id="SAVE", percent_off=20, duration="forever")
    form = {"items[0][price]": shop.plan(5000), "discounts[0][coupon]": "SAVE"}
    made = shop.post("/v1/subscriptions", customer=shop.customer(), **form)
    shop.server.advance(10 * DAY)
    shop.ask("DELETE", f"/v1/subscriptions/{made['id']}")

    stripe_services.sync_now(credential, requested_by="test")

    assert spans(credential) == [(at(MARCH), at(MARCH + 10 * DAY), 4000, True)]
