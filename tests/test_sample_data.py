"""The sample data: its promised size, its shapes, its sums, and the command that loads it."""

from __future__ import annotations

import importlib
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from financial import reports
from financial.mirror.resources import RESOURCES
from financial.models import (
    MIRROR_MODELS,
    PayoutDestination,
    StripeBalanceTransaction,
    StripeCredential,
    StripePaymentIntent,
    StripePayout,
    StripeProduct,
    StripeSubscription,
    StripeTransaction,
    Transaction,
)
from financial.sample_data import load, shapes, story

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
SCHEMAS = Path(__file__).parents[2] / "shared" / "stripe"


@pytest.fixture(scope="module")
def told() -> dict[str, list[dict[str, Any]]]:
    return dict(story.tell(NOW))


def test_story_has_what_was_promised(told: dict[str, Any]) -> None:
    prices = told["price"]
    payments = [payment for payment in told["payment_intent"] if payment["status"] == "succeeded"]
    assert len(told["product"]) >= 12
    assert len(prices) >= 20
    assert len(told["customer"]) == 200
    assert len(payments) >= 1_500
    assert len(told["subscription"]) == 120
    assert {price["type"] for price in prices} == {"one_time", "recurring"}
    assert {price["recurring"]["interval"] for price in prices if price["recurring"]} == {"month", "year"}
    assert {price["tiers_mode"] for price in prices} == {None, "graduated", "volume"}
    assert {payment["currency"] for payment in payments} == {"usd", "eur", "jpy"}
    assert told["refund"] and told["dispute"] and told["payout"] and told["invoice"]


def test_subscriptions_stand_in_every_status(told: dict[str, Any]) -> None:
    assert {subscription["status"] for subscription in told["subscription"]} == {
        "active", "trialing", "past_due", "canceled", "unpaid", "incomplete", "incomplete_expired", "paused",
    }  # fmt: skip


def test_story_covers_eighteen_months_and_nothing_later_than_its_day(told: dict[str, Any]) -> None:
    created = [payload["created"] for payloads in told.values() for payload in payloads]
    assert max(created) <= datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    assert (max(created) - min(created)) / 86_400 > 540


def test_story_is_the_same_all_day() -> None:
    assert list(story.tell(NOW)) == list(story.tell(NOW.replace(hour=1)))


def test_parents_come_before_their_children() -> None:
    assert tuple(resource.name for resource in RESOURCES) == story.ORDER


def test_every_id_is_used_once_and_every_named_parent_exists(told: dict[str, Any]) -> None:
    ids = Counter(payload["id"] for payloads in told.values() for payload in payloads)
    assert set(ids.values()) == {1}
    for payloads in told.values():
        for payload in payloads:
            for key in ("product", "customer", "payment_intent", "charge", "latest_charge", "balance_transaction"):
                assert payload.get(key) is None or payload[key] in ids, (payload["id"], key)


def test_balance_adds_up_to_the_payouts_and_what_is_left(told: dict[str, Any]) -> None:
    moves = told["balance_transaction"]
    assert all(move["net"] == move["amount"] - move["fee"] for move in moves)
    balance: defaultdict[str, int] = defaultdict(int)
    waiting: defaultdict[str, int] = defaultdict(int)
    for move in moves:
        balance[move["currency"]] += move["net"]
    last = max(payout["created"] for payout in told["payout"])
    for move in moves:
        if move["type"] != "payout" and move["available_on"] > last:
            waiting[move["currency"]] += move["net"]
    assert balance == waiting  # everything that was available at the last payout has been paid out


def test_a_refund_never_exceeds_its_charge(told: dict[str, Any]) -> None:
    charges = {charge["id"]: charge for charge in told["charge"]}
    for refund in told["refund"]:
        charge = charges[refund["charge"]]
        assert 0 < refund["amount"] == charge["amount_refunded"] <= charge["amount"]
        assert charge["refunded"] == (refund["amount"] == charge["amount"])


def test_payloads_are_of_stripes_shape(told: dict[str, Any]) -> None:
    if not (SCHEMAS / "stripe_schema.py").exists():
        pytest.skip("Stripe's schemas are not beside the repository")
    sys.path.insert(0, str(SCHEMAS))
    try:
        schema = importlib.import_module("stripe_schema")
    finally:
        sys.path.remove(str(SCHEMAS))
    for payloads in told.values():  # the rarest forms and an even sample of the rest: a charge takes 9 ms
        for payload in [*payloads[:5], *payloads[5 :: max(1, len(payloads) // 20)]]:
            assert schema.errors(payload, version=shapes.API_VERSION) == [], payload["id"]


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("create_stripe_sample_data", *arguments, stdout=out)
    return out.getvalue()


def _everything() -> list[Any]:
    mirrored = [(row.stripe_id, row.version, row.digest) for model in MIRROR_MODELS for row in model.objects.all()]
    return [*sorted(mirrored), *Transaction.objects.order_by("pk").values_list("pk", "net_minor", "status")]


@pytest.mark.django_db
def test_command_fills_the_mirror_and_the_books_and_twice_changes_nothing() -> None:
    first = _run()
    before = _everything()
    second = _run()
    assert len(first.splitlines()) == len(RESOURCES) + 1
    assert "1,506 payments booked, 1,500 with their exact fee" in first
    assert " 0 written; 0 payments booked" in second
    assert _everything() == before
    sample = StripeCredential.objects.get()
    assert (sample.is_sample, sample.is_active, sample.secret_key) == (True, False, "")
    assert StripeCredential.objects.shown() == sample
    assert not StripePaymentIntent.objects.filter(customer=None).exists()
    assert not StripeSubscription.objects.filter(price=None).exists()
    moved = Transaction.objects.settled().exclude(balance_transaction=None)
    assert _sums(moved) == _sums(StripeBalanceTransaction.objects.all())


def _sums(rows: Any) -> list[Any]:
    sums = {f"sum_of_{name}": Sum(name) for name in ("amount_minor", "fee_minor", "net_minor")}
    return list(rows.values("currency").annotate(**sums).order_by("currency"))


@pytest.mark.django_db
def test_clear_removes_what_an_earlier_run_made_and_nothing_else() -> None:
    own = StripeCredential.objects.create(name="Our account", secret_key="sk_test_ours", is_active=True)
    kept = StripeProduct.objects.create(credential=own, stripe_id="prod_ours", name="Ours")
    assert "removed: 0 rows of an earlier run" in _run("--clear")
    rows = sum(model.objects.exclude(credential=own).count() for model in MIRROR_MODELS)
    assert rows > 5_000
    assert load.clear() > rows
    assert list(StripeProduct.objects.all()) == [kept]
    assert list(StripeCredential.objects.all()) == [own]
    assert not StripeTransaction.objects.exists()
    assert not Transaction.objects.exists()


@pytest.mark.django_db
def test_a_credential_of_the_same_name_is_left_alone() -> None:
    StripeCredential.objects.create(name=load.NAME)
    with pytest.raises(CommandError, match="exists already"):
        _run()
    assert not StripeProduct.objects.exists()


@pytest.mark.django_db
def test_every_payout_of_the_sample_sums_up() -> None:
    sample = load.credential()
    list(load.load(sample))

    states = {reports.reckoned(payout) for payout in StripePayout.objects.select_related("reading")}

    assert states == {reports.Reckoned.AGREES}
    assert str(PayoutDestination.objects.get(credential=sample)) == "Sample Bank ••••6789"
    assert reports.unreconciled(sample).total == 0
