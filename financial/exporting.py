"""Exports: which books are asked for, what their file is called, who writes it, and who else adds it up.

The way from the database to a file for pages and commands: `journal_rows` reads, `exports` renders, `verifiers` proves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.utils import timezone

from financial import conf, verifiers
from financial.errors import ExportRefused
from financial.ledger import journal_rows
from financial.ledger.exports import FORMATS, By, write
from financial.ledger.exports.canonical import Booked
from financial.models import BooksProof, PayoutReading, StripeCredential, StripePayout
from financial.money import CURRENCIES
from financial.verifiers import Verdict

__all__ = ["BY", "FORMAT_LABELS", "FORMAT_NAMES", "By", "Verdict", "Wanted", "currencies", "export", "prove", "provers"]

FORMAT_NAMES = tuple(FORMATS)
FORMAT_LABELS = {name: row.label for name, row in FORMATS.items()}
BY = {By.TRANSACTION: "transaction", By.DAY: "day and currency", By.PAYOUT: "payout and month"}


@dataclass(frozen=True)
class Wanted:
    """What to export: the books of one credential, or without one those of the house. Both days count.

    An empty currency means all. `payout` is a payout's id at Stripe: its rows and no others, whatever their days.
    """

    credential: StripeCredential | None
    format_name: str
    by: By = By.TRANSACTION
    start: dt.date | None = None
    end: dt.date | None = None
    currency: str = ""
    payout: str = ""

    @property
    def content_type(self) -> str:
        return FORMATS[self.format_name].content_type

    @property
    def file_name(self) -> str:
        """Name the mode, the currency, the grouping and the days: `books-test-mode-usd-by-day-from-2026-04-01.csv`."""
        mode = self.credential.mode if self.credential else "house"
        parts = ["books" if mode == "live" else "books-house" if mode == "house" else f"books-{mode}-mode"]
        parts += [self.currency.lower()] if self.currency else []
        parts += [self.payout] if self.payout else []
        parts += [f"by-{self.by}"] if self.by != By.TRANSACTION else []
        parts += [f"from-{self.start}"] if self.start else []
        parts += [f"to-{self.end}"] if self.end else []
        chosen = FORMATS[self.format_name]
        parts += [chosen.name] if chosen.name != chosen.extension else []
        return f"{'-'.join(parts)}.{chosen.extension}"


def export(wanted: Wanted) -> Iterator[bytes]:
    """Return the file in blocks of about 64 KB; what cannot be exported is refused before the first one.

    Raises:
        ExportRefused: the days are the wrong way round, the rows of a payout are not known, or the books hold a currency
            whose decimals nobody knows.
    """
    _check(wanted)
    return _blocks(wanted, journal_rows.rows(_scope(wanted)))


def prove(wanted: Wanted, *, timeout_seconds: float = verifiers.TIMEOUT_SECONDS) -> tuple[Verdict, ...]:
    """Let every verifier that is installed check these books; one verdict each, none where none is installed.

    Raises:
        ExportRefused: as `export`; or a program did not come to an end.
    """
    _check(wanted)
    verdicts = tuple(_verdict(verifier, wanted, timeout_seconds) for verifier in verifiers.installed())
    if not (wanted.start or wanted.end or wanted.currency or wanted.payout):
        _keep(wanted.credential, verdicts)
    return verdicts


def _keep(credential: StripeCredential | None, verdicts: tuple[Verdict, ...]) -> None:
    """Keep what was said of all the books; of a part of them it would claim too much."""
    for verdict in verdicts if credential else ():
        said = {"checked_at": timezone.now(), "entries": verdict.entries, "differences": len(verdict.differences)}
        BooksProof.objects.update_or_create(credential=credential, program=verdict.program, defaults=said)


def provers() -> tuple[str, ...]:
    """Return the names of the verifiers that are installed."""
    return tuple(verifier.name for verifier in verifiers.installed())


def currencies(credential: StripeCredential | None) -> list[str]:
    """Return every currency the books hold something in."""
    return journal_rows.currencies(credential)


def _verdict(verifier: verifiers.Verifier, wanted: Wanted, timeout_seconds: float) -> Verdict:
    counted = _Counted(journal_rows.rows(_scope(wanted)))
    books = _blocks(replace(wanted, format_name=verifier.format_name), counted)
    differences = verifiers.verify(verifier, books, timeout_seconds=timeout_seconds)
    return Verdict(verifier.name, counted.entries, differences)


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Booked]) -> None:
        self._rows = rows
        self.entries = 0

    def __iter__(self) -> Iterator[Booked]:
        for row in self._rows:
            self.entries += len(row.postings)
            yield row


def _blocks(wanted: Wanted, rows: Iterable[Booked]) -> Iterator[bytes]:
    book = journal_rows.book(_scope(wanted), xero_tax_rate=str(conf.get("EXPORT_XERO_TAX_RATE")))
    return write(wanted.format_name, book, rows, wanted.by)


def _scope(wanted: Wanted) -> journal_rows.Scope:
    return journal_rows.Scope(wanted.credential, wanted.start, wanted.end, wanted.currency.lower(), wanted.payout)


def _check(wanted: Wanted) -> None:
    if wanted.format_name not in FORMATS:
        raise ExportRefused(f"There is no format “{wanted.format_name}”; choose from {', '.join(FORMATS)}.")
    if wanted.start and wanted.end and wanted.start > wanted.end:
        raise ExportRefused(f"The first day ({wanted.start}) is after the last one ({wanted.end}).")
    if wanted.payout:
        _check_payout(wanted)
    held = journal_rows.currencies(wanted.credential)
    if wanted.currency and wanted.currency.lower() not in held:
        raise ExportRefused(
            f"Nothing is booked in {wanted.currency.upper()}. Booked currencies: {', '.join(held).upper() or 'none'}."
        )
    unknown = [code for code in held if code not in CURRENCIES and wanted.currency.lower() in ("", code)]
    if unknown:
        raise ExportRefused(
            f"Nobody knows how many decimals {', '.join(unknown).upper()} has, so it cannot be exported. "
            "Export the other currencies one by one."
        )


def _check_payout(wanted: Wanted) -> None:
    """Refuse what would be only a part of a payout."""
    if wanted.start or wanted.end:
        raise ExportRefused("A payout is exported whole, whatever the days of its rows: leave the days out.")
    payouts = StripePayout.objects.filter(credential=wanted.credential, stripe_id=wanted.payout)
    if wanted.credential is None or not payouts.exists():
        raise ExportRefused(f"There is no payout {wanted.payout} here.")
    if not PayoutReading.objects.filter(payout__in=payouts, is_complete=True).exists():
        raise ExportRefused(
            f"Which rows payout {wanted.payout} consists of is not known. Of one made by hand Stripe never says it; of "
            "others the next sync reads it."
        )
