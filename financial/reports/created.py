"""How many rows were created between days: counted once by their index, and from then on only what came since.

Rows of the mirror stay, and their time of creation with them; new ones have greater keys. So a count of the rows up to a
key holds for good, and those behind it are few. It is kept in Django's cache; an empty one counts anew.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache
from django.db import connections

from financial import conf
from financial.models import MirrorRow, StripeCredential
from financial.reports.periods import midnight

Days = tuple[dt.date, dt.date]  # from the first up to, not including, the second
OVERLAP = 1_000  # keys are not always committed in their order
SINCE_MAX = 5_000  # rows looked at one by one
KEPT_MAX = 1_000  # ranges of one kind


@dataclass(frozen=True)
class _Base:
    """What was counted among the rows up to the key `last`, that of a row; none where there are few at all."""

    last: int | None = None
    counts: dict[Days, int] = field(default_factory=dict)


def created(credential: StripeCredential, model: type[MirrorRow], ranges: Sequence[Days]) -> tuple[int, ...]:
    """Return how many rows of an account were created in each range of local days; one to three queries."""
    key = f"financial:created:{credential.pk}:{model._meta.model_name}:{conf.time_zone()}"
    is_kept = int(conf.get("CACHE_SECONDS")) > 0
    known: _Base = (cache.get(key) if is_kept else None) or _Base()
    since = _since(credential, model, known.last)
    if since is None:  # too many by now, or the rows were taken away as those of sample data are
        known = _Base(_last(credential, model))
        since = _since(credential, model, known.last) or []
    missing = [days for days in ranges if days not in known.counts]
    if missing:
        held = {} if len(known.counts) > KEPT_MAX else known.counts
        found = _counted(credential, model, missing, known.last) if known.last else [0] * len(missing)
        known = _Base(known.last, {**held, **dict(zip(missing, found, strict=True))})
        cache.set(key, known, None)
    zone = conf.time_zone()
    moments = sorted(since)
    return tuple(
        known.counts[days]
        + bisect_left(moments, midnight(days[1], zone))
        - bisect_left(moments, midnight(days[0], zone))
        for days in ranges
    )


def _last(credential: StripeCredential, model: type[MirrorRow]) -> int | None:
    newest = model.objects.of(credential).order_by("-pk").values_list("pk", flat=True)
    found: int | None = newest[OVERLAP : OVERLAP + 1].first()
    return found


def _since(credential: StripeCredential, model: type[MirrorRow], last: int | None) -> list[dt.datetime] | None:
    """Return when the rows behind the key were created; None if they are too many, or its own row is gone."""
    rows = model.objects.each_of(credential).filter(pk__gte=last or 0).order_by("pk").values_list("pk", "created_at")
    found = list(rows[: SINCE_MAX + 2])
    if len(found) > SINCE_MAX + 1 or (last is not None and (not found or found[0][0] != last)):
        return None
    return [at for pk, at in found if at is not None and pk != last]


def _counted(credential: StripeCredential, model: type[MirrorRow], ranges: Iterable[Days], last: int) -> list[int]:
    """Count up to a key, by the index of times; one statement, as short as can be: it is planned for each range."""
    connection, zone, table = connections[model.objects.db], conf.time_zone(), model._meta.db_table
    one = (
        f"(SELECT COUNT(*) FROM {table} WHERE credential_id = %s AND created_at >= %s AND created_at < %s AND id <= %s)"  # noqa: S608
    )
    asked: list[Any] = []
    statements = 0
    for start, end in ranges:
        instants = (connection.ops.adapt_datetimefield_value(midnight(day, zone)) for day in (start, end))
        asked += [credential.pk, *instants, last]
        statements += 1
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([one] * statements)}", asked)
        return list(cursor.fetchone())
