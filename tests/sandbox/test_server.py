"""The sandbox over real loopback HTTP: deliveries, transport faults, the control side."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from sandbox.core.settings import DAY
from sandbox.http.server import Server, running

AUTH = {"Authorization": "Bearer sk_test_1"}


class Receiver:
    """A webhook endpoint that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    def events(self) -> list[str]:
        return [requests.models.complexjson.loads(body)["type"] for _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((dict(self.headers), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    with running(background=False, frozen=True) as server:
        yield server


def _post(server: Server, path: str, **data: Any) -> requests.Response:
    return requests.post(f"{server.url}{path}", data=data, headers=AUTH, timeout=5)


def _control(server: Server, path: str, value: Any = None, method: str = "POST") -> requests.Response:
    return requests.request(method, f"{server.url}/_sandbox/api/{path}", json=value, timeout=5)


def test_it_answers_over_http(server: Server) -> None:
    made = _post(server, "/v1/customers", name="A", **{"metadata[a]": "1"})
    listed = requests.get(f"{server.url}/v1/customers", params={"limit": 1}, headers=AUTH, timeout=5)

    assert made.json()["metadata"] == {"a": "1"}
    assert made.headers["Request-Id"].startswith("req_")
    assert listed.json()["data"] == [made.json()]
    assert requests.get(f"{server.url}/v1/customers", timeout=5).status_code == 401
    assert requests.get(f"{server.url}/elsewhere", headers=AUTH, timeout=5).status_code == 404


def test_a_huge_body_is_refused(server: Server) -> None:
    assert _post(server, "/v1/customers", name="A" * 2_000_000).status_code == 413


def test_a_bug_of_ours_answers_500_like_stripe(server: Server, capfd: Any) -> None:
    server.world.ledger = None  # type: ignore[assignment]

    answer = requests.get(f"{server.url}/v1/balance", headers=AUTH, timeout=5)

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")
    assert "AttributeError" in capfd.readouterr().err


def test_webhooks_arrive_signed_in_order(server: Server) -> None:
    with receiving() as receiver:
        secret = _post(server, "/v1/webhook_endpoints", url=receiver.url, **{"enabled_events[]": "*"}).json()["secret"]
        _post(server, "/v1/products", name="A")
        _post(server, "/v1/customers", name="B")

        assert server.deliver() == 2

        assert receiver.events() == ["product.created", "customer.created"]
        headers, body = receiver.got[0]
        stamp, mark = (part.split("=")[1] for part in headers["Stripe-Signature"].split(","))
        assert mark == hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        assert server.deliver() == 0


def test_redirects_and_refusals_are_failures_and_tried_again(server: Server) -> None:
    with receiving() as receiver:
        _post(server, "/v1/webhook_endpoints", url=receiver.url, **{"enabled_events[]": "*"})
        receiver.answers = [302, 500]
        _post(server, "/v1/customers", name="B")

        sent = [server.deliver()]
        for seconds in (60, 300, 1800):
            _control(server, "clock", {"advance": seconds})
            sent.append(server.deliver())

        assert sent == [1, 1, 1, 0]
        state = _control(server, "deliveries", method="GET").json()["deliveries"][0]
        assert (state["state"], state["answers"]) == ("delivered", [302, 500, 200])
        _control(server, f"deliveries/{state['id']}/resend")
        assert server.deliver() == 1


def test_an_endpoint_that_is_not_there_is_a_failure(server: Server) -> None:
    _post(server, "/v1/webhook_endpoints", url="http://127.0.0.1:9/x", **{"enabled_events[]": "*"})
    _post(server, "/v1/customers", name="B")

    server.deliver()

    assert next(iter(server.world.outbox.all.values())).answers == [0]


def test_in_the_background_things_happen_by_themselves() -> None:
    with receiving() as receiver, running() as server:
        _post(server, "/v1/webhook_endpoints", url=receiver.url, **{"enabled_events[]": "*"})
        _post(
            server,
            "/v1/payment_intents",
            amount=900,
            currency="usd",
            payment_method="pm_card_visa",
            confirm="true",
            return_url="https://example.com",
        )
        for _ in range(100):
            if len(receiver.got) >= 4:
                break
            threading.Event().wait(0.05)

        assert receiver.events() == [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.updated",
        ]


def test_a_dropped_answer_drops_the_connection_after_the_work(server: Server) -> None:
    _control(server, "faults", [{"kind": "drop_after", "count": 1, "path": "/v1/customers"}])

    with pytest.raises(requests.ConnectionError):
        _post(server, "/v1/customers", name="A")

    assert len(server.world.store.table("customer").order) == 1


def test_a_cut_answer_is_no_json(server: Server) -> None:
    _control(server, "faults", [{"kind": "truncate", "count": 1}])

    with pytest.raises(requests.exceptions.JSONDecodeError):
        _post(server, "/v1/customers", name="A").json()


def test_while_an_answer_is_slow_its_key_is_in_flight(server: Server) -> None:
    _control(server, "faults", [{"kind": "slow", "count": 1, "seconds": 0.6}])
    keyed = AUTH | {"Idempotency-Key": "k1"}
    url = f"{server.url}/v1/customers"
    first: list[int] = []
    thread = threading.Thread(
        target=lambda: first.append(requests.post(url, data={"name": "A"}, headers=keyed, timeout=5).status_code)
    )
    thread.start()
    while not server.world.idempotency.in_flight:
        threading.Event().wait(0.01)

    during = requests.post(url, data={"name": "A"}, headers=keyed, timeout=5)
    thread.join()
    after = requests.post(url, data={"name": "A"}, headers=keyed, timeout=5)

    assert (during.status_code, during.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert first == [200]
    assert (after.status_code, after.headers["Idempotent-Replayed"]) == (200, "true")


def test_the_control_side_moves_the_clock_and_plays_the_bank(server: Server) -> None:
    before = _control(server, "state", method="GET").json()["now"]
    card = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://example.com"}
    charge = _post(server, "/v1/payment_intents", amount=9000, currency="usd", **card).json()["latest_charge"]
    assert _control(server, "clock", {"advance": DAY}).json()["now"] == before + DAY
    dispute = _control(server, f"charges/{charge}/dispute", {"reason": "fraudulent"}).json()["disputes"][0]
    assert _control(server, f"disputes/{dispute}/finish", {"outcome": "won"}).json()["status"] == "won"
    payout = _control(server, "payouts", {"currency": "usd"}).json()["id"]
    assert _control(server, f"payouts/{payout}/fail").json()["status"] == "failed"
    _control(server, "stripe_fees", {"amount": 210, "currency": "usd"})
    _control(server, "topups", {"amount": 500, "currency": "usd"})

    state = _control(server, "state", method="GET").json()

    assert state["objects"]["payout"] == 1
    assert state["balance"]["available"][0]["amount"] == 9000 - 291 - 1500 - 210 + 500
    assert _control(server, "snapshot", method="GET").json()["format"] == 3


def test_the_control_side_completes_what_customers_do(server: Server) -> None:
    card = {"payment_method": "pm_card_threeDSecure2Required", "confirm": "true", "return_url": "https://example.com"}
    intent = _post(server, "/v1/payment_intents", amount=900, currency="usd", **card).json()["id"]
    assert _control(server, f"authenticate/{intent}", {"passed": True}).json()["status"] == "succeeded"
    lines = {
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "700",
        "line_items[0][price_data][product_data][name]": "Card",
        "line_items[0][quantity]": "1",
    }
    session = _post(server, "/v1/checkout/sessions", success_url="https://example.com", **lines).json()["id"]
    assert _control(server, f"checkout/{session}/complete", {}).json()["status"] == "complete"
    hook = _post(server, "/v1/webhook_endpoints", url="http://127.0.0.1:9/", **{"enabled_events[]": "*"}).json()
    assert _control(server, f"webhook_endpoints/{hook['id']}/roll", {}).json()["secret"] != hook["secret"]


@pytest.mark.parametrize(
    ("path", "value", "status", "words"),
    [
        ("nothing", {}, 404, "no such control call"),
        ("clock", {"advance": -5}, 400, "only moves forward"),
        ("clock", {}, 404, "to"),
        ("faults", [{"kind": "boom"}], 400, "unknown fault kind"),
        ("disputes/du_none/finish", {"outcome": "won"}, 400, "No such dispute"),
        ("payouts/po_none/fail", {}, 400, "No such payout"),
    ],
)
def test_bad_control_calls_are_explained(server: Server, path: str, value: Any, status: int, words: str) -> None:
    answer = _control(server, path, value)

    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_two_servers_live_side_by_side() -> None:
    with running(background=False) as one, running(background=False) as two:
        _post(one, "/v1/customers", name="A")

        assert one.url != two.url
        assert len(two.world.store.table("customer").order) == 0
