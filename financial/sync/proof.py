"""Is anything missing? What was delivered against what is stored, id by id, in eight bytes a row.

Delivered ids are kept as hashes, sorted and searched: a million rows cost eight megabytes. Two ids share a hash once in
many trillions of rows.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from financial.mirror.resources import Resource
from financial.mirror.translate import at
from financial.models import StripeCredential

CHUNK = 5000


def _hash(stripe_id: str) -> int:
    return hash(stripe_id) & 0xFFFF_FFFF_FFFF_FFFF  # of this process only, as a tally is


class Tally:
    """The ids a listing delivered, and over which seconds of `created` it was read to its end.

    Hashes lie in 256 buckets, so that sorting never needs more than a two hundred and fifty-sixth of them as objects.
    """

    def __init__(self, ranges: Sequence[tuple[int, int | None]]) -> None:
        self.ranges = ranges
        self._buckets = [array("Q") for _ in range(256)]
        self._sorted = [False] * 256

    def add(self, stripe_ids: Iterable[str]) -> None:
        for hashed in map(_hash, stripe_ids):
            self._buckets[hashed >> 56].append(hashed)
            self._sorted[hashed >> 56] = False

    def __contains__(self, stripe_id: str) -> bool:
        hashed = _hash(stripe_id)
        bucket = self._sort(hashed >> 56)
        place = bisect_left(bucket, hashed)
        return place < len(bucket) and bucket[place] == hashed

    def __len__(self) -> int:
        """The number of different ids."""
        return sum(len(self._sort(number)) for number in range(256))

    def _sort(self, number: int) -> array[int]:
        if not self._sorted[number]:
            self._buckets[number] = array("Q", sorted(set(self._buckets[number])))
            self._sorted[number] = True
        return self._buckets[number]


@dataclass(frozen=True, slots=True)
class Finding:
    """One collection compared: rows delivered, how many of them are stored, and stored ids that were not delivered."""

    delivered: int
    stored: int
    undelivered: tuple[str, ...]

    @property
    def missing(self) -> int:
        return self.delivered - self.stored


def compare(credential: StripeCredential, resource: Resource, tally: Tally) -> Finding:
    """Walk our rows once, in constant memory but for what differs."""
    read = Q(created_at=None, deleted_at__isnull=False)  # deleted before it was ever seen
    for oldest, newest in tally.ranges:
        read |= Q(created_at__gte=at(oldest)) & (Q() if newest is None else Q(created_at__lte=at(newest)))
    rows = resource.model.objects.filter(read, credential=credential).values_list("stripe_id", "deleted_at")
    stored, undelivered = 0, []
    for stripe_id, deleted_at in rows.iterator(chunk_size=CHUNK):
        if stripe_id in tally:
            stored += 1
        elif deleted_at is None:
            undelivered.append(stripe_id)
    return Finding(len(tally), stored, tuple(undelivered))
