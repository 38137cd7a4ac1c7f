"""Random accounts, and changes, page reads, late writes, webhooks, syncs and kills in any order.

At no moment does a row show an older state than before, and no tombstone comes back to life; once everything is quiet, one
sync ends in the account's state. What happens in which order is drawn from a seed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import urllib3
from django.utils import timezone

from financial import sync
from financial.gateway import Page, StripeGateway
from financial.mirror import store
from financial.mirror.resources import BY_NAME, RESOURCES, Resource
from financial.models import MIRROR_MODELS, StripeCredential, StripeCustomer, SyncRun, SyncStep
from financial.sync import pulling, reading, spans
from sandbox.core import Request, World
from sandbox.http.service import Service
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.sync.account import Account, deliver, differences

CUSTOMER = BY_NAME["customer"]
ROWS = 3  # a page
DAY = 86_400
AGE = 10 * DAY  # the account began before what a catch-up looks at: no event makes up for what a listing lost


class Direct(StripeGateway):
    """Asks a sandbox without a network between, and gets three objects a page: small accounts have cursors and borders."""

    def __init__(self, service: Service) -> None:
        super().__init__(TEST_KEY, backoff_seconds=0.01)
        self.service = service

    def list_page(self, path: str, params: Any, *, after: str = "", limit: int = ROWS) -> Page:
        return super().list_page(path, params, after=after, limit=min(limit, ROWS))

    def _asked(self, method: str, path: str, query: str) -> Any:
        asked = Request(method, path, query, headers={"authorization": f"Bearer {TEST_KEY}"})
        answer = self.service.handle(asked)
        return urllib3.HTTPResponse(answer.body, answer.headers, answer.status)


class Killed(BaseException):
    """The end of a process, as the run sees it."""


class Interleavings:
    """One account and our mirror of it; every method is something that may happen next."""

    def __init__(self, chance: random.Random, settings: Any) -> None:
        self.chance = chance
        self.settings = settings
        self.service = Service(World(now=time.time() - AGE))
        self.gateway = Direct(self.service)
        self.credential = StripeCredential.objects.create(
            name="Account", secret_key=TEST_KEY, webhook_secret=TEST_WEBHOOK_SECRET, is_active=True
        )
        self.account = Account(self.service, chance)
        self.pages: list[tuple[Resource, Page, int]] = []
        self.names: dict[str, str] = {}
        self.tombstones: set[str] = set()

    def begin(self) -> None:
        """An account that may be crowded or not, mirrored wholly, partly or not at all."""
        self.account.crowd(self.chance.randrange(5, 50), apart=self.chance.choice([0, 1, 60]))
        for _ in range(self.chance.randrange(10)):
            self.account.do_something()
        self.service.advance(max(0, time.time() - self.service.world.main.now))
        synced = self.chance.choice(["never", "wholly", "partly", "partly"])
        if synced != "never":
            self.sync(SyncRun.Kind.AUTOMATIC, killed_at=self.chance.randrange(1, 30) if synced == "partly" else None)

    # What happens at Stripe

    def things_happen(self) -> None:
        for _ in range(self.chance.randrange(1, 5)):
            self.account.do_something()

    def a_customer_is_renamed(self) -> None:
        """Rather one of the newest: it is likely to be on a page that waits."""
        newest = self.account.customers[-6:] if self.chance.random() < 0.7 else self.account.customers
        self.account.rename(self.chance.choice(newest))
        if self.chance.random() < 0.7:
            self.the_last_webhook_comes()

    def a_customer_is_deleted(self) -> None:
        self.account.delete_customer()
        if self.chance.random() < 0.7:
            self.the_last_webhook_comes()

    # What we do about it

    def the_last_webhook_comes(self) -> None:
        deliver(self.credential, self.account.events()[-1], self.gateway)

    def a_webhook_comes(self) -> None:
        """Late, twice or never: any of the last events may be it."""
        deliver(self.credential, self.chance.choice(self.account.events()[-12:]), self.gateway)

    def a_page_is_fetched(self) -> None:
        resource = self.chance.choice([CUSTOMER] * 12 + list(RESOURCES))
        seen = store.draw()
        page = self.gateway.list_page(resource.path, dict(resource.list_params))
        if page.next_after and self.chance.random() < 0.4:
            page = self.gateway.list_page(resource.path, dict(resource.list_params), after=page.next_after)
        self.pages.append((resource, page, seen))

    def a_fetched_page_is_written(self) -> None:
        if self.pages:
            resource, page, seen = self.pages.pop(self.chance.randrange(len(self.pages)))
            version = self.gateway.api_version
            store.save_many(
                self.credential, resource, page.items, seen=seen, api_version=version, shown_at=page.shown_at
            )

    def a_sync_runs_while_the_world_moves(self) -> None:
        self.settings.FINANCIAL_SYNC_READERS = self.chance.choice([1, 1, 4])
        kind = self.chance.choice([SyncRun.Kind.AUTOMATIC, SyncRun.Kind.AUTOMATIC, SyncRun.Kind.FULL])
        self.sync(kind, killed_at=self.chance.choice([None, self.chance.randrange(30)]), move=self.move)

    def move(self) -> None:
        if self.chance.random() < 0.2:
            self.chance.choice([self.a_customer_is_renamed, self.a_customer_is_deleted])()
        self.nothing_went_back()

    def sync(self, kind: SyncRun.Kind, *, killed_at: int | None = None, move: Callable[[], None] | None = None) -> None:
        """Sync to the end, or until so many customers were stored."""
        now = timezone.now()
        run = sync.request(self.credential, requested_by="test", resources=[], kind=kind, now=now)
        assert sync.claim(run, now=now)

        def listen(step: SyncStep) -> None:
            if killed_at is not None and step.resource == "customer" and step.read >= killed_at:
                raise Killed
            if move:
                move()

        with suppress(Killed):
            sync.perform(run, self.gateway, listener=listen)
            assert run.error == ""

    # What always holds, and what holds in the end

    def nothing_went_back(self) -> None:
        names = dict(StripeCustomer.objects.values_list("stripe_id", "name"))
        older = {stripe_id for stripe_id, name in names.items() if name < self.names.get(stripe_id, "")}
        assert not older, "a row shows an older state than before"
        tombstones = {
            stripe_id
            for model in MIRROR_MODELS
            for stripe_id in model.objects.exclude(deleted_at=None).values_list("stripe_id", flat=True)
        }
        assert self.tombstones <= tombstones, "a tombstone was revived"
        self.names, self.tombstones = names, tombstones

    def come_to_rest(self) -> None:
        while self.pages:
            self.a_fetched_page_is_written()
        self.sync(SyncRun.Kind.AUTOMATIC)


DEEDS = (
    Interleavings.things_happen,
    Interleavings.a_customer_is_renamed,
    Interleavings.a_customer_is_deleted,
    Interleavings.a_webhook_comes,
    Interleavings.a_page_is_fetched,
    Interleavings.a_page_is_fetched,
    Interleavings.a_fetched_page_is_written,
    Interleavings.a_sync_runs_while_the_world_moves,
)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(16))
def test_any_interleaving_ends_in_the_accounts_state(settings: Any, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    settings.FINANCIAL_SYNC_READERS = 1
    monkeypatch.setattr(spans, "PAGE_ROWS", ROWS)
    monkeypatch.setattr(spans, "WORTH_SPLITTING_ROWS", 2 * ROWS)
    monkeypatch.setattr(reading, "BACKLOG", 2)
    monkeypatch.setattr(pulling, "ROWS_PER_WRITE", 2 * ROWS)
    chance = random.Random(seed)
    world = Interleavings(chance, settings)
    world.begin()

    for _ in range(chance.randrange(25)):
        chance.choice(DEEDS)(world)
        world.nothing_went_back()
    world.come_to_rest()

    assert differences(world.credential, world.account) == []
