"""Form bodies and query strings with brackets: `a[b][0][c]=1` becomes nested values."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from .errors import bad_request


def decode(body: bytes | str) -> dict[str, Any]:
    """Return the nested parameters of a form body; leaves are strings."""
    text = _text(body)
    if not text:
        return {}
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _put(root, _path(name), value)
    return {k: _lists(v) for k, v in root.items()}


def _text(body: bytes | str) -> str:
    if isinstance(body, str):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise bad_request("Invalid encoding in the request body: it must be UTF-8.") from error


def _path(name: str) -> list[str]:
    if "[" not in name:
        return [name]
    head, _, rest = name.partition("[")
    return [head, *rest.removesuffix("]").split("][")]


def _put(root: dict[str, Any], path: list[str], value: str) -> None:
    here = root
    for part in path[:-1]:
        inner = here.setdefault(part or str(len(here)), {})
        if not isinstance(inner, dict):
            raise bad_request(f"Invalid hash: {path[0]}", param=path[0])
        here = inner
    here[path[-1] or str(len(here))] = value


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {k: _lists(v) for k, v in value.items()}
    if inner and all(k.isdigit() for k in inner):
        return [inner[k] for k in sorted(inner, key=int)]
    return inner


def encode(params: dict[str, Any]) -> str:
    """Return nested values as a form body, the way Stripe's SDKs write them."""
    return urlencode(list(_flat("", params)))


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = ((str(i), v) for i, v in enumerate(value))  # type: ignore[assignment]
    else:
        return [(prefix, _leaf(value))]
    out: list[tuple[str, str]] = []
    for key, inner in pairs:
        out += _flat(f"{prefix}[{key}]" if prefix else str(key), inner)
    return out


def _leaf(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
