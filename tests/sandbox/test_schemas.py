"""Every operation and every event type, checked against Stripe's schemas in both versions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.core import OLD, PINNED, render, specs
from sandbox.core.errors import StripeError
from sandbox.core.events import TYPES
from sandbox.core.specs import Param
from sandbox.core.table import OPERATIONS
from tests.sandbox import walk
from tests.sandbox.client import Client, kept_events, needs_schemas, schemas, world

ONLY_NEW = {
    ("GET", "/v1/invoice_payments"),
    ("GET", "/v1/invoice_payments/{invoice_payment}"),
    ("POST", "/v1/invoices/create_preview"),
}
ONLY_OLD = {("GET", "/v1/invoices/upcoming")}
# Lists inside objects name these; Stripe serves them without documenting them any more.
UNLISTED = {("GET", "/v1/charges/{charge}/refunds"), ("GET", "/v1/customers/{customer}/subscriptions")}


@needs_schemas
@pytest.mark.parametrize("version", [PINNED, OLD])
def test_every_operation_and_event_has_the_shape_of_its_version(version: str) -> None:
    client = Client(world(), version=version, checked=True)
    emitted = kept_events(client.world)

    walk.everything(client)

    assert client.problems == []
    every = {(o.method, o.path) for o in OPERATIONS}
    assert every - client.used == (ONLY_OLD if version == PINNED else ONLY_NEW)
    assert {event["type"] for event in emitted} == TYPES
    assert _wrong_events(client, emitted, version) == []


def _wrong_events(client: Client, emitted: list[dict[str, Any]], version: str) -> list[str]:
    known, seen, wrong = schemas().event_objects(version), {}, []
    for event in emitted:
        if event["type"] not in known or seen.setdefault(event["type"], 0) >= 4:
            continue
        seen[event["type"]] += 1
        view = render.event_view(client.world, event, version)
        assert view["data"]["object"]["object"] in known[event["type"]]
        wrong += [f"{event['type']}: {e}" for e in schemas().errors(view, version)]
    return wrong


@needs_schemas
def test_a_broken_answer_would_be_noticed() -> None:
    client = Client(world(), checked=True)
    product = client.post("/v1/products", name="Book")
    client.world.raw("product", product["id"])["active"] = "yes"
    client.world.touch("product", product["id"])

    client.get(f"/v1/products/{product['id']}")

    assert client.problems


@needs_schemas
def test_parameters_are_those_of_the_schema() -> None:
    wrong = []
    for operation in OPERATIONS:
        if (operation.method, operation.path) in ONLY_OLD | UNLISTED:
            continue
        found = schemas().operation(operation.method, operation.path)
        if found is None:
            wrong.append(f"{operation.method} {operation.path} is no operation of Stripe's")
            continue
        wrong += _differences(operation, found[1])
    assert wrong == []


def _differences(operation: Any, theirs: dict[str, Any]) -> list[str]:
    if operation.method == "GET":
        query = [p for p in theirs["parameters"] if p["in"] == "query"]
        schema = {
            "properties": {p["name"]: p["schema"] for p in query},
            "required": [p["name"] for p in query if p["required"]],
        }
    else:
        content = theirs.get("requestBody", {}).get("content", {})
        schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    where = f"{operation.method} {operation.path}"
    return _compare(operation.params, schema, where)


def _compare(mine: dict[str, Param], schema: dict[str, Any], where: str) -> list[str]:
    schema = _resolved(schema)
    wrong = []
    names = schema.get("properties", {})
    for name, param in mine.items():
        if param.only == OLD or name == "_each":
            continue
        if name not in names:
            wrong.append(f"{where}: {name} is not a parameter")
            continue
        inner = _resolved(names[name])
        if param.type == "hash":
            wrong += _compare(param.fields, inner, f"{where} {name}")
        if param.type == "list" and param.item is not None and param.item.type == "hash":
            wrong += _compare(param.item.fields, inner.get("items", {}), f"{where} {name}[]")
    required = {name for name, param in mine.items() if param.required and param.only != OLD}
    missing = set(schema.get("required", [])) - required
    return wrong + [f"{where}: {name} is required" for name in sorted(missing)]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and take the richest alternative."""
    components = schemas().load()["components"]["schemas"]
    while True:
        if "$ref" in schema:
            schema = components[schema["$ref"].split("/")[-1]]
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        elif "anyOf" in schema:
            options = [_resolved(option) for option in schema["anyOf"]]
            return max(options, key=lambda o: len(o.get("properties", {})) + 5 * ("items" in o))
        else:
            return schema


def _typed(operation: Any) -> list[str]:
    names = [n for n, p in operation.params.items() if p.type in ("int", "bool") and p.only != OLD and not p.words]
    return [name for name in names if name != "expand"]


@needs_schemas
def test_what_the_schema_refuses_is_refused() -> None:
    """Unknown and ill-typed parameters of every operation, by both."""
    wrong = []
    for operation in OPERATIONS:
        if (operation.method, operation.path) in ONLY_OLD | UNLISTED:
            continue
        path = re.sub(r"{\w+}", "x", operation.path)
        for name in ["nonsense", *_typed(operation)]:
            theirs = schemas().request_errors(operation.method, path, f"{name}=abc")
            try:
                specs.check({name: "abc"}, operation.params, PINNED)
            except StripeError as error:
                if not theirs or error.param != name:
                    wrong.append(f"{operation.method} {path} {name}: refused as {error.param}, schema says {theirs}")
            else:
                wrong.append(f"{operation.method} {path} {name}: accepted")
    assert wrong == []
