"""The seal of a day: a sum over digests of what was booked on it, in any order. Pure.

A sum, not a chain: two installations that booked the same movements in another order have the same seals, and a seal can
be kept up with each booking. One changed byte in a transaction or an entry changes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from hashlib import blake2b

_MODULUS = 1 << 128
EMPTY = "0" * 32


def digest(
    reference: str,
    kind: str,
    currency: str,
    booked_on: dt.date,
    occurred_at: dt.datetime,
    figures: tuple[int, int, int],
    presentment: tuple[str, int, str],
    entries: Iterable[tuple[str, int]],
) -> int:
    """Return the digest of one transaction: amount, fee and net, what the customer paid, and (account code, amount)s."""
    legs = ";".join(f"{code}={amount}" for code, amount in sorted(entries))
    text = (
        f"{reference}|{kind}|{currency}|{booked_on.isoformat()}|{int(occurred_at.timestamp())}|"
        f"{figures}|{presentment}|{legs}"
    )
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def add(seal: str, total: int) -> str:
    """Return a seal with further digests added to it."""
    return f"{(int(seal, 16) + total) % _MODULUS:032x}"
