"""URLs of the app; a site mounts them, the studio under /studio/financial/."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "financial"
urlpatterns: list[URLPattern] = []
