"""The four lists of the mirror: which columns they have, and what their files hold."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property

from financial import audit, conf, filters, reports, stripe_services
from financial.errors import NoActiveCredential, SyncAlreadyRunning
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripeProduct,
    StripeSubscription,
)
from financial.paging import BoundedCount, plain
from financial.reports import recurring
from financial.templatetags.financial import days
from financial.views.mirror import export, rows
from financial.views.mirror.listing import Column, CurrencySum, Heading, MirrorList
from financial.views.periods import DAYS, Choice, Steps, asked, period_asked


class ProductList(MirrorList):
    keeps_figures, is_counted_by_tab = True, True
    section, permission = "products", "financial.view_stripeproduct"
    write_permission = "financial.run_sync"
    model, filterset, name, noun = StripeProduct, filters.ProductFilter, "products", "product"
    follows = "financial/_product_periods.html"
    sorts = {"date": "created_at", "name": "name"}
    columns = (
        Column("Product", "name"),
        Column("Status"),
        Column("Default price"),
        Column("Type"),
        Column("Prices", is_number=True),
        Column("Active subscribers", is_number=True),
        Column("MRR", is_number=True),
        Column("Revenue", is_number=True),
        Column("Created", "date"),
    )
    export_header = (
        "id", "name", "description", "status", "default price", "type", "prices", "active subscribers", "mrr",
        "revenue", "revenue of", "created_at (zone)", "mode",
    )  # fmt: skip

    @cached_property
    def period(self) -> reports.Period:
        """The days whose revenue is shown."""
        return period_asked(self.request.GET, self._today())

    def _today(self) -> dt.date:
        return timezone.now().astimezone(conf.time_zone()).date()

    def dress(self, credential: StripeCredential, found: Sequence[StripeProduct]) -> list[rows.ProductRow]:
        return rows.product_rows(credential, found, self.period)

    def _context(self, credential: StripeCredential, found: filters.MirrorFilter) -> dict[str, Any]:
        rest = filters.without(self.request.GET, *DAYS)

        def at(period: reports.Period | None) -> str:
            return "?" + "&".join(filter(None, (rest, urlencode(asked(period))))) if period else ""

        today, period = self._today(), self.period
        lengths = [(key, label, reports.period_of(key, today)) for key, label in reports.PERIODS]
        return {
            **super()._context(credential, found),
            "period": period,
            "periods": [
                Choice(label, at(one), not period.is_past and key == period.key) for key, label, one in lengths
            ],
            "steps": Steps(at(period.earlier(today)), at(period.later(today))),
            "kept": {name: self.request.GET[name] for name in DAYS if name in self.request.GET},
        }

    def export_cells(self, row: rows.ProductRow) -> Sequence[Any]:
        product = row.product
        return (
            product.stripe_id, product.name, product.description, row.state, row.default_price, row.kinds, row.prices,
            row.subscribers, export.by_currency((amount.minor, amount.currency) for amount in row.mrr),
            export.by_currency((amount.minor, amount.currency) for amount in row.revenue), days(self.period),
            product.created_at, _mode(product),
        )  # fmt: skip

    def post(self, request: HttpRequest) -> HttpResponse:
        """Start a sync of products and prices, and lead to where it can be watched."""
        if self.credential is None:
            raise NoActiveCredential
        name = request.user.get_username()
        try:
            stripe_services.request_sync(self.credential, requested_by=name, resources=("product", "price"))
        except SyncAlreadyRunning as error:
            messages.warning(request, str(error))
        else:
            audit.record(request.user, "sync.requested", credential=self.credential, resources=["product", "price"])
            messages.success(request, "Sync of products and prices requested.")
        return redirect("financial:sync")


class CustomerList(MirrorList):
    keeps_figures, is_counted_by_tab = True, True
    section, permission = "customers", "financial.view_stripecustomer"
    model, filterset, name, noun = StripeCustomer, filters.CustomerFilter, "customers", "customer"
    sorts = {"date": "created_at", "name": "name", "email": "email"}
    more_filters = ("country", "dispute")
    columns = (
        Column("Customer", "name"),
        Column("Status"),
        Column("MRR", is_number=True),
        Column("Paid net", is_number=True),
        Column("Payments", is_number=True),
        Column("Last payment"),
        Column("Subscriptions"),
        Column("Created", "date"),
    )
    export_header = (
        "id", "name", "email", "phone", "status", "mrr", "paid net", "active subscriptions", "subscriptions", "payments",
        "last_payment_at (zone)", "created_at (zone)", "deleted", "mode",
    )  # fmt: skip

    def all_rows(self) -> QuerySet[Any]:
        """The phone number is encrypted, and only the file shows it."""
        found = super().all_rows()
        return found.defer(None).defer("payload") if self.request.GET.get("format") == "csv" else found

    def dress(self, credential: StripeCredential, found: Sequence[StripeCustomer]) -> list[rows.CustomerRow]:
        return rows.customer_rows(credential, found)

    def export_cells(self, row: rows.CustomerRow) -> Sequence[Any]:
        customer = row.customer
        return (
            customer.stripe_id, customer.name, customer.email, customer.phone, row.state,
            export.by_currency((amount.minor, amount.currency) for amount in row.mrr),
            export.by_currency((paid.net_minor, paid.currency) for paid in row.paid), row.active, row.subscriptions,
            row.payments, row.last_payment_at, customer.created_at, customer.is_deleted, _mode(customer),
        )  # fmt: skip


class PaymentList(MirrorList):
    keeps_figures, has_sums = True, True
    section, permission = "payments", "financial.view_stripepaymentintent"
    model, filterset, name, noun = StripePaymentIntent, filters.PaymentFilter, "payments", "payment"
    sorts = {"date": "created_at", "amount": "amount_minor"}
    columns = (
        Column("Amount", "amount", is_number=True),
        Column("Status"),
        Column("Customer"),
        Column("Fee", is_number=True),
        Column("Net", is_number=True),
        Column("Payout"),
        Column("Date", "date"),
    )
    more_filters = ("customer", "currency", "amount_from", "amount_to", "dispute")
    export_header = (
        "id", "created_at (zone)", "status", "stripe status", "amount_minor", "amount", "currency", "customer id",
        "customer", "email", "description", "method", "decline code", "fee_minor", "fee", "net_minor", "net",
        "settlement currency", "fee is", "refunded_minor", "payout", "mode",
    )  # fmt: skip

    def all_rows(self) -> QuerySet[Any]:
        return rows.light(rows.with_payment_parts(super().all_rows()), "customer")

    def dress(self, credential: StripeCredential, found: Sequence[StripePaymentIntent]) -> list[rows.PaymentRow]:
        return rows.payment_rows(credential, found)

    def sums(self, found: QuerySet[Any], count: BoundedCount) -> list[CurrencySum]:
        return payment_sums(found, count)

    def _headings(self) -> Iterator[Heading]:
        yield from super()._headings()
        if self.can():
            yield Heading("Actions", is_number=False, query="", direction="")

    def export_cells(self, row: rows.PaymentRow) -> Sequence[Any]:
        payment, customer, entry = row.payment, row.payment.customer, row.entry
        settled = entry.currency if entry else ""
        return (
            payment.stripe_id, payment.created_at, row.state, payment.status,
            *export.amounts(payment.amount_minor, payment.currency), payment.currency, payment.customer_stripe_id,
            customer.name if customer else "", customer.email if customer else "", payment.description, row.method,
            payment.error_decline_code or payment.error_code,
            *export.amounts(entry.fee_minor if entry else None, settled),
            *export.amounts(entry.net_minor if entry else None, settled),
            settled, entry.status if entry else "", row.charge.amount_refunded_minor if row.charge else "",
            row.payout.stripe_id if row.payout else "", _mode(payment),
        )  # fmt: skip


def payment_sums(found: QuerySet[Any], count: BoundedCount) -> list[CurrencySum]:
    """Return the sums of the payments found, per currency; nothing where there are too many to add up at once."""
    if count.is_more or not count.value:
        return []
    # Added up here: with groups a database is led to an index that has their order, or reads all these rows twice.
    lines: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    few = plain(found).values_list("currency", "amount_minor", "amount_received_minor")
    for currency, amount, received in few[: count.value + 1]:
        line = lines[currency]
        line[0] += 1
        line[1] += amount
        line[2] += received
    sums = [CurrencySum(currency, *line) for currency, line in lines.items()]
    return sorted(sums, key=lambda line: (-line.count, line.currency))


class SubscriptionList(MirrorList):
    keeps_figures, is_counted_by_tab = True, True
    section, permission = "subscriptions", "financial.view_stripesubscription"
    model, filterset, name, noun = StripeSubscription, filters.SubscriptionFilter, "subscriptions", "subscription"
    sorts = {"date": "created_at", "period": "current_period_end_at"}
    columns = (
        Column("Customer"),
        Column("Plan"),
        Column("Billing cycle"),
        Column("MRR", is_number=True),
        Column("Status"),
        Column("Next invoice", "period"),
        Column("Ends"),
        Column("Created", "date"),
    )
    more_filters = ("customer", "currency")
    export_header = (
        "id", "created_at (zone)", "status", "stripe status", "customer id", "customer", "email", "plan", "price id",
        "quantity", "unit_amount_minor", "unit_amount", "currency", "billing cycle", "mrr_minor", "mrr",
        "period ends (zone)", "cancels (zone)", "mode",
    )  # fmt: skip

    def all_rows(self) -> QuerySet[Any]:
        return rows.light(rows.with_subscription_parts(super().all_rows()), "customer", "price", "price__product")

    def dress(self, credential: StripeCredential, found: Sequence[StripeSubscription]) -> list[rows.SubscriptionRow]:
        return rows.subscription_rows(credential, found)

    def _context(self, credential: StripeCredential, found: filters.MirrorFilter) -> dict[str, Any]:
        return {**super()._context(credential, found), "headlines": recurring.headlines(credential)}

    def export_cells(self, row: rows.SubscriptionRow) -> Sequence[Any]:
        subscription, customer, price = row.subscription, row.subscription.customer, row.subscription.price
        return (
            subscription.stripe_id, subscription.created_at, row.state, subscription.status,
            subscription.customer_stripe_id, customer.name if customer else "", customer.email if customer else "",
            row.plan, subscription.price_stripe_id, subscription.quantity,
            *export.amounts(price.unit_amount_minor if price else None, price.currency if price else ""),
            subscription.currency, row.cycle,
            *export.amounts(row.mrr[0].minor if row.mrr else 0, subscription.currency),
            subscription.current_period_end_at, row.ends_at, _mode(subscription),
        )  # fmt: skip


def _mode(row: MirrorRow) -> str:
    return "live" if row.livemode else "test"
