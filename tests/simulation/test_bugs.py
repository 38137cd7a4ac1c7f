"""A simulation that finds nothing is worthless: planted bugs must be found. All of them: `make simulate-bugs`."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.run import simulate

pytestmark = pytest.mark.django_db(transaction=True)
QUICKLY_FOUND = {
    "payload_instead_of_a_fetch": "INV-3",
    "loser_is_done_all_the_same": "INV-2",
    "tombstone_revives": "INV-3",
    "answered_before_stored": "INV-1",
    "no_deduplication": "INV-1",
    "page_goes_on_a_second_later": "INV-4",
    "booked_only_by_events": "INV-5",
}


def test_there_are_at_least_twenty() -> None:
    assert len(BUGS) >= 20


@pytest.mark.parametrize(("bug", "invariant"), QUICKLY_FOUND.items())
def test_a_planted_bug_is_found(bug: str, invariant: str) -> None:
    known = BUGS[bug]
    errors = (simulate(seed, known.profile, known.steps, bug=bug).error for seed in range(known.seed, known.seed + 5))

    found = next((error for error in errors if error), "nothing")

    assert found.startswith(invariant), found
