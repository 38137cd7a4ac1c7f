"""One line of each list: a mirror row with what belongs beside it, read for a whole page in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery, prefetch_related_objects

from financial import payment_methods, reports
from financial.filters import customer_state, payment_state
from financial.models import (
    PayoutRow,
    StripeCharge,
    StripeCredential,
    StripeCustomer,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    StripePrice,
    StripeProduct,
    StripeSubscription,
    Transaction,
)
from financial.pricing import cycle_words, price_words
from financial.reports import recurring

ACTIVE = Q(status__in=StripeSubscription.ACTIVE_STATUSES)
# What can be done with a payment in a state, as the names of the addresses say it; the page of each says the rest.
PAYMENT_ACTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "succeeded": (("Refund", "financial:payment-refund"),),
    "partly_refunded": (("Refund", "financial:payment-refund"),),
    "requires_capture": (("Capture", "financial:payment-capture"), ("Cancel", "financial:payment-cancel")),
    "requires_action": (("Cancel", "financial:payment-cancel"),),
    "incomplete": (("Cancel", "financial:payment-cancel"),),
    "failed": (
        ("Try again", "financial:payment-retry"),
        ("Cancel", "financial:payment-cancel"),
    ),
}
# What a product or customer is, in the words of the badges.
DELETED, ARCHIVED, ALIVE = "deleted", "archived", "active"


@dataclass(frozen=True)
class ProductRow:
    """One row per product; subscribers are customers with an active subscription to one of its prices."""

    product: StripeProduct
    state: str
    default_price: str
    kinds: str
    prices: int
    subscribers: int
    mrr: tuple[recurring.Amount, ...] = ()
    revenue: tuple[reports.Brought, ...] = ()


@dataclass(frozen=True)
class CustomerRow:
    """One row per customer; `state` is a key of `filters.CUSTOMER_STATES`, `paid` what is left of all they paid."""

    customer: StripeCustomer
    state: str
    active: int
    subscriptions: int
    payments: int
    last_payment_at: dt.datetime | None
    mrr: tuple[recurring.Amount, ...] = ()
    paid: tuple[reports.Paid, ...] = ()


@dataclass(frozen=True)
class PaymentRow:
    """One row per payment, with its latest attempt, its entry in the books and the payout it left with, if there are any."""

    payment: StripePaymentIntent
    state: str
    charge: StripeCharge | None
    method: str
    entry: Transaction | None
    payout: StripePayout | None = None

    @property
    def actions(self) -> tuple[tuple[str, str], ...]:
        """What can be done with it: a word and the name of its address."""
        return PAYMENT_ACTIONS.get(self.state, ())


@dataclass(frozen=True)
class InvoiceRow:
    """One row per invoice, with the payment that is to pay it, if there is one."""

    invoice: StripeInvoice
    payment: PaymentRow | None


@dataclass(frozen=True)
class SubscriptionRow:
    """One row per subscription; `state` is Stripe's status, or `canceling` where the end is already set."""

    subscription: StripeSubscription
    state: str
    plan: str
    price: str
    cycle: str
    ends_at: dt.datetime | None
    mrr: tuple[recurring.Amount, ...] = ()

    @property
    def next_invoice_at(self) -> dt.datetime | None:
        """When it is billed again: at the end of its period, unless it ends by then."""
        period_end = self.subscription.current_period_end_at
        if not self.subscription.is_active or period_end is None:
            return None
        return None if self.ends_at and self.ends_at <= period_end else period_end


def product_rows(
    credential: StripeCredential, products: Sequence[StripeProduct], period: reports.Period
) -> list[ProductRow]:
    """Dress a page of products with their revenue of a period; eleven queries, two where they are kept."""
    revenue = reports.product_revenue(credential, period)
    prices = StripePrice.objects.of(credential).alive()
    wanted = [product.default_price_stripe_id for product in products if product.default_price_stripe_id]
    defaults = {price.stripe_id: price for price in prices.filter(stripe_id__in=wanted)}
    counted = _by(prices.filter(product__in=products), "product", prices=Count("pk"), once=_one_time(), often=_often())
    keys = tuple(product.pk for product in products)
    subscribed = reports.cached("subscribers", credential, lambda: _subscribers(keys), keys)
    mrr = recurring.mrr_of_products(credential, tuple(product.stripe_id for product in products))
    return [
        ProductRow(
            product,
            product_state(product),
            price_words(found) if (found := defaults.get(product.default_price_stripe_id)) else "",
            _kinds(counted(product.pk, "once"), counted(product.pk, "often")),
            counted(product.pk, "prices") or 0,
            subscribed.get(product.pk, 0),
            mrr.get(product.stripe_id, ()),
            revenue.get(product.pk, ()),
        )
        for product in products
    ]


def _subscribers(keys: Sequence[int]) -> Mapping[int, int]:
    """Return how many customers have an active subscription to each product; those not mirrored count, too."""
    active = StripeSubscription.objects.filter(ACTIVE, price__product__in=keys).order_by()
    known = active.filter(customer__isnull=False).values_list("price__product")
    unknown = active.filter(customer__isnull=True).values_list("price__product")
    found = Counter(dict(known.annotate(Count("customer", distinct=True))))
    return found + Counter(dict(unknown.annotate(Count("customer_stripe_id", distinct=True))))


def product_state(product: StripeProduct) -> str:
    return DELETED if product.is_deleted else ALIVE if product.active else ARCHIVED


class _OfCustomers(NamedTuple):
    """What rows of customers show, by primary key: numbers of subscriptions and payments, the last one, what is left."""

    statuses: dict[int, dict[str, int]]
    payments: dict[int, int]
    last: dict[int, dt.datetime | None]
    net: Mapping[int, tuple[reports.Paid, ...]]


def customer_rows(credential: StripeCredential, customers: Sequence[StripeCustomer]) -> list[CustomerRow]:
    """Dress a page of customers; seven queries, two where their figures are kept."""
    keys = tuple(customer.pk for customer in customers)
    of = reports.cached("customer-rows", credential, lambda: _of_customers(credential, customers), keys)
    mrr = recurring.mrr_of(credential, "customer", [customer.stripe_id for customer in customers])
    return [
        CustomerRow(
            customer,
            customer_state(
                customer, statuses := of.statuses.get(customer.pk, {}), has_paid=bool(of.last.get(customer.pk))
            ),
            sum(statuses.get(status, 0) for status in StripeSubscription.ACTIVE_STATUSES),
            sum(statuses.values()),
            of.payments.get(customer.pk, 0),
            of.last.get(customer.pk),
            mrr.get(customer.stripe_id, ()),
            of.net.get(customer.pk, ()),
        )
        for customer in customers
    ]


def _of_customers(credential: StripeCredential, customers: Sequence[StripeCustomer]) -> _OfCustomers:
    """Read it from indexes; of some there are many thousand payments."""
    payments = StripePaymentIntent.objects.filter(customer__in=customers).order_by()
    return _OfCustomers(
        _by_status(StripeSubscription.objects.of(credential).filter(customer__in=customers)),
        dict(payments.values_list("customer").annotate(Count("pk"))),
        _last_paid(customers),
        reports.paid_net(credential, customers),
    )


def _last_paid(customers: Sequence[StripeCustomer]) -> dict[int, dt.datetime | None]:
    """Return when each customer last paid: the newest of their payments are looked at, not all."""
    paid = StripePaymentIntent.objects.filter(customer=OuterRef("pk"), status="succeeded").newest()
    rows = StripeCustomer.objects.filter(pk__in=[customer.pk for customer in customers]).order_by()
    return dict(rows.values_list("pk", Subquery(paid.values("created_at")[:1])))


def _by_status(subscriptions: QuerySet[StripeSubscription]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    counted = subscriptions.filter(deleted_at=None).order_by().values_list("customer", "status").annotate(Count("pk"))
    for pk, status, number in counted:
        found.setdefault(pk, {})[status] = number
    return found


def light(found: QuerySet[Any], *joined: str) -> QuerySet[Any]:
    """Leave out what a list does not show and what is costly to read: payloads, and what must be decrypted."""
    heavy = [f"{path}{column}" for path in ("", *(f"{name}__" for name in joined)) for column in ("payload", "private")]
    return found.defer(*heavy)


def with_payment_parts(payments: QuerySet[StripePaymentIntent]) -> QuerySet[StripePaymentIntent]:
    """Let a query of payments bring customer and entry along, and the charges of the whole page in one query."""
    joined = payments.select_related("customer", "stripe_transaction__transaction")
    return joined.prefetch_related(_charges())


def _charges() -> Prefetch[str, QuerySet[StripeCharge], str]:
    return Prefetch("charges", light(StripeCharge.objects.all()))


def with_states(payments: Sequence[StripePaymentIntent]) -> list[tuple[StripePaymentIntent, str]]:
    """Pair payments with what the list shows them as; one query."""
    prefetch_related_objects(payments, _charges())
    return [(payment, payment_state(payment, payment.charges.all())) for payment in payments]


def payment_rows(credential: StripeCredential, payments: Sequence[StripePaymentIntent]) -> list[PaymentRow]:
    """Dress a page of payments read by `with_payment_parts`; one query."""
    lines = [payment_row(payment) for payment in payments]
    payouts = payouts_of([line.entry for line in lines if line.entry])
    return [
        replace(line, payout=payouts.get(line.entry.balance_transaction_id or 0)) if line.entry else line
        for line in lines
    ]


def payouts_of(entries: Sequence[Transaction]) -> dict[int, StripePayout]:
    """Return the payouts that transactions left with, by their balance transaction; one query."""
    listed = PayoutRow.objects.filter(balance_transaction__in=[entry.balance_transaction_id for entry in entries])
    listed = listed.select_related("payout").defer("payout__payload", "payout__private")
    return {row.balance_transaction_id: row.payout for row in listed}


def payment_row(payment: StripePaymentIntent) -> PaymentRow:
    charges = list(payment.charges.all())
    latest = next((charge for charge in charges if charge.stripe_id == payment.latest_charge_stripe_id), None)
    booked = getattr(payment, "stripe_transaction", None)
    return PaymentRow(
        payment,
        payment_state(payment, charges),
        latest,
        method_words(latest) if latest else "",
        booked.transaction if booked else None,
    )


def invoice_rows(credential: StripeCredential, invoices: Iterable[StripeInvoice]) -> list[InvoiceRow]:
    """Dress invoices with their payments; three queries with that of the invoices."""
    invoices = list(invoices)
    wanted = {invoice.payment_intent_stripe_id for invoice in invoices} - {""}
    found = with_payment_parts(light(StripePaymentIntent.objects.of(credential)).filter(stripe_id__in=wanted))
    paid = {payment.stripe_id: payment_row(payment) for payment in found}
    return [InvoiceRow(invoice, paid.get(invoice.payment_intent_stripe_id)) for invoice in invoices]


def method_words(charge: StripeCharge) -> str:
    """Return how was paid, as people know it: `Visa ••••4242`, `SEPA Direct Debit`."""
    return payment_methods.described(charge.card_brand, charge.method_type, charge.card_last4)


def with_subscription_parts(subscriptions: QuerySet[StripeSubscription]) -> QuerySet[StripeSubscription]:
    return subscriptions.select_related("customer", "price__product")


def subscription_rows(
    credential: StripeCredential, subscriptions: Sequence[StripeSubscription]
) -> list[SubscriptionRow]:
    """Dress a page of subscriptions read by `with_subscription_parts`; one query."""
    mrr = recurring.mrr_of(credential, "subscription", [subscription.stripe_id for subscription in subscriptions])
    return [subscription_row(subscription, mrr.get(subscription.stripe_id, ())) for subscription in subscriptions]


def subscription_row(subscription: StripeSubscription, mrr: tuple[recurring.Amount, ...] = ()) -> SubscriptionRow:
    price, product = subscription.price, subscription.price.product if subscription.price else None
    leaving = subscription.cancel_at_period_end or subscription.cancel_at is not None
    period_end = subscription.current_period_end_at if subscription.cancel_at_period_end else None
    return SubscriptionRow(
        subscription,
        "canceling" if leaving and subscription.is_active else subscription.status,
        str(product or (price.product_stripe_id if price else "") or subscription.price_stripe_id),
        price_words(price) if price else "",
        cycle_words(price) if price else "",
        subscription.ended_at or subscription.cancel_at or period_end,
        mrr,
    )


def _one_time() -> Count:
    return Count("pk", filter=Q(type="one_time"))


def _often() -> Count:
    return Count("pk", filter=Q(type="recurring"))


def _kinds(once: Any, often: Any) -> str:
    if once and often:
        return "One-time, recurring"
    return "Recurring" if often else "One-time" if once else ""


def _by(rows: QuerySet[Any], key: str, **figures: Any) -> Callable[[int, str], Any]:
    """Return a look-up of figures per parent, read in one query."""
    found: Iterable[dict[str, Any]] = rows.order_by().values(key).annotate(**{f"_{n}": f for n, f in figures.items()})
    known = {line[key]: line for line in found}
    return lambda pk, name: known.get(pk, {}).get(f"_{name}")
