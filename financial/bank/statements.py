"""Bank statements as files: CSV with columns somebody names, and OFX 1.x and 2.x. Pure: bytes in, lines out.

Strict: what cannot be read is a problem with its line number, and a statement with a problem is not imported at all.
OFX is scanned for its own tags only; there are no entities to expand, no documents to fetch and nothing nested to follow.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from financial.errors import MoneyError, StatementRefused
from financial.money import to_minor

BYTES_MAX = 5 * 1024 * 1024
TEXT_MAX = 1000
AMOUNT_MAX = Decimal(10**12)
DELIMITERS = {";": "Semicolon", ",": "Comma", "\t": "Tab", "|": "Bar"}
DATES = {
    "%Y-%m-%d": "2026-04-08",
    "%d.%m.%Y": "08.04.2026",
    "%d.%m.%y": "08.04.26",
    "%d/%m/%Y": "08/04/2026",
    "%m/%d/%Y": "04/08/2026",
}
DECIMALS = {".": "1,234.56", ",": "1.234,56"}
ALONE = ("date", "amount", "description", "reference", "currency")
_AMOUNTS = {
    ".": re.compile(r"\d+(\.\d+)?|\d{1,3}([,'\u00a0\u202f ]\d{3})+(\.\d+)?", re.ASCII),
    ",": re.compile(r"\d+(,\d+)?|\d{1,3}([.'\u00a0\u202f ]\d{3})+(,\d+)?", re.ASCII),
}
_TAG = re.compile(r"<(/?)([A-Za-z0-9.]+)>([^<]*)")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&amp;": "&"}


@dataclass(frozen=True)
class Line:
    """One movement on the bank account; `name` is what the bank calls it, if it does."""

    number: int
    booked_on: dt.date
    amount_minor: int
    currency: str
    description: str = ""
    reference: str = ""
    name: str = ""


@dataclass(frozen=True)
class Statement:
    """What a file says; `problems` are (line number, what is wrong with it)."""

    digest: str
    lines: tuple[Line, ...]
    problems: tuple[tuple[int, str], ...] = ()
    left_out: int = 0

    def identities(self) -> list[str]:
        """Return what tells each line from every other, also in another file of the same account.

        The bank's own name, else a digest of what the line says; of lines that say the same, the first, the second, …
        """
        seen: Counter[str] = Counter()
        found = []
        for line in self.lines:
            said = line.name or "|".join(
                (str(line.booked_on), str(line.amount_minor), line.currency, line.description, line.reference)
            )
            seen[said] += 1
            found.append(f"{'name' if line.name else 'said'}:{sha256(f'{said}#{seen[said]}'.encode()).hexdigest()}")
        return found


@dataclass(frozen=True)
class Columns:
    """Which column says what (by its heading), and how dates and amounts are written."""

    date: str
    amount: str
    currency_code: str
    description: str = ""
    reference: str = ""
    currency: str = ""
    delimiter: str = ""
    date_format: str = "%Y-%m-%d"
    decimal: str = "."


def amount_of(text: str, decimal: str) -> Decimal:
    """Return an amount as it is written: `1,234.56`, `1.234,56`, `-5`, `5-`, `(5.00)`.

    Raises:
        ValueError: it is no number written that way.
    """
    bare = text.strip().replace("\u2212", "-")
    negative = bare.startswith("-") or bare.endswith("-") or (bare.startswith("(") and bare.endswith(")"))
    bare = bare.strip("()+-").strip()
    if not _AMOUNTS[decimal].fullmatch(bare):
        raise ValueError(f"“{text[:40]}” is no amount such as {DECIMALS[decimal]}.")
    whole, _, part = bare.rpartition(decimal) if decimal in bare else (bare, "", "")
    found = Decimal(re.sub(r"\D", "", whole) + (f".{part}" if part else ""))
    return -found if negative else found


def day_of(text: str, written: str) -> dt.date:
    """Return a day as it is written.

    Raises:
        ValueError: it is no day of this century written that way.
    """
    try:
        day = dt.datetime.strptime(text, written).date()  # noqa: DTZ007  (a day has no zone)
    except ValueError as error:
        raise ValueError(f"“{text[:40]}” is no day such as {DATES.get(written, '20260408')}.") from error
    if not 2000 <= day.year < 2100:
        raise ValueError(f"“{text[:40]}” is not of this century.")
    return day


def _minor(amount: Decimal, currency: str) -> int:
    if abs(amount) >= AMOUNT_MAX:
        raise ValueError("The amount is larger than any bank's.")
    return to_minor(amount, currency)


def decoded(data: bytes) -> str:
    """Return a file as text: UTF-8, UTF-16 with its mark, or what Windows writes.

    Raises:
        StatementRefused: it is empty, too large, or no text.
    """
    if not data.strip():
        raise StatementRefused("The file is empty.")
    if len(data) > BYTES_MAX:
        raise StatementRefused(f"The file is larger than {BYTES_MAX // 1024 // 1024} MB; export fewer days.")
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise StatementRefused("The file is no text; export the statement as CSV or OFX.")


def headings(data: bytes, delimiter: str = "") -> list[str]:
    """Return the headings of a CSV file."""
    text = decoded(data)
    try:
        first = next(csv.reader(io.StringIO(text), delimiter=delimiter or _delimiter(text)), [])
    except csv.Error as error:
        raise StatementRefused(f"The file is no CSV: {error}.") from error
    return [cell.strip() for cell in first]


def read_csv(data: bytes, columns: Columns) -> Statement:
    """Return what a CSV file says.

    Raises:
        StatementRefused: it has no such columns, or cannot be read as CSV at all.
    """
    text = decoded(data)
    names = headings(data, columns.delimiter)
    wanted = {name: getattr(columns, name) for name in ALONE if getattr(columns, name)}
    missing = [name for name in wanted.values() if name not in names]
    if missing:
        raise StatementRefused(
            f"No column is called {' or '.join(missing)}. The columns are: {', '.join(names)[:300]}."
        )
    place = {what: names.index(name) for what, name in wanted.items()}
    reader = csv.reader(io.StringIO(text), delimiter=columns.delimiter or _delimiter(text), strict=True)
    lines: list[Line] = []
    problems: list[tuple[int, str]] = []
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _take(cells, reader.line_num, place, columns, lines, problems)
    except csv.Error as error:
        problems.append((reader.line_num, f"cannot be read: {error}."))
    return Statement(sha256(data).hexdigest(), tuple(lines), tuple(problems))


def _delimiter(text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _take(
    cells: Sequence[str],
    number: int,
    place: Mapping[str, int],
    columns: Columns,
    lines: list[Line],
    problems: list[tuple[int, str]],
) -> None:
    said = {what: cells[at].strip() if at < len(cells) else "" for what, at in place.items()}
    currency = (said.get("currency") or columns.currency_code).lower()
    try:
        day = day_of(said["date"], columns.date_format)
        amount_minor = _minor(amount_of(said["amount"], columns.decimal), currency)
    except (ValueError, MoneyError) as error:
        problems.append((number, str(error)))
        return
    if amount_minor:
        lines.append(
            Line(number, day, amount_minor, currency, said.get("description", "")[:TEXT_MAX],
                 said.get("reference", "")[:255])
        )  # fmt: skip


def read_ofx(data: bytes) -> Statement:
    """Return what an OFX file says, 1.x (tags left open) or 2.x (XML).

    Raises:
        StatementRefused: it is no OFX, or declares what a statement has no use for.
    """
    text = decoded(data)
    if "<OFX>" not in text.upper():
        raise StatementRefused("The file is no OFX: it has no <OFX>.")
    if re.search(r"<!(DOCTYPE|ENTITY|\[CDATA)", text, re.IGNORECASE):
        raise StatementRefused("The file declares entities or a document type; a bank statement needs neither.")
    lines: list[Line] = []
    problems: list[tuple[int, str]] = []
    for number, account, currency, said in _movements(text):
        try:
            line = _movement(number, account, said.get("CURSYM", currency), said)
        except (KeyError, ValueError, MoneyError) as error:
            said_why = f"has no {error.args[0]}." if isinstance(error, KeyError) else str(error)
            problems.append((number, said_why))
        else:
            lines += [line] if line.amount_minor else []
    if not (lines or problems):
        raise StatementRefused("The file holds no movements.")
    return Statement(sha256(data).hexdigest(), tuple(lines), tuple(problems))


def _movements(text: str) -> Iterator[tuple[int, str, str, dict[str, str]]]:
    """Yield (line number, account, currency, fields) of every movement, in the order of the file."""
    account = currency = ""
    fields: dict[str, str] | None = None
    started, place, number = 1, 0, 1
    for tag in _TAG.finditer(text):
        number += text.count("\n", place, tag.start())
        place = tag.start()
        closes, name, value = tag.group(1), tag.group(2).upper(), _plain(tag.group(3))
        if name == "STMTTRN" or (fields is not None and name in ("BANKTRANLIST", "STMTRS", "OFX")):
            if fields is not None:
                yield started, account, currency, fields
            fields, started = (None, number) if closes else ({}, number)
        elif closes:
            continue
        elif fields is not None:
            fields.setdefault(name, value)
        elif name == "ACCTID":
            account = value
        elif name == "CURDEF":
            currency = value
    if fields is not None:
        yield started, account, currency, fields


def _plain(text: str) -> str:
    for entity, plain in _ENTITIES.items():
        text = text.replace(entity, plain)
    return text.strip()


def _movement(number: int, account: str, currency: str, said: Mapping[str, str]) -> Line:
    day = day_of(said["DTPOSTED"][:8], "%Y%m%d")
    written = said["TRNAMT"].replace("+", "")
    amount = amount_of(written, "," if "," in written else ".")
    text = " ".join(part for part in (said.get("NAME", ""), said.get("MEMO", "")) if part)
    reference = said.get("REFNUM") or said.get("CHECKNUM") or ""
    name = f"{account}:{said['FITID']}"
    minor = _minor(amount, currency)
    return Line(number, day, minor, currency.lower(), text[:TEXT_MAX], reference[:255], name)


def only(statement: Statement, words: Iterable[str]) -> Statement:
    """Return the lines that say one of these words, and how many do not; all of them where no word is given."""
    wanted = [word.strip().casefold() for word in words if word.strip()]
    if not wanted:
        return statement
    kept = tuple(
        line for line in statement.lines
        if any(word in f"{line.description} {line.reference}".casefold() for word in wanted)
    )  # fmt: skip
    return Statement(statement.digest, kept, statement.problems, len(statement.lines) - len(kept))
