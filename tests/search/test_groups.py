from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from financial import search
from financial.models import (
    StripeCharge,
    StripeDispute,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripeRefund,
)
from financial.search import groups
from tests.views import rows as make

pytestmark = pytest.mark.django_db


def row(model: Any, stripe_id: str, **values: Any) -> Any:
    return model.objects.create(credential=make.credential(), stripe_id=stripe_id, created_at=make.NOON, **values)


def found(text: str, credential: Any = None) -> dict[str, list[str]]:
    """The titles of the hits, by kind of row."""
    result = search.find(credential or make.credential(), search.read(text), search.GROUPS)
    return {group.source.name: [hit.title for hit in group.hits] for group in result}


@pytest.fixture
def shop() -> Any:
    """Ada paid 49 euros and 4900 yen, Grace 49 dollars and 500 yen."""
    credential = make.credential()
    ada = make.customer(credential, name="Ada Lovelace", email="ada@example.com")
    grace = make.customer(credential, name="Grace Hopper", email="grace@navy.example")
    at = make.NOON
    for number, (who, amount, currency) in enumerate(
        [(ada, 4900, "eur"), (grace, 4900, "usd"), (ada, 4900, "jpy"), (grace, 500, "jpy")]
    ):
        payment = make.payment(
            credential, who, amount_minor=amount, currency=currency, created_at=at + dt.timedelta(days=number)
        )
        make.charge(payment, card_last4="4242" if who is ada else "0005")
    return credential


@pytest.mark.parametrize(
    ("text", "payers"),
    [
        ("49", ["Grace Hopper", "Ada Lovelace"]),
        ("€49.00", ["Ada Lovelace"]),
        ("4900 jpy", ["Ada Lovelace"]),
        ("4900", ["Ada Lovelace"]),
        ("¥500", ["Grace Hopper"]),
        ("ada 49", ["Ada Lovelace"]),
        ("ada", ["Ada Lovelace", "Ada Lovelace"]),
        ("grace@navy.example", ["Grace Hopper", "Grace Hopper"]),
        ("4242", ["Ada Lovelace", "Ada Lovelace"]),
        ("last4:0005 currency:usd", ["Grace Hopper"]),
        ("0005 hopper", ["Grace Hopper", "Grace Hopper"]),
        ("amount>49 ada", ["Ada Lovelace"]),
        ("amount>=49 amount<50", ["Grace Hopper", "Ada Lovelace"]),
        ("currency:jpy", ["Grace Hopper", "Ada Lovelace"]),
        ("customer:lovelace currency:jpy", ["Ada Lovelace"]),
        ("status:failed", None),
        ("status:succeeded 500", ["Grace Hopper"]),
        ("date:2026-05-04", ["Ada Lovelace"]),
        ("date:2026-06 ada", None),
        ("ada hopper", None),
        ("49.01", None),
        ("nobody 49", None),
    ],
)
def test_payments_are_found_by_all_parts_together(shop: Any, text: str, payers: list[str] | None) -> None:
    assert found(text).get("payments") == payers


def test_customers_are_found_by_words_and_words_may_be_numbers() -> None:
    make.customer(make.credential(), name="Studio 54", email="")
    make.customer(make.credential(), name="Studio Nord", email="")
    assert sorted(found("studio")["customers"]) == ["Studio 54", "Studio Nord"]
    assert found("studio 54")["customers"] == ["Studio 54"]


def test_subscriptions_are_found_by_customer_state_and_price() -> None:
    credential = make.credential()
    ada = make.customer(credential)
    price = make.price(make.product(credential), type="recurring", unit_amount_minor=4900)
    make.subscription(price, ada, status="past_due")
    assert found("ada")["subscriptions"] == found("ada 49")["subscriptions"] == ["Ada Lovelace"]
    assert found("status:past_due")["subscriptions"] == ["Ada Lovelace"]
    assert "subscriptions" not in found("ada 48") | found("status:canceled")


def test_products_are_found_by_words_prices_and_an_id_of_ones_own() -> None:
    credential = make.credential()
    make.price(make.product(credential, name="Field notes"), unit_amount_minor=1500, currency="eur")
    make.product(credential, name="Poster", stripe_id="wall-poster")
    assert found("notes")["products"] == found("€15")["products"] == found("field 15")["products"] == ["Field notes"]
    assert found("wall-poster")["products"] == ["Poster"]
    assert "products" not in found("field 16")


def test_invoices_are_found_by_the_beginning_of_their_number_in_any_case() -> None:
    row(StripeInvoice, "in_1", number="ABCD-0001", total_minor=4900, currency="usd", status="paid")
    row(StripeInvoice, "in_2", number="ABCE-0001", total_minor=100, currency="usd", status="open")
    assert found("abcd-0001")["invoices"] == found("ABCD")["invoices"] == found("$49")["invoices"] == ["ABCD-0001"]
    assert found("status:open")["invoices"] == ["ABCE-0001"]


def test_payouts_are_found_by_trace_id_and_amount() -> None:
    row(StripePayout, "po_1", amount_minor=120_000, currency="eur", status="paid", trace_id="TRACE123456")
    assert "payouts" in found("trace123456")
    assert "payouts" in found("1,200.00")
    assert "payouts" not in found("TRACE12345")


def test_refunds_and_disputes_lead_to_their_payment() -> None:
    credential = make.credential()
    payment = make.payment(credential, make.customer(credential))
    for model, stripe_id in ((StripeRefund, "re_1"), (StripeDispute, "dp_1")):
        row(
            model, stripe_id, amount_minor=700, currency="usd", payment_intent=payment,
            payment_intent_stripe_id=payment.stripe_id,
        )  # fmt: skip
    result = {group.source.name: group.hits[0] for group in search.find(credential, search.read("7.00"), search.GROUPS)}
    assert {name: hit.places[0].key for name, hit in result.items()} == dict.fromkeys(
        ("refunds", "disputes"), payment.stripe_id
    )
    assert found("ada")["refunds"] == ["Refund to Ada Lovelace"]


def test_ledger_is_searched_by_amount_with_either_sign(shop: Any) -> None:
    payment = make.payment(shop, amount_minor=777)
    make.booking(payment, settled=True)
    assert found("7.77")["transactions"] == ["Payment"]


@pytest.mark.parametrize("source", search.GROUPS, ids=lambda source: source.name)
def test_every_kind_is_read_in_an_order_that_an_index_of_its_account_has(source: Any) -> None:
    """Else all rows of an account are sorted for the newest six: 0.3 s of a million."""
    wanted = ["credential", f"-{source.moment}", "-id"]
    assert any(list(index.fields) == wanted for index in source.model._meta.indexes)


def test_rows_of_other_credentials_are_never_found(shop: Any) -> None:
    other = make.credential("Other", is_active=False, livemode=True)
    for text in ("ada", "49", "4242", "currency:jpy", "lovelace 49", "date:2026"):
        assert found(text, other) == {}


def test_kinds_that_do_not_know_an_operator_are_left_out(shop: Any) -> None:
    assert set(found("ada currency:eur")) == {"payments"}


def test_nothing_is_found_where_something_was_not_understood(shop: Any) -> None:
    assert found("ada currency:xxx") == {}


def payments(count: int, **values: Any) -> list[str]:
    """So many payments, two of each hour; returns their ids, the oldest first."""
    made = [
        StripePaymentIntent(
            credential=make.credential(),
            stripe_id=f"pi_{number:05}",
            created_at=make.NOON + dt.timedelta(hours=number // 2),
            **values,
        )
        for number in range(count)
    ]
    return [row.stripe_id for row in StripePaymentIntent.objects.bulk_create(made)]


def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    credential = make.credential()
    expected = payments(2 * groups.PAGE_SIZE + 5, customer=make.customer(credential))
    source, after, seen = search.GROUPS[0], "", []
    for _ in range(3):
        page = search.find_more(credential, search.read("ada"), source, after)
        seen += [hit.places[0].key for hit in page.hits]
        after = page.after
    assert after == ""
    assert seen == expected[::-1]


def test_forged_position_begins_anew(shop: Any) -> None:
    page = search.find_more(shop, search.read("ada"), search.GROUPS[0], "forged")
    assert len(page.hits) == 2


def test_only_the_newest_rows_are_looked_through() -> None:
    old = make.NOON - dt.timedelta(days=1)
    make.payment(make.credential(), status="canceled", currency="jpy", created_at=old)
    payments(groups.LOOKED_THROUGH - 1, status="succeeded")
    assert len(found("currency:jpy")["payments"]) == 1
    make.payment(make.credential(), created_at=make.NOON)
    assert "payments" not in found("currency:jpy")
    assert len(found("status:canceled")["payments"]) == 1  # a state with an index is found however old


def test_number_of_queries_does_not_grow_with_the_rows(shop: Any, connection_queries: Any) -> None:
    texts = ("ada", "ada 49", "4242", "currency:jpy")
    few = [connection_queries(lambda text=text: found(text)) for text in texts]
    for _ in range(30):
        customer = make.customer(shop, name="Ada Byron")
        make.charge(make.payment(shop, customer, amount_minor=4900, currency="eur"))
    StripeCharge.objects.update(card_last4="4242")
    assert [connection_queries(lambda text=text: found(text)) for text in texts] == few
    assert max(few) <= 24
