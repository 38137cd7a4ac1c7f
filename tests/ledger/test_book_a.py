"""Book A through the sandbox, the sync and the webhook: the worked example of a whole account, to the cent."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.db.models import Sum
from django.utils import timezone

from financial import bookkeeping, reports, stripe_services, webhooks
from financial.ledger import journal, totals
from financial.models import (
    MIRROR_MODELS,
    BalanceReading,
    Entry,
    PayoutRow,
    StripeCredential,
    StripePayout,
    StripeTransaction,
    StripeWebhookEvent,
    SyncRun,
    Transaction,
)
from financial.reports import Period
from sandbox.core import World
from sandbox.http.server import Server, running
from tests import books, payloads
from tests.book_a import BookA
from tests.conftest import TEST_WEBHOOK_SECRET

pytestmark = pytest.mark.django_db
MARCH = Period("march", "March", dt.date(2026, 3, 1), dt.date(2026, 4, 1))
APRIL = Period("april", "April", dt.date(2026, 4, 1), dt.date(2026, 5, 1))


@pytest.fixture(autouse=True)
def _new_york(settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Server]:
    with running(World(seed=1, now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()), background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def book(sandbox: Server) -> BookA:
    return BookA(sandbox.world)


def sync(credential: StripeCredential) -> SyncRun:
    run = stripe_services.sync_now(credential, requested_by="test", kind=SyncRun.Kind.FULL)  # its clock is not ours
    assert not run.error
    return run


def hear(events: list[dict[str, Any]]) -> None:
    """Receive events as Stripe would send them, and apply them."""
    for event in events:
        body = orjson.dumps(event)
        stripe_services.receive_webhook(
            body, payloads.signature(body, TEST_WEBHOOK_SECRET, at=timezone.now().timestamp()), wake=False
        )
    webhooks.apply_due(stripe_services.gateway_for, now=timezone.now())


def balances(credential: StripeCredential) -> dict[str, int]:
    rows = Entry.objects.filter(transaction__credential=credential).values_list("account__code")
    return {code: amount for code, amount in rows.annotate(Sum("amount_minor")) if amount}


def canonical(credential: StripeCredential) -> list[Any]:
    """The books as exports tell them: a movement with its supplements is one row; no keys and times of our own."""
    found: dict[str, Any] = {}
    for _, row in totals.read(credential):
        place = found.setdefault(row.reference, {"legs": {}})
        for code, amount in row.entries:
            place["legs"][code] = place["legs"].get(code, 0) + amount
        if row.reporting_category:
            place["row"] = row._replace(entries=())
    for place in found.values():
        place["legs"] = sorted((code, amount) for code, amount in place["legs"].items() if amount)
    return sorted((name, str(place)) for name, place in found.items() if place["legs"])


LEDGER = {
    "Assets:Stripe:Payments": 6288,
    "Assets:Stripe:Reserve": 1000,
    "Assets:Bank": 5437,
    "Liabilities:SalesTax": -600,
    "Income:Sales": -25606,
    "Income:Refunds": 7750,
    "Expenses:StripeFees": 1231,
    "Expenses:DisputeFees": 1500,
    "Expenses:Disputes": 3000,
}
ROWS = [
    ("2026-03-28", "charge", 10000, 320, 9680),
    ("2026-03-29", "charge", 5406, 322, 5084),
    ("2026-03-30", "charge", 3000, 117, 2883),
    ("2026-04-02", "refund", -2500, 0, -2500),
    ("2026-04-03", "dispute", -3000, 1500, -4500),
    ("2026-04-05", "fee", -210, 0, -210),
    ("2026-04-06", "payout", -10437, 0, -10437),
    ("2026-04-08", "refund", -5450, 0, -5450),
    ("2026-04-09", "charge", 8000, 262, 7738),
    ("2026-04-10", "payout", -2288, 0, -2288),
    ("2026-04-13", "payout_reversal", 2288, 0, 2288),
    ("2026-04-14", "refund", -1000, 0, -1000),
    ("2026-04-16", "refund_failure", 1000, 0, 1000),
    ("2026-04-20", "topup", 5000, 0, 5000),
    ("2026-04-21", "risk_reserved_funds", -1000, 0, -1000),
]


def moved(credential: StripeCredential) -> list[Any]:
    rows = Transaction.objects.filter(credential=credential).exclude(balance_transaction=None).order_by("occurred_at")
    names = ("booked_on", "reporting_category", "amount_minor", "fee_minor", "net_minor")
    return [(str(day), *rest) for day, *rest in rows.values_list(*names)]


def test_the_sandbox_makes_exactly_these_movements(book: BookA) -> None:
    book.tell()

    lines = [(line["reporting_category"], line["amount"], line["fee"], line["net"]) for line in book.movements]
    assert lines == [row[1:] for row in ROWS]


def test_a_sync_books_them_all_and_the_books_equal_stripes_balance(
    book: BookA, credential: StripeCredential, django_assert_num_queries: Any
) -> None:
    book.tell()
    sync(credential)

    assert moved(credential) == ROWS
    assert balances(credential) == LEDGER
    assert sum(LEDGER.values()) == 0
    reading = BalanceReading.objects.get(currency="usd")
    assert (reading.stripe_minor, reading.booked_minor, reading.is_steady) == (6288, 6288, True)
    assert all(check.holds for check in bookkeeping.verify_books(credential)), bookkeeping.verify_books(credential)
    strip = reports.strip(credential)
    assert strip.is_proved
    assert [(row.currency, row.booked_minor, row.stripe_minor) for row in strip.currencies] == [("usd", 6288, 6288)]


def test_march_stays_as_it_was_whatever_happens_in_april(book: BookA, credential: StripeCredential) -> None:
    seen = []

    def look() -> None:
        sync(credential)
        if book.world.main.now >= dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC).timestamp():
            seen.append((reports.books(credential).total("usd", MARCH), _seals(MARCH)))

    book.tell(after_each=look)

    assert len(seen) == 14
    assert len({str(one) for one in seen}) == 1


def _seals(period: Period) -> list[str]:
    from financial.models import DayTotal

    days = DayTotal.objects.filter(day__gte=period.start, day__lt=period.end).exclude(reporting_category="")
    return list(days.order_by("day", "reporting_category").values_list("seal", flat=True))


def test_payouts_equal_what_they_contain(book: BookA, credential: StripeCredential) -> None:
    book.tell()
    sync(credential)

    nets = {
        name: sorted(
            PayoutRow.objects.filter(payout__stripe_id=stripe_id).values_list(
                "balance_transaction__net_minor", flat=True
            )
        )
        for name, stripe_id in book.payouts.items()
    }
    assert nets["po_1"] == sorted([9680, 5084, 2883, -2500, -4500, -210, -10437])
    assert nets["po_2"] == sorted([-5450, 7738, -2288])

    PayoutRow.objects.filter(balance_transaction__net_minor=-4500).delete()  # a page of rows is lost
    check = next(check for check in bookkeeping.verify_books(credential) if check.name == "I4")
    assert not check.holds
    assert check.rows == (f"{book.payouts['po_1']}: 10437 paid out, its rows sum to 14937, with its own to 4500",)

    PayoutRow.objects.filter(payout__stripe_id=book.payouts["po_2"]).delete()  # all of them
    check = next(check for check in bookkeeping.verify_books(credential) if check.name == "I4")
    assert check.count == 2


def test_an_estimate_becomes_exact_once_and_shows_its_drift(
    book: BookA, credential: StripeCredential, sandbox: Server
) -> None:
    from dataclasses import replace

    sandbox.world.settings = replace(sandbox.world.settings, settle_seconds=3000)
    book.rate("1.0812")
    book.pay("t02", 5000, "eur", "pm_card_de")
    sync(credential)
    estimate = Transaction.objects.get()
    assert (estimate.status, estimate.currency, estimate.entries.count()) == ("estimated", "eur", 0)
    assert reports.books(credential).total("eur").gross_minor == 0

    sandbox.world.tick(sandbox.world.main.now + 3600)
    sync(credential)

    exact = Transaction.objects.get()
    assert (exact.pk, exact.status, exact.currency) == (estimate.pk, "settled", "usd")
    assert (exact.fee_minor, exact.net_minor, exact.presentment_amount_minor) == (322, 5084, 5000)
    assert exact.stripe_transaction.estimated_fee_minor == 145  # 2.9 % of what the customer paid: rough


def test_webhooks_in_any_order_and_a_poll_make_the_same_books_as_a_sync(
    book: BookA, credential: StripeCredential, sandbox: Server
) -> None:
    book.tell()
    sync(credential)
    expected = canonical(credential)
    assert len(expected) == 16  # fifteen movements, and po_1 at the bank
    events = book.client.get("/v1/events", limit=100)["data"]  # newest first
    for chosen in (events, random.Random(3).sample(events, len(events))):
        books.clear()
        BalanceReading.objects.all().delete()
        PayoutRow.objects.all().delete()
        StripeWebhookEvent.objects.all().delete()
        SyncRun.objects.all().delete()
        for model in reversed(MIRROR_MODELS):
            model.objects.all().delete()
        for _ in range(3):
            hear(chosen)
        sync(credential)
        assert canonical(credential) == expected


def test_a_second_sync_and_a_rebuild_change_no_byte(book: BookA, credential: StripeCredential) -> None:
    book.tell()
    sync(credential)
    before = _everything(credential)

    sync(credential)
    journal.book_all(credential, now=timezone.now())

    assert not totals.rebuild(credential)
    assert _everything(credential) == before


def _everything(credential: StripeCredential) -> list[Any]:
    models = (Transaction, Entry, StripeTransaction)
    return [list(model.objects.order_by("pk").values()) for model in models] + [totals.stored(credential)]


def test_a_payout_that_fails_after_it_arrived_leaves_the_bank_as_it_was(
    book: BookA, credential: StripeCredential
) -> None:
    arrived: dict[str, int] = {}

    def look() -> None:
        sync(credential)
        if "po_2" in book.payouts and StripePayout.objects.filter(stripe_id=book.payouts["po_2"], status="paid"):
            arrived["bank"] = balances(credential)["Assets:Bank"]

    real = book.t11

    def fail_after_a_look() -> None:
        look()
        real()

    book.t11 = fail_after_a_look  # type: ignore[method-assign]
    book.tell(after_each=look)

    assert arrived["bank"] == 10437 + 2288
    assert balances(credential) == LEDGER


def test_the_customers_side_of_a_converted_refund_is_kept(book: BookA, credential: StripeCredential) -> None:
    book.tell()
    sync(credential)

    refund = Transaction.objects.get(source_stripe_id=book.refunds["t08"])
    assert (refund.presentment_currency, refund.presentment_amount_minor, refund.exchange_rate) == (
        "eur",
        -5000,
        "1.09",
    )
    assert refund.stripe_transaction.charge_stripe_id == book.charge_of("t02")


DAMAGE: dict[str, Callable[[], Any]] = {
    "an entry one cent off": lambda: Entry.objects.filter(amount_minor=9680).update(amount_minor=9681),
    "a figure": lambda: Transaction.objects.filter(net_minor=-2500).update(amount_minor=-2501, net_minor=-2501),
    "a day": lambda: Transaction.objects.filter(net_minor=-2500).update(booked_on=dt.date(2026, 3, 31)),
    "an entry on another account": lambda: Entry.objects.filter(
        account__code="Income:Refunds", amount_minor=1000
    ).update(account_id=Entry.objects.filter(account__code="Income:Sales").values_list("account_id")[:1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_one_changed_byte_is_found(book: BookA, credential: StripeCredential, damage: str) -> None:
    from financial.models import rules

    book.tell()
    sync(credential)
    rules.remove()
    assert DAMAGE[damage]()
    rules.install()

    broken = {check.name for check in bookkeeping.verify_books(credential) if not check.holds}

    assert "I8" in broken
    assert not reports.strip(credential).is_proved
