"""`manage.py verify_books`: one line per invariant, with figures and the rows that break it. Exit 1 if one does not hold."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from financial import bookkeeping, money
from financial.errors import FinancialError
from financial.models import StripeCredential


class Command(BaseCommand):
    help = "Prove the books: that they balance, equal Stripe's balance, and are as they were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--credential-id", type=int, metavar="ID", help="one account's books; otherwise all")
        parser.add_argument("--currency", default="", metavar="CODE", help="one currency only")
        parser.add_argument("--live", action="store_true", help="ask Stripe for its balance first")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = StripeCredential.objects.order_by("pk")
        if options["credential_id"] is not None:
            chosen = chosen.filter(pk=options["credential_id"])
            if not chosen.exists():
                raise CommandError(f"There is no credential {options['credential_id']}.")
        results = []
        for credential in chosen:
            if options["live"]:
                self._read_balances(credential)
            checks = bookkeeping.verify_books(credential, currency=options["currency"].lower())
            results.append((f"{credential.name} ({credential.mode} mode)", checks))
        if options["credential_id"] is None:
            results.append(("Written by hand", bookkeeping.verify_own_books()))
        self._tell_programs(results) if options["json"] else self._tell(results)
        broken = sum(1 for _, checks in results for check in checks if not check.holds)
        if broken:
            raise CommandError(f"{broken} invariant{'s do' if broken > 1 else ' does'} not hold.")

    def _read_balances(self, credential: StripeCredential) -> None:
        if credential.is_sample:
            return
        try:
            bookkeeping.read_balances(credential)
        except FinancialError as error:
            raise CommandError(f"Stripe's balance of {credential.name} could not be read: {error}") from error

    def _tell_programs(self, results: list[tuple[str, Any]]) -> None:
        told = [{"books": name, "checks": [asdict(check) for check in checks]} for name, checks in results]
        self.stdout.write(json.dumps(told))

    def _tell(self, results: list[tuple[str, Any]]) -> None:
        for name, checks in results:
            self.stdout.write(name)
            for check in checks:
                self.stdout.write(f"  {check.name} {'holds ' if check.holds else 'BROKEN'}  {check.title}")
                for figure in check.figures:
                    booked = money.display(figure.booked_minor, figure.currency)
                    expected = money.display(figure.expected_minor, figure.currency)
                    sign = "=" if figure.holds else "≠"
                    self.stdout.write(f"       {figure.currency.upper()} {figure.what}: {booked} {sign} {expected}")
                for row in check.rows:
                    self.stdout.write(f"       {row}")
                if check.count > len(check.rows):
                    self.stdout.write(f"       … and {check.count - len(check.rows):,} more")
