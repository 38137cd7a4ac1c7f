"""One object looked at by its id, because somebody asked for it."""

from __future__ import annotations

from financial import outbox
from financial.errors import FinancialError
from financial.gateway import StripeGateway
from financial.mirror.resources import BY_NAME, Resource
from financial.models import MirrorRow, StripeCredential
from financial.stripe_services.connection import gateway_for

ATTEMPTS = 3


def fetch_object(credential: StripeCredential, kind: str, stripe_id: str) -> MirrorRow:
    """Ask Stripe for one object of a `kind` of ours, and mirror it with the objects it belongs to.

    Raises:
        FinancialError: Stripe has no such object, could not be asked, or the credential cannot be used.
    """
    if kind not in BY_NAME:
        raise FinancialError("Objects of this kind cannot be fetched one by one.")
    resource, gateway = BY_NAME[kind], gateway_for(credential)
    row = _found(_look(credential, resource, stripe_id, gateway))
    if missing := _missing_parents(resource, row):
        for parent, parent_id in missing:
            _look(credential, parent, parent_id, gateway)
        row = _found(_look(credential, resource, stripe_id, gateway))  # written once more, now with its links
    return row


def _look(credential: StripeCredential, resource: Resource, stripe_id: str, gateway: StripeGateway) -> MirrorRow | None:
    """Mirror one object and return its row; None of what was deleted at Stripe before it ever came here."""
    for _ in range(ATTEMPTS):  # whoever wrote it meanwhile may have seen an older state
        if row := outbox.fetch_and_save(credential, resource, stripe_id, gateway):
            return row
    return resource.model.objects.filter(credential=credential, stripe_id=stripe_id).first()


def _found(row: MirrorRow | None) -> MirrorRow:
    if row is None:
        raise FinancialError("It was deleted in Stripe before it ever came here; there is nothing left to show.")
    return row


def _missing_parents(resource: Resource, row: MirrorRow) -> list[tuple[Resource, str]]:
    return [
        (BY_NAME[name], named)
        for key, name in resource.parents.items()
        if (named := getattr(row, f"{key}_stripe_id")) and getattr(row, f"{key}_id") is None
    ]
