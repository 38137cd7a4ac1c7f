"""The Django application; start-up does nothing but register the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class FinancialConfig(AppConfig):
    name = "financial"
    verbose_name = "Financial"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from financial import checks  # noqa: F401  (registers itself)
