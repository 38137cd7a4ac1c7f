"""The Django application; start-up registers the system checks, and that the books' rules survive migrations."""

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

        pre_migrate.connect(_set_rules_aside, sender=self)
        post_migrate.connect(_put_rules_back, sender=self)


def _set_rules_aside(using: str = "default", plan: Any = (), **_: Any) -> None:
    from financial.models import rules

    if any(migration.app_label == FinancialConfig.name for migration, _ in plan):
        rules.set_aside(using)


def _put_rules_back(using: str = "default", **_: Any) -> None:
    from financial.models import rules

    rules.install(using)
