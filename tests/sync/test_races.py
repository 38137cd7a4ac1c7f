"""A world that moves while it is read: objects made and deleted between pages, clocks that disagree, webhooks that race a
page. In the end the mirror is the account."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from financial import stripe_services, webhooks
from financial.gateway import StripeGateway
from financial.models import StripeCredential, StripeCustomer, StripeWebhookEvent, SyncRun, SyncStep
from financial.sync import pulling
from sandbox.core import World
from sandbox.http.server import Server, running
from tests.sync.account import Account, Wire, deliver, differences

pytestmark = pytest.mark.django_db
CUSTOMERS = "/v1/customers"
FULL = SyncRun.Kind.FULL


@pytest.fixture
def account(sandbox: Server) -> Account:
    return Account(sandbox.service, random.Random(1))


@pytest.fixture
def wire(account: Account) -> Wire:
    return Wire(account.service)


def run(credential: StripeCredential, **options: Any) -> SyncRun:
    done = stripe_services.sync_now(credential, requested_by="test", **options)
    assert (done.state, done.error) == ("done", "")
    return done


def name_of(stripe_id: str) -> str:
    return str(StripeCustomer.objects.get(stripe_id=stripe_id).name)


# Made and deleted between pages


def test_what_is_made_and_deleted_between_pages_is_right_after_the_next_sync(
    account: Account, wire: Wire, credential: StripeCredential
) -> None:
    made = account.crowd(900, apart=60)

    def meanwhile(call: str) -> None:
        if call.startswith(f"{CUSTOMERS}?"):
            account.crowd(2)
            account.delete(made.pop(account.chance.randrange(len(made))))

    wire.before = meanwhile
    run(credential)
    asked = wire.count(CUSTOMERS)
    wire.before = lambda call: None
    run(credential)

    assert differences(credential, account) == []
    assert asked < 40


@pytest.mark.parametrize("readers", [1, 8])
def test_a_cursor_that_is_deleted_restarts_its_second_only(
    account: Account, wire: Wire, credential: StripeCredential, settings: Any, readers: int
) -> None:
    settings.FINANCIAL_SYNC_READERS = readers
    account.crowd(700, apart=60)
    deleted: list[str] = []

    def delete_the_cursor(call: str) -> None:
        if call.startswith(f"{CUSTOMERS}?") and "starting_after=" in call and len(deleted) < 3:
            deleted.append(call.split("starting_after=")[1].split("&")[0])
            account.delete(deleted[-1])

    wire.before = delete_the_cursor
    run(credential)

    assert len(deleted) == 3
    assert wire.count(CUSTOMERS) <= 30
    assert run(credential).kind == "incremental"
    assert differences(credential, account) == []


def test_a_thousand_objects_of_one_second_are_all_mirrored(
    account: Account, wire: Wire, credential: StripeCredential
) -> None:
    account.crowd(30, apart=3)
    account.service.frozen = True
    account.crowd(1000)
    account.service.frozen = False
    account.service.advance(5)
    account.crowd(30, apart=3)

    step = run(credential).steps.get(resource="customer")

    assert (step.delivered, step.stored) == (1060, 1060)
    assert differences(credential, account) == []
    assert wire.count(CUSTOMERS) <= 20


def test_the_newest_second_is_read_again_and_what_was_made_in_it_counts_as_late(
    account: Account, wire: Wire, credential: StripeCredential, settings: Any
) -> None:
    settings.FINANCIAL_SYNC_READERS = 1  # so there is no other border
    account.crowd(250, apart=1)
    account.service.frozen = True
    account.crowd(1)

    def one_more(call: str) -> None:
        if call.startswith(f"{CUSTOMERS}?") and wire.count(CUSTOMERS) == 1:
            account.crowd(1)

    wire.after = one_more
    step = run(credential).steps.get(resource="customer")

    assert (step.delivered, step.stored, step.read) == (252, 252, 252)
    assert (step.reread, step.late) == (1, 1)
    assert differences(credential, account) == []


# Clocks


@pytest.fixture(params=[-1800, -1, 0, 1, 86_400], ids=lambda seconds: f"Stripe {seconds:+} s")
def apart(request: pytest.FixtureRequest, settings: Any) -> Iterator[Server]:
    """A sandbox whose clock is not ours."""
    with running(World(now=time.time() + request.param), background=False) as server:
        settings.FINANCIAL_STRIPE_BASE_URL = server.url
        yield server


def test_what_is_made_in_the_second_that_is_read_comes_with_the_next_sync_at_the_latest(
    apart: Server, credential: StripeCredential
) -> None:
    account, wire = Account(apart.service, random.Random(2)), Wire(apart.service)
    account.crowd(250)
    for _ in range(10):
        account.new_customer()
        account.pay()

    def one_more_of_each(call: str) -> None:
        if call.startswith((f"{CUSTOMERS}?", "/v1/balance_transactions?", "/v1/charges?")):
            account.crowd(1)
            account.pay_at_least()

    wire.before = wire.after = one_more_of_each
    run(credential)
    run(credential)
    wire.before = wire.after = lambda call: None
    run(credential)

    assert differences(credential, account) == []


# Webhooks that race a page


class Racing:
    """Does something once pages that were fetched wait to be written: with one reader, when the first is written."""

    def __init__(self, wire: Wire, deed: Callable[[], object], *, pages: int) -> None:
        self.wire = wire
        self.deed = deed
        self.pages = pages
        self.is_done = False
        self.answered = threading.Semaphore(0)
        wire.after = lambda call: self.answered.release() if call.startswith(f"{CUSTOMERS}?") else None

    def __call__(self, step: SyncStep) -> None:
        if step.resource != "customer" or not step.read or self.is_done:
            return
        self.is_done = True
        for _ in range(self.pages):
            assert self.answered.acquire(timeout=20)
        self.deed()


@pytest.fixture
def one_reader(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.FINANCIAL_SYNC_READERS = 1  # it asks for the next page at once, so several wait while one is written
    monkeypatch.setattr(pulling, "ROWS_PER_WRITE", 100)


def last_event(account: Account, event_type: str) -> dict[str, Any]:
    return [event for event in account.events() if event["type"] == event_type][-1]


@pytest.mark.usefixtures("one_reader")
@pytest.mark.parametrize("is_known", [False, True])
def test_a_webhook_applied_while_an_older_page_waits_is_not_overwritten(
    account: Account, wire: Wire, credential: StripeCredential, is_known: bool
) -> None:
    made = account.crowd(400, apart=60)
    if is_known:
        run(credential)
    chosen = made[250]  # on the second page from the newest

    def rename() -> None:
        account.ask("POST", f"{CUSTOMERS}/{chosen}", name="newer")
        deliver(credential, last_event(account, "customer.updated"))

    racing = Racing(wire, rename, pages=3)
    run(credential, kind=FULL, listener=racing)

    assert racing.is_done
    assert name_of(chosen) == "newer"
    assert differences(credential, account) == []


@pytest.mark.usefixtures("one_reader")
@pytest.mark.parametrize("is_known", [False, True])
def test_a_deletion_applied_while_an_older_page_waits_is_not_undone(
    account: Account, wire: Wire, credential: StripeCredential, is_known: bool
) -> None:
    made = account.crowd(400, apart=60)
    if is_known:
        run(credential)
    chosen = made[250]

    def delete() -> None:
        account.delete(chosen)
        deliver(credential, last_event(account, "customer.deleted"))

    racing = Racing(wire, delete, pages=3)
    run(credential, kind=FULL, listener=racing)

    assert racing.is_done
    assert not StripeCustomer.objects.alive().filter(stripe_id=chosen).exists()
    assert differences(credential, account) == []


def test_a_page_written_while_a_webhook_looks_is_not_overwritten_by_it(
    account: Account, sandbox: Server, credential: StripeCredential
) -> None:
    (chosen,) = account.crowd(1)
    account.ask("POST", f"{CUSTOMERS}/{chosen}", name="old")
    run(credential)
    event = received(credential, last_event(account, "customer.updated"))
    looks: list[str] = []

    class Slow(StripeGateway):
        def look(self, path: str, stripe_id: str, *, expand: tuple[str, ...] = ()) -> dict[str, Any] | None:
            found = super().look(path, stripe_id, expand=expand)
            looks.append(str((found or {}).get("name")))
            if len(looks) == 1:
                account.ask("POST", f"{CUSTOMERS}/{chosen}", name="new")
                run(credential, kind=FULL)
            return found

    slow = Slow("sk_test_obviously_fake_0000000000", base_url=sandbox.url)
    webhooks.apply(event, lambda _: slow, now=timezone.now())

    assert looks == ["old", "new"]
    assert name_of(chosen) == "new"
    assert differences(credential, account) == []


def received(credential: StripeCredential, event: dict[str, Any]) -> StripeWebhookEvent:
    """An event that is stored and claimed, but not applied."""
    deliver(credential, event)
    row = StripeWebhookEvent.objects.get(event_id=event["id"])
    StripeWebhookEvent.objects.filter(pk=row.pk).update(state="waiting", due_at=timezone.now())
    row.refresh_from_db()
    assert webhooks.claim(row, now=timezone.now())
    return row
