"""What can be done with one payment now, and why something cannot: captured, canceled, refunded. Words for people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils import timezone

from financial import money
from financial.models import StripeCharge, StripeInvoice, StripePaymentIntent, StripeRefund, Transaction

# A disputed charge is refunded by the bank, if at all; an inquiry (`warning_…`) is best answered by a refund.
# Stripe: https://docs.stripe.com/disputes/how-disputes-work
TAKEN_BACK = ("needs_response", "under_review", "lost", "appeal_needs_response", "appeal_under_review")
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture", "processing")
UNDER_WAY = ("pending", "requires_action")
# Days after which Stripe refunds no more. https://docs.stripe.com/refunds
REFUNDABLE_DAYS = {
    "us_bank_account": 180, "sepa_debit": 180, "bacs_debit": 180, "ideal": 180, "bancontact": 180, "klarna": 180,
    "paypal": 180, "cashapp": 90,
}  # fmt: skip
_STATUS = {"processing": "is still being processed", "canceled": "was canceled"}


@dataclass(frozen=True)
class Standing:
    """One payment with its charges (prefetched), as money stands in it. Amounts are minor units of its currency."""

    payment: StripePaymentIntent

    @cached_property
    def charge(self) -> StripeCharge | None:
        """The attempt that took or reserved the money, if one did."""
        latest = self.payment.latest_charge_stripe_id
        found = (charge for charge in self.payment.charges.all() if charge.stripe_id == latest)
        return next((charge for charge in found if charge.status == "succeeded"), None)

    @cached_property
    def entry(self) -> Transaction | None:
        """The payment in the books, if it is booked."""
        booked = getattr(self.payment, "stripe_transaction", None)
        return booked.transaction if booked else None

    # Refunds

    @property
    def paid_minor(self) -> int:
        return int(self.charge.amount_captured_minor) if self.charge and self.charge.captured else 0

    @property
    def refunded_minor(self) -> int:
        """What was given back or is on its way back: Stripe counts both."""
        return int(self.charge.amount_refunded_minor) if self.charge and self.charge.captured else 0

    @property
    def refundable_minor(self) -> int:
        return max(0, self.paid_minor - self.refunded_minor)

    @cached_property
    def pending(self) -> tuple[StripeRefund, ...]:
        """Refunds on their way; they are part of what is refunded."""
        return tuple(self.payment.refunds.filter(status__in=UNDER_WAY).defer("payload", "private"))

    @property
    def is_converted(self) -> bool:
        """Whether the customer paid in another currency than the balance is in."""
        return bool(self.entry and not self.entry.is_estimated and self.entry.currency != self.payment.currency)

    @property
    def refundable_until(self) -> dt.datetime | None:
        """When Stripe stops refunding this method, where that is known."""
        days = REFUNDABLE_DAYS.get(self.charge.method_type) if self.charge else None
        since = self.charge.created_at if self.charge else None
        return since + dt.timedelta(days=days) if days and since else None

    @cached_property
    def refund_hindrance(self) -> str:
        """Why nothing can be refunded, with the next step; empty where something can."""
        if not self.payment.is_succeeded or not self.paid_minor:
            return f"Only what was paid can be refunded. This payment {_is(self.payment)}."
        if self.refundable_minor == 0:
            return "All of it was refunded already."
        if self.charge and self.charge.disputed:
            return self._disputed()
        return ""

    def _disputed(self) -> str:
        statuses = set(self.payment.disputes.values_list("status", flat=True)) & set(TAKEN_BACK)
        if "lost" in statuses:
            return "The customer disputed this payment and won: the bank has given the money back already."
        if statuses:
            return (
                "The customer disputed this payment, and the bank took the money back until that is decided. Stripe "
                "refunds nothing meanwhile. Answer or accept the dispute in Stripe’s dashboard."
            )
        return ""

    # Reservations

    @property
    def capturable_minor(self) -> int:
        """What is reserved and not taken yet."""
        if self.payment.status != "requires_capture":
            return 0
        return int(self.payment.payload.get("amount_capturable") or self.payment.amount_minor)

    @property
    def capture_before(self) -> dt.datetime | None:
        """When the reservation ends by itself, as far as Stripe says."""
        details: Any = self.charge.private.get("payment_method_details") if self.charge else None
        stamp = (((details or {}).get("card")) or {}).get("capture_before")
        return dt.datetime.fromtimestamp(stamp, dt.UTC) if isinstance(stamp, int) else None

    @property
    def capture_hindrance(self) -> str:
        if self.payment.status == "requires_capture":
            return ""
        if self.payment.is_succeeded:
            return "All that is to be taken of this payment was taken already."
        return f"Nothing is reserved to be captured. This payment {_is(self.payment)}."

    @cached_property
    def cancel_hindrance(self) -> str:
        if self.payment.is_succeeded:
            return "This payment succeeded, so it cannot be canceled. Refund it instead."
        if self.payment.status not in CANCELABLE:
            return f"There is nothing to cancel. This payment {_is(self.payment)}."
        if self.invoice:
            return f"This payment is to pay invoice {_named(self.invoice)}: void the invoice in Stripe."
        return ""

    @cached_property
    def invoice(self) -> StripeInvoice | None:
        """The invoice this payment is to pay, if it is for one, with its subscription and what is sold by it."""
        invoices = StripeInvoice.objects.filter(
            credential=self.payment.credential_id, payment_intent_stripe_id=self.payment.stripe_id
        )
        wanted = ("stripe_id", "livemode", "number", "status", "currency", "credential", "subscription_stripe_id")
        joined = invoices.select_related("subscription__price__product").only(
            *wanted, "subscription__stripe_id", "subscription__price__stripe_id",
            "subscription__price__product__stripe_id", "subscription__price__product__name",
        )  # fmt: skip
        found: StripeInvoice | None = joined.first()
        if found:
            found.credential = self.payment.credential
        return found

    @cached_property
    def retry_hindrance(self) -> str:
        """Why it is not to be paid another way: paid twice, or past its invoice."""
        if not self.payment.has_failed:
            return f"Only a payment that failed is tried again. This payment {_is(self.payment)}."
        if self.invoice:
            return (
                f"This payment is to pay invoice {_named(self.invoice)}. A link of its own would be paid past it: let the "
                "customer pay on the invoice’s page, which Stripe’s dashboard names."
            )
        return ""

    @property
    def actions(self) -> tuple[tuple[str, str], ...]:
        """What can be done now: a word and the name of its address."""
        asked = (
            ("Capture", "financial:payment-capture", self.capture_hindrance),
            ("Refund", "financial:payment-refund", self.refund_hindrance),
            ("Try again", "financial:payment-retry", self.retry_hindrance),
            ("Cancel", "financial:payment-cancel", self.cancel_hindrance),
        )
        return tuple((label, address) for label, address, hindrance in asked if not hindrance)


def _named(invoice: StripeInvoice) -> str:
    return str(invoice.number or invoice.stripe_id)


def _is(payment: StripePaymentIntent) -> str:
    if payment.has_failed:
        return "failed"
    if payment.is_succeeded:
        return "succeeded"
    return _STATUS.get(payment.status, f"has the status “{payment.status.replace('_', ' ')}”")


def capture_deadline_words(standing: Standing) -> str:
    """Say by when reserved money must be taken; what is usual where Stripe names no moment."""
    if standing.capture_before is None:
        return "A reservation on a card usually lasts seven days; then Stripe releases it and nothing is paid."
    left = timezone.localtime(standing.capture_before)
    return f"It must be captured before {left:%B} {left.day}, {left:%Y, %H:%M}; then Stripe releases it and nothing is paid."


def refund_words(standing: Standing, amount_minor: int) -> list[str]:
    """Say what refunding `amount_minor` does to the customer, the balance and the books, sentence by sentence."""
    payment, charge = standing.payment, standing.charge
    amount, whose = money.with_code(amount_minor, payment.currency), payer(payment)
    way = f"{whose}’s card ••••{charge.card_last4}" if charge and charge.card_last4 else f"{whose}"
    said = [f"{amount} goes back to {way}; it takes five to ten days to arrive."]
    left = standing.refundable_minor - amount_minor
    if left > 0:
        said.append(f"{money.with_code(left, payment.currency)} of the payment stays.")
    said += [*_fee_words(standing), *_pending_words(standing), *_limit_words(standing)]
    if standing.is_converted and standing.entry:
        said.append(
            f"The payment was in {payment.currency.upper()}, your balance is in {standing.entry.currency.upper()}: Stripe "
            "converts at today’s rate, not at the one of the payment, so more or less may leave the balance than came in."
        )
    return [*said, "The books show it today; the month of the sale stays as it is.", "A refund cannot be taken back."]


def _fee_words(standing: Standing) -> list[str]:
    if standing.entry is None or not standing.entry.fee_minor:
        return ["Stripe keeps its fee."]
    fee = money.with_code(standing.entry.fee_minor, standing.entry.currency)
    if standing.entry.is_estimated:
        return [f"Stripe keeps its fee, about {fee}: you lose it."]
    return [f"Stripe keeps its fee of {fee}: you lose it."]


def _pending_words(standing: Standing) -> list[str]:
    if not standing.pending:
        return []
    under_way = sum(int(refund.amount_minor) for refund in standing.pending)
    return [
        f"{money.with_code(under_way, standing.payment.currency)} of earlier refunds is still on its way and counted."
    ]


def _limit_words(standing: Standing) -> list[str]:
    until = standing.refundable_until
    if until is None or until > timezone.now():
        return []
    return ["Stripe refunds this payment method for a limited time, which is over: it will probably refuse."]


def payer(payment: StripePaymentIntent) -> str:
    """Name who paid, for buttons and sentences."""
    return str(payment.customer) if payment.customer else "the customer"
