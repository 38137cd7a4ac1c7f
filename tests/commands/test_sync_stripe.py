from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from financial.management.progress import Progress
from financial.models import StripeCredential, StripeCustomer, SyncRun, SyncStep
from tests import payloads
from tests.stripe_stub import StripeStub, error_body, status

pytestmark = pytest.mark.django_db


def sync_stripe(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("sync_stripe", *arguments, stdout=out, **options)
    return out.getvalue()


def test_without_an_active_credential_it_fails_and_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="No active Stripe credential found. Add one in Django Admin"):
        sync_stripe()


def test_forced_without_an_active_credential_it_says_so_and_succeeds() -> None:
    assert "No active Stripe credential found" in sync_stripe("--force")


def test_a_line_per_resource_and_a_total_are_printed(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer("cus_1"), payloads.customer("cus_2"))

    said = sync_stripe()

    assert "customer: 2 read, 2 written, done" in said
    assert "customer                       2         2          0  Done" in said
    assert "total                          2         2          0" in said
    assert "booked 0 payments" in said


def test_another_credential_is_chosen_by_its_id(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    other = StripeCredential.objects.create(name="Other", secret_key="sk_test_other_fake_00000")

    sync_stripe("--credential-id", str(other.pk))

    assert stripe_stub.headers[0]["Authorization"] == "Bearer sk_test_other_fake_00000"
    assert SyncRun.objects.get().credential == other


def test_an_unknown_credential_is_named_with_the_known_ones(credential: StripeCredential) -> None:
    with pytest.raises(CommandError, match=rf"There is no credential 999. Known: {credential.pk} \(Test account\)."):
        sync_stripe("--credential-id", "999")


def test_only_one_resource_is_synced_on_demand(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    sync_stripe("--resource", "customer")

    assert [path.split("?")[0] for path in stripe_stub.requests] == ["/v1/customers"]


def test_an_unknown_resource_is_refused(credential: StripeCredential) -> None:
    with pytest.raises(CommandError, match="Unknown resource 'clients'; choose from product"):
        sync_stripe("--resource", "clients")


def test_a_failure_names_the_resource_and_is_an_error(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.customer())
    stripe_stub.fail(status(403, error_body("", "The key lacks the permission 'rak_charge_read'.")), path="/v1/charges")

    with pytest.raises(CommandError, match="Sync failed. charge: Stripe API error: The key lacks"):
        sync_stripe()
    assert StripeCustomer.objects.count() == 1


def test_a_key_of_the_other_mode_is_refused_before_any_request(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    StripeCredential.objects.update(livemode=True)

    with pytest.raises(CommandError, match="marked live but its secret key is of the other mode"):
        sync_stripe()
    assert stripe_stub.requests == []


def test_sample_data_cannot_be_synced(db: None) -> None:
    sample = StripeCredential.objects.create(name="Sample data", is_sample=True)

    with pytest.raises(CommandError, match="Sample data has no Stripe account behind it"):
        sync_stripe("--credential-id", str(sample.pk))


def test_bars_are_drawn_on_a_terminal(credential: StripeCredential) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    run = SyncRun.objects.create(credential=credential, requested_at="2026-01-01T00:00Z")
    with Progress(Terminal()) as progress:  # type: ignore[arg-type]
        progress(SyncStep(run=run, resource="customer", state="running", read=5))
        progress(SyncStep(run=run, resource="customer", state="done", read=10))
