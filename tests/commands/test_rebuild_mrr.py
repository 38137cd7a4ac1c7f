from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command

from financial.gateway import API_VERSION
from financial.mirror import history, store
from financial.mirror.resources import BY_NAME
from financial.models import MrrSpan, StripeCredential
from tests import payloads

pytestmark = pytest.mark.django_db


@pytest.fixture
def discounted(credential: StripeCredential) -> StripeCredential:
    """A credential with a subscription at 29.99 × 2, less 50 % for three months."""
    coupon = {"id": "HALF", "object": "coupon", "duration": "repeating", "percent_off": 50.0}
    discount = {"id": "di_1", "object": "discount", "start": payloads.CREATED, "source": {"coupon": coupon}}
    for payload in (payloads.price(), payloads.subscription(discounts=[discount])):
        resource = BY_NAME[payload["object"]]
        store.save_many(credential, resource, [payload], seen=store.draw(), api_version=API_VERSION)
    history.catch_up(credential)
    return credential


def said() -> str:
    out = io.StringIO()
    call_command("rebuild_mrr", stdout=out)
    return out.getvalue()


def test_it_changes_nothing_as_a_rule(discounted: StripeCredential) -> None:
    assert said() == "Test account: 0 spans of MRR changed\nTotal: 0 changed\n"


def test_it_applies_a_changed_setting_to_the_past(discounted: StripeCredential, settings: Any) -> None:
    settings.FINANCIAL_MRR_DISCOUNTS = "recurring"

    assert "1 spans of MRR changed" in said()
    assert MrrSpan.objects.get().monthly_minor == 2999
