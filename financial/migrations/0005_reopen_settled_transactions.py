"""Payments settled before there were entries become estimates again; the next sync settles them with entries."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def reopen(apps: Any, schema_editor: Any) -> None:
    database = schema_editor.connection.alias
    transactions = apps.get_model("financial", "Transaction").objects.using(database)
    links = apps.get_model("financial", "StripeTransaction").objects.using(database)
    links.update(settled_at=None, balance_transaction=None)
    transactions.filter(status="settled").update(status="estimated")


class Migration(migrations.Migration):
    dependencies = [("financial", "0004_mirror_times")]

    operations = [migrations.RunPython(reopen, migrations.RunPython.noop, elidable=True)]
