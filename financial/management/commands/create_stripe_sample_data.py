"""`manage.py create_stripe_sample_data [--clear]`: a small publisher's account, made up, to look at every page with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from financial.errors import FinancialError
from financial.sample_data import load


class Command(BaseCommand):
    help = "Create sample products, prices, customers, payments and subscriptions. Asks Stripe nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--clear", action="store_true", help="first remove what an earlier run made, and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["clear"]:
                self.stdout.write(f"removed: {load.clear():,} rows of an earlier run")
            self._create()
        except FinancialError as error:
            raise CommandError(str(error)) from error

    def _create(self) -> None:
        now = timezone.now()
        sample = load.credential()
        rows = written = 0
        for loaded in load.load(sample):
            self.stdout.write(f"{loaded.resource:<20} {loaded.rows:>6,} rows, {loaded.written:>6,} written")
            rows, written = rows + loaded.rows, written + loaded.written
        booked = load.book(sample, now=now)
        self.stdout.write(
            self.style.SUCCESS(
                f"total                {rows:>6,} rows, {written:>6,} written; "
                f"{booked.booked:,} payments booked, {booked.settled:,} with their exact fee"
            )
        )
