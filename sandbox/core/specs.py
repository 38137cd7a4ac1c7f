"""What parameters an operation takes, written as one line of text each, and checked.

name!:str            required text             images?:[str]      list, '' unsets it
amount:int           whole number              recurring:{...}    hash
active:bool          true or false             metadata?:map      free keys and texts
percent:num          decimal number            type:a|b           one of these words
until:dec            decimal kept as text      created:range      seconds or {gt,gte,lt,lte}
up_to:int|inf        number or that word       coupon<:str        only before 2025 ('<')
promotion>:{...}     only in the pinned version ('>')
options:{_each:{..}} hash with free keys, each value checked
anchor>:{..} anchor<:now|later   declared twice: one way in the pinned version, another before 2025
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import bad_request, missing_parameter, unknown_parameter
from .settings import OLD, PINNED

RANGE_KEYS = ("gt", "gte", "lt", "lte")
_TYPES = frozenset("str int bool num dec map range".split())
_TOKEN = re.compile(r"\s*(\w+)([!?<>]*):|\s*(\{|\}|\[|\]|[\w.*|-]+)")
_INTEGER = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Param:
    """One parameter: its type, and whether it is required, can be unset, is versioned; `other` is its older form."""

    type: str
    required: bool = False
    unsettable: bool = False
    only: str = ""
    words: tuple[str, ...] = ()
    item: Param | None = None
    other: Param | None = None
    fields: dict[str, Param] = field(default_factory=dict)


def spec(text: str) -> dict[str, Param]:
    """Return the parameters that `text` declares."""
    tokens = [m.groups() for m in _TOKEN.finditer(text.strip())]
    fields, rest = _fields(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"cannot read the parameter declaration: {text!r}")
    return fields


def _fields(tokens: list[Any], at: int) -> tuple[dict[str, Param], int]:
    found: dict[str, Param] = {}
    while at < len(tokens) and tokens[at][0]:
        name, flags, _ = tokens[at]
        param, at = _type(tokens, at + 1, flags)
        found[name] = replace(found[name], other=param) if name in found else param
    return found, at


def _type(tokens: list[Any], at: int, flags: str) -> tuple[Param, int]:
    common: dict[str, Any] = {
        "required": "!" in flags,
        "unsettable": "?" in flags,
        "only": OLD if "<" in flags else PINNED if ">" in flags else "",
    }
    word = tokens[at][2]
    if word == "{":
        inner, at = _fields(tokens, at + 1)
        return Param("hash", fields=inner, **common), at + 1
    if word == "[":
        item, at = _type(tokens, at + 1, "")
        return Param("list", item=item, **common), at + 1
    kind, _, more = word.partition("|")
    if kind in _TYPES:
        return Param(kind, words=tuple(more.split("|")) if more else (), **common), at + 1
    return Param("word", words=tuple(word.split("|")), **common), at + 1


def check(params: dict[str, Any], fields: dict[str, Param], version: str, where: str = "") -> dict[str, Any]:
    """Return `params` with typed values.

    Raises:
        StripeError: the first thing Stripe would refuse, with its `param`.
    """
    clean: dict[str, Any] = {}
    for name, value in params.items():
        param = fields.get(name) or fields.get("_each")
        label = f"{where}[{name}]" if where else name
        if param is not None and param.other is not None and param.only != version:
            param = param.other
        if param is None or (param.only and param.only != version):
            raise unknown_parameter(label)
        clean[name] = _value(value, param, version, label)
    for name, param in fields.items():
        if param.required and name not in clean and param.only in ("", version):
            raise missing_parameter(f"{where}[{name}]" if where else name)
    return clean


def _value(value: Any, param: Param, version: str, label: str) -> Any:
    if value == "":
        return _empty(param, label)
    if param.type == "hash":
        if not isinstance(value, dict):
            raise bad_request("Invalid object", param=label)
        return check(value, param.fields, version, label)
    if param.type == "list":
        if not isinstance(value, list) or param.item is None:
            raise bad_request("Invalid array", param=label)
        return [_value(v, param.item, version, f"{label}[{i}]") for i, v in enumerate(value)]
    if param.type == "map":
        return _map(value, label)
    if param.type == "range" and isinstance(value, dict):
        return {k: _integer(v, f"{label}[{k}]") for k, v in value.items() if _range_key(k, label)}
    if not isinstance(value, str):
        raise bad_request(f"Invalid string: {value!r}", param=label)
    return _leaf(value, param, label)


def _empty(param: Param, label: str) -> Any:
    if param.unsettable or param.type == "map":
        return ""
    raise bad_request(
        f"You passed an empty string for '{label}'. We assume empty values are an attempt to unset a"
        f" parameter; however '{label}' cannot be unset. You should remove '{label}' from your request"
        " or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=label,
    )


def _map(value: Any, label: str) -> dict[str, str]:
    if isinstance(value, list):
        value = {str(i): v for i, v in enumerate(value)}
    if not isinstance(value, dict):
        raise bad_request("Invalid object", param=label)
    for key, inner in value.items():
        if not isinstance(inner, str):
            raise bad_request(f"Invalid string: {inner!r}", param=f"{label}[{key}]")
    return value


def _leaf(value: str, param: Param, label: str) -> Any:
    if value in param.words:
        return value
    if param.type in ("int", "range"):
        return _integer(value, label)
    if param.type == "bool":
        if value.lower() not in ("true", "false"):  # stripe-python before 11 writes "True"
            raise bad_request(f"Invalid boolean: {value}", param=label)
        return value.lower() == "true"
    if param.type in ("num", "dec"):
        if not _NUMBER.fullmatch(value):
            raise bad_request(f"Invalid decimal: {value}", code="parameter_invalid_decimal", param=label)
        return float(value) if param.type == "num" else value
    if param.type == "word":
        raise _not_one_of(param.words, label)
    if len(value) > 5000:
        raise bad_request(f"Invalid string: {value[:20]}...{value[-5:]}; must be at most 5000 characters", param=label)
    return value


def _integer(value: Any, label: str) -> int:
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise bad_request(f"Invalid integer: {value}", code="parameter_invalid_integer", param=label)
    return int(value)


def _range_key(key: str, label: str) -> bool:
    if key not in RANGE_KEYS:
        raise unknown_parameter(f"{label}[{key}]")
    return True


def _not_one_of(words: tuple[str, ...], label: str) -> Exception:
    listed = words[0] if len(words) == 1 else ", ".join(words[:-1]) + f", or {words[-1]}"
    return bad_request(f"Invalid {label}: must be one of {listed}", param=label)
