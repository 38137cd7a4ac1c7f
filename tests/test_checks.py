from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import Error, Warning
from django.db import connection

from financial.checks import check_settings

LIVE, TEST = "sk_live_0000000000002222", "sk_test_0000000000001111"
STRIPE = "https://api.stripe.com"


def found() -> dict[str, str]:
    messages = [message for message in check_settings(None) if message.id != "financial.W003"]
    assert all(message.hint for message in messages)
    assert all("0000" not in message.msg + (message.hint or "") for message in messages)
    return {message.id or "": type(message).__name__ for message in messages}


def test_settings_of_the_tests_pass() -> None:
    assert check_settings(None) == [] or connection.vendor != "sqlite"


@pytest.mark.parametrize("keys", [[], [""]])
def test_missing_encryption_key_is_an_error(settings: Any, keys: list[str]) -> None:
    settings.FINANCIAL_ENCRYPTION_KEYS = keys
    assert found() == {"financial.E001": Error.__name__}


@pytest.mark.parametrize(
    "base", ["http://api.stripe.com", "http://127.0.0.1:9", "https://api.stripe.com.example.com", "https://example.com"]
)
def test_live_key_that_would_go_elsewhere_is_an_error(settings: Any, base: str) -> None:
    settings.FINANCIAL_STRIPE_SECRET_KEY = LIVE
    settings.FINANCIAL_STRIPE_BASE_URL = base
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = ["whsec_x"]
    assert found() == {"financial.E002": Error.__name__}


def test_test_key_may_go_to_a_sandbox(settings: Any) -> None:
    settings.FINANCIAL_STRIPE_SECRET_KEY = TEST
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = ["whsec_x"]
    assert found() == {}


def test_live_key_with_debug_on_is_a_warning(settings: Any) -> None:
    settings.DEBUG = True
    settings.FINANCIAL_STRIPE_SECRET_KEY = LIVE
    settings.FINANCIAL_STRIPE_BASE_URL = STRIPE
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = ["whsec_x"]
    assert found() == {"financial.W002": Warning.__name__}


def test_key_without_a_webhook_secret_is_a_warning(settings: Any) -> None:
    settings.FINANCIAL_STRIPE_SECRET_KEY = TEST
    assert found() == {"financial.W001": Warning.__name__}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's options")
@pytest.mark.parametrize("mode", [None, "DEFERRED", "EXCLUSIVE"])
def test_sqlite_that_does_not_lock_at_once_is_a_warning(monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": mode} if mode else {})
    assert [message.id for message in check_settings(None)] == ["financial.W003"]


@pytest.mark.parametrize("engine", ["embedded", "none", "celery"])
def test_each_engine_can_be_loaded(settings: Any, engine: str) -> None:
    settings.FINANCIAL_ENGINE = engine
    assert found() == {}


def test_engine_that_does_not_exist_is_an_error(settings: Any) -> None:
    settings.FINANCIAL_ENGINE = "steam"
    assert found() == {"financial.E003": Error.__name__}
