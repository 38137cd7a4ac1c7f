"""The Django application; start-up registers the system checks, and that the books' rules survive every migration."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FinancialConfig(AppConfig):
    name = "financial"
    verbose_name = "Financial"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from financial import checks  # noqa: F401  (registers itself)

        post_migrate.connect(_keep_rules, sender=self)


def _keep_rules(using: str = "default", **_: Any) -> None:
    from financial.models import rules

    rules.install(using)
