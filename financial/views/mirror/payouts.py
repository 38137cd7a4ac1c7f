"""Payouts: do their rows sum up, what is missing where they do not, and were they seen at the bank."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from financial import conf, filters, reports
from financial.bank import deposits
from financial.models import (
    BankDeposit,
    PayoutDestination,
    PayoutRow,
    StripeBalanceTransaction,
    StripeCharge,
    StripeCredential,
    StripePayout,
    Transaction,
)
from financial.paging import BoundedCount, InvalidPosition, Page, paginate
from financial.views.mirror import export, timeline
from financial.views.mirror.details import MirrorDetail
from financial.views.mirror.listing import Column, CurrencySum, MirrorList

NO_CATEGORY = "none"  # in addresses, where Stripe gives a row none


@dataclass(frozen=True)
class PayoutLine:
    """One row per payout of a list."""

    payout: StripePayout
    destination: str
    state: str
    count: int | None
    remainder_minor: int
    deposit: BankDeposit | None


def destinations_of(payouts: Iterable[StripePayout], credential: StripeCredential) -> dict[str, str]:
    """Return what the destinations of these payouts are called, by their ids: `Berliner Bank ••••6789`. One query."""
    ids = {payout.destination_stripe_id for payout in payouts} - {""}
    found = PayoutDestination.objects.filter(credential=credential, stripe_id__in=ids)
    return {destination.stripe_id: str(destination) for destination in found}


def payout_line(payout: StripePayout, destinations: Mapping[str, str]) -> PayoutLine:
    """Dress a payout that was read with its reading and its deposit; no query."""
    reading = getattr(payout, "reading", None)
    known = reading if reading is not None and reading.is_complete else None
    return PayoutLine(
        payout,
        destinations.get(payout.destination_stripe_id, ""),
        str(reports.reckoned(payout)),
        known.rows if known else None,
        payout.amount_minor - known.net_minor if known else 0,
        getattr(payout, "deposit", None),
    )


@dataclass(frozen=True)
class RowLine:
    """One row per balance transaction of a payout, with where its entries and what caused it are shown, if anywhere."""

    movement: StripeBalanceTransaction
    transaction: int | None
    payment: str
    payout: str


def row_lines(credential: StripeCredential, listed: Sequence[PayoutRow]) -> list[RowLine]:
    """Dress a page of rows: which transaction books each, and which payment it is of; two queries."""
    movements = [row.balance_transaction for row in listed]
    found = Transaction.objects.filter(balance_transaction__in=movements).values_list(
        "balance_transaction",
        "pk",
        "stripe_transaction__payment_intent__stripe_id",
        "stripe_transaction__charge_stripe_id",
    )
    booked = {moved: (pk, paid or "", charge or "") for moved, pk, paid, charge in found}
    wanted = {charge for _, paid, charge in booked.values() if charge and not paid}
    charges = StripeCharge.objects.of(credential).filter(stripe_id__in=wanted)
    paid_by = {charge: paid or "" for charge, paid in charges.values_list("stripe_id", "payment_intent__stripe_id")}
    lines = []
    for moved in movements:
        pk, paid, charge = booked.get(moved.pk, (None, "", ""))
        source = moved.source_stripe_id
        payout = source if source.startswith("po_") else ""
        lines.append(RowLine(moved, pk, paid or paid_by.get(charge, ""), payout))
    return lines


class PayoutList(MirrorList):
    has_sums = True
    section, permission = "payouts", "financial.view_stripepayout"
    model, filterset, name, noun = StripePayout, filters.PayoutFilter, "payouts", "payout"
    sorts = {"date": "arrival_at", "amount": "amount_minor"}
    columns = (
        Column("Amount", "amount", is_number=True),
        Column("Status"),
        Column("Arrival", "date"),
        Column("Bank account"),
        Column("Trace id"),
        Column("Rows", is_number=True),
        Column("Reconciled"),
        Column("At the bank"),
    )
    more_filters = ("currency", "deposit")
    export_header = (
        "id", "arrival (UTC)", "status", "amount_minor", "amount", "currency", "automatic", "rows", "reconciled",
        "remainder_minor", "bank account", "trace id", "failure", "deposit date", "created_at (zone)", "mode",
    )  # fmt: skip

    def all_rows(self) -> QuerySet[Any]:
        return super().all_rows().filter(deleted_at=None).select_related("reading", "deposit")

    def dress(self, credential: StripeCredential, found: Sequence[StripePayout]) -> list[PayoutLine]:
        destinations = destinations_of(found, credential)
        return [payout_line(payout, destinations) for payout in found]

    def sums(self, found: QuerySet[Any], count: BoundedCount) -> list[CurrencySum]:
        if count.is_more or not count.value:
            return []
        plain = found.select_related(None).order_by().values("currency")
        kept = Q(status="paid")
        lines = plain.annotate(n=Count("pk"), all=Sum("amount_minor"), got=Sum("amount_minor", filter=kept, default=0))
        return [CurrencySum(line["currency"], line["n"], line["all"], line["got"]) for line in lines.order_by("-n")]

    def export_cells(self, row: PayoutLine) -> Sequence[Any]:
        payout, deposit = row.payout, row.deposit
        return (
            payout.stripe_id, payout.arrives_on, payout.status, *export.amounts(payout.amount_minor, payout.currency),
            payout.currency, payout.automatic, "" if row.count is None else row.count, row.state, row.remainder_minor,
            row.destination, payout.trace_id, payout.failure_code, deposit.booked_on if deposit else "", payout.created_at,
            "live" if payout.livemode else "test",
        )  # fmt: skip


class PayoutDetail(MirrorDetail):
    section, permission = "payouts", "financial.view_stripepayout"
    model, name, noun = StripePayout, "payouts", "payout"

    def all_rows(self) -> QuerySet[Any]:
        return super().all_rows().select_related("credential", "reading", "deposit")

    def parts(self, row: StripePayout) -> dict[str, Any]:
        page, is_stale = self._page(row)
        chosen = {"category": self._category or NO_CATEGORY} if self._category is not None else {}
        bookings, reckoning = reports.payout_bookings(row), reports.reckon(row)
        return {
            "line": payout_line(row, destinations_of([row], row.credential)),
            "reckoning": reckoning,
            "page": page,
            "is_stale": is_stale,
            "base": urlencode(chosen),
            "lines": row_lines(row.credential, page.rows),
            "category": self._category,
            "csv_query": urlencode({**chosen, "format": "csv"}),
            "may_match": self.can("financial.change_bankdeposit"),
            "candidates": deposits.candidates(row) if getattr(row, "deposit", None) is None else [],
            "bookings": bookings,
            "timeline": timeline.of_payout(row, reckoning.state, bookings),
            "export_query": urlencode({"payout": row.stripe_id}),
            "no_category": NO_CATEGORY,
        }

    @property
    def _category(self) -> str | None:
        """The category whose rows alone are asked for."""
        asked = self.request.GET.get("category", "")[:64]
        return ("" if asked == NO_CATEGORY else asked) if asked else None

    def get(self, request: HttpRequest, stripe_id: str) -> HttpResponseBase:
        if request.GET.get("format") == "csv" and self.credential is not None:
            row = self.all_rows().filter(stripe_id=stripe_id[:255]).first()
            if row is not None:
                return self._file(row)
        return super().get(request, stripe_id)

    def _file(self, row: StripePayout) -> HttpResponseBase:
        """Answer with every row the payout consists of, its own included, or with those of a category; streamed."""
        header = ("balance transaction", "source", "category", "amount_minor", "amount", "fee_minor", "fee", "net_minor",
                  "net", "currency", f"created_at ({conf.time_zone()})", "payout", "mode")  # fmt: skip
        return export.stream(f"payout-{row.arrives_on or 'rows'}", _mode(row), header, _row_lines(row, self._category))

    def _page(self, row: StripePayout) -> tuple[Page[PayoutRow], bool]:
        found = reports.payout_rows(row, self._category)
        order: dict[str, Any] = {"field": "id", "descending": False, "size": conf.get("PAGE_SIZE")}
        after, before = (self.request.GET.get(name, "") for name in ("after", "before"))
        try:
            return paginate(found, **order, after=after, before=before), False
        except InvalidPosition:
            return paginate(found, **order), True


def _mode(row: StripePayout) -> str:
    return "live" if row.livemode else "test"


def _row_lines(payout: StripePayout, category: str | None) -> Iterator[Sequence[Any]]:
    for listed in reports.payout_rows(payout, category).order_by("pk").iterator(chunk_size=500):
        moved = listed.balance_transaction
        yield (
            moved.stripe_id, moved.source_stripe_id, moved.reporting_category or moved.type,
            *export.amounts(moved.amount_minor, moved.currency), *export.amounts(moved.fee_minor, moved.currency),
            *export.amounts(moved.net_minor, moved.currency), moved.currency, moved.created_at, payout.stripe_id,
            _mode(payout),
        )  # fmt: skip
