"""New columns filled from the payloads kept.

The triggers that keep settled transactions balanced and unchanged come after every `migrate` (`financial.models.rules`).
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

from financial.mirror.translate import BALANCE_TRANSACTION, INVOICE, PAYMENT_INTENT
from financial.models import rules

PAGE = 1000
FILLED = (
    ("StripeBalanceTransaction", BALANCE_TRANSACTION, ("fee_parts",)),
    ("StripeInvoice", INVOICE, ("tax_minor", "payment_intent_stripe_id")),
    ("StripePaymentIntent", PAYMENT_INTENT, ("tax_minor",)),
)


def fill(apps: Any, schema_editor: Any) -> None:
    for name, columns, names in FILLED:
        rows = apps.get_model("financial", name).objects.using(schema_editor.connection.alias)
        wanted = [column for column in columns if column.name in names]
        last = 0
        while page := list(rows.filter(pk__gt=last).order_by("pk").only("pk", "payload", *names)[:PAGE]):
            for row in page:
                for column in wanted:
                    setattr(row, column.name, column.read(row.payload))
            rows.bulk_update(page, names)
            last = page[-1].pk


def remove(apps: Any, schema_editor: Any) -> None:
    rules.remove(schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("financial", "0006_double_entry_books")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(migrations.RunPython.noop, remove),
    ]
