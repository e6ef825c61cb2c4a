"""Bodies of messages: JSON text in UTF-8, with the version of the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..errors import ErrorDetails, KvferryError
from .check import check
from .constants import PROTOCOL_VERSION


def encode(fields: Mapping[str, object]) -> bytes:
    return json_bytes({"v": PROTOCOL_VERSION, **fields})


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decode(name: str, body: bytes) -> dict[str, Any]:
    """An event, or an answer. Raises `malformed_json` or `invalid_field`. Fields of a later version are let
    through."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise KvferryError("malformed_json", f"{name} is not JSON: {error}") from error
    check(name, value, strict=False)
    return cast("dict[str, Any]", value)


def decode_reply(operation: str, body: bytes) -> dict[str, Any]:
    """The answer to an operation. Raises the error that the agent answered, or `inconsistent_reply`."""
    try:
        value = json.loads(body)
        refused = isinstance(value, dict) and value.get("ok") is False
        check("errorReply" if refused else f"{operation}Reply", value, strict=False)
    except (ValueError, KvferryError) as error:
        field = error.field if isinstance(error, KvferryError) else None
        message = f"the answer to {operation} does not fit the protocol: {error}"
        raise KvferryError("inconsistent_reply", message, field=field) from error
    if refused:
        raise _answered(value["error"])
    return cast("dict[str, Any]", value)


def _answered(error: dict[str, Any]) -> KvferryError:
    fields = ("end", "epoch", "order", "receiver", "session")
    details = ErrorDetails(**{field: error[field] for field in fields if field in error})
    return KvferryError(error["code"], error["message"], field=error.get("field"), details=details, answered=True)
