"""What customers pay on at Stripe: payment links and Checkout pages of `StripeService`, and the methods they saved.

Nothing of it is mirrored. What is paid on them arrives as a payment, by webhook and sync.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from django.utils import timezone

from financial import outbox
from financial.errors import FinancialError
from financial.gateway import bodies
from financial.gateway.hosted import LINE_ITEMS, CheckoutPage, PaymentLink, SavedMethod, link_of, method_of, page_of
from financial.models import StripeCustomer, StripePrice
from financial.money import charge_minor
from financial.stripe_services.base import Connected

LINKS, PAGES = "payment_links", "checkout.sessions"
PATHS = {LINKS: "/v1/payment_links", PAGES: "/v1/checkout/sessions"}
SHOWN_MAX = 50


class Hosted(Connected):
    """Pages of Stripe's for people to pay on. The customer types a card there, never here."""

    def create_payment_link(
        self,
        amount: Decimal | None = None,
        currency: str = "usd",
        description: str = "",
        *,
        price: StripePrice | None = None,
        quantity: int = 1,
        limit: int = 0,
        capture_later: bool = False,
        idempotency_key: str,
    ) -> PaymentLink:
        """Make a link for `amount` major units, or for a price paid once. `limit` is how often it can be paid, 0 always.

        Stripe: https://docs.stripe.com/payment-links
        """
        line = self._line(amount, currency, description, price, quantity)
        body = bodies.payment_link(line, limit=limit, description=description, capture_later=capture_later)
        return link_of(self._open_page(LINKS, body, idempotency_key))

    def create_checkout_page(
        self,
        customer: StripeCustomer,
        amount: Decimal | None = None,
        currency: str = "usd",
        description: str = "",
        *,
        success_url: str,
        price: StripePrice | None = None,
        quantity: int = 1,
        capture_later: bool = False,
        idempotency_key: str,
    ) -> CheckoutPage:
        """Make a page for one payment of one customer, whose e-mail address stands on it; it ends after a day.

        Stripe: https://docs.stripe.com/payments/checkout
        """
        body = bodies.checkout_page(
            self._line(amount, currency, description, price, quantity),
            customer_id=self._id_of(customer, "customer"),
            description=description,
            capture_later=capture_later,
            success_url=success_url,
        )
        return page_of(self._open_page(PAGES, body, idempotency_key))

    def get_payment_links(self, *, after: str = "") -> tuple[list[PaymentLink], str]:
        """Return the newest links as Stripe has them now, and the cursor of the following ones."""
        asked = {"expand[]": "data.line_items"}
        page = self.gateway.list_page(PATHS[LINKS], asked, after=after, limit=SHOWN_MAX)
        return [link_of(payload) for payload in page.items], page.next_after

    def get_checkout_pages(self) -> list[CheckoutPage]:
        """Return the newest pages that wait for their customer, without those of a payment link's visitors."""
        asked = {"status": "open", "expand[]": "data.line_items"}
        found = self.gateway.list_page(PATHS[PAGES], asked, limit=100).items
        return [page for page in map(page_of, found) if not page.payment_link_stripe_id]

    def get_payment_link(self, stripe_id: str) -> PaymentLink:
        return link_of(self.gateway.fetch(PATHS[LINKS], stripe_id, expand=LINE_ITEMS))

    def get_checkout_page(self, stripe_id: str) -> CheckoutPage:
        return page_of(self.gateway.fetch(PATHS[PAGES], stripe_id, expand=LINE_ITEMS))

    def get_saved_methods(self, customer: StripeCustomer) -> list[SavedMethod]:
        """Return what a customer can be charged with, as Stripe has it now; the default one first."""
        path = f"/v1/customers/{self._id_of(customer, 'customer')}/payment_methods"
        found = [method_of(payload) for payload in self.gateway.list_page(path, {}, limit=SHOWN_MAX).items]
        return sorted(found, key=lambda method: method.stripe_id != customer.default_payment_method_stripe_id)

    def set_payment_link_active(self, stripe_id: str, active: bool, *, idempotency_key: str) -> None:
        """Let a link be paid, or no longer; whoever opens an inactive one is told so."""
        self._act(LINKS, "update", stripe_id, {"active": active}, idempotency_key)

    def expire_checkout_page(self, stripe_id: str, *, idempotency_key: str) -> None:
        """End a page before its time; it can no longer be paid."""
        self._act(PAGES, "expire", stripe_id, {}, idempotency_key)

    def _line(
        self, amount: Decimal | None, currency: str, description: str, price: StripePrice | None, quantity: int
    ) -> dict[str, Any]:
        if price is not None:
            if price.recurring:
                raise FinancialError("This price is billed again and again; create a subscription with it.")
            return bodies.line_of_price(self._id_of(price, "price"), quantity)
        if amount is None or not description:
            raise FinancialError("Name an amount and what it is for, or a price.")
        return bodies.line_of_amount(charge_minor(amount, currency), currency.lower(), description)

    def _open_page(self, service: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        def send(repeats: bool) -> dict[str, Any]:
            asked = bodies.expanded(bodies.marked(body, key), LINE_ITEMS)
            return (self._made_before(service, key) if repeats else None) or self.gateway.create(
                service, asked, idempotency_key=key
            )

        answers: list[dict[str, Any]] = []
        stripe_id = self._once(f"{service}.create", body, key, send, answers.append)
        return answers[0] if answers else self.gateway.fetch(PATHS[service], stripe_id, expand=LINE_ITEMS)

    def _made_before(self, service: str, key: str) -> dict[str, Any] | None:
        """Return what an attempt made whose answer never came, among the newest."""
        recent = islice(self.gateway.iterate(PATHS[service], {"expand[]": "data.line_items"}), 100)
        return next((payload for payload in recent if bodies.mark_of(payload) == key), None)

    def _act(self, service: str, method: str, stripe_id: str, body: Mapping[str, Any], key: str) -> None:
        def send(repeats: bool) -> dict[str, Any]:
            return self.gateway.act(service, method, stripe_id, body, idempotency_key=key)

        self._once(f"{service}.{method}", {"id": stripe_id, **body}, key, send, lambda payload: None)

    def _once(
        self,
        operation: str,
        body: Mapping[str, Any],
        key: str,
        send: Callable[[bool], dict[str, Any]],
        keep: Callable[[dict[str, Any]], None],
    ) -> str:
        return outbox.once(
            self.credential, operation, body, idempotency_key=key, now=timezone.now(), send=send, keep=keep
        )
