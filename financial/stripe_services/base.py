"""What every part of the facade stands on: a credential, the way to Stripe for it, and one write through the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from django.utils import timezone

from financial import outbox
from financial.errors import CredentialRefused, FinancialError, NoActiveCredential
from financial.gateway import StripeGateway, bodies
from financial.mirror.resources import BY_NAME
from financial.models import MirrorRow, StripeCredential
from financial.models.mirror import MirrorQuerySet
from financial.stripe_services.connection import gateway_for

Metadata = Mapping[str, str] | None
_Row = TypeVar("_Row", bound=MirrorRow)


class Connected:
    """One credential's rows and Stripe account. Holds no state but its gateway.

    Raises:
        NoActiveCredential: none was given, and none is active.
    """

    def __init__(self, credential: StripeCredential | None = None) -> None:
        found = credential or StripeCredential.objects.active()
        if found is None:
            raise NoActiveCredential
        self.credential = found
        self._gateway: StripeGateway | None = None

    @property
    def gateway(self) -> StripeGateway:
        if self._gateway is None:
            self._gateway = gateway_for(self.credential)
        return self._gateway

    def _rows(self, model: type[_Row], **parent: MirrorRow | None) -> MirrorQuerySet[_Row]:
        given = {key: row for key, row in parent.items() if row is not None}
        return cast("MirrorQuerySet[_Row]", model.objects.of(self.credential).alive().filter(**given).newest())

    def _create(self, model: type[_Row], resource: str, body: Mapping[str, Any], key: str | None) -> _Row:
        row = outbox.create(
            self.credential, BY_NAME[resource], body, self.gateway, idempotency_key=key, now=timezone.now()
        )
        return cast("_Row", row)

    def _change(
        self,
        row: _Row,
        resource: str,
        method: str,
        body: Mapping[str, Any],
        key: str | None,
        *,
        is_done: Callable[[dict[str, Any]], bool] | None = None,
    ) -> _Row:
        """Do `method` with the object of a row and return the row as it is then.

        `is_done` tells from the object whether it was done; without it, whether it shows the values of `body`.
        """
        changed = outbox.change(
            self.credential,
            BY_NAME[resource],
            self._id_of(row, resource.replace("_", " ")),
            method,
            body,
            self.gateway,
            idempotency_key=key,
            now=timezone.now(),
            is_done=is_done or partial(bodies.shows, body),
        )
        return cast("_Row", changed)

    def _id_of(self, row: MirrorRow, what: str) -> str:
        if row.credential_id != self.credential.pk:
            raise CredentialRefused(f"That {what} belongs to another credential than “{self.credential.name}”.")
        if row.is_deleted:
            raise FinancialError(f"That {what} was deleted at Stripe.")
        return str(row.stripe_id)
