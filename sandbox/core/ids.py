"""Ids, secrets and dice that depend on nothing but a seed and a counter."""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b

# Length of the random part where it differs from the usual 24 characters.
_LENGTHS = {"cus_": 14, "prod_": 14, "si_": 14, "req_": 14, "whsec_": 32, "di_": 24}


class Ids:
    """A stream of ids; two streams with the same seed and counter agree for ever."""

    def __init__(self, seed: int, counter: int = 0) -> None:
        self.seed = seed
        self.counter = counter
        self._key = str(seed).encode()[:64]

    def new(self, prefix: str) -> str:
        """Return the next id with Stripe's `prefix`, such as `ch_`."""
        return prefix + self.text(_LENGTHS.get(prefix, 24))

    def text(self, length: int) -> str:
        """Return `length` letters and digits."""
        return b64encode(self._digest(), b"Qx").decode()[:length]

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return int.from_bytes(self._digest()[:6], "big") < probability * (1 << 48)

    def below(self, limit: int) -> int:
        """Return a number from 0 up to, not including, `limit`."""
        return int.from_bytes(self._digest()[:8], "big") % limit

    def _digest(self) -> bytes:
        self.counter += 1
        return blake2b(str(self.counter).encode(), digest_size=27, key=self._key).digest()
