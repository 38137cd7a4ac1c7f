"""The check of a webhook's signature. Pure: bytes, secrets and the time in; the matching secret's position out.

Our own, because the SDK's lets pass what must not: some releases accept an empty secret, all accept a timestamp in the
future, and a header that is not ASCII ends in a TypeError before anything was authenticated.

Stripe: https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from financial.errors import NotAuthentic

HEADER_BYTES_MAX = 4096
SIGNATURES_MAX = 8
TIMESTAMP_DIGITS_MAX = 12


def verify(body: bytes, header: str, secrets: Sequence[str], *, now: float, tolerance_seconds: int) -> int:
    """Return the index of the secret that signed `body`.

    Every secret is compared with every `v1` signature in constant time. The timestamp may differ from `now` (unix
    seconds) by at most `tolerance_seconds` either way.

    Raises:
        NotAuthentic: for whatever reason; the message does not say which part was wrong with which secret.
    """
    stamp, signatures = _parse(header)
    matched = -1
    for index, secret in enumerate(secrets):
        if not secret:
            continue
        wanted = hmac.new(secret.encode(), b"%s.%s" % (stamp, body), hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            if hmac.compare_digest(wanted, signature) and matched < 0:
                matched = index
    if matched < 0:
        raise NotAuthentic("The signature does not match.")
    if abs(now - int(stamp)) > tolerance_seconds:
        raise NotAuthentic("The signature's timestamp is too far from the present.")
    return matched


def _parse(header: str) -> tuple[bytes, list[bytes]]:
    if not header or len(header) > HEADER_BYTES_MAX or not header.isascii():
        raise NotAuthentic("The signature header is missing or malformed.")
    parts = [part.strip().partition(b"=") for part in header.encode("ascii").split(b",")]
    stamps = [value for name, _, value in parts if name == b"t"]
    signatures = [value for name, _, value in parts if name == b"v1"]
    if len(stamps) != 1 or not stamps[0].isdigit() or len(stamps[0]) > TIMESTAMP_DIGITS_MAX:
        raise NotAuthentic("The signature header is missing or malformed.")
    if not 1 <= len(signatures) <= SIGNATURES_MAX:
        raise NotAuthentic("The signature header is missing or malformed.")
    return stamps[0], signatures
