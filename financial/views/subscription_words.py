"""Subscriptions in sentences: what they bring, what may be done with them and why not, what an action will do.

Reads rows and values that were handed in; asks neither Stripe nor the database.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from financial import conf, money
from financial.days import day_text
from financial.models import StripePrice, StripeSubscription
from financial.stripe_services import InvoicePreview, Offer, Outlook, Reduction, Terms

ENDED = ("canceled", "incomplete_expired")
CHANGEABLE = (*StripeSubscription.ACTIVE_STATUSES, "unpaid")
PAUSE_WORDS = {
    "keep_as_draft": "invoices are kept as drafts and can be billed later",
    "void": "invoices are voided: the time is free",
    "mark_uncollectible": "invoices are written off as uncollectible",
}


def day(moment: dt.datetime | None) -> str:
    """Return a day as sentences have it, in the zone of the studio: `23 December 2026`."""
    return day_text(moment.astimezone(conf.time_zone()), "j F Y") if moment else "a day Stripe has not set"


def amount(amount_minor: int, currency: str) -> str:
    text, code = money.display(amount_minor, currency), currency.upper()
    return text if code in text else f"{text} {code}"


def whose(row: StripeSubscription) -> str:
    return str(row.customer or row.customer_stripe_id or "the customer")


def plan(row: StripeSubscription) -> str:
    product = row.price.product if row.price else None
    return str(product or row.price_stripe_id or row.stripe_id)


def each(price: StripePrice) -> str:
    """Return how often a price is billed, as sentences have it: `each month`, `every 3 months`."""
    count = price.interval_count or 1
    return f"each {price.interval}" if count == 1 else f"every {count} {price.interval}s"


def reduction(one: Offer | Reduction) -> str:
    """Return what a discount takes off, and of which invoices: `25 % off every invoice`."""
    off = f"{_share(one)} off"
    if one.duration == "once":
        return f"{off} one invoice"
    if one.duration == "forever":
        return f"{off} every invoice"
    if isinstance(one, Reduction):
        return f"{off} each invoice until {day(one.ends_at)}"
    months = one.months or 1
    return f"{off} each invoice for {months} month{'' if months == 1 else 's'}"


def _share(one: Offer | Reduction) -> str:
    return amount(one.amount_minor or 0, one.currency) if one.percent is None else f"{one.percent:f} %"


# What may be done, and what stands in the way.


def _changed(row: StripeSubscription, terms: Terms) -> str:
    if row.status == "incomplete":
        return "The first payment is not through. It can be changed once the customer has confirmed it."
    if row.status == "paused":
        return "This subscription is paused. Resume it first."
    return "It has more items than Stripe shows at once. Change it in Stripe." if terms.has_more_items else ""


def _paused(row: StripeSubscription, terms: Terms) -> str:
    if terms.pause or row.status == "paused":
        return "Collection is paused already."
    return "" if row.status in CHANGEABLE else "Nothing is collected before the first payment is through."


def _resumed(row: StripeSubscription, terms: Terms) -> str:
    return "" if terms.pause or row.status == "paused" else "Nothing is paused."


def _canceled_later(row: StripeSubscription, terms: Terms) -> str:
    if row.cancel_at_period_end or row.cancel_at:
        return "Its end is set already. It can be kept, or canceled now."
    return "" if row.status in CHANGEABLE else "No period is paid that it could end with. It can be canceled now."


def _canceled_now(row: StripeSubscription, terms: Terms) -> str:
    return ""


def _kept(row: StripeSubscription, terms: Terms) -> str:
    return "" if row.cancel_at_period_end or row.cancel_at else "No end is set: it goes on by itself."


_HINDRANCES: Mapping[str, Callable[[StripeSubscription, Terms], str]] = {
    "change": _changed,
    "pause": _paused,
    "resume": _resumed,
    "keep": _kept,
    "cancel": _canceled_later,
    "cancel-now": _canceled_now,
}
LABELS = {
    "change": "Change plan or quantity",
    "pause": "Pause collection",
    "resume": "Resume",
    "keep": "Keep it",
    "cancel": "Cancel at period end",
    "cancel-now": "Cancel now",
}
DANGEROUS = ("cancel", "cancel-now")


def hindrance(verb: str, row: StripeSubscription, terms: Terms) -> str:
    """Return why something cannot be done with a subscription now, in words; empty where it can."""
    if row.status in ENDED:
        return "This subscription has ended. Create a new one to bill the customer again."
    return _HINDRANCES[verb](row, terms)


def possible(row: StripeSubscription, terms: Terms) -> list[tuple[str, str, bool]]:
    """Return what may be done: the name of its address, its label, and whether it takes something away."""
    verbs = [verb for verb in LABELS if not hindrance(verb, row, terms)]
    return [(f"financial:subscription-{verb}", LABELS[verb], verb in DANGEROUS) for verb in verbs]


# What Stripe says will be billed.


def billed(outlook: Outlook, who: str, price: StripePrice, *, days_until_due: int | None = None) -> list[str]:
    """Return in sentences what is billed now, next and regularly; `price` tells how often."""
    now, later = outlook.now, outlook.next
    said = [_now(now, who, days_until_due)] if now is not None else [f"{who} pays nothing today."]
    if later is None:
        return [*said, "No further invoice will be made."]
    prorated_minor = sum(line.amount_minor for line in later.lines if line.is_proration)
    sentence = f"The next invoice, of {day(later.at)}, is {amount(later.due_minor, later.currency)}"
    if prorated_minor:
        word = "on top" if prorated_minor > 0 else "credited"
        sentence += f", with {amount(abs(prorated_minor), later.currency)} {word} for the change"
    said.append(f"{sentence}.")
    regular = outlook.regular
    if regular is not None:
        said.append(f"Regularly it is {amount(max(regular.total_minor, 0), regular.currency)} {each(price)}.")
    return said


def _now(invoice: InvoicePreview, who: str, days_until_due: int | None) -> str:
    if invoice.credited_minor:
        credited = amount(invoice.credited_minor, invoice.currency)
        return f"{credited} is credited to the balance of {who} today and lowers the next invoices."
    if not invoice.due_minor:
        return f"{who} pays nothing today."
    due = amount(invoice.due_minor, invoice.currency)
    if days_until_due is None:
        return f"{who} pays {due} today."
    return (
        f"An invoice of {due} is sent to {who} today, due in {days_until_due} day{'' if days_until_due == 1 else 's'}."
    )


def begun(outlook: Outlook, who: str, price: StripePrice, *, trial_days: int, days_until_due: int | None) -> list[str]:
    """Return in sentences what a new subscription bills: `Ada pays $29.00 today, then $29.00 each month from …`."""
    first = f"{who} pays nothing today."
    if trial_days:
        first = f"{trial_days} day{'' if trial_days == 1 else 's'} free first: {first}"
    elif outlook.now is not None:
        first = _now(outlook.now, who, days_until_due)
    if outlook.next is None or outlook.regular is None:
        return [first]
    regular = amount(max(outlook.regular.total_minor, 0), outlook.regular.currency)
    return [f"{first.removesuffix('.')}, then {regular} {each(price)} from {day(outlook.next.at)}."]


def offered(offer: Offer) -> str:
    word = "Promotion code" if offer.kind == "promotion_code" else "Coupon"
    return f"{word} {offer.name} takes {reduction(offer)}."


def mrr_moves(before_minor: int, after_minor: int, currency: str, *, in_trial: bool) -> str:
    when = "Once the trial is over, MRR" if in_trial else "MRR"
    if before_minor == after_minor:
        return f"{when} stays {amount(before_minor, currency)}."
    sign, gap = ("+", after_minor - before_minor) if after_minor > before_minor else ("−", before_minor - after_minor)
    goes = f"{amount(before_minor, currency)} to {amount(after_minor, currency)}"
    return f"{when} goes from {goes} ({sign}{amount(gap, currency)})."
