"""The webhook's real URL against everything that may be posted to it (duplicates, forgeries, odd and absurd bodies)."""

from __future__ import annotations

import io
import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import OperationalError, close_old_connections, connection, transaction
from django.test import Client, RequestFactory

from financial import webhooks
from financial.errors import WebhookRejected
from financial.models import MIRROR_MODELS, StripeCredential, StripeProduct, StripeWebhookEvent, Transaction
from financial.stripe_services import gateway_for, signing_secrets
from tests import payloads
from tests.conftest import TEST_WEBHOOK_SECRET
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db

URL = "/studio/financial/stripe/webhook/"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MEBIBYTE = 1024 * 1024
State = StripeWebhookEvent.State
QUARANTINED = [State.QUARANTINED]


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def post(body: bytes, header: str | None = None, *, secret: str = TEST_WEBHOOK_SECRET, **extra: Any) -> Any:
    """Post a body, signed now with `secret` unless a header is given."""
    signed = payloads.signature(body, secret, at=NOW.timestamp()) if header is None else header
    return Client(enforce_csrf_checks=True).generic(
        "POST", URL, body, content_type="application/json", headers={"Stripe-Signature": signed}, **extra
    )


def event(event_type: str = "product.updated", event_id: str = "evt_1", **changes: Any) -> dict[str, Any]:
    return payloads.event(event_type, payloads.product(), event_id, **changes)


def body(event_type: str = "product.updated", event_id: str = "evt_1", **changes: Any) -> bytes:
    return payloads.body_of(event(event_type, event_id, **changes))


def states() -> list[str]:
    return list(StripeWebhookEvent.objects.order_by("pk").values_list("state", flat=True))


def everything() -> list[Any]:
    """Every row that may change, but for the number of deliveries."""
    inbox = StripeWebhookEvent.objects.order_by("pk").values_list("event_id", "state", "attempts", "due_at", "body")
    mirror = [row for model in MIRROR_MODELS for row in model.objects.values_list("stripe_id", "version", "digest")]
    return [*inbox, *mirror, *Transaction.objects.values_list("pk", "net_minor")]


# R1, R2: the same event again


def test_same_event_again_is_only_counted(credential: StripeCredential, stripe_stub: StripeStub) -> None:
    stripe_stub.put(payloads.product())
    assert post(body()).status_code == 200
    webhooks.apply_due(gateway_for, now=NOW)
    before, asked = everything(), len(stripe_stub.requests)
    assert [post(body()).status_code for _ in range(3)] == [200, 200, 200]
    assert webhooks.apply_due(gateway_for, now=NOW + timedelta(days=1)) == 0
    assert everything() == before
    assert len(stripe_stub.requests) == asked
    assert StripeWebhookEvent.objects.get().deliveries == 4


@pytest.mark.parametrize("odd", [b"null", b"not json"])
def test_same_odd_body_again_is_only_counted(credential: StripeCredential, odd: bytes) -> None:
    assert [post(odd).status_code for _ in range(3)] == [200, 200, 200]
    assert StripeWebhookEvent.objects.get().deliveries == 3


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_same_event_from_many_sides_at_once_is_stored_once(credential: StripeCredential) -> None:
    sides, ids = 20, 500
    answers: Counter[int] = Counter()
    barrier = threading.Barrier(sides)

    def deliver() -> None:
        try:
            for number in range(ids):
                barrier.wait(timeout=60)
                answers[post(body(event_id=f"evt_{number}")).status_code] += 1
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(sides)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {200: sides * ids}
    assert set(StripeWebhookEvent.objects.values_list("deliveries", flat=True)) == {sides}
    assert StripeWebhookEvent.objects.count() == ids


# R9: signed, but odd


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"type": "invoice.upcoming"}, State.IGNORED),
        ({"type": "v3.something.new"}, State.IGNORED),
        ({"type": ""}, State.IGNORED),
        ({"type": "x" * 5000}, State.IGNORED),
        ({"api_version": "2031-01-01.unheard_of"}, State.WAITING),
        ({"api_version": 7}, State.WAITING),
        ({"type": None}, State.QUARANTINED),
        ({"type": 7}, State.QUARANTINED),
        ({"id": None}, State.QUARANTINED),
        ({"id": ""}, State.QUARANTINED),
        ({"id": 7}, State.QUARANTINED),
        ({"id": "e" * 256}, State.QUARANTINED),
        ({"object": "v2.core.event"}, State.QUARANTINED),
        ({"object": None}, State.QUARANTINED),
        ({"created": None}, State.QUARANTINED),
        ({"created": "yesterday"}, State.QUARANTINED),
        ({"created": 10**18}, State.QUARANTINED),
        ({"created": -(10**18)}, State.QUARANTINED),
        ({"data": None}, State.QUARANTINED),
        ({"data": []}, State.QUARANTINED),
        ({"data": {}}, State.QUARANTINED),
        ({"data": {"object": None}}, State.QUARANTINED),
        ({"data": {"object": "prod_1"}}, State.QUARANTINED),
        ({"data": {"object": {}}}, State.QUARANTINED),
        ({"data": {"object": {"object": "product"}}}, State.QUARANTINED),
        ({"data": {"object": {"object": "product", "id": 7}}}, State.QUARANTINED),
        ({"data": {"object": {"object": "product", "id": "p" * 256}}}, State.QUARANTINED),
        ({"data": {"object": {"object": "customer", "id": "cus_1"}}}, State.QUARANTINED),
        ({"livemode": "false"}, State.WAITING),
        ({"account": 0}, State.WAITING),
    ],
)
def test_signed_but_odd_event_is_stored_and_answered_200(
    credential: StripeCredential, changes: dict[str, Any], state: str
) -> None:
    posted = payloads.body_of({**event(), **changes})
    assert post(posted).status_code == 200
    row = StripeWebhookEvent.objects.get()
    assert (row.state, row.body) == (state, posted)
    assert bool(row.error) == (state == State.QUARANTINED)


@pytest.mark.parametrize("missing", ["id", "object", "type", "created", "data"])
def test_event_without_a_part_of_its_envelope_is_quarantined(credential: StripeCredential, missing: str) -> None:
    assert post(payloads.body_of({k: v for k, v in event().items() if k != missing})).status_code == 200
    assert states() == QUARANTINED


def test_object_of_an_unknown_shape_waits_for_help_and_holds_up_nobody(
    credential: StripeCredential, stripe_stub: StripeStub
) -> None:
    """R9 and R10: an event that can never be applied."""
    stripe_stub.put(payloads.product("prod_poison", created="yesterday"), payloads.product("prod_2"))
    post(payloads.body_of(payloads.event("product.updated", payloads.product("prod_poison"), "evt_poison")))
    post(payloads.body_of(payloads.event("product.updated", payloads.product("prod_2"), "evt_2")))
    webhooks.apply_due(gateway_for, now=NOW)
    poison = StripeWebhookEvent.objects.get(event_id="evt_poison")
    assert (poison.state, poison.attempts) == (State.WAITING, 1)
    assert "unexpected kind" in poison.error
    assert StripeWebhookEvent.objects.get(event_id="evt_2").state == State.DONE
    waited = []
    while poison.state == State.WAITING:
        assert poison.due_at is not None
        waited.append(poison.due_at)
        webhooks.apply_due(gateway_for, now=poison.due_at)
        poison.refresh_from_db()
    assert poison.state == State.DEAD
    pauses = [later - sooner for sooner, later in zip([NOW, *waited], waited, strict=False)]
    assert len(pauses) == len(webhooks.PAUSES)
    assert all(least <= pause <= least * 1.1 for least, pause in zip(webhooks.PAUSES, pauses, strict=True))
    stripe_stub.put(payloads.product("prod_poison", name="Mended"))
    post(payloads.body_of(payloads.event("product.updated", payloads.product("prod_poison"), "evt_later")))
    webhooks.apply_due(gateway_for, now=NOW)
    assert StripeProduct.objects.get(stripe_id="prod_poison").name == "Mended"


# R11: size


def test_largest_allowed_body_is_stored(credential: StripeCredential) -> None:
    small = body()
    assert post(small + b" " * (MEBIBYTE - len(small))).status_code == 200
    assert states() == [State.WAITING]


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 2 * MEBIBYTE, 10 * MEBIBYTE])
def test_larger_body_is_refused_even_if_signed(credential: StripeCredential, size: int) -> None:
    assert post(b"x" * size).status_code == 413
    assert states() == []


class Stream(io.BytesIO):
    """A body as it comes over the wire; knows how much of it was taken."""

    def __init__(self, data: bytes, *, breaks: bool = False) -> None:
        super().__init__(data)
        self.breaks = breaks
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        if self.breaks:
            raise OSError("the client went away")
        chunk = super().read(size)
        self.taken += len(chunk)
        return chunk


def over_the_wire(stream: Stream, length: str | None, header: str = "") -> int:
    environ = RequestFactory().post(URL, content_type="application/json").environ
    environ |= {"wsgi.input": stream, "HTTP_STRIPE_SIGNATURE": header, "CONTENT_LENGTH": length}
    if length is None:
        del environ["CONTENT_LENGTH"]
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    return int(WSGIHandler().get_response(WSGIRequest(environ)).status_code)  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [str(10 * MEBIBYTE), "9" * 12, "9" * 5000])
def test_announced_size_is_refused_before_anything_is_read(credential: StripeCredential, length: str) -> None:
    stream = Stream(b"x" * 1000)
    assert over_the_wire(stream, length) == 413
    assert stream.taken == 0


@pytest.mark.parametrize("length", ["0", "-1", "", "ten", "1e3", "٣", None])
def test_absurd_length_is_not_trusted(credential: StripeCredential, length: str | None) -> None:
    signed = payloads.signature(body(), TEST_WEBHOOK_SECRET, at=NOW.timestamp())
    assert over_the_wire(Stream(body()), length, signed) == 400
    assert states() == []


def test_more_bytes_than_announced_are_not_the_signed_body(credential: StripeCredential) -> None:
    signed = payloads.signature(body() + b"more", TEST_WEBHOOK_SECRET, at=NOW.timestamp())
    assert over_the_wire(Stream(body() + b"more"), str(len(body())), signed) == 400


def test_fewer_bytes_than_announced_are_refused(credential: StripeCredential) -> None:
    signed = payloads.signature(body(), TEST_WEBHOOK_SECRET, at=NOW.timestamp())
    assert over_the_wire(Stream(body()[:-5]), str(len(body())), signed) == 400


def test_body_that_breaks_off_is_refused(credential: StripeCredential) -> None:
    assert over_the_wire(Stream(b"", breaks=True), "100") == 400
    assert states() == []


# R12: signed, but no JSON object

DEEP = 5_000
ABSURD: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b"   ",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a string": b'"evt_1"',
    "a list": b"[]",
    "a list of events": b"[" + body() + b"]",
    "an empty object": b"{}",
    "two objects": body() + body(),
    "trailing rubbish": body() + b"x",
    "cut off": body()[:-1],
    "HTML": b"<!doctype html>",
    "a form": b"id=evt_1&object=event",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "an event with depth inside": body().replace(b'"metadata": {}', b'"metadata": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "a million brackets": b"[" * (MEBIBYTE - 1),
    "5,000 digits": body().replace(b'"created": 1775001600', b'"created": ' + b"9" * 5000),
    "5,000 digits after the point": body(created=0).replace(b'"created": 0', b'"created": 1e' + b"9" * 5000),
    "NaN": body().replace(b'"created": 1775001600', b'"created": NaN'),
    "Infinity": body().replace(b'"created": 1775001600', b'"created": Infinity'),
    "1e400": body().replace(b'"created": 1775001600', b'"created": 1e400'),
    "half a surrogate pair": body().replace(b"evt_1", rb"evt_\ud800"),
    "surrogates as bytes": body().replace(b"evt_1", b"evt_\xed\xa0\x80"),
    "a NUL in the id": body().replace(b"evt_1", rb"evt_\u0000"),
    "a NUL in the type": body().replace(b"product.updated", rb"product.updated\u0000"),
    "a NUL byte": body().replace(b"evt_1", b"evt_\0"),
    "a control character": body().replace(b"evt_1", b"evt_\x07"),
    "a byte order mark": b"\xef\xbb\xbf" + body(),
    "UTF-16": body().decode().encode("utf-16"),
    "UTF-32": body().decode().encode("utf-32"),
    "Latin-1": body().replace(b"evt_1", "evt_é".encode("latin-1")),
    "random bytes": random.Random(7).randbytes(500),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(50),
    "single quotes": body().replace(b'"', b"'"),
    "a comment": b"// hello\n" + body(),
    "a trailing comma": body()[:-1] + b",}",
}  # fmt: skip


@pytest.mark.parametrize("posted", ABSURD.values(), ids=ABSURD)
def test_signed_absurdity_is_kept_in_quarantine_by_its_digest(credential: StripeCredential, posted: bytes) -> None:
    assert post(posted).status_code == 200
    row = StripeWebhookEvent.objects.get()
    assert (row.state, bytes(row.body or b"")) == (State.QUARANTINED, posted)
    assert row.event_id.startswith("sha256:")
    assert webhooks.apply_due(gateway_for, now=NOW) == 0


@pytest.mark.parametrize("posted", ABSURD.values(), ids=ABSURD)
def test_the_same_without_a_signature_is_refused(credential: StripeCredential, posted: bytes) -> None:
    assert post(posted, "").status_code == 400
    assert states() == []


@pytest.mark.parametrize("extra", [b'"id": "evt_2", ', b'"id": null, ', b'"object": "list", '])
def test_doubled_key_is_read_one_way_only(credential: StripeCredential, extra: bytes) -> None:
    assert post(b"{" + extra + body()[1:]).status_code == 200
    assert StripeWebhookEvent.objects.get().event_id == "evt_1"


# R13, R14: signatures


@pytest.mark.parametrize(
    "header",
    [
        "", "t=1,v1=", "v1=", "garbage", "t=" + "9" * 5000, "t=1,v1=é", "t=1\r\nX: y,v1=0", "v1=" * 3000,
        "t=1," + "v1=0," * 500, "\udcff",
    ],
)  # fmt: skip
def test_malformed_signature_is_refused_with_a_constant_answer(credential: StripeCredential, header: str) -> None:
    answer = post(body(), header.encode("utf-8", "replace").decode("latin-1"))
    assert (answer.status_code, answer.content) == (400, b"rejected")
    assert states() == []


@pytest.mark.parametrize(
    ("seconds", "status"), [(-301, 400), (-300, 200), (-299, 200), (299, 200), (300, 200), (301, 400)]
)
def test_clock_may_differ_by_five_minutes_either_way(credential: StripeCredential, seconds: int, status: int) -> None:
    header = payloads.signature(body(), TEST_WEBHOOK_SECRET, at=NOW.timestamp() + seconds)
    assert post(body(), header).status_code == status
    assert len(states()) == (status == 200)


def test_rotated_secrets_are_both_accepted_and_the_old_one_ends_when_removed(
    credential: StripeCredential, settings: Any
) -> None:
    new, old = "whsec_" + "n" * 30, "whsec_" + "o" * 30
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = [new, old]
    signers = (TEST_WEBHOOK_SECRET, new, old)
    assert [post(body(event_id=f"evt_{s[-1]}"), secret=s).status_code for s in signers] == [200, 200, 200]
    settings.FINANCIAL_STRIPE_WEBHOOK_SECRETS = [new]
    assert [post(body(event_id=f"evt_{s[-1]}"), secret=s).status_code for s in signers] == [200, 200, 400]


# R16: no secret


@contextmanager
def said_at_once(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, logger="financial.stripe_services"):
        yield
    assert "turned away" in caplog.text


@pytest.mark.parametrize("secret", ["", "whsec_", TEST_WEBHOOK_SECRET])
def test_without_a_secret_nothing_is_accepted_and_stripe_shall_come_again(
    db: None, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    StripeCredential.objects.create(name="No secret", secret_key="sk_test_0000000000", is_active=True)
    with said_at_once(caplog):
        answer = post(body(), secret=secret)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert states() == []


def test_without_a_credential_stripe_shall_come_again(db: None, caplog: pytest.LogCaptureFixture) -> None:
    with said_at_once(caplog):
        assert post(body()).status_code == 503


@pytest.mark.parametrize("keys", [["another-key-than-the-one-that-wrote"], []])
def test_secret_that_cannot_be_decrypted_is_no_reason_to_lose_an_event(
    credential: StripeCredential, settings: Any, caplog: pytest.LogCaptureFixture, keys: list[str]
) -> None:
    settings.FINANCIAL_ENCRYPTION_KEYS = keys
    with said_at_once(caplog):
        answer = post(body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert TEST_WEBHOOK_SECRET not in caplog.text


def test_secret_of_the_sample_data_signs_nothing(db: None) -> None:
    StripeCredential.objects.create(name="Sample", webhook_secret=TEST_WEBHOOK_SECRET, is_sample=True)
    assert post(body()).status_code == 503


@pytest.mark.parametrize("where", ["the credentials", "the inbox"])
def test_database_that_refuses_is_no_reason_to_lose_an_event(credential: StripeCredential, where: str) -> None:
    table = {"the credentials": "financial_stripecredential", "the inbox": "financial_stripewebhookevent"}[where]

    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if table in sql:
            raise OperationalError("database is locked")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse):
        answer = post(body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


# R8: no space left


@pytest.mark.django_db(transaction=True)
def test_full_disk_is_a_503_breaks_nothing_and_passes(credential: StripeCredential) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite can be told how large it may become")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
    try:
        answers = [post(body(event_id=f"evt_{n}") + b" " * (MEBIBYTE - 2000)).status_code for n in range(40)]
        stored = len(states())  # it can still be read
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert answers[-1] == 503
    assert set(answers) <= {200, 503}
    assert stored == answers.count(200)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        assert cursor.fetchone() == ("ok",)
    assert post(body(event_id="evt_39")).status_code == 200


# R7: a table that is locked


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_locked_table_is_a_503_soon_and_passes_without_a_restart(credential: StripeCredential) -> None:
    """The server itself would wait for ever; the connection keeps none of our impatience."""
    is_locked, ends = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE financial_stripewebhookevent IN ACCESS EXCLUSIVE MODE")
            is_locked.set()
            ends.wait(timeout=60)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_locked.wait(timeout=20)
    with time_machine.travel(NOW, tick=True):
        answer = post(body())
    ends.set()
    holder.join()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert states() == []
    assert post(body()).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


# R17: another mode, another account


@pytest.mark.parametrize("livemode", [False, True])
@pytest.mark.parametrize("account", ["", "acct_connected"])
@pytest.mark.parametrize("signer", ["test", "live"])
def test_event_of_another_mode_or_account_is_kept_but_never_applied(
    credential: StripeCredential, livemode: bool, account: str, signer: str
) -> None:
    secret = "whsec_" + "l" * 30
    StripeCredential.objects.create(name="Live", secret_key="sk_live_0", webhook_secret=secret, livemode=True)
    posted = body(livemode=livemode, **({"account": account} if account else {}))
    assert post(posted, secret=secret if signer == "live" else TEST_WEBHOOK_SECRET).status_code == 200
    row = StripeWebhookEvent.objects.get()
    right = livemode == (signer == "live") and not account
    assert (row.state, row.credential.livemode) == (State.WAITING if right else State.MISROUTED, signer == "live")
    if not right:
        assert webhooks.apply_due(gateway_for, now=NOW) == 0


def test_same_event_id_under_two_credentials_is_two_events(credential: StripeCredential) -> None:
    secret = "whsec_" + "s" * 30
    StripeCredential.objects.create(name="Second", secret_key="sk_test_1", webhook_secret=secret)
    assert [post(body()).status_code, post(body(), secret=secret).status_code] == [200, 200]
    assert set(StripeWebhookEvent.objects.values_list("credential__name", flat=True)) == {"Test account", "Second"}


# R18: what stands before the view

EAGER = (
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize(
    "middleware",
    [
        *EAGER,
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
        "django.middleware.common.BrokenLinkEmailsMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "studio.middleware.careful_headers",
    ],
)
def test_each_usual_middleware_leaves_a_delivery_as_it_came(
    credential: StripeCredential, settings: Any, middleware: str, place: str
) -> None:
    if place == "first" and "LoginRequired" in middleware:
        pytest.skip("Django wants it behind the one that knows the user")
    others = [name for name in settings.MIDDLEWARE if name != middleware]
    settings.MIDDLEWARE = [middleware, *others] if place == "first" else [*others, middleware]
    posted = body() + b" \n"
    assert post(posted, HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH="*").status_code == 200
    assert StripeWebhookEvent.objects.get().body == posted


def test_no_usual_middleware_turns_a_delivery_away(credential: StripeCredential, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *EAGER]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    answer = post(body(), HTTP_X_FORWARDED_PROTO="https", HTTP_ACCEPT_LANGUAGE="de")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert "Set-Cookie" not in answer.headers
    assert states() == [State.WAITING]


@pytest.mark.django_db(transaction=True)
def test_event_is_committed_before_the_answer_even_with_atomic_requests(
    credential: StripeCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths = []

    def watch(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("INSERT") and "stripewebhookevent" in sql:
            depths.append(len(connection.savepoint_ids))
        return execute(sql, *arguments)

    with connection.execute_wrapper(watch):
        post(body(event_id="evt_1"))
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        post(body(event_id="evt_2"))
    assert len(depths) == 2
    assert len(set(depths)) == 1  # no transaction around the view


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_posts_are_taken(credential: StripeCredential, method: str) -> None:
    answer = Client().generic(method, URL, body())
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_signed_in_user_makes_no_difference(credential: StripeCredential, admin_client: Client) -> None:
    answer = admin_client.post(URL, body(), content_type="application/json", headers={"Stripe-Signature": "t=1,v1=0"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "x" * 500]
)
def test_content_type_makes_no_difference(credential: StripeCredential, kind: str) -> None:
    header = payloads.signature(body(), TEST_WEBHOOK_SECRET, at=NOW.timestamp())
    answer = Client().generic("POST", URL, body(), content_type=kind, headers={"Stripe-Signature": header})
    assert answer.status_code == 200


# R13, R19: ten thousand at random


def _scrambled(chance: random.Random, plain: bytes) -> bytes:
    match chance.randrange(8):
        case 0:
            return plain[: chance.randrange(len(plain) + 1)]
        case 1:
            return chance.randbytes(chance.randrange(300))
        case 2:
            place = chance.randrange(len(plain))
            return plain[:place] + chance.randbytes(chance.randrange(1, 5)) + plain[place:]
        case 3:
            return chance.choice([absurd for absurd in ABSURD.values() if len(absurd) < 1000])
        case 4:
            return plain * chance.randrange(2, 30)
        case 5:
            return plain.replace(b'"', chance.choice([b"'", b"", b'""', b"\0"]))
        case 6:
            return json.dumps(_nonsense(chance, 4)).encode()
        case _:
            return plain


def _nonsense(chance: random.Random, depth: int) -> Any:
    leaf = [None, True, -1, 10**30, 1e300, "", "\ud800", "\0", "evt_1", "event", "product.updated"]
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(leaf)
    if chance.random() < 0.3:
        return [_nonsense(chance, depth - 1) for _ in range(chance.randrange(4))]
    keys = ["id", "object", "type", "data", "created", "livemode", "account", "api_version", "x"]
    return {key: _nonsense(chance, depth - 1) for key in chance.sample(keys, chance.randrange(9))}


def _header(chance: random.Random, posted: bytes) -> str:
    stamp = int(NOW.timestamp())

    def signed(over: bytes = posted, secret: str = TEST_WEBHOOK_SECRET, at: int = stamp) -> str:
        return payloads.signature(over, secret, at=at)

    match chance.randrange(14):
        case 0:
            return chance.choice(["", "t=,v1=", f"t={stamp}", "é" * chance.randrange(1, 99)])
        case 1:
            return signed()[:-1]
        case 2:
            return signed().replace("v1", "v0")
        case 3:
            return signed().upper()
        case 4:
            return signed().replace("t=", "t=0x")
        case 5:
            return signed(posted + b" ")
        case 6:
            return signed(secret="")
        case 7:
            return signed(secret="whsec_" + "x" * 30)
        case 8:
            return signed(at=stamp - 301)
        case 9:
            return signed(at=10**11)
        case 10:
            return "t=" + "9" * chance.randrange(5000)
        case 11:
            return ",".join(["v1=0"] * chance.randrange(50))
        case 12:
            return f"t={stamp}," + ",".join(["v1=" + "0" * 64] * chance.randrange(12))
        case _:
            return chance.randbytes(chance.randrange(1, 99)).decode("latin-1")


@pytest.fixture
def _no_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _status_at_the_address(site: WSGIHandler, posted: bytes, header: str) -> int:
    request = RequestFactory().generic("POST", URL, posted, content_type="application/json")
    request.META["HTTP_STRIPE_SIGNATURE"] = header
    return int(site.get_response(request).status_code)  # type: ignore[attr-defined]


def _status_of_receiving(secrets: list[webhooks.SigningSecret], posted: bytes, header: str) -> int:
    try:
        webhooks.receive(posted, header, secrets, now=NOW, bytes_max=2 * MEBIBYTE, tolerance_seconds=300)
    except WebhookRejected as error:
        return int(error.status)
    return 200


@pytest.mark.usefixtures("_no_logs")
def test_ten_thousand_forgeries_store_nothing_and_break_nothing(credential: StripeCredential) -> None:
    """Every tenth goes through the whole site; behind it all meet the same few lines."""
    chance = random.Random(20_260_501)
    site, secrets = WSGIHandler(), signing_secrets()
    answers: Counter[int] = Counter()
    began = time.process_time()
    for number in range(10_000):
        posted = _scrambled(chance, body(event_id=f"evt_{number}"))
        if number % 500 == 0:
            posted = posted + b" " * (2 * MEBIBYTE)
        header = _header(chance, posted)
        status = _status_of_receiving(secrets, posted, header)
        if number % 10 == 0:
            assert _status_at_the_address(site, posted, header) == status
        answers[status] += 1
    assert set(answers) == {400, 413}, answers
    assert answers[413] == 20
    assert states() == []
    assert time.process_time() - began < 40  # of the processor; seven on a quiet machine


@pytest.mark.usefixtures("_no_logs")
def test_signed_nonsense_is_always_stored_and_never_breaks(credential: StripeCredential) -> None:
    chance = random.Random(20_260_502)
    bodies = {_scrambled(chance, body(event_id=f"evt_{number}")) for number in range(300)}
    assert {post(posted).status_code for posted in bodies} == {200}
    kept = {bytes(row.body or b"") for row in StripeWebhookEvent.objects.all()}
    assert kept <= bodies
    assert set(states()) <= {State.QUARANTINED, State.WAITING, State.IGNORED, State.MISROUTED}
