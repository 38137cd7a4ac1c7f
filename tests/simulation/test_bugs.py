"""A simulation that finds nothing is worthless: planted bugs must be found. All of them: `make simulate-bugs`."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.run import simulate

pytestmark = pytest.mark.django_db(transaction=True)
QUICKLY_FOUND = {
    "payload_instead_of_a_fetch": "INV-3",
    "blind_overwrite": "INV-3",
    "loser_is_done_all_the_same": "INV-2",
    "no_deduplication": "INV-",
    "not_listed_means_gone": "INV-3",
}


def test_there_are_at_least_twenty() -> None:
    assert len(BUGS) >= 20


@pytest.mark.parametrize(("bug", "invariant"), QUICKLY_FOUND.items())
def test_a_planted_bug_is_found(bug: str, invariant: str) -> None:
    errors = (simulate(seed, "races", 500, bug=bug).error for seed in range(1, 20))

    found = next((error for error in errors if error), "nothing")

    assert found.startswith(invariant), found
