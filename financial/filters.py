"""What the lists can be narrowed by, read from the address of the page; an invalid filter finds nothing, never all.

The state of a payment is Stripe's status of the payment joined with what happened to its charges; `PAYMENT_STATES` is
the one table that says how, in SQL for the filters and in `payment_state` for a row at hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, ClassVar

import django_filters as filters
from django import forms
from django.core import validators
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from financial import conf, money
from financial.models import (
    BankDeposit,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeSubscription,
    StripeWebhookEvent,
)
from financial.reports.payouts import OPEN as PAYOUTS_OPEN
from financial.reports.payouts import RECKONED, Reckoned, without_deposit

QUERY_LENGTH_MAX = 200
FEW = 1_000


def _charges(**found: Any) -> Exists:
    return Exists(StripeCharge.objects.filter(payment_intent=OuterRef("pk"), **found))


def _subscriptions(*found: Q) -> Exists:
    return Exists(StripeSubscription.objects.alive().filter(*found, customer=OuterRef("pk")))


def _has(**found: Any) -> Q:
    """The rare ones, read from the charges: one look at those, not one at each payment."""
    return Q(pk__in=StripeCharge.objects.filter(payment_intent__isnull=False, **found).values("payment_intent"))


_PAID = Q(status="succeeded")
_PARTLY_CHARGES = {"refunded": False, "amount_refunded_minor__gt": 0}
_NOT_DISPUTED = ~Q(_charges(disputed=True))
_NOT_REFUNDED = ~Q(_charges(refunded=True))
_NOT_PARTLY = ~Q(_charges(**_PARTLY_CHARGES))
_NO_METHOD = Q(status="requires_payment_method")

# What a payment is shown as, in the order of the tabs; each is in one of them, or in none if Stripe has a new word.
PAYMENT_STATES: dict[str, tuple[str, Q]] = {
    "succeeded": ("Succeeded", _PAID & _NOT_DISPUTED & _NOT_REFUNDED & _NOT_PARTLY),
    "processing": ("Processing", Q(status="processing")),
    "requires_action": ("Needs the customer", Q(status="requires_action")),
    "failed": ("Failed", _NO_METHOD & ~Q(error_code="")),
    "refunded": ("Refunded", _PAID & _has(refunded=True) & _NOT_DISPUTED),
    "partly_refunded": ("Partly refunded", _PAID & _has(**_PARTLY_CHARGES) & _NOT_DISPUTED & _NOT_REFUNDED),
    "disputed": ("Disputed", _PAID & _has(disputed=True)),
    "canceled": ("Canceled", Q(status="canceled")),
    "requires_capture": ("Uncaptured", Q(status="requires_capture")),
    "incomplete": ("Incomplete", Q(status="requires_confirmation") | (_NO_METHOD & Q(error_code=""))),
}


def payment_state(payment: StripePaymentIntent, charges: Iterable[StripeCharge]) -> str:
    """Return the key of `PAYMENT_STATES` this payment is in, or Stripe's own word if it is in none."""
    if payment.status == "succeeded":
        charges = list(charges)
        if any(charge.disputed for charge in charges):
            return "disputed"
        if any(charge.refunded for charge in charges):
            return "refunded"
        return "partly_refunded" if any(charge.amount_refunded_minor for charge in charges) else "succeeded"
    if payment.status == "requires_payment_method":
        return "failed" if payment.error_code else "incomplete"
    return "incomplete" if payment.status == "requires_confirmation" else str(payment.status)


_SUBSCRIBED = Q(status__in=StripeSubscription.ACTIVE_STATUSES)
_CANCELING = Q(cancel_at_period_end=True) | Q(cancel_at__isnull=False)
SUBSCRIPTION_STATES: dict[str, tuple[str, Q]] = {
    "active": ("Active", _SUBSCRIBED),
    "inactive": ("Inactive", ~_SUBSCRIBED),
    "only_active": ("Paying", Q(status="active")),
    "trialing": ("Trial", Q(status="trialing")),
    "past_due": ("Past due", Q(status="past_due")),
    "canceling": ("Canceling", _SUBSCRIBED & _CANCELING),
    "unpaid": ("Unpaid", Q(status="unpaid")),
    "paused": ("Paused", Q(status="paused")),
    "incomplete": ("Incomplete", Q(status="incomplete")),
    "incomplete_expired": ("Expired", Q(status="incomplete_expired")),
    "canceled": ("Canceled", Q(status="canceled")),
}
CUSTOMER_STATES: dict[str, tuple[str, Q]] = {
    "active": ("Subscribed", Q(_subscriptions(_SUBSCRIBED))),
    "past_due": ("Past due", Q(_subscriptions(Q(status="past_due")))),
    "none": ("No subscription", Q(deleted_at=None) & ~Q(_subscriptions())),
    "delinquent": ("Delinquent", Q(delinquent=True)),
    "deleted": ("Deleted in Stripe", Q(deleted_at__isnull=False)),
}
PRODUCT_STATES: dict[str, tuple[str, Q]] = {
    "active": ("Active", Q(active=True, deleted_at=None)),
    "archived": ("Archived", Q(active=False, deleted_at=None)),
    "deleted": ("Deleted in Stripe", Q(deleted_at__isnull=False)),
}
PAYOUT_STATES: dict[str, tuple[str, Q]] = {
    "paid": ("Paid", Q(status="paid")),
    "in_transit": ("On the way", Q(status__in=("in_transit", "pending"))),
    "failed": ("Failed", Q(status="failed")),
    "canceled": ("Canceled", Q(status="canceled")),
    "open": ("Unreconciled", PAYOUTS_OPEN),
}
EVENT_STATES: dict[str, tuple[str, Q]] = {
    state.value: (label, Q(state=state.value))
    for state, label in (
        (StripeWebhookEvent.State.WAITING, "Waiting"),
        (StripeWebhookEvent.State.DEAD, "Needs attention"),
        (StripeWebhookEvent.State.QUARANTINED, "Unreadable"),
        (StripeWebhookEvent.State.MISROUTED, "Other account"),
        (StripeWebhookEvent.State.DONE, "Done"),
        (StripeWebhookEvent.State.IGNORED, "Of no interest"),
    )
}
RECKONED_WORDS = (
    (str(Reckoned.AGREES), "Sums up"),
    (str(Reckoned.DIFFERS), "Does not sum up"),
    (str(Reckoned.UNREAD), "Rows not read yet"),
    (str(Reckoned.WAITING), "Stripe is not done"),
    (str(Reckoned.MANUAL), "Not itemisable"),
)
METHODS = (
    ("card", "Card"),
    ("card_present", "Card in person"),
    ("link", "Link"),
    ("sepa_debit", "SEPA Direct Debit"),
    ("us_bank_account", "ACH Direct Debit"),
    ("bacs_debit", "Bacs Direct Debit"),
    ("customer_balance", "Bank transfer"),
    ("paypal", "PayPal"),
    ("klarna", "Klarna"),
    ("ideal", "iDEAL"),
    ("bancontact", "Bancontact"),
    ("amazon_pay", "Amazon Pay"),
    ("cashapp", "Cash App Pay"),
)
DAYS = [validators.MinValueValidator(dt.date(2000, 1, 1)), validators.MaxValueValidator(dt.date(2100, 1, 1))]
INTERVALS = (("day", "Daily"), ("week", "Weekly"), ("month", "Monthly"), ("year", "Yearly"))


def starts_with(column: str, text: str) -> Q:
    """Match the beginning of a column as typed, in lower case and as a name is written: forms an index can serve."""
    found = Q()
    for variant in dict.fromkeys((text, text.lower(), text.title())):
        found |= Q(**{f"{column}__startswith": variant})
    return found


def customers_like(credential: StripeCredential | None, text: str) -> QuerySet[StripeCustomer]:
    """Return the customers with this id, or whose e-mail or name begins with `text`."""
    customers = StripeCustomer.objects.of(credential)
    if text.startswith("cus_"):
        return customers.filter(stripe_id=text)
    return customers.filter(starts_with("email", text) | starts_with("name", text))


def _text(method: str, label: str, placeholder: str) -> filters.CharFilter:
    widget = forms.TextInput(attrs={"type": "search", "placeholder": placeholder, "autocomplete": "off"})
    return filters.CharFilter(method=method, label=label, max_length=QUERY_LENGTH_MAX, widget=widget)


def _choice(method: str, label: str, choices: Iterable[tuple[str, str]], empty: str, **options: Any) -> Any:
    return filters.ChoiceFilter(method=method, label=label, choices=list(choices), empty_label=empty, **options)


def _state(states: dict[str, tuple[str, Q]]) -> Any:
    """The tabs: a hidden field of the form, so that a search stays in its tab."""
    return _choice(
        "by_state", "Status", ((key, label) for key, (label, _) in states.items()), "All", widget=forms.HiddenInput
    )


def _day(method: str, label: str) -> filters.DateFilter:
    return filters.DateFilter(
        method=method, label=label, widget=forms.DateInput(attrs={"type": "date"}), validators=DAYS
    )


@dataclass(frozen=True)
class Chip:
    """One filter in force, and the query that drops it."""

    label: str
    value: str
    query: str


@dataclass(frozen=True)
class Tab:
    """One state to show, and the query that shows it; `count` where the rows in it were counted."""

    label: str
    query: str
    is_current: bool
    key: str = ""
    count: str = ""


class MirrorFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters every list has: state tabs, text, and the days between which a row was created."""

    states: ClassVar[dict[str, tuple[str, Q]]] = {}

    date_from = _day("since", "Created from")
    date_to = _day("until", "Created to")

    def __init__(self, data: Any, queryset: QuerySet[Any], *, credential: StripeCredential | None) -> None:
        super().__init__(data, queryset=queryset)
        self.credential = credential
        days = ("date_from", "date_to")
        self.form.order_fields([name for name in self.form.fields if name not in days] + [*days])

    def rows(self) -> QuerySet[Any]:
        """Return what was found; nothing at all while a filter is invalid."""
        found: QuerySet[Any] = self.qs if self.is_valid() else self.queryset.none()
        return found

    def is_valid(self) -> bool:
        self._check_range("date_from", "date_to", "The last day is before the first.")
        return not self.form.errors

    def _check_range(self, first: str, last: str, message: str) -> None:
        self.form.errors  # noqa: B018  (runs the form)
        start, end = (self.form.cleaned_data.get(name) for name in (first, last))
        if start is not None and end is not None and start > end and last not in self.form.errors:
            self.form.add_error(last, message)

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(self.states[value][1])

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(created_at__gte=_start_of(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(created_at__lt=_start_of(value + dt.timedelta(days=1)))

    def of_customer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(customer__in=customers_like(self.credential, value))

    def chips(self) -> list[Chip]:
        """Return the filters in force, but for the tab."""
        data, fields = self.data, self.form.fields
        return [
            Chip(str(fields[name].label), _shown(fields[name], data[name]), without(data, name))
            for name in fields
            if name != "status" and data.get(name, "").strip()
        ]

    def tabs(self) -> list[Tab]:
        current = self.data.get("status", "")
        rest = without(self.data, "status")
        tabs = [Tab("All", rest, not current)]
        for key, (label, _) in self.states.items():
            tabs.append(Tab(label, f"{rest}&status={key}" if rest else f"status={key}", current == key, key))
        return tabs

    def errors(self) -> list[tuple[str, str]]:
        """Return (label, message) of every invalid filter, the hidden one's too."""
        fields = self.form.fields
        return [
            (str(fields[name].label) if name in fields else "", str(message))
            for name, messages in self.form.errors.items()
            for message in messages
        ]


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=conf.time_zone())


def _shown(field: forms.Field, value: str) -> str:
    choices = dict(getattr(field, "choices", ()))
    return str(choices.get(value, value))[:60]


def without(data: QueryDict, *names: str) -> str:
    """Return the query of a list without these parameters, and without the place on it."""
    rest = data.copy()
    for name in (*names, "after", "before", "format"):
        rest.pop(name, None)
    for name in [name for name, value in rest.items() if not value]:
        del rest[name]
    return rest.urlencode()


class ProductFilter(MirrorFilter):
    states = PRODUCT_STATES

    q = _text("search", "Search", "Name or prod_… id")
    status = _state(PRODUCT_STATES)
    type = _choice("of_type", "Type", (("recurring", "Recurring"), ("one_time", "One-time")), "Any type")

    class Meta:
        model = StripeProduct
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("prod_"):
            return rows.filter(stripe_id=value)
        if value.startswith(("price_", "plan_")):
            return rows.filter(pk__in=StripePrice.objects.of(self.credential).filter(stripe_id=value).values("product"))
        return rows.filter(starts_with("name", value))

    def of_type(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Exists(StripePrice.objects.alive().filter(product=OuterRef("pk"), type=value)))


class CustomerFilter(MirrorFilter):
    states = CUSTOMER_STATES

    q = _text("search", "Search", "E-mail, name or cus_… id")
    status = _state(CUSTOMER_STATES)

    class Meta:
        model = StripeCustomer
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("cus_"):
            return rows.filter(stripe_id=value)
        return rows.filter(starts_with("email", value) | starts_with("name", value))


class PaymentFilter(MirrorFilter):
    states = PAYMENT_STATES

    q = _text("search", "Search", "pi_… or ch_… id, e-mail, last 4")
    status = _state(PAYMENT_STATES)
    customer = _text("of_customer", "Customer", "E-mail, name or cus_… id")
    currency = filters.CharFilter(
        method="of_currency", label="Currency", max_length=8, widget=forms.TextInput(attrs={"placeholder": "usd"})
    )
    amount_from = filters.NumberFilter(method="at_least", label="Amount from", max_digits=15)
    amount_to = filters.NumberFilter(method="at_most", label="Amount to", max_digits=15)
    method = _choice("by_method", "Method", METHODS, "Any method")

    class Meta:
        model = StripePaymentIntent
        fields: Sequence[str] = ()

    def is_valid(self) -> bool:
        super().is_valid()
        self._check_range("amount_from", "amount_to", "This is less than the amount to begin with.")
        code = str(self.form.cleaned_data.get("currency") or "").lower()
        if code and code not in money.CURRENCIES and "currency" not in self.form.errors:
            self.form.add_error("currency", f"“{code}” is not a currency Stripe charges in.")
        return not self.form.errors

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        charges = StripeCharge.objects.of(self.credential)
        if value.startswith("pi_"):
            return rows.filter(stripe_id=value)
        if value.startswith(("ch_", "py_")):
            return rows.filter(pk__in=charges.filter(stripe_id=value).values("payment_intent"))
        found = Q(customer__in=customers_like(self.credential, value))
        if len(value) == 4 and value.isascii() and value.isdecimal():
            found |= Q(pk__in=charges.filter(card_last4=value).values("payment_intent"))
        return rows.filter(found)

    def of_currency(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(currency=value.lower())

    def at_least(self, rows: QuerySet[Any], name: str, value: Decimal) -> QuerySet[Any]:
        return rows.filter(_amounts("gte", value, ROUND_CEILING))

    def at_most(self, rows: QuerySet[Any], name: str, value: Decimal) -> QuerySet[Any]:
        return rows.filter(_amounts("lte", value, ROUND_FLOOR))

    def by_method(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(_charges(method_type=value))


def _amounts(lookup: str, major: Decimal, rounding: str) -> Q:
    """Compare an amount in major units with each row in its own currency: 49 is 4900 in usd and 49 in jpy."""
    groups = ((0, money.ZERO_DECIMAL), (3, money.THREE_DECIMAL))
    bounds = {digits: int(major.scaleb(digits).to_integral_value(rounding)) for digits in (0, 2, 3)}
    special = money.ZERO_DECIMAL | money.THREE_DECIMAL
    found = Q(**{f"amount_minor__{lookup}": bounds[2]}) & ~Q(currency__in=sorted(special))
    for digits, codes in groups:
        found |= Q(**{f"amount_minor__{lookup}": bounds[digits]}, currency__in=sorted(codes))
    return found


class SubscriptionFilter(MirrorFilter):
    states = SUBSCRIPTION_STATES

    q = _text("search", "Search", "sub_… id, e-mail or name")
    status = _state(SUBSCRIPTION_STATES)
    customer = _text("of_customer", "Customer", "E-mail, name or cus_… id")
    product = _text("of_product", "Product", "Name or prod_… id")
    interval = _choice("by_interval", "Billed", INTERVALS, "Any cycle")

    class Meta:
        model = StripeSubscription
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("sub_"):
            return rows.filter(stripe_id=value)
        if value.startswith(("price_", "plan_")):
            return rows.filter(price__in=StripePrice.objects.of(self.credential).filter(stripe_id=value))
        return self.of_customer(rows, name, value)

    def of_product(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        products = StripeProduct.objects.of(self.credential)
        exact = value.startswith("prod_")
        products = products.filter(stripe_id=value) if exact else products.filter(starts_with("name", value))
        return rows.filter(price__product__in=products)

    def by_interval(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(price__interval=value)


class PayoutFilter(MirrorFilter):
    """Filters of payouts; their days are those on which they arrive, which Stripe counts in UTC."""

    states = PAYOUT_STATES

    q = _text("search", "Search", "po_… or txn_… id, trace id")
    status = _state(PAYOUT_STATES)
    currency = filters.CharFilter(
        method="of_currency", label="Currency", max_length=8, widget=forms.TextInput(attrs={"placeholder": "usd"})
    )
    reconciled = _choice("by_reckoning", "Reconciled", RECKONED_WORDS, "Any")
    deposit = _choice("by_deposit", "Bank deposit", (("yes", "Matched"), ("no", "Not seen")), "Any")
    date_from = _day("since", "Arrives from")
    date_to = _day("until", "Arrives to")

    class Meta:
        model = StripePayout
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("po_"):
            return rows.filter(stripe_id=value)
        if value.startswith("txn_"):
            return rows.filter(rows__balance_transaction__stripe_id=value)
        return rows.filter(trace_id__iexact=value)

    def of_currency(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(currency=value.lower())

    def by_reckoning(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(RECKONED[Reckoned(value)])

    def by_deposit(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        seen = Exists(BankDeposit.objects.filter(payout=OuterRef("pk")))
        if value == "yes" or self.credential is None:
            return rows.filter(seen)
        return rows.filter(pk__in=without_deposit(self.credential).values("pk"))

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(arrival_at__gte=_utc(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(arrival_at__lt=_utc(value + dt.timedelta(days=1)))


def _utc(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


class EventFilter(MirrorFilter):
    """Filters of the webhook inbox; its days are those of the receipt."""

    states = EVENT_STATES

    q = _text("search", "Search", "evt_… id, or the id of its object")
    status = _state(EVENT_STATES)
    type = _text("of_type", "Type", "charge.updated")
    source = _choice("by_source", "Source", StripeWebhookEvent.Source.choices, "Any source")
    date_from = _day("since", "Received from")
    date_to = _day("until", "Received to")

    class Meta:
        model = StripeWebhookEvent
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if not value.startswith(("evt_", "sha256:")):
            return self._narrowed(rows, Q(object_stripe_id=value))
        # The account stands between the two in the index that finds an event.
        return self._narrowed(rows, Q(account="", event_id=value) | Q(account__gt="", event_id=value))

    def of_type(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self._narrowed(rows, Q(type=value))

    def _narrowed(self, rows: QuerySet[Any], found: Q) -> QuerySet[Any]:
        """Name the rows where they are few: beside an order, databases walk the whole inbox instead of the index."""
        events = StripeWebhookEvent.objects.filter(found, credential=self.credential).order_by()
        few = list(events.values_list("pk", flat=True)[: FEW + 1])
        return rows.filter(pk__in=few) if len(few) <= FEW else rows.filter(found)

    def by_source(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(source=value)

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(received_at__gte=_start_of(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(received_at__lt=_start_of(value + dt.timedelta(days=1)))
