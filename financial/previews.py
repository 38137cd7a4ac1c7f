"""What something done to a subscription would be billed, asked of Stripe before it is done. Writes nothing.

Stripe: https://docs.stripe.com/api/invoices/create_preview
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from financial.errors import GatewayError
from financial.gateway import subscription_bodies
from financial.gateway.previews import InvoicePreview, preview_of
from financial.gateway.subscription_bodies import ItemChange

if TYPE_CHECKING:
    from financial.gateway import StripeGateway

NO_INVOICE = "invoice_upcoming_none"  # how Stripe says that none will ever come


@dataclass(frozen=True)
class Outlook:
    """What will be billed, as of `asked_at`.

    `now` is the invoice that the deed leads to at once, `next` the one that comes by itself afterwards, and `regular`
    what each later one bills if nothing else happens. Each is None where there is none.
    """

    asked_at: datetime
    now: InvoicePreview | None
    next: InvoicePreview | None
    regular: InvoicePreview | None


def of_new(body: Mapping[str, Any], gateway: StripeGateway) -> Outlook:
    """Return what a subscription would be billed that `body` creates."""
    return _outlook(subscription_bodies.preview_of_new(body), gateway)


def of_change(
    subscription_id: str, items: Sequence[ItemChange], proration: str, prorated_at: datetime, gateway: StripeGateway
) -> Outlook:
    """Return what would be billed if items changed; prorations count from `prorated_at` on."""
    asked = subscription_bodies.preview_of_change(subscription_id, items, proration, prorated_at)
    later = subscription_bodies.preview_of_change(subscription_id, items, "none", None)
    return _outlook(asked, gateway, later=later, asked_at=prorated_at)


def of_next(subscription_id: str, gateway: StripeGateway) -> InvoicePreview | None:
    """Return the next invoice as it stands, None where none will come."""
    return _asked({"subscription": subscription_id}, gateway)


def of_end(subscription_id: str, gateway: StripeGateway, *, prorate: bool) -> InvoicePreview | None:
    """Return the last invoice if the subscription ended now, None where there would be none."""
    return _asked(subscription_bodies.preview_of_end(subscription_id, prorate=prorate), gateway)


def _outlook(
    asked: Mapping[str, Any],
    gateway: StripeGateway,
    *,
    later: Mapping[str, Any] | None = None,
    asked_at: datetime | None = None,
) -> Outlook:
    first = _asked(asked, gateway)
    regular = _asked({**(later or asked), "preview_mode": "recurring"}, gateway)
    moment = asked_at or gateway.now()
    if first is not None and first.is_now(moment):
        return Outlook(moment, first, regular, regular)
    return Outlook(moment, None, first, regular)


def _asked(body: Mapping[str, Any], gateway: StripeGateway) -> InvoicePreview | None:
    try:
        return preview_of(gateway.preview_invoice(body))
    except GatewayError as error:
        if error.code == NO_INVOICE:
            return None
        raise
