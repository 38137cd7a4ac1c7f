"""Recurring revenue: MRR of things on a page, its movements by month, rates, cohorts and trials; read from `MrrSpan`.

Never two currencies in one figure. Amounts leave here as minor units rounded once, or as the exact fractions of
`movements`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from django.db.models import Count, F, Min, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from financial import conf
from financial.models import MrrSpan, StripeCredential, StripeInvoice, StripeProduct, StripeSubscription
from financial.models.mirror import IS_ENDING
from financial.paging import FEW, NO_LIMIT, CountUpTo, keys_up_to
from financial.recurring import COUNTED_STATUSES, rounded
from financial.reports.cached import Answer, cached, kept, state_once
from financial.reports.movements import LOSSES, Cohort, Month, Movements, Piece, cohorts, months, movements
from financial.reports.periods import midnight

COHORTS_SHOWN = 12
CONVERTS_WITHIN = dt.timedelta(days=14)
_PIECE = ("customer_stripe_id", "starts_at", "ends_at", "numerator", "denominator")


@dataclass(frozen=True)
class Amount:
    """MRR in one currency, of how many subscriptions, and twelve times that; each rounded once."""

    currency: str
    minor: int
    subscriptions: int = 0
    arr_minor: int = 0


@dataclass(frozen=True)
class Trials:
    """What became of the trials that ended in a time; `open` ones may still be paid."""

    converted: int = 0
    lost: int = 0
    open: int = 0

    @property
    def share(self) -> Fraction | None:
        decided = self.converted + self.lost
        return Fraction(self.converted, decided) if decided else None


@dataclass(frozen=True)
class Recurring:
    """One currency of an account, or of one product of it, month by month; the last month is the present one."""

    currency: str
    months: tuple[Month, ...]
    cohorts: tuple[Cohort, ...]
    reconstructed: int
    spans: int

    @property
    def is_empty(self) -> bool:
        return not self.spans

    def between(self, first: dt.date, last: dt.date) -> tuple[Month, ...]:
        """Return the months from one to another, both first days, both included."""
        return tuple(month for month in self.months if first <= month.start <= last)


def recurring(credential: StripeCredential, currency: str, product: str = "") -> Recurring:
    """Return the whole history of one currency; two queries, one when the answer is kept."""
    now = timezone.now()
    today = now.astimezone(conf.time_zone()).date()
    return kept(
        "recurring",
        credential,
        lambda: _recurring(credential, currency, product, now),
        (_state(credential), currency, product, today),
    )


def kept_with_spans(name: str, credential: StripeCredential, build: Callable[[], Answer], *further: object) -> Answer:
    """Return the kept answer to what is read from spans, or build it; kept as long as the figures of `recurring` are."""
    today = timezone.now().astimezone(conf.time_zone()).date()
    return kept(name, credential, build, (_state(credential), today, *further))


def _state(credential: StripeCredential) -> tuple[object, ...]:
    found: tuple[object, ...] = state_once("spans", credential, lambda: _state_of_spans(credential))
    return found


def _state_of_spans(credential: StripeCredential) -> tuple[object, ...]:
    """What changes whenever a span does, or begins or ends: rows are only added and removed, ids never used again."""
    spans, now = MrrSpan.objects.of(credential), timezone.now()
    each = MrrSpan.objects.annotate(of=F("credential_id") + 0).filter(of=credential.pk)  # so that none are sorted
    figures = (
        Subquery(each.order_by("-pk").values("pk")[:1]),
        CountUpTo(spans, NO_LIMIT),
        CountUpTo(spans.filter(starts_at__gt=now), NO_LIMIT),
        CountUpTo(spans.filter(ends_at__gt=now), NO_LIMIT),
    )
    found = StripeCredential.objects.filter(pk=credential.pk).values_list(*figures).first()
    return tuple(found or ())


def _recurring(credential: StripeCredential, currency: str, product: str, now: dt.datetime) -> Recurring:
    rows = MrrSpan.objects.of(credential).filter(currency=currency)
    if product:
        rows = rows.filter(product_stripe_id=product)
    moves = _movements(rows, now)
    today = now.astimezone(conf.time_zone()).date()
    counted = rows.aggregate(all=Count("pk"), old=Count("pk", filter=Q(is_reconstructed=True)))
    return Recurring(
        currency, months(moves, today), cohorts(moves, today)[-COHORTS_SHOWN:], counted["old"], counted["all"]
    )


def _movements(rows: QuerySet[MrrSpan], now: dt.datetime) -> Movements:
    pieces = [Piece(*row) for row in rows.order_by().values_list(*_PIECE).iterator(chunk_size=5000)]
    return movements(pieces, conf.time_zone(), now)


def currencies(credential: StripeCredential) -> tuple[str, ...]:
    """Return the currencies that ever recurred, the one with most subscriptions first; two queries, one when kept."""
    return kept("recurring-currencies", credential, lambda: _currencies(credential), _state(credential))


def _currencies(credential: StripeCredential) -> tuple[str, ...]:
    found = MrrSpan.objects.of(credential).values("currency").annotate(rows=Count("pk")).order_by("-rows", "currency")
    return tuple(row["currency"] for row in found)


def products(credential: StripeCredential) -> tuple[tuple[str, str], ...]:
    """Return id and name of the products that ever recurred, by name; three queries, two when kept."""
    ids = kept("recurring-products", credential, lambda: _product_ids(credential), _state(credential))
    found = StripeProduct.objects.filter(credential=credential, stripe_id__in=ids).values_list("stripe_id", "name")
    return tuple(sorted(found, key=lambda one: (one[1].casefold(), one[0])))


def _product_ids(credential: StripeCredential) -> tuple[str, ...]:
    return tuple(MrrSpan.objects.of(credential).order_by().values_list("product_stripe_id", flat=True).distinct())


def mrr(credential: StripeCredential) -> tuple[Amount, ...]:
    """Return MRR as it is now, one row per currency, most subscriptions first; two queries, one when kept."""
    return kept("mrr", credential, lambda: _amounts(_running(credential)), _state(credential))


def _running(credential: StripeCredential) -> QuerySet[MrrSpan]:
    spans: QuerySet[MrrSpan] = MrrSpan.objects.of(credential).at(timezone.now())
    return spans


@dataclass(frozen=True)
class Headline:
    """One currency as it is now: all of it, what is scheduled to churn, and what is at risk."""

    now: Amount
    leaving: Amount
    at_risk: Amount


def headlines(credential: StripeCredential) -> tuple[Headline, ...]:
    """Return the figures above the subscriptions, one row per currency, in the order of `mrr`; eight queries at most."""
    return cached("headlines", credential, lambda: _headlines(credential), _state(credential))


def _headlines(credential: StripeCredential) -> tuple[Headline, ...]:
    ending, late = (
        {row.currency: row for row in _amounts_of(credential, rows)} for rows in _leaving_and_late(credential)
    )
    return tuple(
        Headline(row, *(found.get(row.currency, Amount(row.currency, 0)) for found in (ending, late)))
        for row in mrr(credential)
    )


def leaving(credential: StripeCredential, currency: str, product: str = "") -> Amount:
    """Return the MRR of subscriptions whose end is already set; two queries, none when kept."""

    def build() -> Amount:
        return _of_subscriptions(credential, _leaving_and_late(credential)[0], currency, product)

    return cached("leaving", credential, build, _state(credential), currency, product)


def at_risk(credential: StripeCredential, currency: str, product: str = "") -> Amount:
    """Return the MRR of subscriptions that are past due; two queries, none when kept."""

    def build() -> Amount:
        return _of_subscriptions(credential, _leaving_and_late(credential)[1], currency, product)

    return cached("at-risk", credential, build, _state(credential), currency, product)


def _leaving_and_late(credential: StripeCredential) -> tuple[QuerySet[StripeSubscription], ...]:
    rows = StripeSubscription.objects.of(credential)
    return rows.filter(IS_ENDING, status__in=COUNTED_STATUSES), rows.filter(status="past_due")


def _of_subscriptions(
    credential: StripeCredential, subscriptions: QuerySet[StripeSubscription], currency: str, product: str
) -> Amount:
    of = {"currency": currency, "product_stripe_id": product}
    found = _amounts_of(credential, subscriptions, **{name: value for name, value in of.items() if value})
    return found[0] if found else Amount(currency, 0)


def _amounts_of(
    credential: StripeCredential, subscriptions: QuerySet[StripeSubscription], **of: str
) -> tuple[Amount, ...]:
    """Return MRR as it is now of subscriptions; kept as long as they are the same ones, where they are few.

    Then they are named, too: beside a subquery databases read every span.
    """
    spans, few = _running(credential).filter(**of), keys_up_to(FEW, subscriptions, "stripe_id")
    if few is None:
        return _amounts(spans.filter(subscription_stripe_id__in=subscriptions.values("stripe_id")))
    build = partial(_amounts, spans.filter(subscription_stripe_id__in=few))
    return kept("mrr-of", credential, build, (_state(credential), sorted(few), of))


def _amounts(rows: QuerySet[MrrSpan]) -> tuple[Amount, ...]:
    sums: defaultdict[str, Fraction] = defaultdict(Fraction)
    counts: defaultdict[str, int] = defaultdict(int)
    found = rows.order_by().values("currency", "denominator")
    for row in found.annotate(units=Sum("numerator"), number=Count("subscription_stripe_id", distinct=True)):
        sums[row["currency"]] += Fraction(row["units"], row["denominator"])
        counts[row["currency"]] += row["number"]
    amounts = (Amount(code, rounded(minor), counts[code], rounded(12 * minor)) for code, minor in sums.items())
    return tuple(sorted(amounts, key=lambda amount: (-amount.subscriptions, amount.currency)))


def mrr_of(credential: StripeCredential, kind: str, stripe_ids: Iterable[str]) -> Mapping[str, tuple[Amount, ...]]:
    """Return MRR as it is now of subscriptions, customers or products (`kind`), by Stripe id; one query for all."""
    name = f"{kind}_stripe_id"
    rows = MrrSpan.objects.of(credential).at(timezone.now()).filter(**{f"{name}__in": list(stripe_ids)}).order_by()
    sums: defaultdict[str, defaultdict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for row in rows.values("currency", "denominator", owner=F(name)).annotate(units=Sum("numerator")):
        sums[row["owner"]][row["currency"]] += Fraction(row["units"], row["denominator"])
    return {
        owner: tuple(Amount(currency, rounded(minor)) for currency, minor in sorted(by_currency.items()))
        for owner, by_currency in sums.items()
    }


def mrr_of_products(credential: StripeCredential, stripe_ids: tuple[str, ...]) -> Mapping[str, tuple[Amount, ...]]:
    """The same of products, kept until a span changes: each has many. No query, two after a write."""

    def build() -> Mapping[str, tuple[Amount, ...]]:
        return kept_with_spans("product-mrr", credential, lambda: mrr_of(credential, "product", stripe_ids), stripe_ids)

    return cached("mrr-of-products", credential, build, stripe_ids)


def paying_since(credential: StripeCredential, customer_stripe_id: str) -> dt.datetime | None:
    """Return when a customer's MRR first was above 0; None if it never was. One query."""
    spans = MrrSpan.objects.of(credential).filter(customer_stripe_id=customer_stripe_id)
    first: dt.datetime | None = spans.aggregate(first=Min("starts_at"))["first"]
    return first


def trials(credential: StripeCredential, currency: str, first: dt.date, end: dt.date) -> Trials:
    """Return what became of the trials that ended from one local day up to another; two queries, none when kept.

    Converted is who has paid the first invoice with an amount, made within 14 days of the trial's end. Until then, if it
    is not cancelled, a trial is open.
    """
    today = timezone.now().astimezone(conf.time_zone()).date()
    return cached("trials", credential, lambda: _trials(credential, currency, first, end), currency, first, end, today)


def _trials(credential: StripeCredential, currency: str, first: dt.date, end: dt.date) -> Trials:
    zone, now = conf.time_zone(), timezone.now()
    start_at, end_at = midnight(first, zone), min(midnight(end, zone), now)
    ended = Q(trial_end_at__lt=end_at)
    left = Q(ended_at__gte=start_at, ended_at__lt=end_at) & Q(ended_at__lt=F("trial_end_at"))
    # Of both the trial ends after the start, which an index knows.
    rows = StripeSubscription.objects.of(credential).alive().filter(trial_end_at__gte=start_at)
    rows = rows.filter(ended | left, currency=currency)
    found = rows.order_by().values_list("stripe_id", "trial_end_at", "ended_at")
    paid = _paid_at(credential, [stripe_id for stripe_id, _, _ in found])
    counts = Counter(_outcome(end, ended, paid.get(stripe_id, ())) for stripe_id, end, ended in found)
    return Trials(counts["converted"], counts["lost"], counts["open"])


def _outcome(trial_end_at: dt.datetime | None, ended_at: dt.datetime | None, paid: Iterable[dt.datetime]) -> str:
    if trial_end_at is None or (ended_at is not None and ended_at < trial_end_at):
        return "lost"
    if any(trial_end_at <= at <= trial_end_at + CONVERTS_WITHIN for at in paid):
        return "converted"
    return "open" if ended_at is None and timezone.now() < trial_end_at + CONVERTS_WITHIN else "lost"


def _paid_at(credential: StripeCredential, stripe_ids: list[str]) -> Mapping[str, list[dt.datetime]]:
    found: defaultdict[str, list[dt.datetime]] = defaultdict(list)
    rows = StripeInvoice.objects.of(credential).filter(
        subscription_stripe_id__in=stripe_ids, status="paid", amount_paid_minor__gt=0
    )
    for stripe_id, at in rows.order_by().values_list("subscription_stripe_id", "created_at"):
        if at is not None:
            found[stripe_id].append(at)
    return found


def default_months(report: Recurring, count: int = 12) -> tuple[dt.date, dt.date]:
    """Return the first days of the first and the last month of the newest `count`."""
    shown = report.months[-count:]
    return shown[0].start, shown[-1].start


def whole(minor: Fraction | None) -> int | None:
    """Return exact minor units as they are shown."""
    return None if minor is None else rounded(minor)


def fitted(month: Month) -> dict[str, int]:
    """Return a month's amounts as whole minor units that still add up: start + gains − losses = end.

    Start and end are rounded; what rounding leaves is put on the largest movement.
    """
    shown = {kind: rounded(amount) for kind, amount in month.moved.items()}
    start, end = rounded(month.start_minor), rounded(month.end_minor)
    signs = {kind: -1 if kind in LOSSES else 1 for kind in shown}
    rest = end - start - sum(signs[kind] * amount for kind, amount in shown.items())
    if rest and shown:
        largest = max(shown, key=lambda kind: shown[kind])
        shown[largest] += signs[largest] * rest
    return {"start": start, "end": end, **{kind.value: amount for kind, amount in shown.items()}}
