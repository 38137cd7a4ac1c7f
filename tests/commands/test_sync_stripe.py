from __future__ import annotations

import re
import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

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


def test_the_proof_names_the_seconds_that_were_read_twice(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(*(payloads.customer(f"cus_{n}", created=payloads.CREATED + n) for n in range(150)))

    assert re.search(r"customer .* Done     150 of 150 stored, [1-9] border seconds? read twice\n", sync_stripe())


def test_a_comparison_that_finds_a_difference_is_an_error(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    stripe_stub.put(payloads.customer("cus_1"), payloads.customer("cus_2"))
    sync_stripe()
    assert "2 of 2 stored" in sync_stripe("--verify")
    StripeCustomer.objects.filter(stripe_id="cus_1").delete()

    with pytest.raises(CommandError, match="The mirror differs from Stripe. customer: 1 missing here") as raised:
        sync_stripe("--verify")
    assert raised.value.returncode == 1
    assert StripeCustomer.objects.count() == 1


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


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_show_the_rate_and_the_time_left(credential: StripeCredential, capsys: Any) -> None:
    run = SyncRun.objects.create(credential=credential, requested_at="2026-01-01T00:00Z")
    with Progress(Terminal()) as progress:  # type: ignore[arg-type]
        progress(SyncStep(run=run, resource="customer", state="running", read=0, expected=5000))
        for read in (500, 1000):
            time.sleep(0.02)
            progress(SyncStep(run=run, resource="customer", state="running", read=read, expected=5000))

    assert re.search(r"customer .* 1,000 read +[0-9,]+/s 0:00:0[0-9]", capsys.readouterr().out)


def lines(*steps: tuple[float, dict[str, Any]]) -> list[str]:
    """What is said of a step as the seconds go by, where there is no terminal."""
    out, now = StringIO(), [0.0]
    with Progress(OutputWrapper(out), clock=lambda: now[0]) as progress:
        for second, values in steps:
            now[0] = second
            progress(SyncStep(resource="customer", **{"state": "running", **values}))
    return out.getvalue().splitlines()


def test_without_a_terminal_a_line_comes_now_and_then_with_rate_and_time_left() -> None:
    said = lines(
        (0, {"read": 0, "expected": 50_000}),
        (4, {"read": 8_000, "expected": 50_000}),
        (10, {"read": 20_000, "expected": 50_000}),
        (25, {"read": 50_000, "written": 7, "expected": 50_000, "state": "done"}),
    )

    assert said == [
        "customer: 20,000 of about 50,000 read, 2,000 objects/s, 15 s left",
        "customer: 50,000 read, 7 written, done, 2,000 objects/s",
    ]


@pytest.mark.parametrize("expected", [None, 100])
def test_a_total_that_is_unknown_or_wrong_promises_no_end(expected: int | None) -> None:
    assert lines((0, {"read": 0, "expected": expected}), (20, {"read": 3_000, "expected": expected})) == [
        "customer: 3,000 read, 150 objects/s"
    ]


def test_what_an_earlier_run_had_read_counts_for_no_rate() -> None:
    assert lines((0, {"read": 10_000}), (10, {"read": 11_000})) == ["customer: 11,000 read, 100 objects/s"]
