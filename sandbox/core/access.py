"""Who may ask: keys, modes, restricted keys, other accounts.

Any `sk_test_...` or `rk_test_...` is accepted, except keys that contain `wrong`
(unknown key) or `expired`; `Settings.only_key` narrows that to one key. Restricted keys
read everything and write what `Settings.restricted_keys` lists for them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from .errors import StripeError
from .settings import Settings


@dataclass(frozen=True)
class Caller:
    """An accepted key."""

    key: str
    live: bool
    restricted: bool


def authenticate(headers: dict[str, str], settings: Settings) -> Caller:
    """Return who is calling.

    Raises:
        StripeError: 401, or 403 for another account's header.
    """
    key = _key(headers.get("authorization", ""))
    if not key:
        raise _unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header,"
            " using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See"
            " https://stripe.com/docs/api#authentication for details, or we can help at"
            " https://support.stripe.com/."
        )
    if key.startswith("pk_"):
        raise StripeError(
            401,
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can"
            " find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
            "secret_key_required",
        )
    if "expired" in key:
        raise StripeError(401, f"Expired API Key provided: {masked(key)}", "api_key_expired")
    if not _accepted(key, settings):
        raise _unauthorized(f"Invalid API Key provided: {masked(key)}")
    account = headers.get("stripe-account", settings.account)
    if account != settings.account:
        raise StripeError(
            403,
            f"The provided key '{masked(key)}' does not have access to account '{account}' (or that account"
            " does not exist). Application access may have been revoked.",
            "account_invalid",
        )
    return Caller(key, "_live_" in key, key.startswith("rk_"))


def permit(caller: Caller, method: str, path: str, settings: Settings) -> None:
    """Refuse what a restricted key may not do.

    Raises:
        StripeError: 403, naming the permission.
    """
    if not caller.restricted or method == "GET":
        return
    resource = permission(path)
    if resource not in settings.restricted_keys.get(caller.key, ()):
        raise StripeError(
            403,
            f"The provided key '{masked(caller.key)}' does not have the required permissions for this"
            f" endpoint on account '{settings.account}'. Having the 'rak_{resource}_write' permission would"
            " allow this request to continue.",
            "more_permissions_required",
        )


def permission(path: str) -> str:
    """Return the resource a path belongs to, as permissions name it: `customer`, `payment_intent`."""
    parts = [p for p in path.split("/") if p and p not in ("v1", "test_helpers", "checkout")]
    name = parts[0] if parts else ""
    return {"balance": "balance", "sessions": "checkout_session"}.get(name, name.removesuffix("s"))


def masked(key: str) -> str:
    """Return a key as error messages show it: the prefix and the last four characters."""
    head = "_".join(key.split("_")[:2]) + "_" if key.count("_") >= 2 else key[:3]
    tail = key[len(head) :]
    return head + "*" * max(0, len(tail) - 4) + tail[-4:]


def _accepted(key: str, settings: Settings) -> bool:
    if settings.only_key:
        return key == settings.only_key or key in settings.restricted_keys
    return key.startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")) and "wrong" not in key


def _key(header: str) -> str:
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _unauthorized(message: str) -> StripeError:
    return StripeError(401, message)
