from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from financial.errors import TranslationError
from financial.mirror import translate
from financial.mirror.resources import BY_EVENT, BY_NAME, RESOURCES, embeds
from tests import payloads

APRIL_FIRST = datetime(2026, 4, 1, tzinfo=UTC)


def values(payload: dict[str, Any]) -> dict[str, Any]:
    resource = BY_NAME[payload["object"]]
    return translate.translate(payload, resource.name, resource.columns).values


def test_seconds_become_aware_utc_datetimes() -> None:
    assert values(payloads.product())["created_at"] == APRIL_FIRST


@pytest.mark.parametrize("given", ["cus_9", {"id": "cus_9", "object": "customer"}, {"id": "cus_9", "deleted": True}])
def test_an_expandable_field_is_reduced_to_its_id(given: Any) -> None:
    assert values(payloads.payment_intent(customer=given))["customer_stripe_id"] == "cus_9"


def test_absent_and_null_mean_the_same() -> None:
    without = payloads.payment_intent()
    del without["customer"]

    assert values(without) == values(payloads.payment_intent(customer=None))


def test_period_of_a_subscription_is_read_from_its_items_and_from_itself() -> None:
    new = payloads.subscription()
    old = payloads.subscription(
        items={"data": [{"price": {"id": "price_1"}, "quantity": 2}]},
        current_period_start=payloads.CREATED,
        current_period_end=payloads.CREATED + 2_592_000,
    )

    assert values(new) == values(old)


def test_period_of_several_items_spans_them_all() -> None:
    items = [
        {"price": "price_1", "current_period_start": 100, "current_period_end": 200},
        {"price": "price_2", "current_period_start": 50, "current_period_end": 150},
    ]

    found = values(payloads.subscription(items={"data": items}))

    assert (found["current_period_start_at"].timestamp(), found["current_period_end_at"].timestamp()) == (50, 200)


def test_unknown_status_is_kept_as_it_comes() -> None:
    assert values(payloads.payment_intent(status="teleported"))["status"] == "teleported"


def test_client_secret_is_never_kept() -> None:
    resource = BY_NAME["payment_intent"]

    row = translate.translate(payloads.payment_intent(), resource.name, resource.columns)

    assert "client_secret" not in row.public
    assert "client_secret" not in row.private


def test_personal_data_is_parted_from_the_payload() -> None:
    resource = BY_NAME["customer"]

    row = translate.translate(payloads.customer(), resource.name, resource.columns)

    assert row.private == {"phone": "+44 20 7946 0000"}
    assert "phone" not in row.public


@pytest.mark.parametrize(
    "payload",
    [
        {"object": "product"},
        {"object": "customer", "id": "prod_1"},
        {"object": "product", "id": ""},
        {"object": "product", "id": 5},
        {},
        payloads.product(created="yesterday"),
        payloads.product(created=10**20),
    ],
)
def test_what_is_no_such_object_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(TranslationError):
        translate.translate(payload, "product", BY_NAME["product"].columns)


def test_expanded_objects_are_detached_innermost_first() -> None:
    balance = payloads.balance_transaction()
    payment = payloads.payment_intent(latest_charge=payloads.charge(balance_transaction=balance))

    kept, loose = translate.detach(payment, embeds(BY_NAME["payment_intent"]))

    assert kept["latest_charge"] == "ch_1"
    assert [item["object"] for item in loose] == ["balance_transaction", "charge"]
    assert loose[1]["balance_transaction"] == "txn_1"


def test_detaching_leaves_the_given_payload_alone() -> None:
    payment = payloads.payment_intent(latest_charge=payloads.charge())

    translate.detach(payment, ("latest_charge",))

    assert payment["latest_charge"]["id"] == "ch_1"


def test_parents_stand_before_children_in_the_table() -> None:
    known: set[str] = set()
    for resource in RESOURCES:
        assert set(resource.parents.values()) <= known | {resource.name}, resource.name
        known.add(resource.name)


def test_every_column_is_a_field_of_its_model() -> None:
    for resource in RESOURCES:
        fields = {field.name for field in resource.model._meta.concrete_fields}
        assert {column.name for column in resource.columns} <= fields, resource.name
        assert set(resource.parents) <= fields, resource.name


def test_no_event_type_belongs_to_two_resources() -> None:
    assert len(BY_EVENT) == sum(len(resource.events) for resource in RESOURCES)
    assert all(set(resource.gone) <= set(resource.events) for resource in RESOURCES)
