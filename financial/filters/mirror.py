"""Filters of products, customers, payments and subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial, reduce
from operator import or_
from typing import Any

import django_filters as filters
from django import forms
from django.core.validators import RegexValidator
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from financial import money, reports
from financial.filters.base import (
    LED,
    NAMED,
    MirrorFilter,
    among,
    choice_field,
    currency_field,
    customers_like,
    looked_up,
    own,
    starts_with,
    state_field,
    text_field,
)
from financial.filters.states import (
    CUSTOMER_STATES,
    CUSTOMER_STATES_BESIDES,
    CUSTOMER_STATES_BY_ROW,
    CUSTOMER_STATES_FROM,
    CUSTOMER_STATES_UNCOUNTED,
    DISPUTE_STATES,
    PAYMENT_STATES,
    PAYMENT_STATES_BESIDES,
    PAYMENT_STATES_BY_ROW,
    PAYMENT_STATES_FROM,
    PRODUCT_STATES,
    SUBSCRIPTION_STATES,
    has_charge,
)
from financial.models import (
    StripeCharge,
    StripeCustomer,
    StripeDispute,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeSubscription,
)
from financial.models.among import Among
from financial.models.mirror import IS_NO_CARD, PAYMENT_UNTRIED
from financial.paging import COUNT_MAX, FEW, BoundedCount, bounded_count, keys_up_to
from financial.payment_methods import METHODS

INTERVALS = (("day", "Daily"), ("week", "Weekly"), ("month", "Monthly"), ("year", "Yearly"))


class ProductFilter(MirrorFilter):
    states = PRODUCT_STATES

    q = text_field("search", "Search", "Name or prod_… id")
    status = state_field(PRODUCT_STATES)
    type = choice_field("of_type", "Type", (("recurring", "Recurring"), ("one_time", "One-time")), "Any type")

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
    states_by_row = CUSTOMER_STATES_BY_ROW
    states_from, states_key, states_besides = CUSTOMER_STATES_FROM, "customer", CUSTOMER_STATES_BESIDES
    uncounted = CUSTOMER_STATES_UNCOUNTED

    q = text_field("search", "Search", "E-mail, name or cus_… id")
    status = state_field(CUSTOMER_STATES)
    country = filters.CharFilter(
        method="of_country",
        label="Country of a card",
        max_length=2,
        widget=forms.TextInput(attrs={"placeholder": "DE"}),
        validators=[RegexValidator(r"\A[A-Za-z]{2}\Z", "Two letters, as in DE or US.")],
    )
    dispute = choice_field("by_dispute", "Disputes", (("yes", "Has disputed"), ("no", "Never disputed")), "Any")

    class Meta:
        model = StripeCustomer
        fields: Sequence[str] = ()

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value.startswith("cus_"):
            return rows.filter(stripe_id=value)
        found = customers_like(self.credential, value)
        if not isinstance(found, list) or len(found) <= LED:
            return rows.filter(among("pk", found))
        self.has_other_form = self.is_common = True
        return rows.filter(Among("pk", found, is_common=not self.is_counting))

    def of_country(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those who paid, or tried to, with a card issued there: the one country that is known of nearly everybody."""
        there = Exists(StripeCharge.objects.filter(customer=OuterRef("pk"), card_country=value.upper()))
        if self.credential is None:
            return rows.none()
        found = StripeCustomer.objects.of(self.credential).filter(there)
        few = looked_up("country", self.credential, value.upper(), lambda: keys_up_to(FEW, found))
        return rows.filter(there if few is None else among("pk", few))

    def by_dispute(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        who = Coalesce("payment_intent__customer", "charge__customer")
        disputes: QuerySet[Any] = StripeDispute.objects.of(self.credential).annotate(who=who)
        some = self.kept("disputing", "", disputes.filter(who__isnull=False), "who")
        return rows.filter(some if value == "yes" else ~some)


class PaymentFilter(MirrorFilter):
    states = PAYMENT_STATES
    states_by_row = PAYMENT_STATES_BY_ROW
    states_from, states_key, states_besides = PAYMENT_STATES_FROM, "payment_intent", PAYMENT_STATES_BESIDES

    q = text_field("search", "Search", "pi_… or ch_… id, e-mail, last 4")
    status = state_field(PAYMENT_STATES)
    customer = text_field("of_customer", "Customer", "E-mail, name or cus_… id")
    currency = currency_field()
    amount_from = filters.NumberFilter(method="at_least", label="Amount from", max_digits=15)
    amount_to = filters.NumberFilter(method="at_most", label="Amount to", max_digits=15)
    method = choice_field("by_method", "Method", METHODS.items(), "Any method")
    dispute = choice_field(
        "by_dispute", "Dispute", ((key, label) for key, (label, _) in DISPUTE_STATES.items()), "Any or none"
    )

    class Meta:
        model = StripePaymentIntent
        fields: Sequence[str] = ()

    def is_valid(self) -> bool:
        super().is_valid()
        self._check_range("amount_from", "amount_to", "This is less than the amount to begin with.")
        self._check_currency("currency", "charges")
        return not self.form.errors

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Name those never tried, where that is one part of a state: SQLite uses no partial index beside an “or”."""
        if value in self.states_from and self.in_force() == {"status"}:
            self.told = partial(self._told_by_some, value)
        if value == "incomplete":
            untried = StripePaymentIntent.objects.filter(PAYMENT_UNTRIED)
            keys = keys_up_to(NAMED, untried.each_of(self.credential)) if self.credential else []
            if keys is not None:
                confirmed = Q(status="requires_confirmation")
                return rows.filter(confirmed | among("pk", keys) if keys else confirmed)
        return super().by_state(rows, name, value)

    def _told_by_some(self, state: str) -> BoundedCount | None:
        """Tell as much of a state as its tab does, where so many charges lead to it that they cannot be added up anyway."""
        some, leading = self.some(state)
        if not bounded_count(leading, COUNT_MAX).is_more:
            return None
        count = bounded_count(some, reports.TABS_MAX)
        return count if count.is_more else None

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        charges = StripeCharge.objects.of(self.credential)
        if value.startswith("pi_"):
            return rows.filter(stripe_id=value)
        if value.startswith(("ch_", "py_")):
            return rows.filter(pk__in=charges.filter(stripe_id=value).values("payment_intent"))
        is_last4 = len(value) == 4 and value.isascii() and value.isdecimal()
        return self.of_named(rows, value, self._ending_in(value) if is_last4 else None)

    def _ending_in(self, last4: str) -> list[int] | Q:
        """Name the payments of a rare card; those of a common one are met soon on the way through the list."""
        charges = StripeCharge.objects.of(self.credential).filter(card_last4=last4, payment_intent__isnull=False)
        paid = keys_up_to(FEW, charges, "payment_intent")
        if paid is not None:
            return paid
        if self.in_force() == {"q"}:
            self.told = partial(_led_to_many, charges)
        return own(StripeCharge.objects.filter(card_last4=last4), "payment_intent")

    def at_least(self, rows: QuerySet[Any], name: str, value: Decimal) -> QuerySet[Any]:
        return self._by_amount(rows, "gte", value, ROUND_CEILING)

    def at_most(self, rows: QuerySet[Any], name: str, value: Decimal) -> QuerySet[Any]:
        found = self._by_amount(rows, "lte", value, ROUND_FLOOR)
        if value == self.form.cleaned_data.get("amount_from"):  # an index has amounts, whatever the currency
            found = found.filter(amount_minor__in=sorted({int(value.scaleb(digits)) for digits in (0, 2, 3)}))
        return found

    def _by_amount(self, rows: QuerySet[Any], lookup: str, major: Decimal, rounding: str) -> QuerySet[Any]:
        """Compare an amount in major units with each row in its own currency; name the rows where they are few."""
        conditions = [
            Q(currency__in=codes, **{f"amount_minor__{lookup}": int(major.scaleb(digits).to_integral_value(rounding))})
            for digits, codes in self._by_digits().items()
        ]
        found = [keys_up_to(FEW, StripePaymentIntent.objects.of(self.credential).filter(one)) for one in conditions]
        if None not in found:
            return rows.filter(among("pk", [key for keys in found for key in keys or ()]))
        return rows.filter(reduce(or_, conditions))

    def _by_digits(self) -> Mapping[int, list[str]]:
        """Return the currencies of the account's payments by how many digits they have; one look at an index for each."""
        codes = StripePaymentIntent.objects.of(self.credential).order_by("currency").values_list("currency", flat=True)
        found: defaultdict[int, list[str]] = defaultdict(list)
        code = codes.first()
        while code is not None:
            found[0 if code in money.ZERO_DECIMAL else 3 if code in money.THREE_DECIMAL else 2].append(code)
            code = codes.filter(currency__gt=code).first()
        return found

    def by_method(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value == "card":  # most have one
            return rows.filter(has_charge(method_type=value))
        charges = StripeCharge.objects.of(self.credential).filter(IS_NO_CARD, method_type=value)
        charges = charges.filter(payment_intent__isnull=False)
        if self.in_force() == {"method"}:
            self.told = partial(_led_to, charges)
        return rows.filter(self.led("method", value, charges, "payment_intent"))

    def by_dispute(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those with a dispute that stands so; one look at the disputes, which are few beside the payments."""
        paid = Coalesce("payment_intent", "charge__payment_intent")
        disputes: QuerySet[Any] = StripeDispute.objects.of(self.credential).alive().annotate(paid=paid)
        standing = disputes.filter(status__in=DISPUTE_STATES[value][1], paid__isnull=False)
        return rows.filter(self.kept("dispute", value, standing, "paid"))


def _led_to(charges: QuerySet[Any]) -> BoundedCount | None:
    """Tell how many payments charges lead to: most are charged once, so that twice as many charges say it."""
    some = charges.values("payment_intent")[: 2 * COUNT_MAX + 1]
    seen = some.aggregate(charges=Count("payment_intent"), paid=Count("payment_intent", distinct=True))
    is_told = seen["charges"] <= 2 * COUNT_MAX or seen["paid"] > COUNT_MAX
    return BoundedCount(min(seen["paid"], COUNT_MAX + 1), COUNT_MAX) if is_told else None


def _led_to_many(charges: QuerySet[Any]) -> BoundedCount | None:
    """The same where others may be found besides: only that they are more than anybody counts."""
    count = _led_to(charges)
    return count if count is not None and count.is_more else None


class SubscriptionFilter(MirrorFilter):
    states = SUBSCRIPTION_STATES

    q = text_field("search", "Search", "sub_… id, e-mail or name")
    status = state_field(SUBSCRIPTION_STATES)
    customer = text_field("of_customer", "Customer", "E-mail, name or cus_… id")
    product = text_field("of_product", "Product", "Name or prod_… id")
    interval = choice_field("by_interval", "Billed", INTERVALS, "Any cycle")
    currency = currency_field()

    class Meta:
        model = StripeSubscription
        fields: Sequence[str] = ()

    def is_valid(self) -> bool:
        super().is_valid()
        self._check_currency("currency", "charges")
        return not self.form.errors

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
        return self._at(rows, product__in=products)

    def by_interval(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self._at(rows, interval=value)

    def _at(self, rows: QuerySet[Any], **found: Any) -> QuerySet[Any]:
        """Return the subscriptions to prices; these are named where they are few, and so are the subscriptions then."""
        prices = keys_up_to(FEW, StripePrice.objects.of(self.credential).filter(**found))
        if prices is None:
            return rows.filter(**{f"price__{name}": value for name, value in found.items()})
        few = keys_up_to(FEW, StripeSubscription.objects.filter(price__in=prices))
        if few is not None:
            return rows.filter(among("pk", few))
        self.has_other_form = True
        if self.is_counting:
            return rows.filter(price__in=prices)
        # By a sum, which no index has: so many are met soon on the way through the list.
        common: QuerySet[Any] = rows.annotate(at=F("price_id") + 0).filter(at__in=prices)
        return common
