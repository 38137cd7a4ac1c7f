"""An operation: method, path, handler, parameters. The usual ones come ready-made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import LABELS, bad_request, missing_object
from .specs import Param, spec
from .store import Key, Object, Row

if TYPE_CHECKING:
    from .world import World

Params = dict[str, Any]
Handler = Callable[..., Any]
_EXPAND = spec("expand:[str]")
_PAGING = spec("limit:int starting_after:str ending_before:str")


@dataclass(frozen=True)
class Page:
    """A page of stored rows, newest first."""

    rows: list[Row]
    has_more: bool
    url: str


@dataclass(frozen=True)
class Plain:
    """An answer that is no stored object; `expandable` says whether paths apply."""

    value: dict[str, Any]


@dataclass(frozen=True)
class Extra:
    """A stored object with fields that only this answer shows."""

    obj: Object
    fields: dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One row of the table of operations."""

    method: str
    path: str
    handler: Handler
    params: dict[str, Param] = field(default_factory=dict)
    listing: bool = False
    kind: str = ""


def op(method: str, path: str, handler: Handler, params: str = "", *, kind: str = "", expand: bool = True) -> Operation:
    """Return an operation whose parameters are declared by `params` (see `specs`)."""
    declared = spec(params) | (_EXPAND if expand else {})
    return Operation(method, path, handler, declared, kind=kind)


def retrieving(kind: str, path: str) -> Operation:
    """Return the operation that answers with one object by id."""
    return op("GET", path, lambda world, params, id: world.get(kind, id), kind=kind)


def listing(kind: str, path: str, filters: str = "", *, by: dict[str, str] | None = None,
            keep: Callable[[World, Params], Callable[[Object], bool] | None] | None = None) -> Operation:  # fmt: skip
    """Return the operation that lists a kind.

    `by` maps filter parameters to indexed fields; `keep` makes a test for all other filters.
    """

    def handler(world: World, params: Params, *ids: str) -> Page:
        keys = _keys(world, kind, params, by or {})
        test = keep(world, params) if keep else None
        return page(world, kind, keys, params, path, test)

    declared = spec(filters) | _PAGING | _EXPAND
    return Operation("GET", path, handler, declared, listing=True, kind=kind)


def _keys(world: World, kind: str, params: Params, by: dict[str, str]) -> list[Key]:
    table = world.store.table(kind)
    for param, name in by.items():
        if param in params:
            return table.keys(name, params[param])
    return table.keys()


def page(world: World, kind: str, keys: list[Key], params: Params, url: str,
         keep: Callable[[Object], bool] | None = None) -> Page:  # fmt: skip
    """Return the page that the paging parameters ask for."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise bad_request("This value must be greater than or equal to 1." if limit < 1 else
                          "This value must be less than or equal to 100.",
                          code="parameter_invalid_integer", param="limit")  # fmt: skip
    after, before = params.get("starting_after", ""), params.get("ending_before", "")
    if after and before:
        raise bad_request("You may only specify one of these parameters: starting_after, ending_before.",
                          code="parameters_exclusive", param="starting_after")  # fmt: skip
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and world.find(kind, cursor) is None:
            raise missing_cursor(kind, cursor, name)
    created = params.get("created")
    bounds = created if isinstance(created, dict) else _exactly(created)
    table = world.store.table(kind)
    rows, more = table.page(keys, limit=limit, after=after, before=before, created=bounds, keep=keep)
    return Page(rows, more, url)


def missing_cursor(kind: str, id: str, param: str) -> Exception:
    """Return Stripe's answer for a cursor that does not exist (any more)."""
    return missing_object(LABELS.get(kind, kind), id, param, 400)


def _exactly(created: int | None) -> dict[str, int]:
    return {} if created is None else {"gte": created, "lte": created}


def metadata(before: dict[str, str], given: Any) -> dict[str, str]:
    """Return metadata after an update: keys merge, '' deletes one, a bare '' deletes all.

    Raises:
        StripeError: more than 50 keys, a key over 40 or a value over 500 characters.
    """
    if given is None:
        return before
    if given == "":
        return {}
    for key, value in given.items():
        if len(key) > 40:
            raise bad_request(f"Invalid metadata: key '{key[:40]}...' is longer than 40 characters.", param="metadata")
        if len(value) > 500:
            raise bad_request(f"Metadata values can have up to 500 characters, but you passed in a value that is"
                              f" {len(value)} characters. Invalid value: {value}", param=f"metadata[{key}]")  # fmt: skip
    merged = {k: v for k, v in (before | given).items() if v != ""}
    if len(merged) > 50:
        raise bad_request("You can only have up to 50 metadata keys.", param="metadata")
    return merged


def given(params: Params, *names: str) -> dict[str, Any]:
    """Return those of `names` that were given, with '' turned into None."""
    return {n: (None if params[n] == "" else params[n]) for n in names if n in params}
