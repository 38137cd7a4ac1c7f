from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from financial.sync import spans

NOW = 1_800_000_000
PAGE = 100


class Listing:
    """A collection as Stripe lists it: newest first, by id within a second, `created` filters, cursors."""

    def __init__(self, created: list[int]) -> None:
        self.items = sorted(((second, f"id_{n:06}") for n, second in enumerate(created)), reverse=True)
        self.calls = 0

    def page(self, span: spans.Span, limit: int = PAGE) -> tuple[list[tuple[int, str]], str]:
        self.calls += 1
        found = [item for item in self.items if item[0] >= span.oldest and (span.is_open or item[0] <= span.newest)]
        if span.after:
            place = next(place for place, item in enumerate(found) if item[1] == span.after)
            found = found[place + 1 :]
        return found[:limit], found[limit - 1][1] if len(found) > limit else ""


def read(
    listing: Listing, readers: int, shuffle: random.Random, limit: int = PAGE, board: spans.Board | None = None
) -> list[str]:
    """Read with several readers whose answers come in any order."""
    board = board or spans.fresh(NOW)
    delivered: list[str] = []
    in_flight: list[tuple[spans.Span, Any]] = []
    while True:
        while len(in_flight) < readers and (span := board.take()):
            in_flight.append((span, listing.page(span, limit)))
        if not in_flight:
            assert board.is_finished
            return delivered
        span, (items, after) = in_flight.pop(shuffle.randrange(len(in_flight)))
        span.is_taken = False
        delivered += [stripe_id for _, stripe_id in items]
        board.witness(span, items)
        board.advance(span, [second for second, _ in items], after)


seconds = st.one_of(
    st.lists(st.integers(spans.BEGINNING, NOW), max_size=300),
    st.lists(st.integers(NOW - 50, NOW), max_size=300),
    st.lists(st.sampled_from([NOW, NOW - 1, NOW - 2, NOW - 1000]), max_size=300),
)


@given(created=seconds, readers=st.integers(1, 9), seed=st.integers(0, 10**6), limit=st.integers(1, 20))
def test_every_object_is_delivered_whatever_the_order_of_answers(
    created: list[int], readers: int, seed: int, limit: int
) -> None:
    listing = Listing(created)

    delivered = read(listing, readers, random.Random(seed), limit)

    assert set(delivered) == {stripe_id for _, stripe_id in listing.items}


@given(created=seconds, stop=st.integers(0, 30))
def test_a_checkpoint_goes_on_to_the_same_end(created: list[int], stop: int) -> None:
    listing = Listing(created)
    board, delivered = spans.fresh(NOW), set()
    for _ in range(stop):
        span = board.take()
        if span is None:
            break
        items, after = listing.page(span, 7)
        span.is_taken = False
        delivered |= {stripe_id for _, stripe_id in items}
        board.advance(span, [second for second, _ in items], after)

    rest = spans.load(spans.dump(board))

    while rest and (span := rest.take()):
        items, after = listing.page(span, 7)
        span.is_taken = False
        delivered |= {stripe_id for _, stripe_id in items}
        rest.advance(span, [second for second, _ in items], after)
    assert delivered == {stripe_id for _, stripe_id in listing.items}


def test_a_growing_account_costs_few_calls_more_than_its_pages() -> None:
    shuffle = random.Random(7)
    start = NOW - 3 * 365 * 86400
    created = [start + int((NOW - start) * shuffle.random() ** 0.4) for _ in range(10_000)]
    listing = Listing(created)

    delivered = read(listing, 8, shuffle)

    assert len(set(delivered)) == 10_000
    assert listing.calls <= 115


def test_a_thousand_objects_in_one_second_are_all_delivered() -> None:
    listing = Listing([NOW - 5] * 1000 + [NOW - 6] * 3)

    assert len(set(read(listing, 8, random.Random(1)))) == 1003


def test_readers_are_kept_busy() -> None:
    shuffle = random.Random(3)
    listing = Listing([NOW - shuffle.randrange(365 * 86400) for _ in range(5_000)])
    board = spans.fresh(NOW)
    rounds = 0
    while board.spans:
        taken = []
        while len(taken) < 8 and (span := board.take()):
            taken.append((span, listing.page(span)))
        for span, (items, after) in taken:
            span.is_taken = False
            board.advance(span, [second for second, _ in items], after)
        rounds += 1

    assert rounds <= 15  # 50 pages by 8 readers: 7 rounds at the least


# Borders


def crowded() -> list[int]:
    """Ten objects a second, so that wherever a border is drawn, some lie on it."""
    return [NOW - 100 - n // 10 for n in range(3_000)]


@given(readers=st.integers(2, 9), seed=st.integers(0, 10**6))
def test_both_sides_of_a_border_show_the_same_objects(readers: int, seed: int) -> None:
    board = spans.fresh(NOW)

    delivered = read(Listing(crowded()), readers, random.Random(seed), board=board)

    assert len(set(delivered)) == 3_000
    assert board.torn == 0
    assert board.reread == board.slices  # a border less than slices, and the newest second
    assert all(border.newer == border.older for border in board.borders.values())


class Leaking(Listing):
    """Loses what lies in the newest second that is asked for."""

    def page(self, span: spans.Span, limit: int = PAGE) -> tuple[list[tuple[int, str]], str]:
        items, after = super().page(span, limit)
        return [item for item in items if span.border == spans.NOWHERE or item[0] < span.border], after


def test_objects_lost_on_one_side_of_a_border_are_noticed_and_delivered_all_the_same() -> None:
    board = spans.fresh(NOW)

    delivered = read(Leaking(crowded()), 8, random.Random(1), board=board)

    assert len(set(delivered)) == 3_000
    assert len(board.borders) > 0
    assert board.torn == 10 * sum(bool(border.newer) for border in board.borders.values()) > 0


def test_what_is_made_in_the_newest_second_after_it_was_read_is_delivered() -> None:
    class Growing(Listing):
        def page(self, span: spans.Span, limit: int = PAGE) -> tuple[list[tuple[int, str]], str]:
            found = super().page(span, limit)
            if self.calls == 1:
                self.items[:0] = [(NOW, "late_2"), (NOW, "late_1")]
            return found

    listing = Growing([NOW - n for n in range(250)])

    assert {"late_1", "late_2"} <= set(read(listing, 3, random.Random(1)))


def test_what_one_page_shows_is_not_looked_at_again() -> None:
    listing = Listing([NOW - n for n in range(100)])
    board = spans.fresh(NOW)

    read(listing, 8, random.Random(1), board=board)

    assert (listing.calls, board.reread) == (1, 0)


def test_a_checkpoint_remembers_the_second_look() -> None:
    listing = Listing([NOW - n for n in range(250)])
    board = spans.fresh(NOW)
    while board.spans:
        span = next(iter(board.spans))
        items, after = listing.page(span)
        board.advance(span, [second for second, _ in items], after)

    rest = spans.load(spans.dump(board))

    assert rest is not None
    assert [(span.oldest, span.is_open) for span in rest.spans] == [(NOW, True)]
