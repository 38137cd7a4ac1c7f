"""What payments cost in fees per day, cut as the fee audit shows it; kept in the transaction that books.

Sums over settled payments and what their charges and links say, so that `rebuild` from the books and the mirror must change
nothing, unless a charge came after its movement was booked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from financial.bands import band_of
from financial.models import FeeDay, StripeCharge, StripeCredential, Transaction

CHARGE = "charge"
PAGE = 2000


class Estimate(NamedTuple):
    """What a payment's fee was estimated at before it settled; minor units."""

    fee_minor: int
    is_rough: bool


class Cost(NamedTuple):
    """What one settled payment cost. `estimate` is None where it settled in another currency, or of no known payment."""

    currency: str
    day: dt.date
    amount_minor: int
    fee_minor: int
    country: str
    brand: str
    estimate: Estimate | None


Sums = dict[tuple[str, dt.date, str, str], list[int]]


def add_cost(sums: Sums, cost: Cost) -> None:
    """Add one payment to every cut."""
    cuts = (
        (FeeDay.Cut.ALL.value, ""),
        (FeeDay.Cut.COUNTRY.value, cost.country),
        (FeeDay.Cut.BRAND.value, cost.brand),
        (FeeDay.Cut.SIZE.value, str(band_of(cost.amount_minor, cost.currency))),
    )
    for cut, label in cuts:
        place = (cost.currency, cost.day, cut, label)
        held = sums.get(place)
        if held is None:
            held = sums[place] = [0] * 7
        held[0] += 1
        held[1] += cost.amount_minor
        held[2] += cost.fee_minor
    if cost.estimate is not None:
        add_estimate(sums, cost.currency, cost.day, cost.estimate, cost.fee_minor)


def add_estimate(sums: Sums, currency: str, day: dt.date, estimate: Estimate, exact_minor: int) -> None:
    """Add what a payment was estimated at, and its exact fee; also where it is known only after it was booked."""
    held = sums.setdefault((currency, day, FeeDay.Cut.ALL.value, ""), [0] * 7)
    held[3] += 1
    held[4] += estimate.fee_minor
    held[5] += exact_minor
    held[6] += estimate.is_rough


_READ = ("currency", "booked_on", "amount_minor", "fee_minor", "presentment_currency",
         "stripe_transaction__charge_stripe_id", "stripe_transaction__payment_intent",
         "stripe_transaction__estimated_fee_minor", "stripe_transaction__is_rough")  # fmt: skip


def read(credential: StripeCredential) -> Iterator[Cost]:
    """Yield every settled payment from the books, a page at a time."""
    settled = Transaction.objects.settled().filter(credential=credential, reporting_category=CHARGE)
    rows = settled.order_by().values_list(*_READ).iterator(chunk_size=PAGE)
    while page := list(islice(rows, PAGE)):  # in one pass: SQLite would sort all of them for each page
        cards = cards_of(credential, {row[5] for row in page if row[5]})
        for currency, day, amount, fee, paid_in, charge, payment, estimated, is_rough in page:
            country, brand = cards.get(charge, ("", ""))
            estimate = Estimate(estimated, is_rough) if payment and paid_in == currency else None
            yield Cost(currency, day, amount, fee, country, brand, estimate)


def cards_of(credential: StripeCredential, charge_ids: set[str]) -> dict[str, tuple[str, str]]:
    """Return country and brand (or method) of charges by their id at Stripe; one query."""
    rows: Any = StripeCharge.objects.filter(credential=credential, stripe_id__in=charge_ids)
    found = rows.values_list("stripe_id", "card_country", "card_brand", "method_type")
    return {stripe_id: (country, brand or method) for stripe_id, country, brand, method in found}
