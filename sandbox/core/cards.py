"""Stripe's test payment methods: what each token is and what happens when it is charged.

Stripe: https://docs.stripe.com/testing
"""

from __future__ import annotations

from dataclasses import dataclass

_MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


@dataclass(frozen=True)
class Card:
    """A test card. `decline` is a decline code; `three_d` says when the customer must act:
    `always`, until it has been set up (`setup`), or only when present (`on_session`).
    """

    last4: str = "4242"
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: str = ""
    declines_attach: bool = False
    three_d: str = ""
    dispute: str = ""
    refund: str = ""
    skips_pending: bool = False

    @property
    def error_code(self) -> str:
        """Return the `code` of the error a decline raises."""
        own = ("expired_card", "incorrect_cvc", "processing_error", "authentication_required")
        return self.decline if self.decline in own else "card_declined"

    @property
    def message(self) -> str:
        """Return the message of the error a decline raises."""
        return _MESSAGES[self.decline]


def _declined(last4: str, code: str) -> Card:
    return Card(last4, decline=code, declines_attach=True)


TOKENS: dict[str, Card] = {
    "pm_card_visa": Card(),
    "pm_card_us": Card(),
    "pm_card_visa_debit": Card("5556", funding="debit"),
    "pm_card_mastercard": Card("4444", "mastercard"),
    "pm_card_mastercard_debit": Card("8210", "mastercard", "debit"),
    "pm_card_amex": Card("8431", "amex"),
    "pm_card_discover": Card("9424", "discover"),
    "pm_card_diners": Card("0004", "diners"),
    "pm_card_jcb": Card("0505", "jcb", country="JP"),
    "pm_card_unionpay": Card("0005", "unionpay", country="CN"),
    "pm_card_de": Card("0016", country="DE"),
    "pm_card_fr": Card("0003", country="FR"),
    "pm_card_gb": Card("0000", country="GB"),
    "pm_card_gb_debit": Card("0005", country="GB", funding="debit"),
    "pm_card_jp": Card("0003", country="JP"),
    "pm_card_bypassPending": Card("0077", skips_pending=True),
    "pm_card_bypassPendingInternational": Card("0278", country="BR", skips_pending=True),
    "pm_card_chargeDeclined": _declined("0002", "generic_decline"),
    "pm_card_visa_chargeDeclined": _declined("0002", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined("9995", "insufficient_funds"),
    "pm_card_chargeDeclinedInsufficientFunds": _declined("9995", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": _declined("9987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("9979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": _declined("0069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": _declined("0127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": _declined("0119", "processing_error"),
    "pm_card_chargeDeclinedFraudulent": _declined("0019", "fraudulent"),
    "pm_card_radarBlock": _declined("0019", "fraudulent"),
    "pm_card_chargeCustomerFail": Card("0341", decline="generic_decline"),
    "pm_card_threeDSecure2Required": Card("3220", three_d="always"),
    "pm_card_threeDSecureRequired": Card("3063", three_d="always"),
    "pm_card_authenticationRequired": Card("3184", three_d="always"),
    "pm_card_authenticationRequiredOnSetup": Card("3155", three_d="setup"),
    "pm_card_authenticationRequiredSetupForOffSession": Card("0446", three_d="on_session"),
    "pm_card_createDispute": Card("0259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card("2685", dispute="product_not_received"),
    "pm_card_createDisputeInquiry": Card("1976", dispute="inquiry"),
    "pm_card_pendingRefund": Card("7726", refund="pending"),
    "pm_card_refundFail": Card("5126", refund="fails"),
    # Numbers of the testing page that no token of Stripe's stands for.
    "typed_amex": Card("0005", "amex"),
    "typed_discover": Card("1117", "discover"),
    "typed_diners": Card("1667", "diners"),
    "typed_mastercard_two": Card("3222", "mastercard"),
    "typed_mastercard_prepaid": Card("5100", "mastercard", "prepaid"),
    "typed_three_d_optional": Card("3055"),
}

_NUMBERS = {
    "4242424242424242": "pm_card_visa", "5555555555554444": "pm_card_mastercard", "378282246310005": "typed_amex",
    "4000056655665556": "pm_card_visa_debit", "6011111111111117": "typed_discover",
    "4000000000000077": "pm_card_bypassPending", "4000003720000278": "pm_card_bypassPendingInternational",
    "4000000000000002": "pm_card_visa_chargeDeclined", "4000000000009995": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "4000000000009987": "pm_card_visa_chargeDeclinedLostCard", "4000000000009979": "pm_card_visa_chargeDeclinedStolenCard",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard", "4000000000000127": "pm_card_chargeDeclinedIncorrectCvc",
    "4000000000000119": "pm_card_chargeDeclinedProcessingError", "4000000000000341": "pm_card_chargeCustomerFail",
    "4000000000003220": "pm_card_threeDSecure2Required", "4000002760003184": "pm_card_authenticationRequired",
    "4000002500003155": "pm_card_authenticationRequiredOnSetup", "4000000000000259": "pm_card_createDispute",
    "4000003800000446": "pm_card_authenticationRequiredSetupForOffSession",
    "4000000000002685": "pm_card_createDisputeProductNotReceived", "4000000000001976": "pm_card_createDisputeInquiry",
    "4000000000007726": "pm_card_pendingRefund", "4000000000005126": "pm_card_refundFail",
    "2223003122003222": "typed_mastercard_two", "5200828282828210": "pm_card_mastercard_debit",
    "5105105105105100": "typed_mastercard_prepaid", "371449635398431": "pm_card_amex",
    "6011000990139424": "pm_card_discover", "3056930009020004": "pm_card_diners", "36227206271667": "typed_diners",
    "3566002020360505": "pm_card_jcb", "6200000000000005": "pm_card_unionpay", "4000002760000016": "pm_card_de",
    "4000002500000003": "pm_card_fr", "4000008260000000": "pm_card_gb", "4000058260000005": "pm_card_gb_debit",
    "4000003920000003": "pm_card_jp", "4000000000003063": "pm_card_threeDSecureRequired",
    "4000000000003055": "typed_three_d_optional", "4100000000000019": "pm_card_radarBlock",
}  # fmt: skip


def token_of_number(number: str) -> str | None:
    """Return the token of a test card number, or None for any other number."""
    return _NUMBERS.get(number.replace(" ", ""))


def token_of_legacy(token: str) -> str | None:
    """Return the payment method token of a `tok_...` token, or None."""
    name = f"pm_card_{token.removeprefix('tok_')}"
    return name if token.startswith("tok_") and name in TOKENS else None
