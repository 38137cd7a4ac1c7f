"""One look at one object after a write: the mirror shows what the write set in motion, and the books show it at once.

Webhooks and syncs bring the same later; whoever comes second changes nothing. Knows nothing of requests or of what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from financial.ledger import journal
from financial.mirror import store
from financial.mirror.resources import BY_NAME, RESOURCES, Resource, embeds
from financial.mirror.translate import detach, reduce_to_id
from financial.models import StripeCredential, StripePaymentIntent

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

Payload = dict[str, Any]


def again(
    credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway, *, now: datetime
) -> None:
    """Mirror an object as it is now with what is embedded in it (one request), and book what moved by it.

    What somebody wrote since it was asked for is left alone, and so is what Stripe no longer has.

    Raises:
        GatewayError: it could not be asked for; nothing was written.
    """
    seen = store.draw()
    payload = gateway.look(resource.path, stripe_id, expand=resource.expand)
    if payload is None:
        return
    payload, embedded = detach(payload, embeds(resource))
    found = [payload, *(item for item in embedded if item.get("object") in BY_NAME)]
    shown_at = gateway.now()
    with transaction.atomic():
        for kind in RESOURCES:
            of_kind = [item for item in found if item["object"] == kind.name]
            store.save_many(credential, kind, of_kind, seen=seen, api_version=gateway.api_version, shown_at=shown_at)
        _book(credential, found, now)


def _book(credential: StripeCredential, found: Sequence[Payload], now: datetime) -> None:
    paid = {
        item["id"] if item["object"] == "payment_intent" else reduce_to_id(item.get("payment_intent")) for item in found
    }
    payments = StripePaymentIntent.objects.filter(credential=credential, stripe_id__in=paid - {""})
    moving = {item["id"] for item in found if item["object"] in journal.MOVING}
    journal.book(credential, list(payments), objects=moving, now=now)
