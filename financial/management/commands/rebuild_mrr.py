"""`manage.py rebuild_mrr`: compute the history of recurring revenue again from what was seen. As a rule nothing changes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from financial import stripe_services
from financial.models import StripeCredential


class Command(BaseCommand):
    help = "Compute the history of MRR again, after FINANCIAL_MRR_DISCOUNTS changed or old invoices came."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        for credential in StripeCredential.objects.order_by("pk"):
            changed = stripe_services.rebuild_mrr(credential)
            self.stdout.write(f"{credential.name}: {changed} spans of MRR changed")
            total += changed
        self.stdout.write(f"Total: {total} changed")
