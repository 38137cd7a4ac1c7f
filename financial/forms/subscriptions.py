"""Subscriptions of a customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from financial.forms.base import ActionForm, ForCustomer
from financial.forms.fields import Text, long_text
from financial.forms.previewed import PreviewedForm
from financial.models import StripeCredential, StripePrice, StripeSubscription
from financial.pricing import price_words

if TYPE_CHECKING:
    from financial.stripe_services import Terms

PRICES_MAX = 100


CHARGED, SENT = "charge_automatically", "send_invoice"


def recurring_prices(credential: StripeCredential | None) -> Any:
    """Return the prices one can subscribe to."""
    prices = StripePrice.objects.of(credential).alive().filter(type="recurring", active=True)
    return prices.select_related("product").defer("private", "product__payload", "product__private")


def price_label(price: StripePrice) -> str:
    return f"{price.product or price.product_stripe_id} – {price_words(price)}"


class SubscriptionForm(ForCustomer, PreviewedForm):
    declined_at = "customer"
    parameters = {
        "customer": "customer",
        "items[0][price]": "price",
        "items[0][quantity]": "quantity",
        "subscription_details[items][0][price]": "price",
        "subscription_details[items][0][quantity]": "quantity",
        "subscription_details[trial_end]": "trial_days",
        "trial_period_days": "trial_days",
        "discounts": "discount",
        "discounts[0][coupon]": "discount",
        "discounts[0][promotion_code]": "discount",
        "collection_method": "collection",
        "days_until_due": "days_until_due",
        "default_payment_method": "customer",
        "currency": "price",
    }

    price = forms.CharField(max_length=255, widget=forms.Select)
    quantity = forms.IntegerField(initial=1, min_value=1, max_value=999_999)
    trial_days = forms.IntegerField(
        label="Trial days", initial=0, min_value=0, max_value=730, required=False, help_text="0 bills at once."
    )
    discount = Text(
        required=False,
        max_length=200,
        help_text="A promotion code as customers know it, or the id of a coupon. Stripe is asked what it gives.",
    )
    collection = forms.ChoiceField(
        label="Collect by",
        choices=((CHARGED, "Charging the saved payment method"), (SENT, "Sending an invoice")),
        initial=CHARGED,
    )
    days_until_due = forms.IntegerField(
        label="Days until an invoice is due",
        initial=30,
        min_value=0,
        max_value=730,
        required=False,
        help_text="Counts only where invoices are sent.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        cast("forms.Select", self.fields["price"].widget).choices = self._price_choices()

    def _price_choices(self) -> list[tuple[str, str]]:
        """The newest prices; one that was asked for by its address stands first even if it is old."""
        wanted = self.data.get("price") or self.initial.get("price") or ""
        found = recurring_prices(self.credential)
        prices = [*found.filter(stripe_id=wanted), *found.newest()[:PRICES_MAX]]
        offered = {price.stripe_id: price_label(price) for price in prices}
        return [("", "Choose a price"), *offered.items()]

    def clean_price(self) -> StripePrice:
        prices = recurring_prices(self.credential)
        found: StripePrice | None = prices.filter(stripe_id=self.cleaned_data["price"]).first()
        if found is None:
            raise ValidationError("No such active recurring price in the mirror.")
        return found

    def clean(self) -> dict[str, Any]:
        super().clean()
        customer, trial = self.cleaned_data.get("customer"), self.cleaned_data.get("trial_days") or 0
        is_sent = self.cleaned_data.get("collection") == SENT
        if is_sent and self.cleaned_data.get("days_until_due") is None and "days_until_due" not in self.errors:
            self.add_error("days_until_due", "Say how many days the customer has to pay.")
        if customer and not trial and not is_sent and not customer.default_payment_method_stripe_id:
            self.add_error(
                "customer",
                "This customer has no default payment method, so nothing could be charged. Let the customer save one,"
                " begin with a trial, or send invoices.",
            )
        return self.cleaned_data

    def terms(self) -> dict[str, Any]:
        """Return what the customer is billed: the arguments of `StripeService.preview_subscription` but for a discount.

        A metered price has no quantity: its use is reported later.
        """
        data = self.cleaned_data
        is_metered = data["price"].usage_type == "metered"
        return {
            "customer": data["customer"],
            "price": data["price"],
            "quantity": None if is_metered else data["quantity"],
            "trial_days": data["trial_days"] or 0,
        }

    def days_to_pay(self) -> int | None:
        """Return how many days an invoice that is sent may stay unpaid; None where the saved method is charged."""
        return int(self.cleaned_data["days_until_due"]) if self.cleaned_data["collection"] == SENT else None


class SubscriptionChangeForm(PreviewedForm):
    """Another price or quantity for each item of a subscription; `price_0` and `quantity_0` are of the first."""

    declined_at = "proration"

    proration = forms.ChoiceField(
        label="The difference for the rest of this period",
        choices=(
            ("create_prorations", "Is billed or credited with the next invoice"),
            ("always_invoice", "Is billed now; what cannot be paid is not changed"),
            ("none", "Is not billed: the change counts in full from now on, its price from the next period on"),
        ),
        initial="create_prorations",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, row: StripeSubscription, terms: Terms, **options: Any) -> None:
        self.items = terms.items
        super().__init__(*args, **options)
        self.offered = self._offered(row.currency)
        choices = [(stripe_id, price_label(price)) for stripe_id, price in self.offered.items()]
        for place, item in enumerate(self.items):
            self._add_fields(place, item, choices, f" of item {place + 1}" if len(self.items) > 1 else "")
        self.order_fields([*(name for name in self.fields if name != "proration"), "proration"])
        self.parameters = dict(self._parameters())

    def _offered(self, currency: str) -> dict[str, StripePrice]:
        """Return the prices the items are at, archived ones too, and the newest others of the currency, by id."""
        known = StripePrice.objects.of(self.credential).select_related("product")
        held = known.filter(stripe_id__in=[item.price_stripe_id for item in self.items])
        newest = recurring_prices(self.credential).filter(currency=currency).newest()[:PRICES_MAX]
        return {price.stripe_id: price for price in (*held, *newest.defer("payload", "private"))}

    def _add_fields(self, place: int, item: Any, choices: list[tuple[str, str]], which: str) -> None:
        self.fields[f"price_{place}"] = forms.ChoiceField(
            label=f"Price{which}", choices=choices, initial=item.price_stripe_id
        )
        self.fields[f"quantity_{place}"] = forms.IntegerField(
            label=f"Quantity{which}",
            initial=item.quantity,
            min_value=0 if len(self.items) > 1 else 1,
            max_value=999_999,
            required=item.quantity is not None,
            help_text="" if item.quantity is not None else "Metered prices have none: their use is reported.",
        )

    def _parameters(self) -> Iterator[tuple[str, str]]:
        for place in range(len(self.items)):
            for name in ("price", "quantity"):
                yield f"items[{place}][{name}]", f"{name}_{place}"
                yield f"subscription_details[items][{place}][{name}]", f"{name}_{place}"

    def clean(self) -> dict[str, Any]:
        super().clean()
        for place in range(len(self.items)):
            price = self.offered.get(self.cleaned_data.get(f"price_{place}", ""))
            is_counted = price is not None and price.usage_type != "metered"
            if is_counted and self.cleaned_data.get(f"quantity_{place}") is None and not self.errors:
                self.add_error(f"quantity_{place}", "Say how many.")
        return self.cleaned_data

    def chosen(self) -> dict[str, tuple[StripePrice, int | None]]:
        """Return price and quantity by the id of the item; the quantity of a metered price is None."""
        found = {}
        for place, item in enumerate(self.items):
            price, quantity = self.offered[self.cleaned_data[f"price_{place}"]], self.cleaned_data[f"quantity_{place}"]
            found[item.stripe_id] = (price, None if price.usage_type == "metered" else quantity)
        return found

    @property
    def is_same(self) -> bool:
        """Whether nothing was chosen but what there is."""
        chosen = self.chosen()
        return all(
            (chosen[item.stripe_id][0].stripe_id, chosen[item.stripe_id][1]) == (item.price_stripe_id, item.quantity)
            for item in self.items
        )


# Stripe: https://docs.stripe.com/api/subscriptions/object#subscription_object-cancellation_details
FEEDBACK = (
    ("", "Not said"),
    ("too_expensive", "It is too expensive"),
    ("missing_features", "Something is missing"),
    ("switched_service", "They use something else now"),
    ("unused", "They do not use it"),
    ("customer_service", "The service was not good enough"),
    ("too_complex", "It is too complicated"),
    ("low_quality", "The quality was not good enough"),
    ("other", "Something else"),
)
NO_SETTLEMENT, CREDIT, LAST_INVOICE = "", "credit", "invoice"


class SubscriptionPauseForm(ActionForm):
    parameters = {"pause_collection[behavior]": "behavior", "pause_collection[resumes_at]": "resumes_on"}

    behavior = forms.ChoiceField(
        label="Invoices meanwhile",
        choices=(
            ("keep_as_draft", "Keep them as drafts, to be billed later"),
            ("void", "Void them: the time is free"),
            ("mark_uncollectible", "Write them off as uncollectible"),
        ),
        initial="keep_as_draft",
        widget=forms.RadioSelect,
    )
    resumes_on = forms.DateField(
        label="Resume on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Leave it empty to resume by hand.",
    )

    def clean_resumes_on(self) -> dt.date | None:
        chosen: dt.date | None = self.cleaned_data["resumes_on"]
        if chosen is not None and chosen <= timezone.localdate():
            raise ValidationError("Choose a day that is still to come.")
        return chosen

    def resumes_at(self) -> dt.datetime | None:
        """Return the first moment of the chosen day, in the zone of the studio."""
        chosen = self.cleaned_data["resumes_on"]
        return timezone.make_aware(dt.datetime.combine(chosen, dt.time())) if chosen else None


class SubscriptionCancelForm(ActionForm):
    parameters = {"cancellation_details[feedback]": "feedback", "cancellation_details[comment]": "comment"}

    feedback = forms.ChoiceField(label="Why do they leave?", choices=FEEDBACK, required=False)
    comment = long_text(help_text="Kept at Stripe with the subscription; the customer does not see it.")


class SubscriptionCancelNowForm(SubscriptionCancelForm):
    settlement = forms.ChoiceField(
        label="Time that is paid and not used",
        required=False,
        choices=(
            (NO_SETTLEMENT, "Is not credited"),
            (CREDIT, "Is credited on the customer’s next invoice"),
            (LAST_INVOICE, "Is settled now by a last invoice"),
        ),
        widget=forms.RadioSelect,
    )
    field_order = ("settlement", "feedback", "comment")
