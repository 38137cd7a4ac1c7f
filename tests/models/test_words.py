from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from financial.models import StripeCustomer, StripeProduct, words
from tests.views import rows as make

pytestmark = pytest.mark.django_db


def found(*asked: str, credential: Any = None, model: Any = StripeCustomer, limit: int = 10) -> set[str]:
    pks = words.matching(model, credential or make.credential(), asked, limit)
    return set(model.objects.filter(pk__in=pks).values_list("name", flat=True))


@pytest.mark.parametrize(
    "asked",
    ["zoe", "Zoë", "ZO", "lovelace", "LOVE", "zoe@example.org", "example", "zoe@exam", "o'b", "o’brien", "collector"],
)
def test_any_word_is_found_by_its_beginning_without_case_and_accents(asked: str) -> None:
    make.customer(make.credential(), name="Grace Hopper", email="")
    make.customer(
        make.credential(), name="Zoë O’Brien Lovelace", email="zoe@example.org", description="Collector of maps"
    )
    assert found(asked) == {"Zoë O’Brien Lovelace"}


@pytest.mark.parametrize("asked", [("ada", "hopper"), ("ace",), ("example@ada",), ("adax",), ("-",), ("",), ()])
def test_what_does_not_occur_is_not_found(asked: tuple[str, ...]) -> None:
    make.customer(make.credential(), name="Ada Lovelace", email="ada@example.com")
    assert found(*asked) == set()


def test_every_word_must_occur() -> None:
    for name in ("Ada Lovelace", "Ada Byron", "Grace Lovelace"):
        make.customer(make.credential(), name=name, email="")
    assert found("ada", "love") == {"Ada Lovelace"}


def test_a_single_letter_is_a_whole_word() -> None:
    make.customer(make.credential(), name="Ada", email="")
    make.customer(make.credential(), name="A Friend", email="")
    assert found("a") == {"A Friend"}


def test_other_credentials_are_not_looked_at() -> None:
    mine, other = make.credential("Mine"), make.credential("Other", is_active=False)
    make.customer(other, name="Ada Lovelace")
    assert found("ada", credential=mine) == set()
    assert found("ada", credential=other) == {"Ada Lovelace"}
    assert found(f"credential{other.pk}", str(other.pk), credential=mine) == set()


def test_index_follows_every_way_of_writing() -> None:
    credential = make.credential()
    row = make.customer(credential, name="Ada", email="")
    StripeCustomer.objects.filter(pk=row.pk).update(name="Grace")
    assert (found("ada"), found("grace")) == (set(), {"Grace"})
    StripeCustomer.objects.bulk_create([StripeCustomer(credential=credential, stripe_id="cus_2", name="Hedy")])
    assert found("hedy") == {"Hedy"}
    StripeCustomer.objects.all().delete()
    assert (found("grace"), found("hedy")) == (set(), set())


@pytest.mark.parametrize("asked", [("ada",), ("ada", "love"), ("zoë@x",), ("-",), ()])
def test_the_query_finds_the_rows_whose_keys_are_found(asked: tuple[str, ...]) -> None:
    credential, other = make.credential(), make.credential("Other", is_active=False)
    for name in ("Ada Lovelace", "Ada Byron", "Zoë zoe@x.org"):
        make.customer(credential, name=name, email="")
        make.customer(other, name=name, email="")
    keys = words.matching(StripeCustomer, credential, asked, 10)
    assert set(words.rows(StripeCustomer, credential, asked).values_list("pk", flat=True)) == set(keys)


def test_products_are_found_by_name_and_description() -> None:
    make.product(make.credential(), name="Field notes", description="Forty pages")
    assert found("forty", "note", model=StripeProduct) == {"Field notes"}


@pytest.mark.parametrize(
    "asked", ["' OR 1=1 --", '"*', "NEAR(a b)", "name : x", "a AND NOT b", "^x", "!(&|", "\\'", "%"]
)
def test_signs_of_the_query_languages_are_only_text(asked: str) -> None:
    make.customer(make.credential(), name="Ada")
    assert found(asked) == set()


def test_no_more_than_asked_for_are_returned() -> None:
    for _ in range(4):
        make.customer(make.credential(), name="Ada")
    assert len(words.matching(StripeCustomer, make.credential(), ["ada"], 3)) == 3


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its index always")
def test_rebuilt_index_finds_what_was_written_without_triggers() -> None:
    words.set_aside()
    try:
        make.customer(make.credential(), name="Ada")
    finally:
        words.install(rebuild=True)
    assert found("ada") == {"Ada"}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its index always")
def test_without_the_index_the_beginning_of_a_name_is_found() -> None:
    words.set_aside()
    try:
        make.customer(make.credential(), name="Ada Lovelace", email="countess@example.com")
        assert found("ada") == found("count") == {"Ada Lovelace"}
        assert found("lovelace") == set()
    finally:
        words.install(rebuild=True)
