"""One object: its figures, what belongs to it (the newest ten), what happened to it, and Stripe's own payload."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import orjson
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from financial import conf, filters, reports, stripe_services
from financial.errors import NoActiveCredential
from financial.models import (
    MirrorRow,
    StripeCharge,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeSubscription,
)
from financial.paging import BoundedCount, bounded_count
from financial.pricing import fee_drift_minor, price_words, tier_words
from financial.reports import recurring
from financial.reports.payment_standing import Standing
from financial.views import subscription_words
from financial.views.base import StaffView
from financial.views.decline_words import decline_words
from financial.views.mirror import rows, timeline

NEWEST = 10
STRIPE_ID = re.compile(r"\A[a-z]{2,10}_[A-Za-z0-9_]{1,200}\Z")
DASHBOARD = "https://dashboard.stripe.com"


class MirrorDetail(StaffView):
    """What every detail page does; a subclass says what belongs to its object."""

    model: ClassVar[type[MirrorRow]]
    name: ClassVar[str]
    noun: ClassVar[str]

    def get(self, request: HttpRequest, stripe_id: str) -> HttpResponseBase:
        if self.credential is None:
            raise NoActiveCredential
        row = self.all_rows().filter(stripe_id=stripe_id[:255]).first()
        if row is None:
            raise Http404(f"No such {self.noun} in the mirror.")
        context = {
            "row": row,
            "name": self.name,
            "stripe_url": dashboard_url(self.name, row),
            "payload": orjson.dumps(row.payload, option=orjson.OPT_INDENT_2).decode(),
        }
        return self.page(f"financial/{self.noun}_detail.html", {**context, **self.parts(row)})

    def all_rows(self) -> QuerySet[Any]:
        return self.model.objects.of(self.credential)

    def parts(self, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def newest_payments(self, **of: Any) -> list[rows.PaymentRow]:
        found = StripePaymentIntent.objects.of(self.credential).filter(**of)
        return [rows.payment_row(payment) for payment in rows.with_payment_parts(found.newest())[:NEWEST]]

    def newest_subscriptions(self, found: Any) -> list[rows.SubscriptionRow]:
        return [rows.subscription_row(row) for row in rows.with_subscription_parts(found.newest())[:NEWEST]]


def dashboard_url(name: str, row: MirrorRow) -> str:
    """Return where Stripe's own dashboard shows a row; nothing for an id that does not look like one, or sample data."""
    if row.credential.is_sample or not STRIPE_ID.match(row.stripe_id):
        return ""
    return f"{DASHBOARD}/{'' if row.livemode else 'test/'}{name}/{row.stripe_id}"


class ProductDetail(MirrorDetail):
    section, permission = "products", "financial.view_stripeproduct"
    model, name, noun = StripeProduct, "products", "product"

    def parts(self, row: StripeProduct) -> dict[str, Any]:
        prices = StripePrice.objects.of(self.credential).filter(product=row)
        newest = list(prices.newest()[:NEWEST])
        active, subscriptions = reports.cached("product-subscriptions", row.credential, lambda: _counted(row), row.pk)
        period = reports.period_of("", timezone.now().astimezone(conf.time_zone()).date())
        every = StripeSubscription.objects.of(self.credential)
        listed = filters.SubscriptionFilter({"product": row.stripe_id}, every, credential=self.credential)
        return {
            "state": rows.product_state(row),
            "prices": [(price, price_words(price), _tiers(price)) for price in newest],
            "line": rows.product_rows(row.credential, [row], period)[0],
            "period": period,
            "price_count": bounded_count(prices),
            "active_count": active,
            "subscription_count": subscriptions,
            "subscriptions": self.newest_subscriptions(listed.rows()),  # as the list finds them, however many
            "timeline": timeline.of_product(row),
        }


def _counted(row: StripeProduct) -> tuple[BoundedCount, BoundedCount]:
    """Count the active subscriptions of a product, and all."""
    prices = list(StripePrice.objects.filter(product=row).values_list("pk", flat=True))
    found = StripeSubscription.objects.filter(price__in=prices)  # of one account, as its product is
    return bounded_count(found.filter(rows.ACTIVE)), bounded_count(found)


def _tiers(price: StripePrice) -> list[str]:
    is_volume = price.tiers_mode == "volume"
    return tier_words(stripe_services.tiers_of(price), price.currency, is_volume=is_volume)


class CustomerDetail(MirrorDetail):
    section, permission = "customers", "financial.view_stripecustomer"
    model, name, noun = StripeCustomer, "customers", "customer"

    def parts(self, row: StripeCustomer) -> dict[str, Any]:
        newest = self.newest_payments(customer=row)
        (line,) = rows.customer_rows(row.credential, [row])
        return {
            "line": line,
            "since": recurring.paying_since(row.credential, row.stripe_id),
            "pays_with": _pays_with(row, newest),
            "payments": newest,
            "payment_count": BoundedCount(line.payments, limit=line.payments),
            "subscriptions": self.newest_subscriptions(
                StripeSubscription.objects.of(self.credential).filter(customer=row)
            ),
            "subscription_count": BoundedCount(line.subscriptions),
            "invoices": rows.invoice_rows(row.credential, row.invoices.newest()[:NEWEST]),
            "timeline": timeline.of_customer(row, [line.payment for line in newest]),
        }


def _pays_with(row: StripeCustomer, newest: list[rows.PaymentRow]) -> str:
    """Say what the default method is, where one of the newest payments was made with it; one query."""
    method = row.default_payment_method_stripe_id
    if not method:
        return ""
    charges = StripeCharge.objects.filter(payment_intent__in=[line.payment for line in newest])
    charge = charges.filter(payload__payment_method=method).defer("payload", "private").newest().first()
    return rows.method_words(charge) if charge else ""


class PaymentDetail(MirrorDetail):
    section, permission = "payments", "financial.view_stripepaymentintent"
    model, name, noun = StripePaymentIntent, "payments", "payment"

    def all_rows(self) -> QuerySet[Any]:
        found = rows.with_payment_parts(super().all_rows())
        return found.select_related("customer", "credential", "stripe_transaction__transaction__balance_transaction")

    def parts(self, row: StripePaymentIntent) -> dict[str, Any]:
        (line,), booking = rows.payment_rows(row.credential, [row]), getattr(row, "stripe_transaction", None)
        standing = Standing(row)
        return {
            "line": line,
            "standing": standing,
            "invoice_url": dashboard_url("invoices", standing.invoice) if standing.invoice else "",
            "actions": standing.actions if self.can() else (),
            "attempts": _attempts(row),
            "refunds": row.refunds.newest()[:NEWEST],
            "disputes": row.disputes.newest()[:NEWEST],
            "booking": booking,
            "drift_minor": fee_drift_minor(booking) if booking else None,
            "decline": decline_words(row.error_decline_code or row.error_code),
            "timeline": timeline.of_payment(row, booking),
        }


def _attempts(row: StripePaymentIntent) -> list[tuple[StripeCharge, str, str, str]]:
    """Return the newest attempts, each with its method, the code of its failure and what that means."""
    newest = sorted(row.charges.all(), key=lambda charge: charge.pk, reverse=True)[:NEWEST]
    codes = [timeline.failure_code(row, charge) for charge in newest]
    return [
        (charge, rows.method_words(charge), code, decline_words(code, charge.failure_message))
        for charge, code in zip(newest, codes, strict=True)
    ]


class SubscriptionDetail(MirrorDetail):
    section, permission = "subscriptions", "financial.view_stripesubscription"
    model, name, noun = StripeSubscription, "subscriptions", "subscription"

    def all_rows(self) -> QuerySet[Any]:
        return rows.with_subscription_parts(super().all_rows()).select_related(
            "customer", "price__product", "credential"
        )

    def parts(self, row: StripeSubscription) -> dict[str, Any]:
        terms = stripe_services.terms_of(row)
        mrr = recurring.mrr_of(row.credential, "subscription", [row.stripe_id])
        invoices = rows.invoice_rows(row.credential, row.invoices.newest()[:NEWEST])
        return {
            "line": rows.subscription_row(row, mrr.get(row.stripe_id, ())),
            "terms": terms,
            "pause": subscription_words.PAUSE_WORDS.get(terms.pause, ""),
            "discounts": [(one.name, subscription_words.reduction(one)) for one in terms.discounts],
            "actions": subscription_words.possible(row, terms) if self.can() else (),
            "has_next": row.status in subscription_words.CHANGEABLE,
            "pay_url": self._pay_url(row),
            "invoices": invoices,
            "unpaid": _unpaid(row, invoices),
            "timeline": timeline.of_subscription(row, invoices),
        }

    def _pay_url(self, row: StripeSubscription) -> str:
        """Return where the customer confirms a first payment; whoever has this address can pay, so not all staff see it."""
        if row.status != "incomplete" or not self.can():
            return ""
        newest = row.invoices.filter(stripe_id=row.latest_invoice_stripe_id, status="open").first()
        return stripe_services.hosted_invoice_url(newest) if newest else ""


def _unpaid(row: StripeSubscription, invoices: list[rows.InvoiceRow]) -> rows.PaymentRow | None:
    """Return the payment that a renewal waits for."""
    if row.status not in ("past_due", "unpaid", "incomplete"):
        return None
    latest = row.latest_invoice_stripe_id
    return next((line.payment for line in invoices if line.invoice.stripe_id == latest), None)
