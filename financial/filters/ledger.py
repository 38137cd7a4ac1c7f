"""What the list of transactions can be narrowed by. Days are the days they are booked on, as in every report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from financial import conf, reports
from financial.filters.base import (
    NAMED,
    MirrorFilter,
    among,
    choice_field,
    currency_field,
    customers_like,
    day_field,
    looked_up,
    named,
    state_field,
    text_field,
)
from financial.models import (
    IS_ESTIMATED,
    Account,
    DayTotal,
    Entry,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripePaymentIntent,
    StripePayout,
    StripeTransaction,
    Transaction,
)
from financial.models.among import Among
from financial.paging import COUNT_MAX, FEW, keys_up_to, more_than

DIFFERENCES = "differences"
TRANSACTION_STATES: dict[str, tuple[str, Q]] = {
    "settled": ("Settled", Q(status="settled")),
    "estimated": ("≈ Estimated", IS_ESTIMATED),
    DIFFERENCES: ("Differences", Q()),  # what that is depends on the account and the hour: `by_state`
}
# The day a transaction is booked on is at most this far from its moment, in whatever zone it was cut.
NEAR = dt.timedelta(days=2)
RARE_DAYS = 31
ENTRIES_OF_ONE = 4  # entries of one transaction on one account, at most as far as is known


class TransactionFilter(MirrorFilter):
    states = TRANSACTION_STATES

    q = text_field("search", "Search", "txn_…, ch_…, re_…, po_… or pi_… id")
    status = state_field(TRANSACTION_STATES)
    kind = choice_field("by_kind", "Kind", Transaction.Kind.choices, "Any kind")
    date_from = day_field("since", "Booked from")
    date_to = day_field("until", "Booked to")
    account = choice_field("by_account", "Account", (), "Any account")
    figure = choice_field("by_figure", "Counts in", ((key, label) for key, (label, *_) in reports.FIGURES.items()), "—")
    customer = text_field("of_customer", "Customer", "E-mail, name or cus_… id")
    currency = currency_field()
    paid_in = currency_field("Paid in", "of_paid_currency")

    class Meta:
        model = Transaction
        fields: Sequence[str] = ()

    def __init__(self, data: Any, queryset: QuerySet[Any], *, credential: StripeCredential | None) -> None:
        super().__init__(data, queryset, credential=credential)
        accounts = Account.objects.values_list("code", "name")
        cast("forms.ChoiceField", self.form.fields["account"]).choices = [("", "Any account"), *accounts]

    def is_valid(self) -> bool:
        super().is_valid()
        self._check_currency("currency", "settles")
        self._check_currency("paid_in", "charges")
        return not self.form.errors

    def search(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Find by the movement, by what caused it, or by the payment it concerns; each by an index.

        The rows are named: beside an order, databases walk the whole ledger instead of the index that finds them.
        """
        if value.startswith("txn_"):
            moved = StripeBalanceTransaction.objects.of(self.credential).filter(stripe_id=value)
            return rows.filter(among("pk", list(moved.exclude(transaction=None).values_list("transaction", flat=True))))
        if value.startswith("pi_"):
            paid = StripePaymentIntent.objects.of(self.credential).filter(stripe_id=value).values_list("pk", flat=True)
            charged = StripeCharge.objects.of(self.credential).filter(payment_intent__in=list(paid))
            ids = list(charged.values_list("stripe_id", flat=True))
            return rows.filter(among("pk", self._concerning(list(paid), ids)))
        return rows.filter(among("pk", self._about(value)))

    def _about(self, stripe_id: str) -> list[int]:
        """Return the transactions of what moved because of an object, of its arrival, and what answers them."""
        moved = StripeBalanceTransaction.objects.of(self.credential).filter(source_stripe_id=stripe_id)
        links = StripeTransaction.objects.filter(transaction__credential=self.credential, charge_stripe_id=stripe_id)
        own = Transaction.objects.of(self.credential).filter(source_stripe_id=stripe_id)
        arrived = StripePayout.objects.of(self.credential).filter(stripe_id=stripe_id).values("arrival_at")
        found = {
            *moved.exclude(transaction=None).values_list("transaction", flat=True)[:FEW],
            *links.values_list("transaction", flat=True)[:FEW],
            *own.estimated().values_list("pk", flat=True),
            *own.filter(kind=Transaction.Kind.ARRIVAL, occurred_at__in=arrived).values_list("pk", flat=True),
        }
        answers = Transaction.objects.filter(corrects__in=found).values_list("pk", flat=True)
        return sorted(found | set(answers[:FEW]))

    def of_customer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        customers = customers_like(self.credential, value)
        mine = among("customer", customers)
        paid = keys_up_to(FEW, StripePaymentIntent.objects.filter(mine))
        if paid is not None:
            charged = keys_up_to(FEW, StripeCharge.objects.filter(mine), "stripe_id")
            if charged is not None:
                return rows.filter(among("pk", self._concerning(paid, charged)))
        if self.credential is not None and self.in_force() != {"customer"}:
            keys = looked_up("concerned", self.credential, value, lambda: _concerned(mine))
            if keys is not None:
                return rows.filter(among("pk", keys))
        # They have so much that it stands everywhere: look at each row, newest first.
        self.told = lambda: more_than(FEW)
        link = "stripe_transaction__"
        # From its id up to its id: told that it equals the id, PostgreSQL would first read all their charges.
        named = {
            "stripe_id__gte": OuterRef(f"{link}charge_stripe_id"),
            "stripe_id__lte": OuterRef(f"{link}charge_stripe_id"),
        }
        concerned = StripeCharge.objects.of(self.credential).filter(mine, **named)
        without_payment = Q(**{f"{link}payment_intent": None, f"{link}charge_stripe_id__gt": ""})
        payer = f"{link}payment_intent__customer"
        theirs = Q(Among(payer, customers)) if isinstance(customers, list) else among(payer, customers)
        return rows.filter(theirs | without_payment & Q(Exists(concerned)))

    def _concerning(self, payments: Sequence[int], charges: Sequence[str]) -> set[int]:
        """Return what moved because of payments and of charges: they themselves, their refunds and disputes."""
        links = StripeTransaction.objects.order_by().values_list("transaction", flat=True)
        return {*links.filter(payment_intent__in=payments), *links.filter(charge_stripe_id__in=charges)}

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value == DIFFERENCES:
            return rows.filter(reports.differences(self.credential, timezone.now()))
        if value == "estimated":  # few, and not walked to from deep in the list
            return rows.filter(named(Transaction.objects.estimated().filter(credential=self.credential)))
        return super().by_state(rows, name, value)

    def conditions(self) -> dict[str, Q]:
        return {**super().conditions(), DIFFERENCES: reports.differences(self.credential, timezone.now())}

    def by_kind(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(kind=value)

    def by_account(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        account = Account.objects.get(code=value)
        count = reports.entry_count(self.credential, account)
        if count <= NAMED:
            legs = Entry.objects.filter(account=account, transaction__credential=self.credential)
            return rows.filter(self.kept("booked-on", value, legs, "transaction"))
        if self.in_force() == {"account"} and count > ENTRIES_OF_ONE * COUNT_MAX:
            self.told = lambda: more_than(COUNT_MAX)
        # Most rows have one: look at each row's few entries, never at the account's many, whatever the planner thinks.
        mine = Entry.objects.filter(transaction=OuterRef("pk")).annotate(on=F("account_id") + 0)
        return rows.filter(Exists(mine.filter(on=account.pk)))

    def by_figure(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those a figure is the sum of; of a rare one the totals know the days."""
        found = rows.filter(reports.rows_of(value), status="settled")
        if self.credential is None or value in reports.BY_ROW:
            return found
        totals = DayTotal.objects.filter(reports.FIGURES[value][2], credential=self.credential).order_by()
        days = [*totals.values_list("currency", "day").distinct()[: RARE_DAYS + 1]]
        if len(days) > RARE_DAYS:
            return found
        of_days = Transaction.objects.of(self.credential).filter(reports.rows_of(value))
        of_days = of_days.filter(currency__in={code for code, _ in days}, booked_on__in={day for _, day in days})
        return found.filter(among("pk", list(of_days.order_by().values_list("pk", flat=True))))

    def estimated(self) -> int:
        """Return how many of the rows found are estimates; looked for among these, which are few."""
        open_ones = named(Transaction.objects.estimated().filter(credential=self.credential))
        return int(self.filter_queryset(Transaction.objects.filter(open_ones)).count())

    def of_paid_currency(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those a customer paid in a currency, in whatever it was settled; the totals know the days of a rare one."""
        code = value.lower()
        of_code = Q(presentment_currency=code)
        known = DayTotal.objects.filter(of_code, credential=self.credential).order_by()
        days = keys_up_to(FEW, known.distinct(), "day")
        if self.credential is None or days is None:
            return rows.filter(of_code)
        waiting = Transaction.objects.estimated().filter(of_code, credential=self.credential)
        return rows.filter(Q(of_code, booked_on__in=days) | named(waiting))

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(booked_on__gte=value, occurred_at__gte=_midnight(value) - NEAR)

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(booked_on__lte=value, occurred_at__lt=_midnight(value) + dt.timedelta(days=1) + NEAR)

    def asked(self, *names: str) -> dict[str, Any]:
        """Return the values of the filters in force among `names`."""
        return {name: self.form.cleaned_data[name] for name in names if self.form.cleaned_data.get(name)}


def _concerned(mine: Q) -> list[int] | None:
    """Return what moved because of all payments of customers, and of charges that belong to none.

    None where it is too much to be named.
    """
    payments = keys_up_to(NAMED, StripePaymentIntent.objects.filter(mine))
    if payments is None:
        return None
    links = StripeTransaction.objects.all()
    paid = keys_up_to(NAMED, links.filter(Among("payment_intent", payments)), "transaction")
    charges = StripeCharge.objects.filter(mine).values("stripe_id")
    alone = links.filter(payment_intent=None, charge_stripe_id__gt="", charge_stripe_id__in=charges)
    charged = None if paid is None else keys_up_to(NAMED, alone, "transaction")
    return None if paid is None or charged is None else sorted({*paid, *charged})


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=conf.time_zone())
