"""Independent proof: programs of others add the books up and compare them with Stripe's figures.

They are run, never imported: beancount is under the GPL. What they read lies in a folder of its own, readable by nobody
else, and is deleted afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from financial.errors import ExportRefused

TIMEOUT_SECONDS = 300
DIFFERENCES_MAX = 20


@dataclass(frozen=True)
class Verifier:
    """One program: the format it reads and how it is asked."""

    name: str
    program: str
    format_name: str
    file_name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def command(self, program: str, file: Path) -> list[str]:
        return [program, *self.before, str(file), *self.after]


VERIFIERS = (
    Verifier("beancount", "bean-check", "beancount", "books.beancount", before=("--no-cache",)),
    Verifier("hledger", "hledger", "hledger", "books.journal", before=("-f",), after=("check", "-s")),
)


@dataclass(frozen=True)
class Verdict:
    """What one program said of `entries` entries; no differences means it agrees."""

    program: str
    entries: int
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        count = len(self.differences)
        verb = "verified by" if self.agrees else "refused by"
        return f"{verb} {self.program}, {self.entries:,} entries, {count:,} {'difference' if count == 1 else 'differences'}"


def installed() -> tuple[Verifier, ...]:
    """Return the programs that are here: beside this Python, or on the path."""
    return tuple(verifier for verifier in VERIFIERS if _found(verifier))


def _found(verifier: Verifier) -> str | None:
    beside = str(Path(sys.executable).parent)
    return shutil.which(verifier.program, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))


def verify(verifier: Verifier, books: Iterable[bytes], *, timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[str, ...]:
    """Let a program check books in its format; return what it objects to, line by line, at most twenty.

    Raises:
        ExportRefused: it is not installed, could not be started, or took too long.
    """
    program = _found(verifier)
    if program is None:
        raise ExportRefused(f"{verifier.name} is not installed: there is no program {verifier.program}.")
    with tempfile.TemporaryDirectory(prefix="financial-books-") as folder:
        file = Path(folder) / verifier.file_name
        with file.open("wb") as out:
            out.writelines(books)
        ran = _run(verifier, verifier.command(program, file), folder, timeout_seconds)
        if ran.returncode == 0:
            return ()
        said = [line.replace(str(file), verifier.file_name) for line in f"{ran.stderr}\n{ran.stdout}".splitlines()]
        return _objections(said) or (f"{verifier.program} ended with code {ran.returncode} and said nothing.",)


def _run(
    verifier: Verifier, command: list[str], folder: str, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": folder}  # nobody's own settings
    try:
        return subprocess.run(  # noqa: S603  # fixed arguments, no shell
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=folder,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExportRefused(
            f"{verifier.name} took longer than {timeout_seconds:.0f} seconds; verify fewer days at once."
        ) from None
    except OSError as error:
        raise ExportRefused(f"{verifier.program} could not be started: {error}.") from error


def _objections(lines: list[str]) -> tuple[str, ...]:
    """One line per difference: those that name a place in the file, or the first ones if none does."""
    named = [line.strip() for line in lines if ".beancount:" in line or ".journal:" in line]
    return tuple((named or [line.strip() for line in lines if line.strip()])[:DIFFERENCES_MAX])
