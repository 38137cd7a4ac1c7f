"""`manage.py sync_stripe`: pull the whole account. Exit 0 when everything was read, 1 when anything was not."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from financial import stripe_services
from financial.errors import FinancialError, NoActiveCredential
from financial.management.progress import Progress
from financial.models import StripeCredential, SyncRun, SyncStep


class Command(BaseCommand):
    help = "Sync products, prices, customers, payments, subscriptions and the money behind them from Stripe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--credential-id", type=int, metavar="ID", help="another credential than the active one")
        parser.add_argument(
            "--force", action="store_true", help="go on without an active credential: there is nothing to pull then"
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--full", action="store_true", help="read everything again, not only what changed")
        how.add_argument("--verify", action="store_true", help="compare with Stripe and write nothing; 1 if it differs")
        parser.add_argument(
            "--resource", action="append", default=[], metavar="NAME", help="only this resource; may be repeated"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        credential = self._credential(options["credential_id"])
        if credential is None:
            if not options["force"]:
                raise CommandError(str(NoActiveCredential()))
            self.stdout.write("No active Stripe credential found; there is nothing to pull.")
            return
        with Progress(self.stdout) as progress:
            try:
                run = stripe_services.sync_now(
                    credential,
                    requested_by="sync_stripe",
                    resources=options["resource"],
                    kind=_kind(options),
                    listener=progress,
                )
            except FinancialError as error:
                raise CommandError(str(error)) from error
        self._sum_up(run)

    def _credential(self, credential_id: int | None) -> StripeCredential | None:
        if credential_id is None:
            return StripeCredential.objects.active()
        found = StripeCredential.objects.filter(pk=credential_id).first()
        if found is None:
            known = ", ".join(f"{row.pk} ({row.name})" for row in StripeCredential.objects.all()) or "none"
            raise CommandError(f"There is no credential {credential_id}. Known: {known}.")
        return found

    def _sum_up(self, run: SyncRun) -> None:
        self.stdout.write(f"{run.get_kind_display()}, {run.get_state_display().lower()}")
        self.stdout.write(f"{'resource':<22}{'read':>10}{'written':>10}{'unchanged':>11}  state    proof")
        steps = list(run.steps.all())
        for step in steps:
            self.stdout.write(
                f"{step.resource:<22}{step.read:>10,}{step.written:>10,}{step.unchanged:>11,}"
                f"  {step.get_state_display():<8} {_proof(step)}"
            )
        read, written = sum(step.read for step in steps), sum(step.written for step in steps)
        self.stdout.write(f"{'total':<22}{read:>10,}{written:>10,}{read - written:>11,}")
        self.stdout.write(f"booked {run.booked:,} payments, settled {run.settled:,} with Stripe's exact fee")
        if run.state == SyncRun.State.FAILED:
            failed = "The mirror differs from Stripe." if run.kind == SyncRun.Kind.VERIFY else "Sync failed."
            raise CommandError(f"{failed} {run.error}")


def _kind(options: dict[str, Any]) -> SyncRun.Kind:
    if options["verify"]:
        return SyncRun.Kind.VERIFY
    return SyncRun.Kind.FULL if options["full"] else SyncRun.Kind.AUTOMATIC


def _proof(step: SyncStep) -> str:
    """What is known of its completeness, in words."""
    if step.error:
        return step.error
    gone = f", {step.gone:,} gone" if step.gone else ""
    if not step.verified_at:
        return f"changes only{gone}"
    late = f" ({step.late:,} late)" if step.late else ""
    borders = f", {step.reread:,} border second{'s' if step.reread > 1 else ''} read twice{late}" if step.reread else ""
    return f"{step.stored:,} of {step.delivered:,} stored{gone}{borders}"
