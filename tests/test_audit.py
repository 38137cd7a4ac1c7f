from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from financial import audit
from financial.models import AuditEvent
from tests.views import rows as make

pytestmark = pytest.mark.django_db


def test_who_did_what_to_which_object_is_written_down() -> None:
    user, credential = make.staff(username="ada"), make.credential()
    audit.record(user, "product.created", credential=credential, object_id="prod_1", name="Novel", amount_minor=2999)
    event = AuditEvent.objects.get()
    assert (event.user, event.user_name, event.credential, event.action) == (user, "ada", credential, "product.created")
    assert (event.object_id, event.details) == ("prod_1", {"name": "Novel", "amount_minor": 2999})


def test_what_nobody_signed_in_did_is_written_down_without_a_name() -> None:
    audit.record(AnonymousUser(), "sync.requested")
    audit.record(None, "sync.requested")
    assert list(AuditEvent.objects.values_list("user", "user_name")) == [(None, ""), (None, "")]


@pytest.mark.parametrize(
    "details",
    [
        {"note": "sk_test_sandbox_0000000000"},
        {"note": "key rk_live_0000000000 was used"},
        {"changed": [{"to": "whsec_" + "0" * 24}]},
        {"payment": {"id": "pi_1_secret_abc"}},
        {"secret_key": ""},
        {"nested": {"webhook_secret": "x"}},
        {"description": "4242 4242 4242 4242"},
    ],
)
def test_secrets_are_refused_and_not_repeated(details: dict[str, Any]) -> None:
    with pytest.raises(audit.SecretInAudit) as refused:
        audit.record(None, "credential.changed", **details)
    assert not AuditEvent.objects.exists()
    assert not any(part in str(refused.value) for part in ("0000000000", "4242", "whsec_0", "abc"))


def test_an_event_cannot_be_changed_or_deleted() -> None:
    audit.record(None, "sync.requested")
    event = AuditEvent.objects.get()
    with pytest.raises(TypeError):
        event.save()
    with pytest.raises(TypeError):
        event.delete()
