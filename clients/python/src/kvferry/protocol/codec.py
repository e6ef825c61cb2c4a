"""Bodies of messages: JSON text in UTF-8, with the version of the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast

from ..errors import ErrorDetails, KvferryError
from .check import check
from .constants import PROTOCOL_VERSION


def encode(content: Mapping[str, object]) -> bytes:
    return json_bytes({"v": PROTOCOL_VERSION, **content})


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decode(name: str, body: bytes, is_wanted: Callable[[Any], bool] | None = None) -> dict[str, Any] | None:
    """An event. None: `is_wanted`, which sees it before it is checked, does not want it. Raises `malformed_json` or
    `invalid_field`. Fields of a later version are let through."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise KvferryError("malformed_json", f"{name} is not JSON: {error}") from error
    if is_wanted is not None and not is_wanted(value):
        return None
    check(name, value, strict=False)
    return cast("dict[str, Any]", value)


def decode_reply(operation: str, body: bytes) -> dict[str, Any]:
    """The answer to an operation. Raises the error that the agent answered, `unsupported_version`, or
    `inconsistent_reply`."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise _unfit(operation, str(error)) from error
    _check_version(value)
    refused = isinstance(value, dict) and value.get("ok") is False
    try:
        check("errorReply" if refused else f"{operation}Reply", value, strict=False)
    except KvferryError as error:
        raise _unfit(operation, str(error), error.field) from error
    if refused:
        raise _answered(value["error"])
    return cast("dict[str, Any]", value)


def _check_version(value: object) -> None:
    version = value.get("v") if isinstance(value, dict) else None
    if isinstance(version, int) and version != PROTOCOL_VERSION:
        what = f"the agent answers in version {version} of the protocol, and this client speaks {PROTOCOL_VERSION}"
        raise KvferryError("unsupported_version", f"{what}: run kvferry of one version on both sides", field="v")


def _unfit(operation: str, why: str, field: str | None = None) -> KvferryError:
    return KvferryError(
        "inconsistent_reply", f"the answer to {operation} does not fit the protocol: {why}", field=field
    )


def _answered(error: dict[str, Any]) -> KvferryError:
    details = ErrorDetails(**{one.name: error.get(one.name) for one in fields(ErrorDetails)})
    return KvferryError(error["code"], error["message"], field=error.get("field"), details=details, answered=True)
