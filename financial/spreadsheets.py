"""Cells that a spreadsheet opens as what they are: text is never a formula, a number stays a number. Pure.

OWASP ASVS 1.2.10: what begins with one of these signs is run by spreadsheets.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import Any

# What makes a spreadsheet run a cell, or lets one slip in front of such a sign.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def text_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    text = text.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def line_writer() -> Callable[[Sequence[Any]], str]:
    """Return a function that gives cells back as one line of CSV, quoted as RFC 4180 asks."""
    writer: Any = csv.writer(_Echo())
    return lambda cells: str(writer.writerow(cells))


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line
