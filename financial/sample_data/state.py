"""What has been told of the story so far, and the small choices that tell it on. Pure."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from financial.sample_data import shapes
from financial.sample_data.shapes import Payload

SEED = "Lanternfish Press"
DAY = 86_400
HOUR = 3_600
DAYS = 548  # eighteen months
AVAILABLE_AFTER_DAYS = 3
SETTLED_IN = {"usd": "usd", "eur": "eur", "jpy": "usd"}
EXCHANGE_RATE = Decimal("0.0067")  # usd per jpy


@dataclass
class State:
    """`end` is the start of the last day, unix seconds; `told` holds the payloads of each resource, oldest first."""

    end: int
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311  (a story, not a secret)
    told: dict[str, list[Payload]] = field(default_factory=lambda: defaultdict(list))
    contents: dict[str, list[str]] = field(default_factory=dict)  # of each payout: its balance transactions

    @property
    def start(self) -> int:
        return self.end - DAYS * DAY

    def next_id(self, prefix: str, resource: str) -> str:
        return f"{prefix}_sample_{len(self.told[resource]) + 1:06d}"

    def pick(self, weighted: Sequence[tuple[Any, ...]]) -> Any:
        """Return one row; its second value is its weight."""
        return self.rng.choices(weighted, [row[1] for row in weighted])[0]

    def moment(self, earliest: int, latest: int) -> int:
        return self.rng.randrange(earliest, max(latest, earliest + 1))

    def move(
        self,
        kind: str,
        category: str,
        source: Payload,
        amount: int,
        *,
        fee: int = 0,
        wait: int = AVAILABLE_AFTER_DAYS,
    ) -> Payload:
        """Tell of a movement of the balance and return it; `amount` is in minor units of the settlement currency."""
        currency = SETTLED_IN[source["currency"]]
        available = (source["created"] // DAY + wait) * DAY
        known: Payload = {
            "id": self.next_id("txn", "balance_transaction"),
            "type": kind,
            "reporting_category": category,
            "source": source["id"],
            "amount": amount,
            "fee": fee,
            "currency": currency,
            "created": source["created"],
            "available_on": available,
            "status": "available" if available <= self.end else "pending",
            "description": source.get("description"),
        }
        if currency != source["currency"]:
            known["exchange_rate"] = float(EXCHANGE_RATE)
        payload = shapes.balance_transaction(**known)
        self.told["balance_transaction"].append(payload)
        return payload


def settled(amount: int, currency: str) -> int:
    """Return what `amount` of `currency` is in the currency it settles in; minor units in and out."""
    if SETTLED_IN[currency] == currency:
        return amount
    return rounded(amount * EXCHANGE_RATE * 100)  # yen have no cents, dollars have


def rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
