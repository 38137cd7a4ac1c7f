"""`manage.py rebuild_rollups`: sum the daily totals anew from the books. Exit 1 if that changed anything: it must not."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from financial import bookkeeping
from financial.models import StripeCredential


class Command(BaseCommand):
    help = "Sum the daily totals anew from the books; says whether they were right."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--credential-id", type=int, metavar="ID", help="one account's; otherwise all")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = StripeCredential.objects.order_by("pk")
        if options["credential_id"] is not None:
            chosen = chosen.filter(pk=options["credential_id"])
            if not chosen.exists():
                raise CommandError(f"There is no credential {options['credential_id']}.")
        changed = []
        for credential in chosen:
            was_wrong = bookkeeping.rebuild_rollups(credential)
            self.stdout.write(f"{credential.name}: {'corrected' if was_wrong else 'nothing changed'}")
            changed += [credential.name] if was_wrong else []
        if changed:
            raise CommandError(f"The totals of {', '.join(changed)} were wrong. They are right now; find out why.")
