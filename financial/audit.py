"""The audit log: who did what. Written here only, append-only, and never with a secret or a card number in it."""

from __future__ import annotations

import re
from typing import Any

from financial.card_numbers import has_card_number
from financial.models import AuditEvent, StripeCredential

SECRET_VALUE = re.compile(r"\b(?:sk|rk)_(?:test|live)_|whsec_|_secret_", re.ASCII)
SECRET_NAMES = ("secret", "password", "token", "private", "api_key", "card_number", "cvc")


class SecretInAudit(ValueError):
    """Something that looks like a secret was about to be written down; the message does not repeat it."""


def record(
    user: Any, action: str, *, credential: StripeCredential | None = None, object_id: str = "", **details: Any
) -> None:
    """Write down that `user` did `action` (`product.created`, `sync.requested`) to the object `object_id`.

    Raises:
        SecretInAudit: a detail is named like a secret or holds a key, a signing secret or a card number.
    """
    _refuse_secrets({"object_id": object_id, **details}, action)
    known = user is not None and user.is_authenticated
    AuditEvent.objects.create(
        user=user if known else None,
        user_name=user.get_username()[:150] if known else "",
        credential=credential,
        action=action,
        object_id=object_id,
        details=details,
    )


def _refuse_secrets(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if any(part in str(name).lower() for part in SECRET_NAMES):
                raise SecretInAudit(f"The audit log takes no “{name}” ({path}).")
            _refuse_secrets(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_secrets(inner, path)
    elif isinstance(value, str) and (SECRET_VALUE.search(value) or has_card_number(value)):
        raise SecretInAudit(f"A value at {path} looks like a secret and was not written down.")
