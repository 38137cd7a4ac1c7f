from __future__ import annotations

import datetime as dt
from itertools import product as combinations
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from financial import filters
from financial.filters import base, mirror
from financial.models import (
    MirrorClock,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripeProduct,
    StripeSubscription,
)
from financial.paging import BoundedCount
from financial.views.mirror.rows import customer_rows
from tests.views import rows as make

pytestmark = pytest.mark.django_db

FILTERS = {
    StripeProduct: filters.ProductFilter,
    StripeCustomer: filters.CustomerFilter,
    StripePaymentIntent: filters.PaymentFilter,
    StripeSubscription: filters.SubscriptionFilter,
}


def narrowed(model: Any, query: str) -> Any:
    credential = make.credential()
    return FILTERS[model](QueryDict(query), model.objects.of(credential), credential=credential)


def found(model: Any, query: str = "") -> set[Any]:
    return set(narrowed(model, query).rows())


@pytest.mark.parametrize("model", FILTERS)
@pytest.mark.parametrize(
    "query",
    [
        "status=typo",
        "date_from=yesterday",
        "date_to=9999-12-31",
        "date_from=0001-01-01",
        "date_from=2026-05-02&date_to=2026-05-01",
        "q=" + "x" * 201,
        "q=a%00b",
    ],
)
def test_an_invalid_filter_shows_an_error_and_no_rows(model: Any, query: str) -> None:
    credential = make.credential()
    customer, product = make.customer(credential), make.product(credential)
    make.payment(credential, customer)
    make.subscription(make.price(product, type="recurring"), customer)
    assert found(model)
    filtered = narrowed(model, query)
    assert list(filtered.rows()) == []
    assert filtered.errors()


@pytest.mark.parametrize(
    "query",
    [
        "currency=zzz",
        "amount_from=abc",
        "amount_from=1e300",
        "amount_from=5&amount_to=4",
        "method=cheque",
        "dispute=maybe",
        "amount_to=NaN",
    ],
)
def test_an_invalid_payment_filter_shows_an_error_and_no_rows(query: str) -> None:
    make.payment(make.credential())
    filtered = narrowed(StripePaymentIntent, query)
    assert list(filtered.rows()) == []
    assert filtered.errors()


STATUSES = (
    "succeeded processing requires_action requires_capture requires_confirmation requires_payment_method canceled"
    " a_new_word"
).split()
CHARGES = {
    "no charge": None,
    "plain": {},
    "partly": {"amount_refunded_minor": 5},
    "refunded": {"refunded": True, "amount_refunded_minor": 2999},
    "disputed": {"disputed": True, "refunded": True},
}


def test_every_payment_is_in_the_one_tab_that_its_badge_names() -> None:
    credential = make.credential()
    for status, error, charge in combinations(STATUSES, ("", "card_declined"), CHARGES.values()):
        payment = make.payment(credential, status=status, error_code=error)
        make.charge(payment, status="failed")
        if charge is not None:
            make.charge(payment, **charge)
    for state in filters.PAYMENT_STATES:
        shown = found(StripePaymentIntent, f"status={state}")
        assert shown == {p for p in found(StripePaymentIntent) if filters.payment_state(p, p.charges.all()) == state}
        assert shown
    states = {filters.payment_state(p, p.charges.all()) for p in found(StripePaymentIntent)}
    assert states == {*filters.PAYMENT_STATES, "a_new_word"}


def test_days_begin_and_end_in_the_zone_of_the_account(settings: Any) -> None:
    settings.FINANCIAL_TIME_ZONE = "America/New_York"
    credential = make.credential()
    moments = [dt.datetime(2026, 3, 8, 4, 59, 59, tzinfo=dt.UTC), dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC)]
    moments += [dt.datetime(2026, 3, 9, 3, 59, 59, tzinfo=dt.UTC), dt.datetime(2026, 3, 9, 4, tzinfo=dt.UTC)]
    made = [make.payment(credential, created_at=moment) for moment in moments]
    assert found(StripePaymentIntent, "date_from=2026-03-08&date_to=2026-03-08") == {made[1], made[2]}


def test_an_amount_is_compared_in_each_currencys_own_units() -> None:
    credential = make.credential()
    for amount, currency in ((4900, "usd"), (49, "jpy"), (49_000, "kwd"), (4901, "usd"), (48, "jpy")):
        make.payment(credential, amount_minor=amount, currency=currency)
    exact = found(StripePaymentIntent, "amount_from=49&amount_to=49")
    assert {(p.amount_minor, p.currency) for p in exact} == {(4900, "usd"), (49, "jpy"), (49_000, "kwd")}
    assert {p.currency for p in found(StripePaymentIntent, "amount_from=49.01")} == {"usd"}
    assert {p.amount_minor for p in found(StripePaymentIntent, "amount_to=48.5&currency=JPY")} == {48}


@pytest.mark.parametrize("few", [1_000, 0], ids=["by their keys", "by a condition"])
def test_an_amount_finds_the_same_rows_however_many_there_are(few: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(mirror, "FEW", few)
    credential, other = make.credential(), make.credential("Other", is_active=False)
    for amount, currency in ((4900, "usd"), (49, "jpy"), (49_000, "kwd"), (4901, "usd"), (48, "jpy"), (4900, "xxx")):
        make.payment(credential, amount_minor=amount, currency=currency)
        make.payment(other, amount_minor=amount, currency=currency)
    for query, amounts in {
        "amount_from=49": {4900, 49, 49_000, 4901},
        "amount_from=49.01": {4901},
        "amount_to=48.99": {48},
        "amount_to=0.01": set(),
        "amount_from=49&amount_to=49": {4900, 49, 49_000},
        "amount_from=48&amount_to=49&currency=jpy": {48, 49},
    }.items():
        rows = found(StripePaymentIntent, query)
        assert {row.amount_minor for row in rows} == amounts, query
        assert {row.credential for row in rows} <= {credential}
    # A currency Stripe has since yesterday has two digits, as most have.
    assert "xxx" in {row.currency for row in found(StripePaymentIntent, "amount_from=49")}


@pytest.mark.parametrize("named", [20_000, 0], ids=["by their keys", "by a query"])
def test_what_leads_to_rows_is_looked_up_once_until_something_is_written(named: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(base, "NAMED", named)
    monkeypatch.setattr(base, "LED", named)
    credential = make.credential()

    def sell() -> None:
        paid = make.payment(credential, make.customer(credential, name="Ada Lovelace"))
        charge = make.charge(paid, method_type="paypal", card_country="MT")
        StripeDispute.objects.create(
            credential=credential, stripe_id=f"dp_{charge.pk}", status="lost", payment_intent=paid, charge=charge
        )

    def asked_for(model: Any, query: str, what: str) -> bool:
        filtered = narrowed(model, query)
        with CaptureQueriesContext(connection) as asked:
            filtered.rows()
        return any(what in one["sql"] for one in asked)

    looks = (
        (StripePaymentIntent, "method=paypal", "method_type"),
        (StripePaymentIntent, "dispute=lost", "financial_stripedispute"),
        (StripePaymentIntent, "customer=ada", " @@ " if connection.vendor == "postgresql" else " MATCH "),
        (StripeCustomer, "dispute=yes", "financial_stripedispute"),
        (StripeCustomer, "country=mt", "card_country"),
    )
    for number in (1, 2):
        sell()
        MirrorClock.draw()  # as every write of the mirror does
        for model, query, what in looks:
            assert asked_for(model, query, what), query
            assert len(found(model, query)) == number, query
            assert not asked_for(model, query, what), query
        assert len(found(StripeCustomer, "q=ada")) == number


@pytest.mark.parametrize("led", [5_000, 0], ids=["by their keys", "on the way through the list"])
def test_payments_that_charges_lead_to_are_found_and_counted_however_many(led: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(base, "LED", led)
    credential, other = make.credential(), make.credential("Other", is_active=False)

    def paid(account: Any = credential, status: str = "succeeded", **charge: Any) -> StripePaymentIntent:
        make.charge(payment := make.payment(account, status=status), **charge)
        return payment

    refunded, partly, disputed = paid(refunded=True), paid(amount_refunded_minor=100), paid(disputed=True)
    both, paypal = paid(refunded=True, disputed=True), paid(method_type="paypal")
    make.charge(paypal, method_type="paypal")  # a second attempt is no payment more
    make.charge(partly, method_type="paypal")
    paid(status="canceled", refunded=True)  # an authorization that was given back
    paid(other, refunded=True, disputed=True, method_type="paypal")
    for query, expected in {
        "status=refunded": {refunded},
        "status=partly_refunded": {partly},
        "status=disputed": {disputed, both},
        "method=paypal": {paypal, partly},
        "method=paypal&status=partly_refunded": {partly},
        "method=paypal&currency=eur": set(),
    }.items():
        filtered = narrowed(StripePaymentIntent, query)
        assert set(filtered.rows()) == set(filtered.countable(filtered.rows())) == expected, query
        assert filtered.count() == BoundedCount(len(expected)), query
    monkeypatch.setattr(mirror, "COUNT_MAX", 1)
    monkeypatch.setattr(mirror.reports, "TABS_MAX", 1)
    for query, told in {
        "status=disputed": "more than 1",
        "status=refunded": "1",
        "method=paypal": "more than 1",
    }.items():
        assert str(narrowed(StripePaymentIntent, query).count()) == told, query


def test_subscriptions_are_found_by_their_prices_however_many(monkeypatch: Any) -> None:
    credential = make.credential()
    product, other = make.product(credential, name="Plan"), make.product(credential, name="Book")
    monthly, yearly = (make.price(product, type="recurring", interval=interval) for interval in ("month", "year"))
    hers, his = (make.subscription(price, make.customer(credential)) for price in (monthly, yearly))
    make.price(other, type="recurring", interval="week")
    for few in (1_000, 1, 0):  # a price's subscriptions named, not named, and not even the prices
        monkeypatch.setattr(mirror, "FEW", few)
        for query, expected in {
            "interval=month": {hers}, "interval=year": {his}, "interval=week": set(), "product=Plan": {hers, his},
            f"product={product.stripe_id}": {hers, his}, "product=Book": set(), "product=plan&interval=year": {his},
        }.items():  # fmt: skip
            assert found(StripeSubscription, query) == expected, (few, query)


def test_payments_of_a_common_card_are_not_counted_where_they_are_more_than_anybody_counts(monkeypatch: Any) -> None:
    monkeypatch.setattr(mirror, "FEW", 0)
    monkeypatch.setattr(mirror, "COUNT_MAX", 2)
    credential = make.credential()
    for _ in range(2):
        make.charge(paid := make.payment(credential), card_last4="1881")
        make.charge(paid, card_last4="1881")  # a second attempt is no payment more
    assert sure_to_be_found("q=1881") is None
    for _ in range(3):
        make.charge(make.payment(credential))
    assert str(sure_to_be_found("q=4242")) == str(narrowed(StripePaymentIntent, "q=4242").count()) == "more than 2"
    assert not sure_to_be_found("q=4242&status=succeeded")
    assert not sure_to_be_found("q=4241")


def sure_to_be_found(query: str) -> BoundedCount | None:
    filtered = narrowed(StripePaymentIntent, query)
    list(filtered.rows())
    return filtered.told()


def test_payments_are_found_by_ids_people_and_last_four() -> None:
    credential = make.credential()
    ada, bob = make.customer(credential), make.customer(credential, email="bob@example.com", name="Bob Smith")
    hers, his = make.payment(credential, ada), make.payment(credential, bob)
    first = make.charge(hers, status="failed", card_last4="0002")
    make.charge(hers, method_type="sepa_debit", card_last4="")
    make.charge(his)
    for query in (
        f"q={hers.stripe_id}",
        f"q={first.stripe_id}",
        f"q={ada.stripe_id}",
        "q=ada%40ex",
        "q=ada+love",
        "q=0002",
        f"customer={ada.stripe_id}",
        "customer=ada%40example.com",
        "method=sepa_debit",
    ):
        assert found(StripePaymentIntent, query) == {hers}, query
    assert found(StripePaymentIntent, "q=4242") == {his}
    assert found(StripePaymentIntent, "q=pi_unknown") == found(StripePaymentIntent, "q=%25") == set()


def test_payments_are_found_by_how_their_dispute_stands() -> None:
    credential = make.credential()
    disputed = {}
    for status in ("needs_response", "warning_under_review", "won", "lost", "warning_closed"):
        disputed[status] = make.payment(credential)
        charge = make.charge(disputed[status])
        of = {"charge": charge} if status == "won" else {"payment_intent": disputed[status]}
        StripeDispute.objects.create(credential=credential, stripe_id=f"dp_{status}", status=status, **of)
    gone = StripeDispute.objects.create(
        credential=credential, stripe_id="dp_gone", status="lost", payment_intent=disputed["won"], deleted_at=make.NOON
    )
    make.payment(credential)
    for query, statuses in {
        "open": ("needs_response", "warning_under_review"), "answer": ("needs_response",), "won": ("won",),
        "lost": ("lost",),
    }.items():  # fmt: skip
        assert found(StripePaymentIntent, f"dispute={query}") == {disputed[status] for status in statuses}, query
    assert gone.is_deleted


def test_ids_of_another_credential_find_nothing() -> None:
    other = make.credential("Other", is_active=False)
    customer = make.customer(other)
    payment = make.payment(make.credential(), make.customer(make.credential()))
    assert found(StripePaymentIntent, f"customer={customer.stripe_id}") == set()
    assert found(StripePaymentIntent, f"q={make.payment(other, customer).stripe_id}") == set()
    assert found(StripePaymentIntent) == {payment}


def test_subscriptions_are_found_by_state_product_cycle_and_customer() -> None:
    credential = make.credential()
    monthly = make.price(make.product(credential, name="Club"), type="recurring")
    yearly = make.price(make.product(credential, name="Archive"), type="recurring", interval="year")
    ada = make.customer(credential)
    active = make.subscription(monthly, ada)
    leaving = make.subscription(monthly, ada, status="past_due", cancel_at_period_end=True)
    ended = make.subscription(yearly, make.customer(credential, name="Bob", email="b@x.org"), status="canceled")
    for query, expected in {
        "status=active": {active, leaving},
        "status=inactive": {ended},
        "status=only_active": {active},
        "status=canceling": {leaving},
        "status=canceled": {ended},
        "product=club": {active, leaving},
        f"product={yearly.product.stripe_id}": {ended},
        "interval=year": {ended},
        f"customer={ada.stripe_id}&status=past_due": {leaving},
        f"q={monthly.stripe_id}": {active, leaving},
        f"q={ended.stripe_id}": {ended},
        "q=b%40x": {ended},
    }.items():
        assert found(StripeSubscription, query) == expected, query


def test_subscriptions_are_found_by_currency() -> None:
    credential = make.credential()
    price, ada = make.price(make.product(credential), type="recurring"), make.customer(credential)
    euro = make.subscription(price, ada, currency="eur", status="past_due")
    make.subscription(price, ada, currency="usd", status="past_due")

    assert found(StripeSubscription, "currency=EUR&status=past_due") == {euro}
    wrong = narrowed(StripeSubscription, "currency=euro")
    assert not wrong.rows() and wrong.errors() == [("Currency", "“euro” is not a currency Stripe charges in.")]


def test_customers_are_found_by_text_and_by_what_they_subscribe_to() -> None:
    credential = make.credential()
    price = make.price(make.product(credential), type="recurring")
    ada = make.customer(credential)
    late = make.customer(credential, name="Late", email="late@example.com", delinquent=True)
    gone = make.customer(credential, name="Gone", email="gone@example.com", deleted_at=make.NOON)
    make.subscription(price, ada)
    make.subscription(price, late, status="past_due")
    for query, expected in {
        "": {ada, late, gone},
        "status=active": {ada},
        "status=past_due": {late},
        "status=none": set(),
        "status=deleted": {gone},
        "q=Ada": {ada},
        "q=late%40": {late},
        f"q={gone.stripe_id}": {gone},
    }.items():
        assert found(StripeCustomer, query) == expected, query


def test_products_are_found_by_state_type_text_and_price() -> None:
    credential = make.credential()
    club, novel = make.product(credential, name="Club"), make.product(credential, name="Novel", active=False)
    gone = make.product(credential, name="Gone", deleted_at=make.NOON)
    price = make.price(club, type="recurring")
    make.price(novel)
    for query, expected in {
        "status=active": {club},
        "status=archived": {novel},
        "status=deleted": {gone},
        "type=recurring": {club},
        "type=one_time": {novel},
        f"q={price.stripe_id}": {club},
        f"q={novel.stripe_id}": {novel},
        "q=clu": {club},
    }.items():
        assert found(StripeProduct, query) == expected, query


def test_chips_name_the_filters_in_force_and_drop_one_each() -> None:
    make.credential()
    filtered = narrowed(
        StripePaymentIntent, "q=ada&method=card&status=failed&sort=amount&after=x&customer=&date_from=2026-05-01"
    )
    assert {(chip.label, chip.value) for chip in filtered.chips()} == {
        ("Search", "ada"), ("Method", "Card"), ("Created from", "2026-05-01")
    }  # fmt: skip
    drop = {chip.label: chip.query for chip in filtered.chips()}["Search"]
    assert drop == "method=card&status=failed&sort=amount&date_from=2026-05-01"


def test_a_tab_keeps_the_other_filters_and_begins_on_the_first_page() -> None:
    make.credential()
    tabs = {tab.label: tab for tab in narrowed(StripePaymentIntent, "q=ada&status=failed&after=x").tabs()}
    assert tabs["Failed"].is_current
    assert not tabs["All"].is_current
    assert tabs["Refunded"].query == "q=ada&status=refunded"
    assert tabs["All"].query == "q=ada"


@pytest.mark.parametrize("led", [5_000, 0], ids=["by their keys", "on the way through the list"])
def test_every_customer_is_behind_one_tab_and_rows_say_which(led: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(base, "LED", led)
    credential = make.credential()
    price = make.price(make.product(credential), type="recurring")
    expected: dict[str, StripeCustomer] = {}
    for state, statuses in {
        "active": ("active", "canceled"),
        "past_due": ("active", "past_due"),
        "trial": ("trialing", "canceled"),
        "churned": ("canceled",),
        "none": ("incomplete_expired",),
    }.items():
        expected[state] = make.customer(credential, name=state, email="")
        for status in statuses:
            make.subscription(price, expected[state], status=status)
    expected["one_off"] = make.customer(credential, name="one_off", email="")
    make.payment(credential, expected["one_off"])
    expected["deleted"] = make.customer(credential, name="deleted", email="", deleted_at=make.NOON)
    make.payment(credential, expected["none"], status="canceled")
    for state, customer in expected.items():
        assert found(StripeCustomer, f"status={state}") == {customer}
    assert {row.customer.name: row.state for row in customer_rows(credential, [*expected.values()])} == {
        state: state for state in expected
    }


def test_customers_are_found_by_the_country_of_a_card_and_by_disputes() -> None:
    credential = make.credential()
    ada, bob, eve = (make.customer(credential, name=name) for name in ("Ada", "Bob", "Eve"))
    charge = make.charge(make.payment(credential, ada), card_country="DE")
    make.charge(make.payment(credential, bob), card_country="US")
    StripeDispute.objects.create(credential=credential, stripe_id="dp_1", charge=charge)
    StripeDispute.objects.create(credential=credential, stripe_id="dp_2", payment_intent=make.payment(credential, eve))
    for query, expected in {
        "country=de": {ada},
        "country=FR": set(),
        "dispute=yes": {ada, eve},
        "dispute=no": {bob},
        "country=DE&dispute=no": set(),
        "country=D1": set(),
    }.items():
        assert found(StripeCustomer, query) == expected, query


@pytest.mark.parametrize("named", [20_000, 0], ids=["by their keys", "by a query"])
def test_customers_are_found_by_any_word_of_their_name_in_every_list(named: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(base, "NAMED", named)
    monkeypatch.setattr(mirror, "LED", 0)  # as of a name that very many have
    credential = make.credential()
    ada, grace = (make.customer(credential, name=name, email="") for name in ("Zoë Lovelace", "Grace Hopper"))
    price = make.price(make.product(credential), type="recurring")
    for customer in (ada, grace):
        make.payment(credential, customer)
        make.subscription(price, customer)
    for words in ("love", "zoe", "LOVELACE zoë"):
        query = QueryDict(mutable=True)
        query["q"] = words
        assert found(StripeCustomer, query.urlencode()) == {ada}
        for model in (StripePaymentIntent, StripeSubscription):
            assert {row.customer for row in found(model, query.urlencode())} == {ada}
            assert {row.customer for row in found(model, f"{query.urlencode()}&customer=grace")} == set()
            assert {row.customer for row in found(model, "customer=grace")} == {grace}


def test_what_is_counted_is_what_is_found(monkeypatch: Any) -> None:
    """Of named customers alone there is a form that is counted faster; with another filter there is none."""
    credential, other = make.credential(), make.credential("Other", is_active=False)
    for account in (credential, other):
        make.payment(account, make.customer(account, name="Ada"))
    monkeypatch.setattr(base, "FEW", 0)  # as of more rows than can be named
    alone = narrowed(StripePaymentIntent, "customer=ada")
    counted = alone.countable(alone.rows())
    assert set(alone.rows()) == set(counted) and alone.count().value == 1
    assert str(counted.query) != str(alone.rows().query)
    for query in ("customer=ada&status=succeeded", "customer=ada&currency=usd", "status=succeeded", "", "q=4242"):
        both = narrowed(StripePaymentIntent, query)
        assert both.countable(rows := both.rows()) is rows
