"""A client without a network: calls the core, and checks shapes where the schemas are at hand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import OLD, PINNED, Request, Response, World, forms, handle
from sandbox.core.table import route

SHARED = Path(__file__).resolve().parents[3] / "shared" / "stripe"
needs_schemas = pytest.mark.skipif(
    not (SHARED / "stripe_schema.py").exists(), reason="no schemas beside the repository"
)
NEW_YEAR = 1_767_225_600
UNDOCUMENTED = re.compile(r"/v1/(charges/[^/]+/refunds|customers/[^/]+/subscriptions)")


def schemas() -> Any:
    """Return the module that checks shapes."""
    if str(SHARED) not in sys.path:
        sys.path.append(str(SHARED))
    import stripe_schema

    return stripe_schema


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, response: Response) -> None:
        self.status, self.headers = response.status, response.headers
        self.error: dict[str, Any] = response.json()["error"]
        super().__init__(f"{self.status} {self.error.get('code')}: {self.error['message']}")


class Client:
    """Talks to a world as an SDK would; with `checked`, every request and answer is validated."""

    def __init__(self, world: World, *, version: str = PINNED, key: str = "sk_test_1", checked: bool = False) -> None:
        self.world, self.version, self.key, self.checked = world, version, key, checked
        self.used: set[tuple[str, str]] = set()
        self.problems: list[str] = []

    def send(self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> Response:
        text = forms.encode(params or {})
        sent = {"authorization": f"Bearer {self.key}", "stripe-version": self.version}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        query, body = (text, b"") if method == "GET" else ("", text.encode())
        response = handle(self.world, Request(method, path, query, body, sent))
        self._note(method, path, text, response)
        return response

    def call(self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        response = self.send(method, path, params, **headers)
        if response.status != 200:
            raise Refused(response)
        return response.json()

    def get(self, path: str, /, **params: Any) -> Any:
        return self.call("GET", path, params)

    def post(self, path: str, /, **params: Any) -> Any:
        return self.call("POST", path, params)

    def delete(self, path: str, /, **params: Any) -> Any:
        return self.call("DELETE", path, params)

    def refused(self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> Refused:
        """Return the refusal of a call that must not succeed."""
        with pytest.raises(Refused) as caught:
            self.call(method, path, params, **headers)
        return caught.value

    def customer(self, card: str = "pm_card_visa", **params: Any) -> Any:
        """Return a customer who pays with a card."""
        customer = self.post("/v1/customers", email="reader@example.com", name="A Reader", **params)
        method = self.post(f"/v1/payment_methods/{card}/attach", customer=customer["id"])
        chosen = {"default_payment_method": method["id"]}
        return self.post(f"/v1/customers/{customer['id']}", invoice_settings=chosen)

    def price(self, amount: int = 1500, interval: str | None = "month", currency: str = "usd", **more: Any) -> Any:
        """Return a new price of a new product."""
        product = self.post("/v1/products", name="Magazine")
        if interval:
            more["recurring"] = {"interval": interval}
        return self.post("/v1/prices", product=product["id"], unit_amount=amount, currency=currency, **more)

    def pay(self, amount: int = 2000, currency: str = "usd", card: str = "pm_card_visa", **params: Any) -> Any:
        """Return a payment intent that was created and confirmed."""
        params.setdefault("automatic_payment_methods", {"enabled": True, "allow_redirects": "never"})
        return self.post(
            "/v1/payment_intents", amount=amount, currency=currency, payment_method=card, confirm=True, **params
        )

    def _note(self, method: str, path: str, text: str, response: Response) -> None:
        found = route(method, path)
        if found:
            self.used.add((found[0].method, found[0].path))
        if not self.checked:
            return
        where = f"{method} {path} {text[:200]}"
        if response.status == 200:
            if self.version == PINNED and not UNDOCUMENTED.fullmatch(path):
                self._add(where, schemas().request_errors(method, path, text))
            self._add(where, self._shape(response.json()))

    def _shape(self, value: dict[str, Any]) -> list[str]:
        kind = value.get("object")
        if kind in ("list", "search_result") and value["data"] and value["data"][0]["object"] in ("item",):
            return [e for item in value["data"] for e in schemas().errors(item, self.version, "item")]
        if kind == "list" and value["data"] and value["data"][0]["object"] == "event":
            return [e for item in value["data"] for e in self._shape(item)]
        if kind == "event":
            return schemas().errors(value, value["api_version"])
        found = schemas().errors(value, self.version)
        preview = kind == "invoice" and "id" not in value and self.version == OLD
        return [e for e in found if not preview or "'id' is a required" not in e]

    def _add(self, where: str, found: list[str]) -> None:
        self.problems += [f"{where}: {problem}" for problem in found]


def world(**settings: Any) -> World:
    """Return a new account at New Year 2026."""
    from sandbox.core import Settings

    return World(Settings(**settings), seed=1, now=NEW_YEAR)


def kept_events(world: World) -> list[dict[str, Any]]:
    """Return the list that collects every event from now on, also those that are forgotten later."""
    kept: list[dict[str, Any]] = []
    table = world.store.table("event")
    insert = table.insert

    def keeping(obj: Any, number: int) -> Any:
        kept.append(obj)
        return insert(obj, number)

    table.insert = keeping  # type: ignore[method-assign]
    return kept
