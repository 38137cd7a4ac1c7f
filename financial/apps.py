"""The Django application; start-up registers the system checks, and that triggers and word indexes survive migrations."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class FinancialConfig(AppConfig):
    name = "financial"
    verbose_name = "Financial"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from financial import checks  # noqa: F401  (registers itself)

        pre_migrate.connect(_set_triggers_aside, sender=self)
        post_migrate.connect(_put_triggers_back, sender=self)


def _set_triggers_aside(using: str = "default", plan: Any = (), **_: Any) -> None:
    from financial.models import rules, words

    if _is_altered(plan):
        rules.set_aside(using)
        words.set_aside(using)


def _put_triggers_back(using: str = "default", plan: Any = (), **_: Any) -> None:
    from financial.models import rules, words

    rules.install(using)
    words.install(using, rebuild=_is_altered(plan))


def _is_altered(plan: Any) -> bool:
    return any(migration.app_label == FinancialConfig.name for migration, _ in plan)
