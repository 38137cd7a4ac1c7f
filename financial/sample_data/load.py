"""Puts the sample data into the mirror and the books, by the road real data takes, and takes it out again.

The data belongs to a credential of its own, without keys and never active; nothing else is ever touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from financial.errors import FinancialError
from financial.ledger import journal
from financial.mirror import contents, history, store
from financial.mirror.resources import BY_NAME
from financial.models import MIRROR_MODELS, Entry, StripeCredential, StripeTransaction, Transaction
from financial.models.rules import clearing
from financial.sample_data import shapes, story
from financial.sample_data.state import State

NAME = "Sample data"
ACCOUNT = "acct_sample"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """One resource: how many rows the sample has of it, and how many of them were new or different."""

    resource: str
    rows: int
    written: int


class NameTaken(FinancialError):
    """A credential somebody else made has the name of ours."""


def credential() -> StripeCredential:
    """Return the credential the sample data belongs to, made first where there is none."""
    found = StripeCredential.objects.filter(is_sample=True).first()
    if found is None and StripeCredential.objects.filter(name=NAME).exists():
        raise NameTaken(f"A Stripe credential named “{NAME}” exists already. Rename it in the admin, then try again.")
    return found or StripeCredential.objects.create(name=NAME, is_sample=True, is_active=False, account_id=ACCOUNT)


def load(sample: StripeCredential) -> Iterator[Loaded]:
    """Save every payload of the story and yield one summary per resource. Twice changes nothing.

    The story ends on the day the credential was made, so that a later run tells the same one.
    """
    told = story.told(sample.created_at)
    for name in story.ORDER:
        payloads = told.told[name]
        resource = BY_NAME[name]
        written = 0
        for first in range(0, len(payloads), BATCH):
            page = payloads[first : first + BATCH]
            written += store.save_many(sample, resource, page, seen=store.draw(), api_version=shapes.API_VERSION)
        yield Loaded(name, len(payloads), written)
    _itemise(sample, told)
    history.catch_up(sample)


def _itemise(sample: StripeCredential, told: State) -> None:
    """Write down what each payout consists of and where it goes, as Stripe would say."""
    contents.name_destination(sample, {"destination": shapes.BANK})
    movements = {payload["id"]: payload for payload in told.told["balance_transaction"]}
    for payout in contents.due(sample):
        page = [movements[stripe_id] for stripe_id in told.contents[payout.stripe_id]]
        contents.add_page(
            payout, page, after="", next_after="", seen=store.draw(), api_version=shapes.API_VERSION,
            shown_at=sample.created_at,
        )  # fmt: skip


def book(sample: StripeCredential, *, now: datetime) -> journal.Booked:
    """Book the payments of the sample, as those of an account are."""
    return journal.book_all(sample, now=now)


def clear() -> int:
    """Remove what an earlier run made, children first, and return the number of rows removed."""
    removed = 0
    with clearing():  # this money never moved
        for sample in StripeCredential.objects.filter(is_sample=True):
            booked = Transaction.objects.filter(credential=sample)
            links = StripeTransaction.objects.filter(transaction__credential=sample)
            entries = Entry.objects.filter(transaction__credential=sample)
            mirrored = [model.objects.filter(credential=sample) for model in reversed(MIRROR_MODELS)]
            for rows in (entries, links):
                removed += rows.delete()[0]
            removed += booked._raw_delete(booked.db)  # some name each other
            removed += sum(rows.delete()[0] for rows in mirrored)
            sample.delete()
    return removed
