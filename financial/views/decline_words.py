"""Why a payment failed and what to do next, in plain words, by the code Stripe gives for it: data, and one look-up.

Card codes: https://docs.stripe.com/declines/codes
Bank debits: https://docs.stripe.com/declines/network-codes
Others: https://docs.stripe.com/error-codes
"""

from __future__ import annotations

UNKNOWN = "It was refused for a reason we have no words for. The customer should ask their bank, or pay otherwise."
_NO_REASON = "The bank gives no reason. The customer should call the bank, or pay otherwise."
_QUIETLY = "Ask for another; do not tell the customer why."
_CVC = "The security code was wrong. The customer can type it again."
_NUMBER = "The card number was wrong. The customer can type it again."
_EXPIRY = "The expiry date was wrong. The customer can type it again."
_PIN = "The PIN was wrong. The customer can try again."
_USE_PIN = "The card has to be put into the reader, and its PIN typed."
_LIMIT = "The card is over its limit. The customer can try later, or pay otherwise."
_FORBIDDEN = "The card may not be used for this. The customer should call the bank, or pay otherwise."
_LATER = "The bank could not be asked. Try again in a while; if it fails again, the customer should call the bank."
_REVOKED = "The customer told the bank to stop such payments. Do not try again; ask them to pay otherwise."
_CLOSED = "The bank account is closed. Ask for another."
_NO_ACCOUNT = "There is no such bank account. Ask for the right number."
_RESTRICTED = "The bank account is blocked for debits. The customer should ask the bank, or give another account."
_NO_MANDATE = "The customer, or the bank, did not allow the debit. Ask for a new mandate before you try again."
_NOT_FINISHED = "The customer did not finish paying. Send the payment to them again."

DECLINES: dict[str, str] = {
    # Cards
    "account_closed": _CLOSED,
    "approve_with_id": _LATER,
    "authentication_required": "The bank wants the customer to confirm. Send the payment to the customer again.",
    "call_issuer": _NO_REASON,
    "card_declined": _NO_REASON,
    "card_not_supported": "The card cannot be used for this kind of payment. Ask for another.",
    "card_velocity_exceeded": _LIMIT,
    "currency_not_supported": "The card does not support this currency. Ask for another.",
    "do_not_honor": _NO_REASON,
    "do_not_try_again": _NO_REASON,
    "duplicate_transaction": "The same amount was paid with the same card just before. Look whether it is paid already.",
    "expired_card": "The card has expired. The customer needs to give a new one.",
    "fraudulent": "Stripe suspects fraud. Ask for another way to pay; do not tell the customer why.",
    "generic_decline": _NO_REASON,
    "incorrect_address": "The billing address was wrong. The customer can type it again.",
    "incorrect_cvc": _CVC,
    "incorrect_number": _NUMBER,
    "incorrect_pin": _PIN,
    "incorrect_zip": "The postal code was wrong. The customer can type it again.",
    "insufficient_funds": (
        "The account behind the card has too little money. The customer can try later, or pay otherwise."
    ),
    "invalid_account": "The card, or the account behind it, is not valid. The customer should call the bank.",
    "invalid_amount": "The bank does not allow this amount. The customer should ask what is allowed, or pay otherwise.",
    "invalid_cvc": _CVC,
    "invalid_expiry_month": _EXPIRY,
    "invalid_expiry_year": _EXPIRY,
    "invalid_number": _NUMBER,
    "invalid_pin": _PIN,
    "issuer_not_available": _LATER,
    "lost_card": f"The card was reported lost. {_QUIETLY}",
    "merchant_blacklist": f"It is on a block list of your own at Stripe. Take it off there, if it should pay. {_QUIETLY}",
    "mobile_device_authentication_required": "The customer has to confirm on their phone. They can try again.",
    "new_account_information_available": "The customer has a new card or account. Ask for its details.",
    "no_action_taken": _NO_REASON,
    "not_permitted": _FORBIDDEN,
    "offline_pin_required": _USE_PIN,
    "online_or_offline_pin_required": _USE_PIN,
    "pickup_card": f"The bank wants the card back: it may be lost or stolen. {_QUIETLY}",
    "pin_try_exceeded": "The PIN was wrong too often. The customer needs another card.",
    "processing_error": "The bank could not process it. Try again in a while.",
    "reenter_transaction": _LATER,
    "restricted_card": f"The card is blocked: it may be lost or stolen. {_QUIETLY}",
    "revocation_of_all_authorizations": _REVOKED,
    "revocation_of_authorization": _REVOKED,
    "security_violation": _NO_REASON,
    "service_not_allowed": _FORBIDDEN,
    "stolen_card": f"The card was reported stolen. {_QUIETLY}",
    "stop_payment_order": _REVOKED,
    "testmode_decline": "It is a number for tests. Ask for a real card.",
    "transaction_not_allowed": _FORBIDDEN,
    "try_again_later": _LATER,
    "withdrawal_count_limit_exceeded": _LIMIT,
    # Bank debits
    "account_number_invalid": _NO_ACCOUNT,
    "bank_account_closed": _CLOSED,
    "bank_account_declined": _RESTRICTED,
    "bank_account_frozen": _RESTRICTED,
    "bank_account_invalid_details": _NO_ACCOUNT,
    "bank_account_restricted": _RESTRICTED,
    "bank_account_unusable": _RESTRICTED,
    "bank_ownership_changed": "The bank was merged into another one. Ask for the new number of the account.",
    "charge_exceeds_source_limit": "It is more than may be debited in a while. Try again later, or ask for another method.",
    "charge_exceeds_transaction_limit": "It is more than may be debited at once. Ask for another method.",
    "could_not_process": "The bank could not process the debit. Try again in a while.",
    "debit_not_authorized": _NO_MANDATE,
    "invalid_account_number": _NO_ACCOUNT,
    "no_account": _NO_ACCOUNT,
    "payment_intent_mandate_invalid": _NO_MANDATE,
    "payment_method_bank_account_blocked": _RESTRICTED,
    "recipient_deceased": "The holder of the account may have died. Do not try again before you know.",
    # The others
    "payment_intent_authentication_failure": "The customer could not be identified. Send the payment to them again.",
    "payment_intent_payment_attempt_expired": _NOT_FINISHED,
    "payment_intent_payment_attempt_failed": UNKNOWN,
    "payment_method_customer_decline": "The customer said no. They can try again, or pay otherwise.",
    "payment_method_provider_decline": "The provider of the payment method refused. The customer can pay otherwise.",
    "payment_method_provider_timeout": "The provider of the payment method did not answer. Try again in a while.",
}


def decline_words(code: str, message: str = "") -> str:
    """Return what a code means and what to do next; nothing where nothing failed.

    For a code without words that is Stripe's own `message`, else a general next step.
    """
    return DECLINES.get(code) or message or (UNKNOWN if code else "")
