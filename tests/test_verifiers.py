"""The programs that check books: how they are run, and what is made of what they say."""

from __future__ import annotations

import sys

import pytest

from financial import verifiers
from financial.errors import ExportRefused
from financial.ledger.exports import write
from financial.verifiers import Verdict
from tests.ledger.exports import book_a
from tests.ledger.exports.conftest import program

BOTH = pytest.mark.parametrize("verifier", verifiers.VERIFIERS, ids=lambda verifier: verifier.name)


def books(verifier: verifiers.Verifier) -> bytes:
    return b"".join(write(verifier.format_name, book_a.book(), book_a.ROWS))


@BOTH
def test_book_a_has_no_differences(verifier: verifiers.Verifier) -> None:
    program(verifier.program)
    assert verifiers.verify(verifier, [books(verifier)]) == ()


@BOTH
def test_a_difference_is_told_without_where_the_file_lay(verifier: verifiers.Verifier) -> None:
    program(verifier.program)
    told = verifiers.verify(verifier, [books(verifier).replace(b"62.88", b"62.89")])
    assert told and verifier.file_name in " ".join(told)
    assert "/tmp" not in " ".join(told) and "financial-books-" not in " ".join(told)


@BOTH
def test_a_program_that_takes_too_long_is_ended_and_said_so(verifier: verifiers.Verifier) -> None:
    program(verifier.program)
    with pytest.raises(ExportRefused, match="took longer than 0 seconds; verify fewer days"):
        verifiers.verify(verifier, [books(verifier)], timeout_seconds=0.001)


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert verifiers.installed() == ()
    with pytest.raises(ExportRefused, match="there is no program bean-check"):
        verifiers.verify(verifiers.VERIFIERS[0], [b""])


def test_a_program_that_fails_without_a_word_does_not_agree(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "bean-check").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bean-check").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert verifiers.verify(verifiers.VERIFIERS[0], [b""]) == ("bean-check ended with code 3 and said nothing.",)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict("beancount", 1204, ()), "verified by beancount, 1,204 entries, 0 differences"),
        (Verdict("hledger", 2, ("x",)), "refused by hledger, 2 entries, 1 difference"),
        (Verdict("hledger", 2, ("x", "y")), "refused by hledger, 2 entries, 2 differences"),
    ],
)
def test_verdict_reads(verdict: Verdict, words: str) -> None:
    assert str(verdict) == words
