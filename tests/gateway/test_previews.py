from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from financial.errors import RequestRefused, UnreadableAnswer
from financial.gateway import StripeGateway
from financial.gateway.previews import preview_of
from tests.stripe_stub import StripeStub, Write, error_body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
MONTH = 30 * 86_400


def line(amount: int, *, start: int = SECOND, proration: bool = False, kind: str = "subscription_item") -> Any:
    parent = {"type": f"{kind}_details", f"{kind}_details": {"proration": proration}}
    period = {"start": start, "end": start + MONTH}
    return {"description": "1 × Magazine", "amount": amount, "period": period, "parent": parent}


def invoice(*lines: Any, **values: Any) -> Any:
    total = sum(one["amount"] for one in lines)
    sums = {"subtotal": total, "total": total, "amount_due": max(total, 0)}
    return {"object": "invoice", "currency": "usd", "created": SECOND, "lines": {"data": list(lines)}, **sums, **values}


def test_an_invoice_of_prorations_and_of_what_begins_now_is_made_now() -> None:
    assert preview_of(invoice(line(-450, proration=True), line(600, proration=True))).is_now(NOW)
    assert preview_of(invoice(line(900))).is_now(NOW + timedelta(seconds=5))


def test_an_invoice_that_bills_a_later_period_is_not_made_now() -> None:
    later = line(900, start=SECOND + MONTH)

    assert not preview_of(invoice(line(-450, proration=True), later)).is_now(NOW)
    assert not preview_of(invoice()).is_now(NOW)


@pytest.mark.parametrize("kind", ["subscription_item", "invoice_item"])
def test_a_proration_says_so_wherever_it_comes_from(kind: str) -> None:
    shown = preview_of(invoice(line(-450, proration=True, kind=kind), line(900)))

    assert [one.is_proration for one in shown.lines] == [True, False]


def test_what_is_taken_off_and_put_on_is_told_apart() -> None:
    taxes = [{"amount": 171, "tax_behavior": "exclusive"}, {"amount": 50, "tax_behavior": "inclusive"}]
    shown = preview_of(
        invoice(line(1000), total_discount_amounts=[{"amount": 100}], total_taxes=taxes, total=1071, amount_due=571)
    )

    assert (shown.subtotal_minor, shown.discount_minor, shown.tax_minor) == (1000, -100, 171)
    assert (shown.total_minor, shown.balance_minor, shown.due_minor) == (1071, -500, 571)
    assert shown.subtotal_minor + shown.discount_minor + shown.tax_minor == shown.total_minor
    assert shown.total_minor + shown.balance_minor == shown.due_minor


def test_a_total_below_zero_is_credit_and_nothing_is_due() -> None:
    shown = preview_of(invoice(line(-450, proration=True)))

    assert (shown.due_minor, shown.balance_minor, shown.credited_minor) == (0, 0, 450)


def test_a_preview_is_asked_for_once_and_in_the_pinned_version(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    stripe_stub.on_write = lambda write: (200, invoice(line(900)))

    gateway.preview_invoice({"subscription": "sub_1", "subscription_details": {"cancel_now": True}})

    (write,) = stripe_stub.writes
    assert write.path == "/v1/invoices/create_preview"
    assert write.parameters == {"subscription": "sub_1", "subscription_details[cancel_now]": "true"}
    assert write.headers["Stripe-Version"] == gateway.api_version


def test_a_refused_preview_names_the_parameter(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    refusal = error_body("resource_missing", "No such coupon", param="discounts[0][coupon]")
    stripe_stub.on_write = lambda write: (400, refusal)

    with pytest.raises(RequestRefused) as refused:
        gateway.preview_invoice({"customer": "cus_1"})
    assert refused.value.param == "discounts[0][coupon]"


def test_what_is_no_invoice_is_no_preview(stripe_stub: StripeStub, gateway: StripeGateway) -> None:
    def answer(write: Write) -> tuple[int, Any]:
        return 200, {"object": "list"}

    stripe_stub.on_write = answer
    with pytest.raises(UnreadableAnswer):
        gateway.preview_invoice({"customer": "cus_1"})
