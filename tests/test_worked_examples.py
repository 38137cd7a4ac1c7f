"""The worked examples, each computed by hand: fees, units, MRR, days, Book A, payouts, estimates and coupons.

One section per example, by its number. 8, 9 and half of 13 run through the sandbox, HTTP and the sync; nothing here is faked
nearer than that. What else must hold of the same rooms is in their own test modules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from financial import bookkeeping, exporting, reports, verifiers
from financial.errors import InexactAmount
from financial.exporting import Wanted
from financial.ledger import journal
from financial.ledger.booking import Fee, estimate_fee
from financial.models import (
    MIRROR_MODELS,
    BalanceReading,
    Entry,
    MrrSpan,
    PayoutReading,
    PayoutRow,
    StripeCredential,
    StripePayout,
    StripeWebhookEvent,
    SyncRun,
    Transaction,
)
from financial.money import display, percent_and_fixed_minor, to_minor
from financial.recurring import DiscountPolicy, Sight, rounded, spans
from financial.reports import Group, Period, Reckoned, recurring
from financial.reports.movements import Kind, Piece, movements
from sandbox.core import World
from sandbox.http.server import running
from tests import books, payloads
from tests import test_itemising as itemised
from tests.book_a import BookA
from tests.ledger import test_book_a as whole
from tests.ledger.exports.conftest import program
from tests.ledger.test_journal import mirror
from tests.sandbox.client import Client, Refused
from tests.stripe_stub import StripeStub
from tests.test_recurring import GRADUATED, history, mrr, off, plan
from tests.views import factory

NEW_YORK = ZoneInfo("America/New_York")
MARCH = Period("march", "March", dt.date(2026, 3, 1), dt.date(2026, 4, 1))
APRIL = Period("april", "April", dt.date(2026, 4, 1), dt.date(2026, 5, 1))
SPRING = Period("spring", "March and April", MARCH.start, APRIL.end)
FOREVER, _, ALL = DiscountPolicy


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# 1. Fee estimates: 2.9 % + 30¢, half up on the exact total


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"),
    [(50, 31), (500, 45), (999, 59), (1000, 59), (1500, 74), (2500, 103), (4999, 175), (10000, 320), (33333, 997)],
)
def test_1_fee_is_rounded_half_up_once_on_the_exact_total(amount_minor: int, fee_minor: int) -> None:
    assert percent_and_fixed_minor(amount_minor, Decimal("0.029"), 30) == fee_minor
    assert estimate_fee(amount_minor, "usd", {"usd": ("0.029", 30)}) == Fee(fee_minor, is_rough=False)


# 2. Minor units, shown and typed


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (1050, "usd", "$10.50"),
        (500, "jpy", "¥500"),
        (5120, "kwd", "KWD\u00a05.120"),
        (500, "isk", "ISK\u00a05"),
        (500, "ugx", "UGX\u00a05"),
        (1045, "huf", "HUF\u00a010.45"),
        (500, "mga", "MGA\u00a0500"),
        (500, "clp", "CLP\u00a0500"),
    ],
)
def test_2_amounts_are_shown_with_the_decimals_stripe_counts_in(amount_minor: int, currency: str, shown: str) -> None:
    assert display(amount_minor, currency) == shown


@pytest.mark.parametrize(("typed", "currency", "amount_minor"), [("10", "jpy", 10), ("5.12", "kwd", 5120)])
def test_2_typed_amounts_become_minor_units(typed: str, currency: str, amount_minor: int) -> None:
    assert to_minor(Decimal(typed), currency) == amount_minor


@pytest.mark.parametrize(
    ("typed", "currency", "said"), [("5.124", "kwd", "last decimal"), ("5.50", "isk", "no decimals")]
)
def test_2_amounts_the_currency_cannot_hold_are_refused(typed: str, currency: str, said: str) -> None:
    with pytest.raises(InexactAmount, match=said):
        to_minor(Decimal(typed), currency)


def test_2_a_payout_of_forints_by_hand_is_of_hundreds() -> None:
    """The app pays nothing out; the sandbox refuses it as Stripe does."""
    with pytest.raises(Refused, match="multiples of 100"):
        Client(World(seed=1)).post("/v1/payouts", amount=1045, currency="huf")


# 3. A snapshot of MRR

SUBSCRIPTIONS = {
    "A": plan(2000),
    "B": plan(120_000, "year"),
    "C": plan(1000, quantity=5),
    "D": plan(1200, "week"),
    "E": plan(9000, "month", 3),
    "F": plan(5000, discounts=(off(20),)),
    "G": plan(5000, discounts=(off(20, duration="once"),)),
    "H": plan(9900, status="trialing"),
    "I": plan(3000, status="past_due"),
    "J": plan(1500),  # its end is set, and it counts until then
    "K": plan(4000, status="unpaid"),
    "L": plan(None, is_metered=True),
    "M": plan(None, tiers=GRADUATED, quantity=12),
    "N": plan(None, tiers=GRADUATED, is_volume=True, quantity=12),
    "O": plan(12_000, "year", discounts=(off(amount_minor=2400),)),
    "P": plan(4000, currency="eur"),
    "Q": plan(100, "day"),
    "R": plan(24_000, "year", 2),
    "S": plan(0),
    "T": plan(2000, collection="void"),
}


def in_currency(currency: str, policy: DiscountPolicy = FOREVER, without: str = "") -> list[Fraction]:
    kept = (sub for name, sub in SUBSCRIPTIONS.items() if sub.currency == currency and name not in without)
    return [amount for amount in (mrr(sub, policy) for sub in kept) if amount]


def test_3_mrr_is_586_92_exactly() -> None:
    amounts = in_currency("usd")

    assert sum(amounts) == Fraction(58_691) + Fraction(2, 3)
    assert rounded(sum(amounts)) == 586_92


def test_3_a_year_is_twelve_exact_months() -> None:
    assert rounded(12 * sum(in_currency("usd"))) == 7043_00


def test_3_fourteen_payers_bring_41_92_each() -> None:
    amounts = in_currency("usd")

    assert len(amounts) == 14
    assert rounded(sum(amounts) / len(amounts)) == 41_92


def test_3_a_week_is_a_52nd_of_a_year_and_not_a_quarter_of_a_month() -> None:
    assert mrr(SUBSCRIPTIONS["D"]) == 5200


def test_3_euros_are_kept_apart() -> None:
    assert in_currency("eur") == [4000]


def test_3_with_all_discounts_it_is_576_92() -> None:
    assert rounded(sum(in_currency("usd", ALL))) == 576_92


def test_3_once_the_cancelled_one_has_ended_it_is_571_92() -> None:
    assert rounded(sum(in_currency("usd", without="J"))) == 571_92


# 7. Days, where the clocks change

MOVED = (
    ("charge", "2026-03-08T04:59:59", 1000),
    ("charge", "2026-03-08T05:00:00", 2000),
    ("charge", "2026-03-08T07:00:00", 3000),
    ("charge", "2026-03-09T03:59:59", 4000),
    ("charge", "2026-03-09T04:00:00", 5000),
    ("refund", "2026-04-01T03:59:59", -500),
    ("refund", "2026-04-01T04:00:00", -600),
)
IN_ZONE: Mapping[str, tuple[Mapping[str, int], list[int]]] = {
    "America/New_York": (
        {"03-07": 1000, "03-08": 9000, "03-09": 5000, "03-31": -500, "04-01": -600},
        [14500, -600],
    ),
    "UTC": ({"03-08": 6000, "03-09": 9000, "04-01": -1100}, [15000, -1100]),
}
AUTUMN = Period("autumn", "The day of 25 hours", dt.date(2026, 11, 1), dt.date(2026, 11, 2))


def revenue(credential: StripeCredential, period: Period, group: Group) -> list[tuple[str, int]]:
    rows = reports.books(credential).rows("usd", period, group)
    return [(f"{row.start:%m-%d}", row.figures.revenue_minor) for row in rows]


@pytest.fixture
def zone(request: pytest.FixtureRequest, settings: Any, credential: StripeCredential) -> str:
    """What moved, booked in a zone."""
    settings.FINANCIAL_TIME_ZONE = request.param
    for category, moment, amount in MOVED:
        books.movement(credential, category, amount_minor=amount, created_at=utc(moment))
    journal.book_all(credential, now=utc("2026-04-02T00:00:00"))
    return str(request.param)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", IN_ZONE, indirect=True)
def test_7_the_revenue_report_counts_by_local_day(zone: str, credential: StripeCredential) -> None:
    period = Period("days", "Days", dt.date(2026, 3, 5), dt.date(2026, 4, 3))

    days = revenue(credential, period, Group.DAY)

    assert len(days) == 29
    assert {day: amount for day, amount in days if amount} == IN_ZONE[zone][0]


@pytest.mark.django_db
@pytest.mark.parametrize("zone", IN_ZONE, indirect=True)
def test_7_the_revenue_report_counts_by_local_month(zone: str, credential: StripeCredential) -> None:
    assert [amount for _, amount in revenue(credential, SPRING, Group.MONTH)] == IN_ZONE[zone][1]


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2026-03-08", "2026-03-08T05:00:00", "2026-03-09T04:00:00"),  # 23 hours
        ("2026-11-01", "2026-11-01T04:00:00", "2026-11-02T05:00:00"),  # 25 hours
    ],
)
def test_7_a_day_of_23_or_25_hours_has_the_bounds_of_its_zone(day: str, start: str, end: str) -> None:
    first = dt.date.fromisoformat(day)

    assert Period("day", "Day", first, first + dt.timedelta(days=1)).bounds(NEW_YORK) == (utc(start), utc(end))


@pytest.mark.django_db
def test_7_both_times_half_past_one_count_on_the_day_of_25_hours(credential: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    for moment in ("2026-11-01T05:30:00", "2026-11-01T06:30:00"):
        books.movement(credential, amount_minor=1000, created_at=utc(moment))
    for moment in ("2026-11-01T03:59:59", "2026-11-02T05:00:00"):  # the days before and after
        books.movement(credential, amount_minor=7, created_at=utc(moment))
    journal.book_all(credential, now=utc("2026-11-03T00:00:00"))

    assert reports.books(credential).total("usd", AUTUMN).gross_minor == 2000


# 8. Book A


@pytest.fixture
def book(settings: Any) -> Iterator[BookA]:
    """Book A before its first day, at a sandbox that answers for Stripe."""
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    with running(World(seed=1, now=utc("2026-03-01T00:00:00").timestamp()), background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield BookA(server.world)


@pytest.fixture
def told(book: BookA, credential: StripeCredential) -> BookA:
    """Book A on the first of May, synced."""
    book.tell()
    whole.sync(credential)
    return book


@pytest.mark.django_db
def test_8_the_ledger_on_the_first_of_may(told: BookA, credential: StripeCredential) -> None:
    assert whole.moved(credential) == whole.ROWS
    assert whole.balances(credential) == {
        "Assets:Stripe:Payments": 6288,
        "Assets:Stripe:Reserve": 1000,
        "Assets:Bank": 5437,
        "Liabilities:SalesTax": -600,
        "Income:Sales": -25606,
        "Income:Refunds": 7750,
        "Expenses:StripeFees": 1231,
        "Expenses:DisputeFees": 1500,
        "Expenses:Disputes": 3000,
    }  # nothing is in transit
    assert all(check.holds for check in bookkeeping.verify_books(credential))


@pytest.mark.django_db
def test_8_the_figures_of_march_and_april(told: BookA, credential: StripeCredential) -> None:
    found = reports.books(credential)
    march, april = found.total("usd", MARCH), found.total("usd", APRIL)

    assert (march.gross_minor, march.refunded_minor, march.disputed_minor, march.fee_minor) == (18406, 0, 0, 759)
    assert (march.revenue_minor, march.net_minor, march.funding_minor) == (18406, 17647, 0)
    assert (april.gross_minor, april.refunded_minor, april.disputed_minor, april.fee_minor) == (8000, 7950, 3000, 1972)
    assert (april.revenue_minor, april.net_minor, april.funding_minor) == (-2950, -4922, -6437)
    assert (march.average_minor, april.average_minor) == (6135, 8000)
    assert march.change_minor + april.change_minor == 6288
    for group in Group:
        rows = found.rows("usd", SPRING, group)
        assert sum((row.figures for row in rows), reports.Figures()) == found.total("usd", SPRING)


@pytest.mark.django_db
def test_8_the_refund_in_euros_cost_44_cents_of_exchange(told: BookA) -> None:
    charge = Transaction.objects.get(source_stripe_id=told.charge_of("t02"))
    refund = Transaction.objects.get(source_stripe_id=told.refunds["t08"])

    assert refund.amount_minor + charge.amount_minor == -44
    assert (refund.presentment_amount_minor, refund.presentment_currency) == (-5000, "eur")


@pytest.mark.django_db
@pytest.mark.parametrize("verifier", verifiers.VERIFIERS, ids=lambda verifier: verifier.name)
def test_8_both_programs_pass_the_export_and_refuse_it_one_cent_off(
    told: BookA, credential: StripeCredential, verifier: verifiers.Verifier
) -> None:
    program(verifier.program)
    written = b"".join(exporting.export(Wanted(credential, verifier.format_name)))
    assert b"62.88" in written

    assert verifiers.verify(verifier, [written]) == ()
    assert verifiers.verify(verifier, [written.replace(b"62.88", b"62.89")])


# 9. Payouts


@pytest.mark.django_db
def test_9_payouts_are_what_their_rows_sum_up_to(told: BookA, credential: StripeCredential) -> None:
    for name, amount, nets in (
        ("po_1", 10437, [9680, 5084, 2883, -2500, -4500, -210, -10437]),
        ("po_2", 2288, [-5450, 7738, -2288]),
    ):
        payout = StripePayout.objects.get(stripe_id=told.payouts[name])
        listed = PayoutRow.objects.filter(payout=payout).values_list("balance_transaction__net_minor", flat=True)
        reckoning = reports.reckon(payout)

        assert sorted(listed) == sorted(nets)
        assert (reckoning.net_minor, reckoning.closing_minor, reckoning.remainder_minor) == (amount, 0, 0)
        assert itemised.state(payout.stripe_id) == Reckoned.AGREES


@pytest.mark.django_db
def test_9_a_dropped_page_leaves_a_remainder_that_is_shown(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    itemised.put_payout(stripe_stub, [9680, 5084, 2883, -2500, -4500, -210])
    for number in (3, 4, 5):
        stripe_stub.objects[f"txn_po_1_{number:04}"]["_payout"] = ""

    itemised.sync(credential)

    reckoning = reports.reckon(StripePayout.objects.get())
    assert (reckoning.state, reckoning.net_minor, reckoning.remainder_minor) == (Reckoned.DIFFERS, 17647, -7210)
    assert reckoning.missing


# 13. From estimate to exact, replay and disorder

# t02 as a payment of $54.06. What €50.00 will be in dollars is not known before the balance transaction is there: such an
# estimate is rough and in euros, see tests/ledger/test_book_a.py.
T02 = {"amount": 5406, "fee": 322, "net": 5084}


@pytest.mark.django_db
def test_13_an_estimate_is_beside_the_books_until_it_is_exact(credential: StripeCredential) -> None:
    paid = payloads.payment_intent(amount=5406, amount_received=5406)
    mirror(credential, paid, payloads.charge(amount=5406, balance_transaction=None))
    journal.book_all(credential, now=timezone.now())

    found = Transaction.objects.get()
    assert (found.status, found.fee_minor, found.net_minor) == ("estimated", 187, 5219)
    figures = reports.books(credential).total("usd")
    assert (figures.estimated_net_minor, figures.change_minor) == (5219, 0)
    assert not Entry.objects.exists()

    mirror(credential, payloads.charge(amount=5406), payloads.balance_transaction(**T02))
    journal.book_all(credential, now=timezone.now())

    exact = Transaction.objects.get()
    assert (exact.pk, exact.status, exact.fee_minor, exact.net_minor) == (found.pk, "settled", 322, 5084)
    assert exact.fee_minor - exact.stripe_transaction.estimated_fee_minor == 135
    assert reports.books(credential).total("usd").change_minor == 5084


@pytest.mark.django_db
def test_13_events_three_times_in_reverse_and_a_poll_export_the_same_bytes(
    told: BookA, credential: StripeCredential
) -> None:
    expected = {name: list(exporting.export(Wanted(credential, name))) for name in exporting.FORMAT_NAMES}
    newest_first = told.client.get("/v1/events", limit=100)["data"]
    forget()

    for _ in range(3):
        whole.hear(newest_first)
    whole.sync(credential)

    assert whole.moved(credential) == whole.ROWS
    assert {name: list(exporting.export(Wanted(credential, name))) for name in expected} == expected


def forget() -> None:
    """Empty books, mirror and inbox: the app knows nothing of the account."""
    books.clear()
    for model in (BalanceReading, PayoutRow, PayoutReading, StripeWebhookEvent, SyncRun, *reversed(MIRROR_MODELS)):
        model.objects.all().delete()


# 15. A coupon in money and in MRR

FIRST, CANCELLED, SECOND = utc("2026-03-01T00:00:00"), utc("2026-03-20T00:00:00"), utc("2026-04-01T00:00:00")
ONCE = plan(5000, discounts=(off(20, duration="once", starts_at=FIRST, ends_at=SECOND),))


def moves(*sights: Sight, policy: DiscountPolicy = FOREVER) -> list[tuple[dt.date, Kind, int]]:
    pieces = [
        Piece("cus_1", span.starts_at, span.ends_at, *span.monthly_minor.as_integer_ratio())
        for span in spans(sights, policy)
    ]

    found = movements(pieces, ZoneInfo("UTC"), utc("2026-05-01"))
    return [(row.day, row.kind, row.after - row.before) for row in found.rows]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("paid", "expected"),
    [
        ([(FIRST, 4000), (SECOND, 5000)], [4000, 5000]),  # 20 % once
        ([(FIRST, 4000), (SECOND, 4000)], [4000, 4000]),  # 20 % forever
        ([(FIRST, 120_000)], [120_000, 0]),  # a year at once
    ],
)
def test_15_money_is_revenue_on_the_day_it_was_paid(
    credential: StripeCredential, paid: list[tuple[dt.datetime, int]], expected: list[int]
) -> None:
    for moment, amount in paid:
        books.booked(credential, amount_minor=amount, created_at=moment)

    rows = reports.books(credential).rows("usd", SPRING, Group.MONTH)
    assert [row.figures.gross_minor for row in rows] == expected


def test_15_a_coupon_for_once_never_lowers_mrr() -> None:
    assert history(Sight(FIRST, ONCE)) == [(FIRST, None, 5000)]


def test_15_with_all_discounts_the_coupons_end_is_an_expansion() -> None:
    assert history(Sight(FIRST, ONCE), policy=ALL) == [(FIRST, SECOND, 4000), (SECOND, None, 5000)]
    assert moves(Sight(FIRST, ONCE), policy=ALL)[1:] == [(SECOND.date(), Kind.EXPANSION, 1000)]


def test_15_a_coupon_forever_lowers_mrr_from_the_start() -> None:
    assert history(Sight(FIRST, plan(5000, discounts=(off(20),)))) == [(FIRST, None, 4000)]


def test_15_a_year_paid_at_once_is_a_twelfth_a_month() -> None:
    assert history(Sight(FIRST, plan(120_000, "year"))) == [(FIRST, None, 10_000)]


def test_15_a_scheduled_end_counts_when_it_comes() -> None:
    ended = Sight(SECOND + dt.timedelta(hours=3), plan(1500, status="canceled", ended_at=SECOND))
    seen = (Sight(FIRST, plan(1500)), Sight(CANCELLED, plan(1500)), ended)

    assert history(*seen) == [(FIRST, SECOND, 1500)]
    assert moves(*seen)[1:] == [(dt.date(2026, 4, 1), Kind.CHURN, -1500)]


@pytest.mark.django_db
def test_15_until_then_it_is_scheduled_to_churn(credential: StripeCredential, time_machine: Any) -> None:
    time_machine.move_to(CANCELLED, tick=False)
    leaving = factory.subscription(credential, cancel_at_period_end=True)
    MrrSpan.objects.create(
        credential=credential, customer_stripe_id="cus_1", subscription_stripe_id=leaving.stripe_id, currency="usd",
        product_stripe_id="prod_1", starts_at=FIRST, numerator=1500, denominator=1,
    )  # fmt: skip

    assert recurring.leaving(credential, "usd").minor == 1500
    assert [amount.minor for amount in recurring.mrr(credential)] == [1500]
