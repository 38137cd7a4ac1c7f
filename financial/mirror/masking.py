"""An event's payload as it may be looked at: without what opens something, and without personal data. Pure.

Masked are: secrets of every kind, every link (many of Stripe's open without a login), what the mirror keeps encrypted, and
names and addresses of people. What is left is shape, ids, states and amounts, which is what one needs to find a fault.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from financial.card_numbers import has_card_number
from financial.mirror.translate import DROPPED, PRIVATE

HIDDEN = "hidden"
DEPTH_MAX = 60
_ALWAYS = DROPPED.union(*PRIVATE.values(), {"email", "phone", "name", "address", "shipping", "billing_details"})
# Names that are no person's.
_NAMED_THINGS = frozenset({"product", "coupon", "plan", "tax_rate"})
_SECRET_NAME = re.compile(
    r"secret|password|token|api_key|private_key|cvc|_(?:email|phone|address|name)\Z|customer_tax_ids"
)
_SECRET_VALUE = re.compile(r"\b(?:sk|rk)_(?:test|live)_|whsec_|_secret_", re.ASCII)


def masked(value: Any, name: str = "", *, kind: str = "", depth: int = 0) -> Any:
    """Return a JSON value with everything hidden that a look at it must not give away.

    `name` is the key it stands under, `kind` Stripe's `object` of what it stands in.
    """
    if value is None or isinstance(value, bool):
        return value
    if _is_hidden(name, kind):
        return HIDDEN if value not in ("", [], {}) else value
    if depth > DEPTH_MAX:
        return "too deep to be shown"
    if isinstance(value, dict):
        inner = str(value.get("object") or "")
        return {key: masked(item, key, kind=inner, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, "", kind=kind, depth=depth + 1) for item in value]
    return _text(value) if isinstance(value, str) else value


def _is_hidden(name: str, kind: str) -> bool:
    if name == "name":
        return kind not in _NAMED_THINGS
    return name in _ALWAYS or bool(_SECRET_NAME.search(name))


def _text(text: str) -> str:
    if _SECRET_VALUE.search(text) or has_card_number(text):
        return HIDDEN
    if text.startswith(("http://", "https://")):
        try:
            return f"a link to {urlsplit(text).hostname or 'somewhere'}"
        except ValueError:
            return HIDDEN
    return text
