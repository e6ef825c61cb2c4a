"""`adapter_params`: what a user sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .keys import NAMES_OF_A_CHUNK

MEMORY_BYTES = 1 << 30
OFFER_SECONDS = 120.0
LOOKUP_SECONDS = 10.0
UNKNOWN_SECONDS = 0.5

_KEYS = (
    "agent",
    "nats_url",
    "receiver",
    "senders",
    "copies",
    "memory_bytes",
    "chunk_bytes",
    "offer_timeout",
    "lookup_timeout",
    "unknown_timeout",
    "segment",
    "namespace",
)
_SECONDS_MAX = 600.0
"""The longest time that an agent takes for a request."""


@dataclass(frozen=True)
class AdapterConfig:
    agent: str
    """The agent beside this server. One of role `prefill` takes what is stored, `decode` gives what is loaded, `both`
    does both."""
    nats_url: str | None = None
    """None: `KVFERRY_NATS_URL`, or this host."""
    receiver: str | None = None
    """The decode agent that gets every chunk. None: chunks are offered."""
    senders: tuple[str, ...] = ()
    """The prefill agents whose offers a lookup asks for."""
    copies: int = 1
    """How many decode servers can have an offered chunk. Each copy takes source memory."""
    memory_bytes: int = MEMORY_BYTES
    """Source memory."""
    chunk_bytes: int | None = None
    """The largest chunk. None: the size of the first chunk that is stored."""
    offer_timeout: float = OFFER_SECONDS
    """How long chunks are kept for a decode server, and travel. Seconds."""
    lookup_timeout: float = LOOKUP_SECONDS
    """How long a lookup waits for chunks that travel. Seconds."""
    unknown_timeout: float = UNKNOWN_SECONDS
    """How long a lookup asks for a chunk that was not offered yet. Seconds."""
    segment: str = ""
    """The name of the source memory."""
    namespace: str = ""
    """Part of every key: what changes the cache and is not in LMCache's keys, such as the revision of the model."""


def read_config(params: Mapping[str, Any]) -> AdapterConfig:
    """Raises `ValueError`, which names the parameter and what it takes."""
    unknown = sorted(set(params) - set(_KEYS))
    if unknown:
        raise _invalid(unknown[0], f"is unknown: the parameters are {', '.join(_KEYS)}")
    agent = _text(params, "agent")
    if agent is None:
        raise _invalid("agent", "must name the kvferry agent beside this server, for example 'prefill-0'")
    return AdapterConfig(
        agent=agent,
        nats_url=_text(params, "nats_url"),
        receiver=_text(params, "receiver"),
        senders=_names(params, "senders"),
        copies=_copies(params),
        memory_bytes=_integer(params, "memory_bytes", MEMORY_BYTES),
        chunk_bytes=_integer(params, "chunk_bytes", 1) if "chunk_bytes" in params else None,
        offer_timeout=_seconds(params, "offer_timeout", OFFER_SECONDS),
        lookup_timeout=_seconds(params, "lookup_timeout", LOOKUP_SECONDS),
        unknown_timeout=_seconds(params, "unknown_timeout", UNKNOWN_SECONDS),
        segment=_text(params, "segment") or f"lmcache-{agent}",
        namespace=_text(params, "namespace") or "",
    )


def _text(params: Mapping[str, Any], key: str) -> str | None:
    value = params.get(key)
    if value is not None and (not isinstance(value, str) or value == ""):
        raise _invalid(key, f"is {value!r}, and must be a text")
    return value


def _names(params: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = params.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name != "" for name in value):
        raise _invalid(key, f"is {value!r}, and must be a list of names of agents")
    return tuple(dict.fromkeys(value))


def _copies(params: Mapping[str, Any]) -> int:
    copies = _integer(params, "copies", 1)
    if copies > NAMES_OF_A_CHUNK:
        raise _invalid("copies", f"is {copies}, and must be at most {NAMES_OF_A_CHUNK}")
    if copies > 1 and params.get("receiver") is not None:
        raise _invalid("copies", f"is {copies}, and chunks for one receiver have no copies")
    return copies


def _integer(params: Mapping[str, Any], key: str, default: int) -> int:
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _invalid(key, f"is {value!r}, and must be a whole number from 1")
    return value


def _seconds(params: Mapping[str, Any], key: str, default: float) -> float:
    value = params.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _SECONDS_MAX:
        raise _invalid(key, f"is {value!r}, and must be seconds, above 0 and up to {_SECONDS_MAX:g}")
    return float(value)


def _invalid(key: str, what: str) -> ValueError:
    return ValueError(f"kvferry.lmcache: adapter_params: {key} {what}")
