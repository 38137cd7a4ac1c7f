from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from financial.errors import TranslationError
from financial.mirror import store
from financial.mirror.resources import BY_NAME
from financial.models import StripeCharge, StripeCredential, StripeCustomer, StripePaymentIntent, StripeProduct, bulk
from tests import payloads

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 4, 2, tzinfo=UTC)


def save_many(credential: StripeCredential, *items: dict[str, Any], seen: int | None = None) -> int:
    resource = BY_NAME[items[0]["object"]]
    return store.save_many(credential, resource, items, seen=seen or store.draw(), api_version="test")


def save(credential: StripeCredential, item: dict[str, Any], *, seen: int) -> Any:
    return store.save(credential, BY_NAME[item["object"]], item, seen=seen, api_version="test")


@pytest.fixture(params=["upsert", "copy", "orm"])
def any_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows, many rows, and databases without a conditional upsert: each its own way, all by the same rule."""
    if request.param == "copy":
        monkeypatch.setattr(bulk, "WORTH_COPYING_ROWS", 1)  # tells on PostgreSQL only
    if request.param == "orm":
        monkeypatch.setattr(store._Table, "upsert", store._Table._upsert_by_orm)


def test_counter_only_grows() -> None:
    assert store.draw() < store.draw() < store.draw()


@pytest.mark.usefixtures("any_database")
def test_a_page_is_written_with_columns_and_payload(credential: StripeCredential) -> None:
    written = save_many(credential, payloads.product("prod_1"), payloads.product("prod_2", name="Magazine"))

    assert written == 2
    row = StripeProduct.objects.get(stripe_id="prod_2")
    assert (row.name, row.payload["name"], row.api_version) == ("Magazine", "Magazine", "test")


@pytest.mark.usefixtures("any_database")
def test_the_same_page_again_writes_nothing(credential: StripeCredential) -> None:
    save_many(credential, payloads.product())
    before = StripeProduct.objects.values().get()

    assert save_many(credential, payloads.product()) == 0
    assert StripeProduct.objects.values().get() == before


@pytest.mark.usefixtures("any_database")
def test_an_object_that_a_page_holds_twice_is_one_row_as_it_came_last(credential: StripeCredential) -> None:
    written = save_many(credential, payloads.product(name="Before"), payloads.product(name="After"))

    assert written == 1
    assert StripeProduct.objects.get().name == "After"


@pytest.mark.usefixtures("any_database")
def test_a_page_of_many_rows_is_written_whole(credential: StripeCredential) -> None:
    page = [payloads.product(f"prod_{number}", name="Tab\tand \\ and \nline") for number in range(60)]

    assert save_many(credential, *page) == 60
    assert save_many(credential, *page) == 0
    assert set(StripeProduct.objects.values_list("name", flat=True)) == {"Tab\tand \\ and \nline"}


@pytest.mark.usefixtures("any_database")
def test_a_row_keeps_the_time_of_the_state_it_shows(credential: StripeCredential) -> None:
    product, later = BY_NAME["product"], NOW.replace(year=2027)
    store.save_many(credential, product, [payloads.product()], seen=store.draw(), api_version="test", shown_at=NOW)

    store.save_many(credential, product, [payloads.product()], seen=store.draw(), api_version="test", shown_at=later)

    assert StripeProduct.objects.get().shown_at == NOW  # nothing new was shown


@pytest.mark.usefixtures("any_database")
def test_a_change_is_written(credential: StripeCredential) -> None:
    save_many(credential, payloads.product())

    assert save_many(credential, payloads.product(name="Novel, 2nd edition")) == 1
    assert StripeProduct.objects.get().name == "Novel, 2nd edition"


@pytest.mark.usefixtures("any_database")
def test_an_older_page_does_not_overwrite_what_was_written_since(credential: StripeCredential) -> None:
    seen_by_slow_page = store.draw()
    save(credential, payloads.product(name="new"), seen=store.draw())

    assert save_many(credential, payloads.product(name="old"), seen=seen_by_slow_page) == 0
    assert StripeProduct.objects.get().name == "new"


@pytest.mark.usefixtures("any_database")
def test_who_asked_before_another_wrote_must_ask_again(credential: StripeCredential) -> None:
    first, second = store.draw(), store.draw()
    assert save(credential, payloads.product(name="one"), seen=second)

    assert save(credential, payloads.product(name="two"), seen=first) is None


@pytest.mark.usefixtures("any_database")
def test_late_update_does_not_revive_a_deleted_product(credential: StripeCredential) -> None:
    save_many(credential, payloads.product())
    store.mark_deleted(credential, BY_NAME["product"], "prod_1", now=NOW)

    row = save(credential, payloads.product(name="late"), seen=store.draw())

    assert row.is_deleted
    assert StripeProduct.objects.get().name == "Novel"


def test_marking_deleted_twice_keeps_the_first_time(credential: StripeCredential) -> None:
    save_many(credential, payloads.product())

    assert store.mark_deleted(credential, BY_NAME["product"], "prod_1", now=NOW) == 1
    assert store.mark_deleted(credential, BY_NAME["product"], "prod_1", now=datetime(2027, 1, 1, tzinfo=UTC)) == 0
    assert StripeProduct.objects.get().deleted_at == NOW


def test_same_id_under_two_credentials_is_two_rows(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other")
    save_many(credential, payloads.product(name="mine"))
    save_many(other, payloads.product(name="theirs"))

    assert StripeProduct.objects.of(credential).get().name == "mine"
    assert StripeProduct.objects.of(other).get().name == "theirs"


def test_children_are_linked_to_the_parents_there_are(credential: StripeCredential) -> None:
    save_many(credential, payloads.customer())
    save_many(credential, payloads.payment_intent("pi_1"), payloads.payment_intent("pi_2", customer="cus_unknown"))

    linked = StripePaymentIntent.objects.get(stripe_id="pi_1")
    assert linked.customer == StripeCustomer.objects.get()
    orphan = StripePaymentIntent.objects.get(stripe_id="pi_2")
    assert (orphan.customer, orphan.customer_stripe_id) == (None, "cus_unknown")


def test_links_are_repaired_when_the_parent_comes_later(credential: StripeCredential) -> None:
    save_many(credential, payloads.charge())
    save_many(credential, payloads.payment_intent())
    save_many(credential, payloads.customer())

    ticks: list[None] = []
    assert store.repair_links(credential, tick=lambda: ticks.append(None)) == 3
    assert len(ticks) == 3  # one statement for each kind of link that has orphans
    assert StripeCharge.objects.get().payment_intent == StripePaymentIntent.objects.get()
    assert store.repair_links(credential) == 0


def test_links_are_never_repaired_across_credentials(credential: StripeCredential) -> None:
    other = StripeCredential.objects.create(name="Other")
    save_many(other, payloads.customer())
    save_many(credential, payloads.payment_intent())

    assert store.repair_links(credential) == 0


def test_a_bad_payload_leaves_nothing_of_its_page(credential: StripeCredential) -> None:
    with pytest.raises(TranslationError):
        save_many(credential, payloads.product("prod_1"), {"object": "product"})

    assert not StripeProduct.objects.exists()


@pytest.mark.skipif(
    connection.vendor not in {"sqlite", "postgresql"},
    reason="elsewhere a row is a statement: no upsert has a condition",
)
def test_query_count_does_not_grow_with_the_page(credential: StripeCredential, connection_queries: Any) -> None:
    store.draw()

    def page(size: int) -> list[dict[str, Any]]:
        return [payloads.payment_intent(f"pi_{size}_{n}") for n in range(size)]

    with transaction.atomic():
        fewest = connection_queries(lambda: save_many(credential, *page(2)))
        few = connection_queries(lambda: save_many(credential, *page(bulk.WORTH_COPYING_ROWS - 1)))
        many = connection_queries(lambda: save_many(credential, *page(bulk.WORTH_COPYING_ROWS)))
        most = connection_queries(lambda: save_many(credential, *page(200)))

    assert fewest == few
    assert many == most


def test_text_longer_than_its_column_is_cut_there_and_whole_in_the_payload(credential: StripeCredential) -> None:
    save_many(credential, payloads.customer(name="x" * 900))

    row = StripeCustomer.objects.get()
    assert (len(row.name), len(row.payload["name"])) == (500, 900)


def test_a_nul_in_a_name_is_stored_as_a_replacement_mark(credential: StripeCredential) -> None:
    save_many(credential, payloads.customer(name="A\0da"))

    row = StripeCustomer.objects.get()
    assert (row.name, row.payload["name"]) == ("A\ufffdda", "A\ufffdda")


def test_phone_is_readable_in_python_and_not_in_the_table(credential: StripeCredential) -> None:
    save_many(credential, payloads.customer())

    row = StripeCustomer.objects.get()
    assert row.phone == "+44 20 7946 0000"
    assert row.whole_payload()["phone"] == "+44 20 7946 0000"
    assert "7946" not in str(row.payload)
