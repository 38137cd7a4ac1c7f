"""The history of recurring revenue: what subscriptions were seen to be, and the spans of MRR that follow.

The only writer of `SubscriptionSight` and `MrrSpan`. Events are evidence with a date, whenever and in whatever order they
come; our own looks are kept where no event tells the same. Spans are computed from all the evidence of a subscription, so
the same evidence gives the same history. What lies before the first sight is rebuilt from the subscription's own dates and
from what its invoices billed, and marked.

Callers hold the transaction or need none; nothing here asks Stripe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import transaction

from financial import conf, recurring
from financial.mirror import billing
from financial.mirror.billing import Billed, Facts, Knowledge
from financial.models import (
    MrrSpan,
    StripeCredential,
    StripeInvoice,
    StripePrice,
    StripeSubscription,
    StripeWebhookEvent,
    SubscriptionSight,
)
from financial.recurring import Discount, DiscountPolicy, Sight

BATCH = 500
MOMENT = timedelta(minutes=1)  # what was seen so soon after its start has no past
LOOK = "look"
# Order within one second: a creation comes first, a deletion last, and our look sees what came of it.
RANKS = {"customer.subscription.created": 1, "customer.subscription.deleted": 3}
OTHER_RANK, LOOK_RANK = 2, 9
NEVER_STARTED = ("incomplete", "incomplete_expired")
Grouped = Mapping[str, Sequence[Any]]


def policy() -> DiscountPolicy:
    return DiscountPolicy(conf.get("MRR_DISCOUNTS"))


def after(credential: StripeCredential, events: Sequence[StripeWebhookEvent]) -> int:
    """Take in what applied events show, and the mirror's rows of their subscriptions; return how many spans changed."""
    told = [event for event in events if event.object_type == "subscription"]
    sights = [sight for event in told if (sight := _sight_of(credential, event)) is not None]
    SubscriptionSight.objects.bulk_create(sights, ignore_conflicts=True)
    touched = {event.object_stripe_id for event in told}
    if policy() is DiscountPolicy.ALL:  # then what an invoice took off counts
        billed = [event.object_stripe_id for event in events if event.object_type == "invoice"]
        invoices = StripeInvoice.objects.filter(credential=credential, stripe_id__in=billed)
        touched |= set(invoices.exclude(subscription_stripe_id="").values_list("subscription_stripe_id", flat=True))
    return take_in(credential, sorted(touched)) if touched else 0


def _sight_of(credential: StripeCredential, event: StripeWebhookEvent) -> SubscriptionSight | None:
    """Return what an event shows; None where its body does not hold the subscription (any more)."""
    try:
        payload = orjson.loads(bytes(event.body or b""))["data"]["object"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if event.created_at is None or not isinstance(payload, dict) or payload.get("status") is None:
        return None
    return SubscriptionSight(
        credential=credential,
        subscription_stripe_id=event.object_stripe_id,
        at=event.created_at,
        rank=RANKS.get(event.type, OTHER_RANK),
        source=event.event_id,
        facts=billing.facts(payload),
    )


def catch_up(credential: StripeCredential, *, tick: Callable[[], None] = lambda: None) -> int:
    """Take in every subscription that was written since the last time, and return how many spans changed.

    `tick` is called after each batch.
    """
    credential.refresh_from_db(fields=["mrr_version"])
    rows = StripeSubscription.objects.filter(credential=credential, version__gt=credential.mrr_version)
    written = list(rows.order_by("version").values_list("stripe_id", "version"))
    changed = 0
    for first in range(0, len(written), BATCH):
        batch = written[first : first + BATCH]
        with transaction.atomic():
            changed += take_in(credential, [stripe_id for stripe_id, _ in batch])
            StripeCredential.objects.filter(pk=credential.pk).update(mrr_version=batch[-1][1])
        tick()
    return changed


def rebuild(credential: StripeCredential) -> int:
    """Compute every span again and return how many changed: none, unless the setting changed or invoices came late."""
    StripeCredential.objects.filter(pk=credential.pk).update(mrr_version=0)
    return catch_up(credential)


@transaction.atomic
def take_in(credential: StripeCredential, stripe_ids: Sequence[str]) -> int:
    """Bring the history of some subscriptions up to date and return how many spans changed; a fixed number of queries.

    Their rows are locked in the order in which the mirror writes them.
    """
    rows = StripeSubscription.objects.filter(credential=credential, stripe_id__in=stripe_ids).order_by("stripe_id")
    found = [_Case(row, billing.facts(row.payload)) for row in rows.select_for_update().defer("private")]
    kept = SubscriptionSight.objects.filter(credential=credential, subscription_stripe_id__in=stripe_ids)
    sights = _grouped(kept.order_by("at", "rank", "source"))
    for case in found:
        case.sights = list(sights.get(case.row.stripe_id, ()))
    SubscriptionSight.objects.bulk_create([look for case in found if (look := case.new_look(credential)) is not None])
    bills = _bills(credential, [case for case in found if policy() is DiscountPolicy.ALL or case.has_a_past])
    for case in found:
        case.bills = bills[case.row.stripe_id]
    prices = priced(credential, {name for case in found for name in case.named_prices()})
    wanted = [span for case in found for span in case.spans(credential, prices)]
    return _replace(credential, [case.row.stripe_id for case in found], wanted)


@dataclass(slots=True)
class _Case:
    """One subscription with all the evidence of its past."""

    row: StripeSubscription
    shown: Facts
    sights: list[SubscriptionSight] = field(default_factory=list)
    bills: list[Billed] = field(default_factory=list)

    def new_look(self, credential: StripeCredential) -> SubscriptionSight | None:
        """Note what the mirror shows, unless the evidence ends in just that; it counts as seen after all the rest."""
        last = self.sights[-1] if self.sights else None
        told = {name for sight in self.sights for name in sight.facts["known"]}
        if last and billing.tells_the_same(last.facts, self.shown) and set(self.shown["known"]) <= told:
            return None
        looked_at = self.row.shown_at or billing.last_known_at(self.row.payload) or self.row.created_at
        at = max(moment for moment in (looked_at, last.at if last else None) if moment is not None)
        look = SubscriptionSight(
            credential=credential,
            subscription_stripe_id=self.row.stripe_id,
            at=at,
            rank=LOOK_RANK,
            source=f"{LOOK} {self.row.version}",
            facts=self.shown,
        )
        self.sights.append(look)
        return look

    @property
    def has_a_past(self) -> bool:
        """Whether it ran before it was first seen."""
        started = billing.started_at(self.shown)
        was_begun = self.sights[0].facts.get("status") not in NEVER_STARTED
        return started is not None and started < self.sights[0].at - MOMENT and was_begun

    def named_prices(self) -> Iterator[str]:
        for seen in [sight.facts for sight in self.sights] + [{"items": bill.items} for bill in self.bills]:
            yield from billing.named_prices(seen)

    def spans(self, credential: StripeCredential, prices: Mapping[str, recurring.Price]) -> Iterator[MrrSpan]:
        known: dict[str, Discount] = {}
        for sight in self.sights:
            known |= billing.discounts(sight.facts)
        knowledge = Knowledge(prices, known)
        extra = [discount for bill in self.bills for discount in billing.spent(bill, known)]
        told = [*self._before(), *((sight.at, sight.facts, False) for sight in self.sights), *self._deletion()]
        seen = [
            Sight(at, _with(billing.subscription(facts, knowledge), extra), is_reconstructed)
            for at, facts, is_reconstructed in told
        ]
        for span in recurring.spans(seen, policy()):
            monthly_minor = MrrSpan.stored(span.monthly_minor)
            yield MrrSpan(
                credential=credential,
                subscription_stripe_id=self.row.stripe_id,
                customer_stripe_id=self.row.customer_stripe_id,
                product_stripe_id=span.product,
                currency=span.currency,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
                numerator=monthly_minor.numerator,
                denominator=monthly_minor.denominator,
                is_reconstructed=span.is_reconstructed,
            )

    def _before(self) -> Iterator[tuple[datetime, Facts, bool]]:
        """Yield what must have been before the first sight: trial, start, and what each invoice billed."""
        first, since = self.sights[0], billing.started_at(self.shown)
        if since is None or not self.has_a_past:
            return
        trial_start, trial_end = billing.trial(first.facts)
        bills = sorted((b for b in self.bills if b.starts_at < first.at), key=lambda bill: bill.starts_at)
        begun = bills[0].items if bills else first.facts["items"]
        moments = [(since, begun, first.facts["discounts"])]
        if trial_end and since < trial_end < first.at:
            moments.append((trial_end, begun, first.facts["discounts"]))
        moments += [(bill.starts_at, bill.items, bill.discounts) for bill in bills]
        for at, items, discounts in sorted(moments, key=lambda moment: moment[0]):
            in_trial = trial_start is not None and trial_end is not None and trial_start <= at < trial_end
            changed = {"items": items, "discounts": discounts, "ended_at": None, "collection": ""}
            yield at, {**first.facts, **changed, "status": "trialing" if in_trial else "active"}, True

    def _deletion(self) -> Iterator[tuple[datetime, Facts, bool]]:
        """A subscription that is gone without having ended brings nothing any more."""
        if self.row.deleted_at is not None:
            yield max(self.row.deleted_at, self.sights[-1].at), {**self.shown, "status": "canceled"}, False


def _with(subscription: recurring.Subscription, extra: Sequence[Discount]) -> recurring.Subscription:
    return replace(subscription, discounts=(*subscription.discounts, *extra)) if extra else subscription


def _grouped(rows: Iterable[SubscriptionSight]) -> Grouped:
    found: defaultdict[str, list[SubscriptionSight]] = defaultdict(list)
    for row in rows:
        found[row.subscription_stripe_id].append(row)
    return found


def _bills(credential: StripeCredential, cases: Sequence[_Case]) -> Mapping[str, list[Billed]]:
    found: defaultdict[str, list[Billed]] = defaultdict(list)
    if cases:
        invoices = StripeInvoice.objects.filter(
            credential=credential,
            subscription_stripe_id__in=[case.row.stripe_id for case in cases],
            deleted_at=None,
            status__in=("open", "paid", "uncollectible"),
        )
        for stripe_id, payload in invoices.order_by("created_at", "id").values_list(
            "subscription_stripe_id", "payload"
        ):
            bill = billing.billed(payload)
            if bill is not None:
                found[stripe_id].append(bill)
    return found


def priced(credential: StripeCredential, names: set[str]) -> dict[str, recurring.Price]:
    """Return prices by id, with their tiers; one query, or none."""
    if not names:
        return {}
    rows = StripePrice.objects.filter(credential=credential, stripe_id__in=names)
    return {stripe_id: billing.price(payload) for stripe_id, payload in rows.values_list("stripe_id", "payload")}


def _replace(credential: StripeCredential, stripe_ids: Sequence[str], wanted: Sequence[MrrSpan]) -> int:
    """Let the spans of these subscriptions be the wanted ones; rows that are right already are left alone."""
    held = {
        _key(span): span
        for span in MrrSpan.objects.filter(credential=credential, subscription_stripe_id__in=stripe_ids)
    }
    new = [span for span in wanted if held.pop(_key(span), None) is None]
    if held:
        MrrSpan.objects.filter(pk__in=[span.pk for span in held.values()]).delete()
    MrrSpan.objects.bulk_create(new)
    return len({_place(span) for span in (*new, *held.values())})


_VALUES = tuple(field.attname for field in MrrSpan._meta.concrete_fields if not field.primary_key)


def _key(span: MrrSpan) -> tuple[Any, ...]:
    return tuple(getattr(span, name) for name in _VALUES)


def _place(span: MrrSpan) -> tuple[Any, ...]:
    return span.subscription_stripe_id, span.product_stripe_id, span.starts_at
