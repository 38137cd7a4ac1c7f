"""What payments cost per day and cut, summed up once from the books; from here on each booking adds to it."""

from __future__ import annotations

from itertools import islice
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

PAGE = 5000
BANDS = (1000, 500, 100, 50, 10)
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
LINK = "stripe_transaction__"
READ = (
    "pk", "currency", "booked_on", "amount_minor", "fee_minor", "presentment_currency", f"{LINK}charge_stripe_id",
    f"{LINK}payment_intent", f"{LINK}estimated_fee_minor", f"{LINK}is_rough",
)  # fmt: skip


def sum_up(apps: Any, schema_editor: Any) -> None:
    for pk in apps.get_model("financial", "StripeCredential").objects.values_list("pk", flat=True):
        _sum_up(apps, pk)


def _sum_up(apps: Any, credential_id: int) -> None:
    charges = apps.get_model("financial", "StripeCharge").objects.filter(credential=credential_id)
    settled = apps.get_model("financial", "Transaction").objects.filter(
        credential=credential_id, status="settled", reporting_category="charge"
    )
    sums: dict[tuple[Any, ...], list[int]] = {}
    rows = settled.order_by().values_list(*READ).iterator(chunk_size=PAGE)
    while page := list(islice(rows, PAGE)):  # in one pass: SQLite would sort all of them for each page
        named = charges.filter(stripe_id__in={row[6] for row in page if row[6]})
        facts = named.values_list("stripe_id", "card_country", "card_brand", "method_type")
        cards = {stripe_id: (country, brand or method) for stripe_id, country, brand, method in facts}
        for row in page:
            _add(sums, row, *cards.get(row[6], ("", "")))
    model = apps.get_model("financial", "FeeDay")
    names = ("count", "amount_minor", "fee_minor", "compared", "estimated_minor", "exact_minor", "rough")
    rows = (
        model(credential_id=credential_id, currency=currency, day=day, cut=cut, label=label,
              **dict(zip(names, figures, strict=True)))
        for (currency, day, cut, label), figures in sums.items()
    )  # fmt: skip
    model.objects.bulk_create(rows, batch_size=PAGE)


def _add(sums: dict[tuple[Any, ...], list[int]], row: Any, country: str, brand: str) -> None:
    _, currency, day, amount, fee, paid_in, _, payment, estimated, is_rough = row
    cuts = (("all", ""), ("country", country), ("brand", brand), ("size", str(_band(amount, currency))))
    for cut in cuts:
        held = sums.setdefault((currency, day, *cut), [0] * 7)
        held[0] += 1
        held[1] += amount
        held[2] += fee
    if payment and paid_in == currency:
        held = sums[currency, day, "all", ""]
        held[3] += 1
        held[4] += estimated
        held[5] += fee
        held[6] += bool(is_rough)


def _band(amount: int, currency: str) -> int:
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return next((band for band in BANDS if amount >= band * 10**digits), 0)


class Migration(migrations.Migration):

    dependencies = [
        ('financial', '0021_what_is_rare'),
    ]

    operations = [
        migrations.CreateModel(
            name='FeeDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=8)),
                ('day', models.DateField()),
                ('cut', models.CharField(choices=[('all', 'All'), ('country', 'Card country'), ('brand', 'Card brand'), ('size', 'Size')], max_length=10)),
                ('label', models.CharField(blank=True, default='', max_length=40)),
                ('count', models.BigIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('fee_minor', models.BigIntegerField()),
                ('compared', models.BigIntegerField(default=0, help_text='how many were estimated in the same currency')),
                ('estimated_minor', models.BigIntegerField(default=0, help_text='the estimates of those')),
                ('exact_minor', models.BigIntegerField(default=0, help_text='their exact fees')),
                ('rough', models.BigIntegerField(default=0, help_text='how many of those had no fee rule but the percentage')),
                ('credential', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='financial.stripecredential')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('credential', 'currency', 'cut', 'day', 'label'), name='financial_feeday_once')],
            },
        ),
        migrations.RunPython(sum_up, migrations.RunPython.noop, elidable=True),
    ]
