"""What people keep for themselves: filters of lists by a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models

NAME_MAX = 60
QUERY_MAX = 1000


class SavedFilter(models.Model):
    """The filters of one list by a name, for one user or for everybody who may see that list."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    section = models.CharField(max_length=30, help_text="the list, by the name of its address")
    name = models.CharField(max_length=NAME_MAX)
    query = models.CharField(max_length=QUERY_MAX, help_text="filters and order as they stand in the address")
    is_shared = models.BooleanField("everybody's", default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "saved filter"
        ordering = ("section", "name", "id")
        constraints = (models.UniqueConstraint(fields=("user", "section", "name"), name="financial_filter_name_once"),)
        indexes = (models.Index(fields=("is_shared", "section"), name="financial_filter_shared"),)

    def __str__(self) -> str:
        return f"{self.section}: {self.name}"
