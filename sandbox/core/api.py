"""One call in, one answer out: the protocol around the operations, without HTTP.

Order: faults, key, address, version, permission, idempotency, parameters, the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import access, expand, faults, forms, render, specs, wire
from .errors import LABELS, StripeError, bad_request, missing_object, unknown_url
from .operation import Extra, Operation, Page, Plain
from .settings import VERSIONS
from .table import route

if TYPE_CHECKING:
    from .faults import Fault
    from .world import World


@dataclass(frozen=True)
class Request:
    """What a client sent; header names in lower case, `path` without the query."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Response:
    """What it gets; `fault` tells the transport to be slow, to cut or to drop the answer."""

    status: int
    body: bytes
    headers: dict[str, str]
    fault: Fault | None = None

    @property
    def dropped(self) -> bool:
        """Return whether the client never sees this answer."""
        return self.fault is not None and self.fault.kind == "drop_after"

    def json(self) -> Any:
        """Return the body's value."""
        return wire.loads(self.body)


def handle(world: World, request: Request) -> Response:
    """Answer one call; what is due on the account's clock happens before it."""
    world.tick()
    request_id = world.ids.new("req_")
    fault = world.faults.request(world, request.method, request.path)
    refused = faults.refusal(fault) if fault else None
    if refused:
        return _failure(refused[0], request_id, request, refused[1])
    try:
        response = _answer(world, request, request_id, fault)
    except StripeError as error:
        response = _failure(error, request_id, request, {})
    response.fault = fault
    if fault and fault.kind == "truncate":
        response.body = response.body[: max(1, len(response.body) // 2)]
    return response


def broken(world: World, request: Request) -> Response:
    """Return the answer to a call that the sandbox itself could not cope with."""
    return _failure(faults.server_error(), world.ids.new("req_"), request, {})


def _answer(world: World, request: Request, request_id: str, fault: Fault | None) -> Response:
    caller = access.authenticate(request.headers, world.settings)
    operation, ids = _route(request)
    version = _version(world, request)
    access.permit(caller, request.method, request.path, world.settings)
    if caller.live and operation.kind != "account":
        return _respond(200, _other_mode(operation, ids, request), request_id, request, version)
    key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
    if not key:
        status, body = _perform(world, operation, ids, request, request_id, version, fault)
        return _respond(status, body, request_id, request, version)
    return _once(world, key, operation, ids, request, request_id, version, fault)


def _once(world: World, key: str, operation: Operation, ids: list[str], request: Request, request_id: str,
          version: str, fault: Fault | None) -> Response:  # fmt: skip
    if len(key) > 255:
        raise bad_request("The idempotency key provided is too long. Idempotency keys can have at most 255 characters.")
    kept = world.idempotency.begin(key, request.method, request.path, request.body, world.main.now)
    if kept is not None:
        response = _respond(kept.status, kept.body, request_id, request, version)
        response.headers |= {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
        return response
    changes = world.changes
    try:
        status, body = _perform(world, operation, ids, request, request_id, version, fault)
    except BaseException:
        world.idempotency.release(key)
        raise
    if status < 400 or status >= 500 or world.changes != changes:
        world.idempotency.finish(key, status, body, request_id)
    else:
        world.idempotency.release(key)
    return _respond(status, body, request_id, request, version)


def _perform(world: World, operation: Operation, ids: list[str], request: Request, request_id: str,
             version: str, fault: Fault | None) -> tuple[int, bytes]:  # fmt: skip
    """Check the parameters, do the work, render the answer; errors become bodies."""
    if "json" in request.headers.get("content-type", ""):
        raise bad_request(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you"
            " have any questions, we can help at https://support.stripe.com/."
        )
    try:
        raw = forms.decode(request.query if request.method == "GET" else request.body or request.query)
        params = specs.check(raw, operation.params, version)
        paths = params.pop("expand", [])
        expand.check(paths, listing=operation.listing)
        world.request = {"id": request_id, "idempotency_key": request.headers.get("idempotency-key")}
        world.version = version
        with world.on_clock(_clock(world, operation, params, ids)):
            result = operation.handler(world, params, *ids)
            body = _render(world, result, paths, version)
        if fault and fault.kind == "error_after":
            raise faults.server_error()
        return 200, body
    except StripeError as error:
        return error.status, _error_body(world, error, request_id, version)
    finally:
        world.request = {"id": None, "idempotency_key": None}


def _clock(world: World, operation: Operation, params: dict[str, Any], ids: list[str]) -> str | None:
    """Return the test clock that the objects of a call live on, if any."""
    if not world.clocks:
        return None
    known = [world.find(operation.kind, ids[0])] if ids else []
    for name in ("customer", "subscription", "invoice", "charge", "payment_intent"):
        if isinstance(params.get(name), str):
            known.append(world.find(name, params[name]))
    for obj in known:
        if obj is not None:
            clock = clock_of(world, obj)
            if clock:
                return clock
    return params.get("test_clock") if operation.method == "POST" else None


def clock_of(world: World, obj: dict[str, Any]) -> str | None:
    """Return the test clock of an object or of its customer."""
    if obj.get("test_clock"):
        return str(obj["test_clock"])
    customer = world.find("customer", obj.get("customer"))
    return customer["test_clock"] if customer else None


def _render(world: World, result: Any, paths: list[str], version: str) -> bytes:
    if isinstance(result, Page):
        if not paths:
            return render.list_bytes(world, result.rows, result.has_more, result.url, version)
        inner = [p.removeprefix("data").removeprefix(".") for p in paths]
        inner = [p for p in inner if p]
        items = [expand.apply(world, render.view(world, r.obj, version), inner, version) for r in result.rows]
        return wire.dumps({"object": "list", "data": items, "has_more": result.has_more, "url": result.url})
    if isinstance(result, Plain):
        return wire.dumps(expand.apply(world, result.value, paths, version))
    obj, more = (result.obj, result.fields) if isinstance(result, Extra) else (result, {})
    if not paths and not more:
        return render.json_bytes(world, world.row(obj), version)
    return wire.dumps(expand.apply(world, render.view(world, obj, version) | more, paths, version))


def _error_body(world: World, error: StripeError, request_id: str, version: str) -> bytes:
    for name in ("payment_intent", "setup_intent", "payment_method"):
        value = error.fields.get(name)
        if isinstance(value, dict) and "_" in "".join(k[0] for k in value):
            error.fields[name] = render.view(world, value, version)
    return wire.pretty(error.body(request_id))


def _route(request: Request) -> tuple[Operation, list[str]]:
    found = route(request.method, request.path)
    if found is None:
        raise unknown_url(request.method, request.path)
    return found


def _version(world: World, request: Request) -> str:
    version = request.headers.get("stripe-version", world.settings.api_version)
    if version not in VERSIONS:
        raise bad_request(
            f"Invalid Stripe API version: {version}. This sandbox renders {' and '.join(VERSIONS)}; see"
            " https://stripe.com/docs/api/versioning for Stripe's own."
        )
    return version


def _other_mode(operation: Operation, ids: list[str], request: Request) -> bytes:
    """Answer a live key: the account is there, its test objects are not."""
    if operation.listing and not ids:
        return wire.dumps({"object": "list", "data": [], "has_more": False, "url": request.path})
    if ids:
        hint = "; a similar object exists in test mode, but a live mode key was used to make this request."
        raise missing_object(LABELS.get(operation.kind, operation.kind), ids[0], "id", 404, hint)
    raise StripeError(
        403,
        "Your account cannot currently make live charges. If you are a site customer trying to make a"
        " purchase, please contact the owner of this site. Your transaction has not been processed.",
        "account_invalid",
    )


def _failure(error: StripeError, request_id: str, request: Request, headers: dict[str, str]) -> Response:
    version = request.headers.get("stripe-version", "")
    body = wire.pretty(error.body(request_id))
    response = _respond(error.status, body, request_id, request, version if version in VERSIONS else "")
    response.headers |= headers
    return response


def _respond(status: int, body: bytes, request_id: str, request: Request, version: str) -> Response:
    headers = {"Content-Type": "application/json", "Request-Id": request_id}
    if version:
        headers["Stripe-Version"] = version
    if "idempotency-key" in request.headers and request.method == "POST":
        headers["Idempotency-Key"] = request.headers["idempotency-key"]
    return Response(status, body, headers)
