from __future__ import annotations

from financial.gateway.encoding import flat, form


def test_nested_names_stand_in_brackets() -> None:
    body = {"subscription": "sub_1", "subscription_details": {"items": [{"id": "si_1", "quantity": 2}]}}

    assert flat(body) == [
        ("subscription", "sub_1"),
        ("subscription_details[items][0][id]", "si_1"),
        ("subscription_details[items][0][quantity]", "2"),
    ]


def test_an_empty_text_clears_and_none_is_left_out() -> None:
    assert flat({"cancel_at": "", "trial_end": None}) == [("cancel_at", "")]


def test_booleans_are_written_small() -> None:
    assert form({"prorate": True, "items": [{"deleted": False}]}) == {
        "prorate": "true",
        "items": [{"deleted": "false"}],
    }
    assert flat({"prorate": True}) == [("prorate", "true")]
