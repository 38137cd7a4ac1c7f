"""Figures per currency and local day, counts, and that a kept answer ends with the next write."""

from __future__ import annotations

import copy
import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from django.core.cache import cache

from financial import reports
from financial.ledger import journal
from financial.models import MirrorClock, StripePaymentIntent, StripeWebhookEvent, SyncRun
from financial.reports.periods import period_of
from tests import books as moved
from tests.views import factory

TODAY = dt.date(2026, 10, 15)
MONTH = period_of("30d", TODAY)


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# Comparison


@pytest.mark.parametrize(
    ("now", "before", "more_is_good", "percent", "is_good"),
    [
        (150, 100, True, Decimal("50.0"), True),
        (150, 100, False, Decimal("50.0"), False),
        (50, 100, True, Decimal("-50.0"), False),
        (100, 100, True, Decimal("0.0"), None),
        (10_000, 9_999, False, Decimal("0.0"), None),
        (100, 0, True, None, True),
        (100, 0, False, None, False),
        (100, -5, True, None, True),
        (-100, -5, True, None, False),
        (0, 0, True, None, None),
    ],
)
def test_delta_knows_whether_more_is_good(now, before, more_is_good, percent, is_good):
    found = reports.delta(now, before, more_is_good=more_is_good)

    assert (found.percent, found.is_good, found.change) == (percent, is_good, now - before)


# Books


@pytest.mark.django_db
def test_currencies_are_kept_apart_and_rows_sum_to_the_card():
    shop = factory.credential()
    for currency, amount in (("usd", 1000), ("usd", 2500), ("eur", 700), ("jpy", 5000)):
        factory.booked(shop, currency=currency, amount_minor=amount)
    moved.booked(shop, "refund", amount_minor=-300)

    books = reports.books(shop)

    assert books.currencies == ("usd", "eur", "jpy")
    usd = books.total("usd", MONTH)
    assert (usd.count, usd.gross_minor, usd.fee_minor, usd.net_minor, usd.refunded_minor) == (2, 3500, 200, 3000, 300)
    assert books.total("jpy", MONTH).gross_minor == 5000
    for group in reports.Group:
        rows = books.rows("usd", MONTH, group)
        assert sum((row.figures for row in rows), reports.Figures()) == usd
        assert rows[0].start == MONTH.start and rows[-1].end == MONTH.end


@pytest.mark.django_db
def test_the_books_count_what_settled_and_revenue_what_customers_paid():
    shop = factory.credential()
    factory.booked(shop, currency="usd", amount_minor=5406, presentment_currency="eur", presentment_amount_minor=5000)
    refund = factory.refund(shop, currency="eur", amount_minor=1000)
    moved.booked(shop, "refund", amount_minor=-1090, source_stripe_id=refund.stripe_id)

    settled, paid = reports.books(shop), reports.books(shop, reports.Basis.PAID)

    assert (settled.total("usd").gross_minor, settled.total("usd").refunded_minor) == (5406, 1090)
    assert (paid.total("eur").gross_minor, paid.total("eur").revenue_minor) == (5000, 4000)
    assert paid.total("usd") == reports.Figures()


@pytest.mark.django_db
def test_refunds_fall_on_the_day_of_the_accounts_zone(settings):
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    shop = factory.credential()
    moved.booked(shop, "refund", amount_minor=-500, created_at=at("2026-04-01T03:59:59"))
    moved.booked(shop, "refund", amount_minor=-600, created_at=at("2026-04-01T04:00:00"))

    books = reports.books(shop)

    assert books.on("usd", dt.date(2026, 3, 31)).refunded_minor == 500
    assert books.on("usd", dt.date(2026, 4, 1)).refunded_minor == 600


@pytest.mark.django_db
def test_only_refunds_and_disputes_that_hold_money_count():
    shop = factory.credential()
    for category, amount in (("refund", -100), ("refund", -100), ("refund_failure", 100)):
        moved.booked(shop, category, amount_minor=amount)
    for category, amount in (("dispute", -1000), ("dispute", -1000), ("dispute_reversal", 1000)):
        moved.booked(shop, category, amount_minor=amount)
    factory.dispute(shop, amount_minor=5000, status="warning_needs_response")  # an inquiry takes no money

    total = reports.books(shop).total("usd")

    assert (total.refunds, total.refunded_minor) == (1, 100)
    assert (total.disputes, total.disputed_minor) == (1, 1000)


@pytest.mark.django_db
def test_another_credentials_money_is_never_in_a_sum():
    shop, other = (
        factory.credential(),
        factory.credential(is_active=False, livemode=True, secret_key="sk_live_0123456789"),
    )
    factory.booked(shop, amount_minor=1000)
    factory.booked(other, amount_minor=9999)

    assert reports.books(shop).total("usd").gross_minor == 1000


@pytest.mark.django_db
def test_estimates_are_counted_beside_the_exact_figures():
    shop = factory.credential()
    factory.booked(shop, status="estimated")
    factory.booked(shop)

    total = reports.books(shop).total("usd")

    assert (total.count, total.gross_minor) == (1, 1000)
    assert (total.estimated, total.estimated_gross_minor, total.estimated_net_minor) == (1, 1000, 900)


@pytest.mark.django_db
def test_books_take_the_same_queries_whatever_the_size(django_assert_num_queries):
    shop = factory.credential()
    for size in (1, 20):
        for _ in range(size):
            factory.booked(shop)
            moved.booked(shop, "refund", amount_minor=-100)
        cache.clear()
        with django_assert_num_queries(5):
            reports.books(shop)


# What is kept


@pytest.mark.django_db
@pytest.mark.parametrize(
    "late",
    [
        pytest.param({"occurred_at": at("2026-07-02T10:00")}, id="a day before all"),
        pytest.param({"occurred_at": at("2026-08-10T10:00")}, id="a day that is kept"),
        pytest.param({"occurred_at": at("2026-08-20T10:00")}, id="a day between"),
        pytest.param(
            {"occurred_at": at("2026-08-10T10:00"), "status": "estimated"}, id="an estimate of a day that is kept"
        ),
        pytest.param({"occurred_at": at("2026-08-10T10:00"), "currency": "eur"}, id="another currency"),
        pytest.param({"occurred_at": at("2026-10-14T10:00")}, id="a recent day"),
        pytest.param(
            {"occurred_at": at("2026-08-10T10:00"), "amount_minor": -1000, "fee_minor": -100}, id="down to nothing"
        ),
    ],
)
def test_days_long_past_are_kept_and_still_change_with_what_is_booked_on_them(late, settings):
    shop, other = factory.credential(), factory.credential(is_active=False)
    for day in ("2026-08-10", "2026-09-30", "2026-10-01", "2026-10-15"):
        factory.booked(shop, occurred_at=at(f"{day}T10:00"))
    with time_machine.travel(at("2026-10-15T12:00"), tick=False):
        assert reports.books(shop).total("usd").gross_minor == 4000
        factory.booked(other, occurred_at=at("2026-08-10T10:00"))

        factory.booked(shop, **late)

        kept = reports.books(shop)
        settings.FINANCIAL_CACHE_SECONDS = 0
        assert kept == reports.books(shop)
        assert kept.running.keys() == {"usd", late.get("currency", "usd")}


@pytest.mark.django_db
def test_a_kept_answer_is_used_until_something_is_booked(django_assert_num_queries):
    shop = factory.credential()
    factory.booked(shop, amount_minor=1000)
    reports.books(shop)

    with django_assert_num_queries(1):  # the state of the data
        reports.books(shop)
    factory.booked(shop, amount_minor=500)

    assert reports.books(shop).total("usd").gross_minor == 1500


@pytest.mark.django_db
def test_settling_a_transaction_ends_the_kept_answer():
    shop = factory.credential()
    paid = factory.payment(shop, amount_minor=1000, amount_received_minor=1000)
    charge = factory.charge(shop, paid, payment_intent_stripe_id=paid.stripe_id)
    StripePaymentIntent.objects.update(latest_charge_stripe_id=charge.stripe_id)
    paid.refresh_from_db()
    journal.book(shop, [paid], now=factory.NOW)
    assert reports.books(shop).total("usd").fee_minor == 0

    moved.movement(shop, amount_minor=1000, fee_minor=60, source_stripe_id=charge.stripe_id)
    journal.book(shop, [paid], now=factory.NOW)

    assert reports.books(shop).total("usd").fee_minor == 60


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["clock", "run", "event"])
def test_what_is_under_way_ends_the_kept_answer(change):
    shop = factory.credential()
    run = factory.run(shop, state=SyncRun.State.RUNNING)
    event = factory.event(shop, state=StripeWebhookEvent.State.WAITING)
    assert reports.resource_counts(shop).products.total.value == 0
    factory.product(shop)
    assert reports.resource_counts(shop).products.total.value == 0  # kept: nothing says that it changed

    if change == "clock":
        MirrorClock.draw()
    elif change == "run":
        SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.DONE)
    else:
        StripeWebhookEvent.objects.filter(pk=event.pk).update(state=StripeWebhookEvent.State.DONE)

    assert reports.resource_counts(shop).products.total.value == 1


@pytest.mark.django_db
def test_nothing_is_kept_when_the_setting_says_so(settings):
    settings.FINANCIAL_CACHE_SECONDS = 0
    shop = factory.credential()
    assert reports.resource_counts(shop).products.total.value == 0

    factory.product(shop)

    assert reports.resource_counts(shop).products.total.value == 1


# The account


@pytest.mark.django_db
def test_counts_leave_out_the_deleted_and_know_the_new():
    shop = factory.credential()
    factory.customer(shop, created_at=at("2026-10-01T00:00"))
    factory.customer(shop, created_at=at("2020-01-01T00:00"), delinquent=True)
    factory.customer(shop, deleted_at=at("2026-10-02T00:00"))

    customers = reports.resource_counts(shop).customers

    assert (customers.total.value, customers.current.value) == (2, 1)


@pytest.mark.django_db
def test_growth_counts_what_was_created_per_day_and_compares_with_as_many_days_before():
    shop = factory.credential()
    for day in ("2026-10-01", "2026-10-03", "2026-10-03", "2026-09-20", "2020-01-01"):
        factory.customer(shop, created_at=at(f"{day}T12:00"))
    factory.customer(shop, created_at=at("2026-10-03T12:00"), deleted_at=at("2026-10-04T00:00"))
    days = reports.Period("30d", "30 days", dt.date(2026, 10, 1), dt.date(2026, 10, 5))

    found = reports.growth(shop, days)

    assert found["customers"].parts == (1, 0, 3, 0)
    assert (found["customers"].new, found["customers"].before) == (4, 0)
    assert found["payments"].parts == (0, 0, 0, 0)


@pytest.mark.django_db
def test_growth_of_all_time_has_months_and_nothing_to_compare_with():
    shop = factory.credential()
    for month in (1, 1, 3):
        factory.customer(shop, created_at=at(f"2026-{month:02}-05T12:00"))
    always = reports.Period("all", "All time", None, dt.date(2026, 3, 6))

    found = reports.growth(shop, always)["customers"]

    assert (found.parts, found.before, found.delta) == ((2, 0, 1), None, None)


@pytest.mark.django_db
def test_needs_attention_lists_failed_payments_disputes_by_deadline_and_overdue_subscriptions():
    shop = factory.credential()
    failed = factory.payment(shop, status="requires_payment_method", error_code="card_declined")
    factory.payment(shop, status="requires_payment_method")
    later = factory.dispute(shop, evidence_due_at=at("2026-11-02T00:00"))
    sooner = factory.dispute(shop, evidence_due_at=at("2026-10-20T00:00"))
    factory.dispute(shop, status="lost")
    overdue = factory.subscription(shop, status="past_due")
    factory.subscription(shop, status="active")
    given_up = factory.event(shop, state="dead")
    factory.event(shop, state="waiting")

    found = reports.attention(shop, MONTH)

    assert found.failed_payments == (failed,)
    assert found.disputes == (sooner, later)
    assert [line.subscription for line in found.renewals] == [overdue]
    assert found.events == (given_up,)


@pytest.mark.django_db
def test_activity_is_one_story_newest_first():
    shop = factory.credential()
    ada = factory.customer(shop, created_at=at("2026-10-01T00:00"))
    paid = factory.payment(shop, customer=ada, created_at=at("2026-10-03T00:00"))
    factory.refund(shop, payment_intent=paid, created_at=at("2026-10-04T00:00"))
    factory.subscription(shop, customer=ada, created_at=at("2026-10-02T00:00"))

    story = reports.recent(shop).activity

    assert [item.kind for item in story] == ["refund", "payment", "subscription", "customer"]


# Health


@pytest.mark.django_db
def test_health_says_when_data_last_arrived_and_how_the_last_sync_ended():
    shop = factory.credential()
    factory.run(shop)
    factory.run(shop, state=SyncRun.State.FAILED, requested_at=factory.NOW + dt.timedelta(days=1))
    factory.event(shop)

    found = reports.health(shop)

    assert found.has_failed and not found.is_running
    assert found.synced_at == factory.NOW + dt.timedelta(seconds=12)
    assert found.inbox.received_at == factory.NOW


@pytest.mark.django_db
def test_health_of_the_inbox_counts_what_waits_and_what_needs_somebody_the_most_urgent_first():
    shop = factory.credential()
    others = factory.credential(is_active=False)
    for state in ("waiting", "misrouted", "dead", "quarantined", "dead", "done", "ignored"):
        factory.event(shop, state=state)
    factory.event(others, state="dead")

    found = reports.inbox_health(shop)

    assert found.waiting.value == 1
    assert [(state, count.value) for state, count in found.attention] == [
        ("dead", 2),
        ("quarantined", 1),
        ("misrouted", 1),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes", "is_late", "is_very_late"), [(0, False, False), (4, False, False), (6, True, False), (61, True, True)]
)
def test_the_lag_is_the_age_of_the_oldest_waiting_event(minutes, is_late, is_very_late):
    shop = factory.credential()
    with time_machine.travel(factory.NOW, tick=False):
        factory.event(shop, state="waiting", received_at=factory.NOW)
        factory.event(shop, state="waiting", received_at=factory.NOW - dt.timedelta(minutes=minutes))
        factory.event(shop, state="done", received_at=factory.NOW - dt.timedelta(days=9))

        found = reports.inbox_health(shop)

        assert found.lag == dt.timedelta(minutes=minutes)
        assert (found.is_late, found.is_very_late) == (is_late, is_very_late)


@pytest.mark.django_db
def test_an_empty_inbox_is_neither_late_nor_in_need():
    found = reports.inbox_health(factory.credential())

    assert (found.received_at, found.waiting.value, found.attention, found.is_late) == (None, 0, (), False)


@pytest.mark.django_db
def test_the_health_of_the_inbox_is_one_query_and_none_for_the_next_page(django_assert_num_queries):
    shop = factory.credential()
    for _ in range(5):
        factory.event(shop, state="dead")

    with django_assert_num_queries(1):
        first = reports.inbox_health(shop)
        assert reports.inbox_health(shop) == first


@pytest.mark.django_db
def test_counts_of_the_inbox_stop_at_their_limit():
    shop = factory.credential()
    first = factory.event(shop)
    first.body = b""
    rows = [copy.copy(first) for _ in range(1_200)]
    for number, row in enumerate(rows):
        row.pk, row.event_id = None, f"evt_{number}"
    StripeWebhookEvent.objects.bulk_create(rows)

    count = reports.event_counts(shop)["done"]

    assert (count.value, count.is_more, str(count)) == (1_001, True, "more than 1,000")


@pytest.mark.django_db
def test_objects_of_events_are_found_on_the_page_that_shows_them(django_assert_num_queries):
    shop = factory.credential()
    paid, other = factory.payment(shop), factory.payment(shop)
    charge = factory.charge(shop, paid, payment_intent_stripe_id=paid.stripe_id)
    events = [
        factory.event(shop, object_type="payment_intent", object_stripe_id=paid.stripe_id),
        factory.event(shop, object_type="payment_intent", object_stripe_id=other.stripe_id),
        factory.event(shop, object_type="charge", object_stripe_id=charge.stripe_id),
        factory.event(shop, object_type="payout", object_stripe_id="po_1"),
        factory.event(shop, object_type="customer", object_stripe_id="cus_unknown"),
        factory.event(shop, object_type="hat", object_stripe_id="hat_1"),
    ]

    with django_assert_num_queries(3):  # payments, charges, customers
        found = reports.touched(shop, events)

    assert {name: (place.page, place.page_id) for name, place in found.items()} == {
        paid.stripe_id: ("payment", paid.stripe_id),
        other.stripe_id: ("payment", other.stripe_id),
        charge.stripe_id: ("payment", paid.stripe_id),
        "po_1": ("", ""),
        "cus_unknown": ("", ""),
        "hat_1": ("", ""),
    }
