"""What the objects of a made-up account are called, by their number."""

from __future__ import annotations

FIRST_NAMES = (
    "Ada Bela Cleo Dora Emil Fay Gus Hana Ivo Jun Kai Lea Max Nia Olaf Pia Quin Rosa Sam Tess Uma Vera Wim Yara".split()
)
LAST_NAMES = (
    "Abel Berg Cole Diaz Engel Funk Gray Haas Ito Jung Kern Lund Mann Nagy Ott Park Quist Reed Sato Toth Vogt".split()
)


def stripe_id(prefix: str, number: int) -> str:
    """Return an id of that kind; neighbours in number are far apart in order, as at Stripe."""
    return f"{prefix}_1Q{number * 2654435761 % 2**32:08x}{number:09d}"


def email(number: int) -> str:
    first, last = name_of(number).lower().split()
    return f"{first}.{last}{number}@example.com"


def name_of(number: int) -> str:
    return f"{FIRST_NAMES[number * 7 % len(FIRST_NAMES)]} {LAST_NAMES[number * 13 % len(LAST_NAMES)]}"


def invoice_number(number: int) -> str:
    return f"BENCH-{number:07d}"
