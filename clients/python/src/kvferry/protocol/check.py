"""Checks a message against its schema. Covers the part of JSON Schema that the schemas of kvferry use."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ..errors import invalid_field

Schema = dict[str, Any]

_SCHEMAS: dict[str, Schema] = json.loads((files(__package__) / "schemas.json").read_text("utf-8"))
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def check(name: str, value: object, *, strict: bool) -> None:
    """Raises `invalid_field` with the path of the field. `strict`: a field that the schema does not name is an
    error."""
    _check(_SCHEMAS[name], value, "", strict)


def has_schema(name: str) -> bool:
    return name in _SCHEMAS


def _check(schema: Schema, value: object, path: str, strict: bool) -> None:
    for part in _parts(schema):
        _check(part, value, path, strict)
    if "const" in schema and value != schema["const"]:
        raise invalid_field(path, f"{path or 'the message'} must be {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        raise invalid_field(path, f"{path or 'the message'} must be one of {', '.join(schema['enum'])}")
    kind = schema.get("type")
    if kind is None:
        return
    is_number = kind in ("integer", "number")
    if not isinstance(value, _TYPES[kind]) or (is_number and isinstance(value, bool)):
        raise invalid_field(path, f"{path or 'the message'} must be of type {kind}")
    if isinstance(value, str):
        _check_text(schema, value, path)
    elif isinstance(value, list):
        _check_list(schema, value, path, strict)
    elif isinstance(value, dict):
        _check_object(schema, value, path, strict)
    elif isinstance(value, (int, float)):
        _check_bounds(schema, value, path, "minimum", "maximum", "")


def _parts(schema: Schema) -> list[Schema]:
    """Schemas that the value must fit too."""
    parts: list[Schema] = schema.get("allOf", [])
    reference = schema.get("$ref")
    return parts if reference is None else [*parts, _SCHEMAS[reference.rsplit("/", 1)[-1]]]


def _check_text(schema: Schema, value: str, path: str) -> None:
    _check_bounds(schema, len(value.encode("utf-8", "surrogatepass")), path, "minLength", "maxLength", " bytes")
    pattern = schema.get("pattern")
    if pattern is not None and _compiled(pattern).search(value) is None:
        raise invalid_field(path, f"{path or 'the message'} does not have the form {pattern}")


def _check_list(schema: Schema, value: list[object], path: str, strict: bool) -> None:
    _check_bounds(schema, len(value), path, "minItems", "maxItems", " elements")
    items = schema.get("items")
    if items is not None:
        for index, item in enumerate(value):
            _check(items, item, f"{path}[{index}]", strict)


def _check_object(schema: Schema, value: dict[str, object], path: str, strict: bool) -> None:
    prefix = f"{path}." if path else ""
    for field in schema.get("required", ()):
        if field not in value:
            raise invalid_field(f"{prefix}{field}", f"{prefix}{field} is missing")
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for field, part in value.items():
        if field in properties:
            _check(properties[field], part, f"{prefix}{field}", strict)
        elif isinstance(others, dict):
            _check(others, part, f"{prefix}{field}", strict)
        elif others is False and strict:
            raise invalid_field(f"{prefix}{field}", f"{prefix}{field} is not a field of the message")


def _check_bounds(schema: Schema, size: float, path: str, least: str, most: str, unit: str) -> None:
    if least in schema and size < schema[least]:
        raise invalid_field(path, f"{path or 'the message'} must have at least {schema[least]}{unit}, and has {size}")
    if most in schema and size > schema[most]:
        raise invalid_field(path, f"{path or 'the message'} must have at most {schema[most]}{unit}, and has {size}")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern is that of JavaScript."""
    python = pattern.replace(r"\p{Cc}", r"\x00-\x1f\x7f-\x9f").replace(r"\p{Cs}", r"\ud800-\udfff")
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", python))
