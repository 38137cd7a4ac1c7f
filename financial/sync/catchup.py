"""What changed since the last complete sync, from Stripe's list of events: ids only, the objects are asked for again.

Events reach thirty days back. What has none (balance transactions) or changes without one (payouts do, but late) is
listed again over an overlap. Where single requests would cost more than a listing, the resource is listed.

Stripe: https://docs.stripe.com/api/events/list
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from financial import conf
from financial.mirror import store
from financial.mirror.resources import BY_EVENT, Resource, own_expand
from financial.mirror.translate import reduce_to_id
from financial.models import StripeCredential

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

REACH = timedelta(days=28)  # two days less than Stripe keeps events
OVERLAP = timedelta(hours=1)
POLLED: Mapping[str, timedelta] = {
    "balance_transaction": timedelta(days=10),  # pending ones turn available within that
    "payout": timedelta(days=10),  # paid ones may still fail within five business days
}
FETCHES_PER_WRITE = 50
EVENTS_PATH = "/v1/events"
Changed = dict[str, bool]


def changed(gateway: StripeGateway, *, since: datetime) -> dict[str, Changed]:
    """Return per resource the ids that events name, and whether the newest one says the object is gone."""
    found: dict[str, Changed] = {}
    for event in gateway.iterate(EVENTS_PATH, {"created[gte]": int(since.timestamp())}):
        resource = BY_EVENT.get(str(event.get("type")))
        stripe_id = reduce_to_id((event.get("data") or {}).get("object"))
        if resource is not None and stripe_id:
            of_resource = found.setdefault(resource.name, {})
            of_resource[stripe_id] = of_resource.get(stripe_id, False) or event["type"] in resource.gone
    return found


def is_too_much(credential: StripeCredential, resource: Resource, ids: Changed) -> bool:
    """Whether listing the resource again, a hundred rows a request, costs less than asking for each."""
    if len(ids) < 100:
        return False
    return len(ids) * 100 > resource.model.objects.filter(credential=credential).count()


def bring_up_to_date(
    credential: StripeCredential,
    resource: Resource,
    ids: Changed,
    gateway: StripeGateway,
    *,
    tick: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Fetch each object and write it by the mirror's rule; return how many rows were written and how many were gone.

    `tick` is called every so many requests, so that a long catch-up shows signs of life.
    """
    written = gone = 0
    waiting = list(ids.items())

    def look(named: tuple[str, bool]) -> dict[str, Any] | None:
        stripe_id, is_gone = named
        return None if is_gone else gateway.look(resource.path, stripe_id, expand=own_expand(resource))

    with ThreadPoolExecutor(min(8, conf.get("SYNC_READERS")), thread_name_prefix="financial-read") as pool:
        for start in range(0, len(waiting), FETCHES_PER_WRITE):
            some = waiting[start : start + FETCHES_PER_WRITE]
            seen = store.draw()
            payloads = list(pool.map(look, some))
            tick()
            with transaction.atomic():
                there = [payload for payload in payloads if payload is not None]
                written += store.save_many(
                    credential,
                    resource,
                    there,
                    seen=seen,
                    api_version=gateway.api_version,
                    shown_at=gateway.now(),
                )
                for (stripe_id, _), payload in zip(some, payloads, strict=True):
                    if payload is None:
                        gone += store.mark_deleted(credential, resource, stripe_id, now=timezone.now())
    return written, gone
