"""The only reader of Django's settings. Every name starts with `FINANCIAL_` and has a default (docs/operations.md)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Keys at rest: the first writes, all read. Each is any long random text.
    "ENCRYPTION_KEYS": [],
    # Stripe's keys from the environment; they win over the database and are never copied into it.
    "STRIPE_SECRET_KEY": "",
    "STRIPE_PUBLISHABLE_KEY": "",
    "STRIPE_WEBHOOK_SECRETS": [],
    # Where Stripe is. Anything but Stripe itself is refused for live keys.
    "STRIPE_BASE_URL": "https://api.stripe.com",
    "STRIPE_CONNECT_TIMEOUT_SECONDS": 5,
    "STRIPE_READ_TIMEOUT_SECONDS": 30,
    "STRIPE_ATTEMPTS": 6,
    "STRIPE_BACKOFF_SECONDS": 0.5,
    # Requests a second, as Stripe allows them: per account in live mode and in test mode, and per endpoint.
    "STRIPE_LIVE_REQUESTS_PER_SECOND": 100,
    "STRIPE_TEST_REQUESTS_PER_SECOND": 25,
    "STRIPE_ENDPOINT_REQUESTS_PER_SECOND": 25,
    # Sync: pages under way at once, and how often it runs by itself (0: never).
    "SYNC_READERS": 32,
    "SYNC_EVERY_MINUTES": 15,
    # Webhooks. The address Stripe shall post to; empty means the one this site is seen under.
    "WEBHOOK_URL": "",
    "WEBHOOK_MAX_BYTES": 1024 * 1024,
    "WEBHOOK_TOLERANCE_SECONDS": 300,
    # Applying events: how many a worker takes at once, how many objects it asks Stripe for side by side, and for how long
    # what a worker took is its own; a worker that died is replaced after that.
    "WEBHOOK_BATCH": 32,
    "WEBHOOK_FETCHERS": 8,
    "WEBHOOK_LEASE_SECONDS": 120,
    # Who applies what the webhook stored and runs what the sync page asks for: "embedded" are threads of the server
    # process, "none" leaves it to `manage.py financial_worker`, "celery" to Celery's workers.
    "ENGINE": "embedded",
    "BROKER_URL": "redis://127.0.0.1:6379/0",
    "QUEUE": "financial",
    # Estimated fee per currency: (rate of the amount, fixed part in minor units). "*" is for all others, marked rough.
    "FEE_RULES": {"usd": ("0.029", 30), "*": ("0.029", 0)},
    # Which discounts lower MRR: "forever" (those without an end), "recurring" (also for some months), "all" (also for once).
    "MRR_DISCOUNTS": "forever",
    # Where a customer lands after paying on a Checkout page made here; empty means this site's own thank-you.
    "PAID_URL": "",
    # The zone that cuts days in reports; empty means Django's TIME_ZONE.
    "TIME_ZONE": "",
    # Mail to customers: payment confirmed, payment failed.
    "SEND_PAYMENT_EMAILS": False,
    "EMAIL_FROM": "",
    # The tax rate written to Xero's manual journals: its full name as your organisation has it.
    "EXPORT_XERO_TAX_RATE": "Tax Exempt",
    # Pages.
    "PAGE_SIZE": 25,
    "CACHE_SECONDS": 300,
}


def get(name: str) -> Any:
    """Return the setting `FINANCIAL_<name>`, or its default."""
    return getattr(settings, f"FINANCIAL_{name}", DEFAULTS[name])


def time_zone() -> ZoneInfo:
    """Return the account's time zone, which cuts days and months."""
    return ZoneInfo(get("TIME_ZONE") or settings.TIME_ZONE)


def email_from() -> str:
    """Return the sender of mails to customers."""
    return str(get("EMAIL_FROM") or settings.DEFAULT_FROM_EMAIL)
