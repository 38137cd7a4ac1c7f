"""Which rows a payout consists of, asked over HTTP: by the sync and after webhooks, from a stub and from the sandbox."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from financial import itemising, reports, stripe_services, webhooks
from financial.errors import PermissionRefused, StripeUnavailable
from financial.gateway import StripeGateway
from financial.models import (
    PayoutDestination,
    PayoutReading,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCredential,
    StripePayout,
    StripeWebhookEvent,
    SyncRun,
)
from financial.reports import Reckoned
from sandbox.core import money, payouts
from sandbox.http.server import Server
from tests import payloads
from tests.stripe_stub import StripeStub, status

pytestmark = pytest.mark.django_db
DAY = 86_400
LISTING = "/v1/balance_transactions?limit=100&payout="


def put_payout(stub: StripeStub, nets: list[int], stripe_id: str = "po_1", **changes: Any) -> None:
    """An account with a payout of these rows, and its own."""
    amount, own = sum(nets), f"txn_{stripe_id}"
    changes = {"amount": amount, "balance_transaction": own, **changes}
    stub.put(payloads.payout(stripe_id, **changes))
    for number, net in enumerate(nets):
        figures = {"amount": net, "fee": 0, "net": net, "_payout": stripe_id, "source": None}
        stub.put(payloads.balance_transaction(f"txn_{stripe_id}_{number:04}", **figures))
    moved = {"amount": -amount, "fee": 0, "net": -amount, "reporting_category": "payout", "type": "payout"}
    stub.put(payloads.balance_transaction(own, source=stripe_id, _payout=stripe_id, **moved))


def sync(credential: StripeCredential) -> SyncRun:
    return stripe_services.sync_now(credential, requested_by="test")


def listings(stub: StripeStub) -> list[str]:
    return [path for path in stub.requests if "payout=" in path]


def state(stripe_id: str = "po_1") -> Reckoned:
    return reports.reckon(StripePayout.objects.get(stripe_id=stripe_id)).state


def test_a_sync_reads_the_rows_of_a_payout_with_one_request(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    put_payout(stripe_stub, [9680, 757])

    run = sync(credential)

    step = run.steps.get(resource="payout_row")
    assert (run.state, step.state, step.read, step.pages) == ("done", "done", 3, 1)
    assert state() == Reckoned.AGREES
    assert listings(stripe_stub) == [f"{LISTING}po_1"]


def test_what_sums_up_is_never_read_again(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    put_payout(stripe_stub, [9680, 757])
    sync(credential)
    stripe_stub.requests.clear()

    again = sync(credential)

    assert listings(stripe_stub) == []
    assert not again.steps.filter(resource="payout_row").exists()


@pytest.mark.parametrize("changes", [{"automatic": False, "reconciliation_status": "not_applicable"},
                                     {"reconciliation_status": "in_progress"}])  # fmt: skip
def test_what_stripe_does_not_itemise_is_not_asked_for(
    credential: StripeCredential, stripe_stub: StripeStub, changes: dict[str, Any]
) -> None:
    put_payout(stripe_stub, [9680], **changes)

    sync(credential)

    assert listings(stripe_stub) == []
    assert state() in (Reckoned.MANUAL, Reckoned.WAITING)


def test_a_list_of_several_pages_is_read_to_its_end(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    put_payout(stripe_stub, [100] * 250)

    sync(credential)

    assert (PayoutRow.objects.count(), len(listings(stripe_stub)), state()) == (251, 3, Reckoned.AGREES)


def test_a_dropped_page_shows_as_a_remainder_and_is_asked_for_again(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    put_payout(stripe_stub, [100] * 150)
    lost = [item for item in stripe_stub.objects.values() if item.get("_payout")][:100]
    for item in lost:
        item["_payout"] = ""

    sync(credential)
    reckoning = reports.reckon(StripePayout.objects.get())
    assert (reckoning.state, reckoning.remainder_minor) == (Reckoned.DIFFERS, 10_000)
    assert "missing from Stripe’s list" in reckoning.missing
    assert reports.unreconciled(credential).payouts == 1

    for item in lost:
        item["_payout"] = "po_1"
    sync(credential)
    assert (state(), reports.unreconciled(credential).total) == (Reckoned.AGREES, 0)


def test_rows_lost_here_show_as_a_remainder(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    put_payout(stripe_stub, [9680, 757])
    sync(credential)

    PayoutRow.objects.filter(balance_transaction__net_minor=757).delete()

    reckoning = reports.reckon(StripePayout.objects.select_related("reading").get())
    assert (reckoning.state, reckoning.remainder_minor) == (Reckoned.DIFFERS, 757)


def test_a_reading_that_was_cut_short_goes_on_where_it_ended(
    credential: StripeCredential, stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    put_payout(stripe_stub, [100] * 250)
    sync(credential)
    PayoutReading.objects.all().delete()
    PayoutRow.objects.all().delete()
    stripe_stub.requests.clear()

    def away_after_two_pages(path: str) -> None:
        if len(listings(stripe_stub)) == 3 and not stripe_stub.faults:
            stripe_stub.fail(status(500), times=3, path=LISTING)

    stripe_stub.before = away_after_two_pages
    with pytest.raises(StripeUnavailable):
        itemising.read(credential, gateway)
    assert (PayoutRow.objects.count(), state()) == (200, Reckoned.UNREAD)

    stripe_stub.before = lambda path: None
    stripe_stub.faults.clear()
    stripe_stub.requests.clear()
    itemising.read(credential, gateway)
    assert (len(listings(stripe_stub)), PayoutRow.objects.count(), state()) == (1, 251, Reckoned.AGREES)


def test_one_payout_that_stripe_will_not_list_stops_no_other(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    put_payout(stripe_stub, [9680, 757])
    put_payout(stripe_stub, [100, 200], "po_2")
    stripe_stub.fail(status(400), path=f"{LISTING}po_2")

    run = sync(credential)

    assert (state("po_1"), state("po_2")) == (Reckoned.AGREES, Reckoned.UNREAD)
    assert run.steps.get(resource="payout_row").error == "1 payouts could not be listed."


def test_a_refused_permission_is_raised(
    credential: StripeCredential, stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    put_payout(stripe_stub, [9680, 757])
    sync(credential)
    PayoutReading.objects.all().delete()
    stripe_stub.fail(status(403), path=LISTING)

    with pytest.raises(PermissionRefused):
        itemising.read(credential, gateway)


def test_rows_that_were_not_mirrored_yet_are_mirrored_with_it(
    credential: StripeCredential, stripe_stub: StripeStub, gateway: StripeGateway
) -> None:
    put_payout(stripe_stub, [9680, 757])
    sync(credential)
    PayoutReading.objects.all().delete()
    put_payout(stripe_stub, [9680, 757, 100])
    StripePayout.objects.update(amount_minor=10_537)

    itemising.read(credential, gateway)

    assert StripeBalanceTransaction.objects.filter(stripe_id="txn_po_1_0002").exists()
    assert state() == Reckoned.AGREES


# The sandbox


def lines(sandbox: Server, *moved: tuple[str, int, int]) -> None:
    with sandbox.lock:
        for kind, amount, fee in moved:
            money.post(sandbox.world, kind, amount, "usd", fee=fee)


def pay_out(sandbox: Server) -> str:
    """Send the balance to the bank and let Stripe reconcile it."""
    with sandbox.lock:
        made = payouts.pay_out(sandbox.world, "usd")
        assert made is not None
    sandbox.advance(DAY)
    return str(made["id"])


def test_the_payouts_of_book_a_sum_up_over_http(credential: StripeCredential, sandbox: Server) -> None:
    lines(sandbox, ("charge", 10000, 320), ("charge", 5406, 322), ("charge", 3000, 117))
    lines(sandbox, ("refund", -2500, 0), ("adjustment", -3000, 1500), ("stripe_fee", -210, 0))
    first = pay_out(sandbox)
    lines(sandbox, ("refund", -5450, 0), ("charge", 8000, 262))
    second = pay_out(sandbox)
    with sandbox.lock:
        payouts.fail_payout(sandbox.world, second, "account_closed")
    sync(credential)

    po_1, po_2 = (reports.reckon(StripePayout.objects.get(stripe_id=name)) for name in (first, second))

    assert (po_1.state, po_1.payout_minor, po_1.net_minor, po_1.count) == (Reckoned.AGREES, 10437, 10437, 6)
    assert (po_1.remainder_minor, po_1.closing_minor, po_1.fees) == (0, 0, (("stripe_fee", 2259),))
    assert (po_2.state, po_2.net_minor, po_2.remainder_minor) == (Reckoned.AGREES, 2288, 0)


def test_money_that_came_back_is_a_row_of_the_payout_that_follows(
    credential: StripeCredential, sandbox: Server
) -> None:
    lines(sandbox, ("charge", 2500, 212))
    failed = pay_out(sandbox)
    with sandbox.lock:
        payouts.fail_payout(sandbox.world, failed, "account_closed")
    lines(sandbox, ("charge", 100, 30))
    following = pay_out(sandbox)

    sync(credential)

    reckoning = reports.reckon(StripePayout.objects.get(stripe_id=following))
    found = {line.category: line.net_minor for line in reckoning.categories}
    assert found == {"charge": 70, "payout_reversal": 2288}
    assert {state(failed), state(following)} == {Reckoned.AGREES}


def test_a_negative_payout_sums_up(credential: StripeCredential, sandbox: Server) -> None:
    lines(sandbox, ("refund", -5450, 0))
    taken = pay_out(sandbox)

    sync(credential)

    assert StripePayout.objects.get().amount_minor == -5450
    assert state(taken) == Reckoned.AGREES


def test_the_webhook_of_a_reconciled_payout_has_its_rows_read(credential: StripeCredential, sandbox: Server) -> None:
    lines(sandbox, ("charge", 10000, 320))
    sync(credential)
    made = pay_out(sandbox)
    events = stripe_services.gateway_for(credential).iterate("/v1/events", {"type": "payout.reconciliation_completed"})
    webhooks.file(credential, map(orjson.dumps, events), source=StripeWebhookEvent.Source.WEBHOOK, now=timezone.now())

    stripe_services.apply_events(StripeWebhookEvent.objects.filter(object_type="payout"))

    assert not StripeWebhookEvent.objects.exclude(state="done").exists()
    assert state(made) == Reckoned.AGREES


# Where payouts go


def destinations(stub: StripeStub) -> list[str]:
    return [path for path in stub.requests if "expand" in path and path.startswith("/v1/payouts/")]


def test_a_sync_asks_once_what_bank_account_payouts_go_to(credential: StripeCredential, sandbox: Server) -> None:
    lines(sandbox, ("charge", 10000, 320))
    pay_out(sandbox)
    lines(sandbox, ("charge", 5000, 320))
    pay_out(sandbox)

    sync(credential)

    destination = PayoutDestination.objects.get()
    assert str(destination) == "STRIPE TEST BANK ••••6789"
    assert set(StripePayout.objects.values_list("destination_stripe_id")) == {(destination.stripe_id,)}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"object": "bank_account", "bank_name": "Berliner Bank", "last4": "3000"}, "Berliner Bank ••••3000"),
        ({"object": "bank_account", "bank_name": None, "last4": "3000"}, "••••3000"),
        ({"object": "card", "brand": "Visa", "last4": "4242"}, "Visa ••••4242"),
        ({"object": "bank_account", "deleted": True}, ""),
    ],
)
def test_a_destination_is_known_by_its_bank_or_brand_and_last_four(
    credential: StripeCredential, stripe_stub: StripeStub, told: dict[str, Any], words: str
) -> None:
    put_payout(stripe_stub, [9680], destination={"id": "ba_1", **told})

    sync(credential)
    stripe_stub.requests.clear()
    sync(credential)

    assert [(row.stripe_id, str(row)) for row in PayoutDestination.objects.all()] == [("ba_1", words)]
    assert destinations(stripe_stub) == []


def test_a_bank_account_deleted_at_stripe_stays_known(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    bank = {"id": "ba_1", "object": "bank_account"}
    put_payout(stripe_stub, [9680], destination={**bank, "bank_name": "Berliner Bank", "last4": "3000"})
    sync(credential)
    put_payout(stripe_stub, [100], "po_2", destination={**bank, "deleted": True})

    sync(credential)

    assert str(PayoutDestination.objects.get()) == "Berliner Bank ••••3000"


def test_a_key_that_may_not_look_at_bank_accounts_syncs_all_the_same(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    put_payout(stripe_stub, [9680], destination={"id": "ba_1", "object": "bank_account", "last4": "3000"})
    put_payout(stripe_stub, [100], "po_2", destination="ba_2")
    stripe_stub.fail(status(403), path="/v1/payouts/po_")

    run = sync(credential)

    credential.refresh_from_db()
    assert (run.state, run.error, credential.needs_attention) == ("done", "", "")
    assert not PayoutDestination.objects.exists() and len(destinations(stripe_stub)) == 1
    sync(credential)
    assert str(PayoutDestination.objects.get()) == "••••3000"


@examples(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(-50_000, 50_000).filter(bool), min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_automatic_payout_sums_up(sandbox: Server, db: None, weeks: list[list[int]]) -> None:
    """Whatever moved, Stripe's list of a payout and its amount agree, and nothing is in two payouts."""
    account = StripeCredential.objects.create(name=f"Shop {StripeCredential.objects.count()}", secret_key="sk_test_x")
    for week in weeks:
        lines(sandbox, *(("charge" if amount > 0 else "refund", amount, abs(amount) // 40) for amount in week))
        with sandbox.lock:
            payouts.pay_out(sandbox.world, "usd")
        sandbox.advance(DAY)

    sync(account)

    found = StripePayout.objects.filter(credential=account)
    assert {reports.reckon(payout).state for payout in found} <= {Reckoned.AGREES}
    assert reports.unreconciled(account).payouts == 0
