"""The control page: what it lists, its forms, and that nothing from outside gets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.http.server import Server, running
from tests.sandbox.client import Client


@pytest.fixture
def server() -> Iterator[Server]:
    with running(background=False, frozen=True) as server:
        yield server


def _page(server: Server, path: str = "", **params: str) -> str:
    answer = requests.get(f"{server.url}/_sandbox{path}", params=params, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.text


def _submit(server: Server, path: str, **form: Any) -> requests.Response:
    return requests.post(f"{server.url}/_sandbox{path}", data=form, timeout=5, allow_redirects=False)


def test_an_empty_account_says_what_to_do(server: Server) -> None:
    assert "point an SDK at this address" in _page(server)


def test_the_overview_lists_objects_balance_and_clock(server: Server) -> None:
    Client(server.world).pay(12345)

    page = _page(server)

    assert '<a href="/_sandbox/objects/charge">charge</a><span>1</span>' in page
    assert "119.57 usd" in page
    assert "+ 1 week" in page


def test_the_overview_leads_into_the_shop(server: Server) -> None:
    client = Client(server.world)
    assert "Shop" not in _page(server)
    link = client.post("/v1/payment_links", line_items=[{"price": client.price(900, None)["id"], "quantity": 1}])

    assert f'<a href="/_sandbox/pay/{link["id"]}">Magazine</a><span>9.00 usd</span>' in _page(server)


def test_the_clock_advances(server: Server) -> None:
    before = server.world.now

    assert _submit(server, "/clock", seconds="86400").status_code == 303

    assert server.world.now == before + 86400
    assert _submit(server, "/clock", seconds="-5").status_code == 400


def test_lists_page_and_link_to_objects(server: Server) -> None:
    client = Client(server.world)
    for n in range(55):
        client.post("/v1/customers", name=f"Reader {n}")

    page = _page(server, "/objects/customer")
    older = re.search(r'href="\?after=(\w+)"', page)
    assert older is not None
    rest = _page(server, "/objects/customer", after=older[1])

    assert page.count("Reader ") == 50
    assert rest.count("Reader ") == 5
    id = client.get("/v1/customers")["data"][0]["id"]
    assert f"&quot;{id}&quot;" not in _page(server, f"/objects/customer/{id}").replace(f">{id}</a>", "")


def test_an_object_shows_in_both_versions(server: Server) -> None:
    charge = Client(server.world).pay()["latest_charge"]

    assert "&quot;invoice&quot;" not in _page(server, f"/objects/charge/{charge}")
    assert "&quot;invoice&quot;" in _page(server, f"/objects/charge/{charge}", version="2024-06-20")
    assert requests.get(f"{server.url}/_sandbox/objects/charge/ch_none", timeout=5).status_code == 404


def test_deliveries_can_be_resent(server: Server) -> None:
    client = Client(server.world)
    client.post("/v1/webhook_endpoints", url="http://127.0.0.1:9/hook", enabled_events=["*"])
    client.post("/v1/customers", name="A")
    server.deliver()
    id = next(iter(server.world.outbox.all))
    assert "no answer" in _page(server, "/deliveries")

    assert _submit(server, f"/deliveries/{id}/resend").status_code == 303
    assert _submit(server, "/deliver").status_code == 303

    assert server.world.outbox.all[id].answers == [0, 0]


def test_nothing_a_caller_sends_becomes_markup(server: Server) -> None:
    client = Client(server.world)
    customer = client.post("/v1/customers", name="<script>alert(1)</script>", email='"><b>@example.com')["id"]

    for path in ("", "/objects/customer", f"/objects/customer/{customer}", "/objects/<i>x"):
        assert not re.search(r"<script|<b>|<i>", requests.get(f"{server.url}/_sandbox{path}", timeout=5).text)


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    Client(server.world).pay()

    assert not re.search(r'(?:src|href)="(?:https?:)?//', _page(server))


def test_unknown_pages_are_404(server: Server) -> None:
    assert requests.get(f"{server.url}/_sandbox/nothing", timeout=5).status_code == 404
