"""`manage.py export_books`: the settled books as a file for other programs, or checked by them. Exit 1 on any difference."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from financial import exporting
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential


class Command(BaseCommand):
    help = "Export the settled books for a spreadsheet, beancount, hledger, QuickBooks Online, Xero or as OFX."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=exporting.FORMAT_NAMES, default="csv", help="default: csv")
        parser.add_argument(
            "--by", choices=[str(by) for by in exporting.BY], default="transaction", help="default: transaction"
        )
        parser.add_argument("--start", type=_day, metavar="YYYY-MM-DD", help="the first day")
        parser.add_argument("--end", type=_day, metavar="YYYY-MM-DD", help="the last day")
        parser.add_argument("--currency", default="", metavar="CODE", help="only this one")
        parser.add_argument("--payout", default="", metavar="ID", help="only the rows of this payout; without days")
        parser.add_argument("--output", default="-", metavar="FILE", help="default: -, the standard output")
        parser.add_argument("--verify", action="store_true", help="write nothing; let beancount and hledger check")
        parser.add_argument("--credential-id", type=int, metavar="ID", help="another credential than the one shown")
        parser.add_argument("--house", action="store_true", help="instead: what has nothing to do with Stripe")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = exporting.Wanted(
            None if options["house"] else _credential(options["credential_id"]),
            options["format"],
            exporting.By(options["by"]),
            options["start"],
            options["end"],
            options["currency"],
            options["payout"],
        )
        try:
            if options["verify"]:
                self._verify(wanted)
            else:
                self._export(wanted, options["output"])
        except FinancialError as error:
            raise CommandError(str(error)) from error

    def _export(self, wanted: exporting.Wanted, output: str) -> None:
        blocks = exporting.export(wanted)
        if output == "-":
            self._to_standard_output(blocks)
            return
        size = 0
        with _replacing(Path(output)) as file:
            for block in blocks:
                size += file.write(block)
        self.stderr.write(f"{output}: {size:,} bytes", ending="\n")

    def _to_standard_output(self, blocks: Iterator[bytes]) -> None:
        out = getattr(self.stdout, "buffer", None)
        if out is None:
            raise CommandError("The standard output takes no bytes here; name a file with --output.")
        for block in blocks:
            out.write(block)
        out.flush()

    def _verify(self, wanted: exporting.Wanted) -> None:
        verdicts = exporting.prove(wanted)
        if not verdicts:
            raise CommandError("Neither bean-check (pip install beancount) nor hledger is installed.")
        for verdict in verdicts:
            self.stdout.write(str(verdict))
            for line in verdict.differences:
                self.stdout.write(f"  {line}")
        if not all(verdict.agrees for verdict in verdicts):
            raise CommandError("The books differ from Stripe's figures, or do not balance.")


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the target's place when it is complete; a failed export leaves nothing behind."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("xb") as file:
            yield file
        draft.replace(target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-04-30") from None


def _credential(credential_id: int | None) -> StripeCredential:
    if credential_id is None:
        if (shown := StripeCredential.objects.shown()) is None:
            raise CommandError(str(NoActiveCredential()))
        return shown
    found = StripeCredential.objects.filter(pk=credential_id).first()
    if found is None:
        known = ", ".join(f"{row.pk} ({row.name})" for row in StripeCredential.objects.all()) or "none"
        raise CommandError(f"There is no credential {credential_id}. Known: {known}.")
    return found
