from __future__ import annotations

import pytest
from django.utils import timezone

from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import StripeCredential
from financial.sync import proof
from tests import payloads

CUSTOMER = BY_NAME["customer"]


def tally(*stripe_ids: str, ranges: tuple[tuple[int, int | None], ...] = ((0, None),)) -> proof.Tally:
    made = proof.Tally(ranges)
    made.add(stripe_ids)
    return made


def stored(credential: StripeCredential, *created: int) -> None:
    rows = [payloads.customer(f"cus_{second}", created=second) for second in created]
    store.save_many(credential, CUSTOMER, rows, seen=store.draw(), api_version="test")


def test_an_id_delivered_twice_counts_once() -> None:
    found = tally("cus_1", "cus_2", "cus_1")
    found.add(["cus_2", "cus_3"])

    assert len(found) == 3


def test_what_was_delivered_is_in_it_and_nothing_else() -> None:
    delivered = [f"cus_{number}" for number in range(5_000)]
    found = tally(*delivered)

    assert all(stripe_id in found for stripe_id in delivered)
    assert not any(f"cus_x{number}" in found for number in range(5_000))


def test_what_is_added_after_asking_is_found() -> None:
    found = tally("cus_1")
    assert "cus_2" not in found

    found.add(["cus_2"])

    assert "cus_2" in found


@pytest.mark.django_db
def test_a_delivered_row_that_is_not_stored_is_missing(credential: StripeCredential) -> None:
    stored(credential, 100)

    finding = proof.compare(credential, CUSTOMER, tally("cus_100", "cus_200"))

    assert (finding.delivered, finding.stored, finding.missing, finding.undelivered) == (2, 1, 1, ())


@pytest.mark.django_db
def test_both_ends_of_a_range_are_compared_and_nothing_outside(credential: StripeCredential) -> None:
    stored(credential, 99, 100, 200, 201)

    finding = proof.compare(credential, CUSTOMER, tally(ranges=((100, 200),)))

    assert set(finding.undelivered) == {"cus_100", "cus_200"}


@pytest.mark.django_db
def test_a_tombstone_that_is_not_delivered_is_no_difference(credential: StripeCredential) -> None:
    stored(credential, 100)
    store.mark_deleted(credential, CUSTOMER, "cus_100", now=timezone.now())

    assert proof.compare(credential, CUSTOMER, tally()).undelivered == ()


@pytest.mark.django_db
def test_a_tombstone_that_came_before_its_page_counts_as_stored(credential: StripeCredential) -> None:
    store.mark_deleted(credential, CUSTOMER, "cus_100", now=timezone.now(), for_good=True)

    finding = proof.compare(credential, CUSTOMER, tally("cus_100"))

    assert (finding.missing, finding.undelivered) == (0, ())
