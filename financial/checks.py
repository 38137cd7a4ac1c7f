"""System checks: what would make the app unsafe or useless, said at start-up."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from financial import conf
from financial.models.credentials import livemode_of


@register()
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Settings only, no query."""
    return [*_keys(), *_stripe(), *_sqlite(), *_engine()]


def _keys() -> list[CheckMessage]:
    if any(conf.get("ENCRYPTION_KEYS")):
        return []
    return [
        Error(
            "FINANCIAL_ENCRYPTION_KEYS is empty, so no key can be stored.",
            hint="Set it to a list with one long random text, from the environment.",
            id="financial.E001",
        )
    ]


def _stripe() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    key, base = conf.get("STRIPE_SECRET_KEY"), conf.get("STRIPE_BASE_URL")
    address = urlsplit(base)
    if key and livemode_of(key) and (address.scheme, address.hostname) != ("https", "api.stripe.com"):
        found.append(Error(f"A live key would be sent to {base}.", hint="Unset the base URL.", id="financial.E002"))
    if key and livemode_of(key) and settings.DEBUG:
        found.append(Warning("A live key is used with DEBUG on.", hint="Turn DEBUG off.", id="financial.W002"))
    if key and not conf.get("STRIPE_WEBHOOK_SECRETS"):
        found.append(
            Warning(
                "A Stripe key is set in the environment, but no webhook secret.",
                hint="Webhooks are answered 503 until STRIPE_WEBHOOK_SECRETS is set or a credential has a secret.",
                id="financial.W001",
            )
        )
    return found


def _sqlite() -> list[CheckMessage]:
    database = connections["default"].settings_dict
    if not database["ENGINE"].endswith("sqlite3") or database.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE":
        return []
    return [
        Warning(
            "SQLite runs without transaction_mode IMMEDIATE: concurrent webhooks may answer “database is locked”.",
            hint='Set OPTIONS["transaction_mode"] = "IMMEDIATE" and WAL, as docs/operations.md shows.',
            id="financial.W003",
        )
    ]


def _engine() -> list[CheckMessage]:
    try:
        import_module(f"financial.engines.{conf.get('ENGINE')}")
    except ImportError as error:
        return [
            Error(
                f"FINANCIAL_ENGINE is {conf.get('ENGINE')!r}, which cannot be loaded: {error}.",
                hint='Choose embedded, none or celery; celery needs the extra: pip install "financial[celery]".',
                id="financial.E003",
            )
        ]
    return []
