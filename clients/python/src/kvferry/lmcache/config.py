"""`adapter_params`: what a user sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..settings import CONNECTION_KEYS, ConnectionSettings, Settings, read_connection
from .keys import NAMES_OF_A_CHUNK

MEMORY_BYTES = 1 << 30
OFFER_SECONDS = 120.0
LOOKUP_SECONDS = 10.0
UNKNOWN_SECONDS = 0.5

_KEYS = (
    "agent",
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
    *CONNECTION_KEYS,
)
_WHERE = "kvferry.lmcache: adapter_params"


@dataclass(frozen=True)
class AdapterConfig:
    agent: str
    """The agent beside this server. One of role `prefill` takes what is stored, `decode` gives what is loaded, `both`
    does both."""
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
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
    settings = Settings(params, _KEYS, _WHERE)
    agent = settings.text("agent")
    if agent is None:
        raise settings.invalid("agent", "must name the kvferry agent beside this server, for example 'prefill-0'")
    return AdapterConfig(
        agent=agent,
        connection=read_connection(settings),
        receiver=settings.text("receiver"),
        senders=_names(settings, "senders"),
        copies=_copies(settings),
        memory_bytes=settings.integer("memory_bytes", MEMORY_BYTES),
        chunk_bytes=settings.optional_integer("chunk_bytes"),
        offer_timeout=settings.seconds("offer_timeout", OFFER_SECONDS),
        lookup_timeout=settings.seconds("lookup_timeout", LOOKUP_SECONDS),
        unknown_timeout=settings.seconds("unknown_timeout", UNKNOWN_SECONDS),
        segment=settings.text("segment") or f"lmcache-{agent}",
        namespace=settings.text("namespace") or "",
    )


def _names(settings: Settings, key: str) -> tuple[str, ...]:
    value = settings.get(key)
    names = [] if value is None else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name != "" for name in names):
        raise settings.invalid(key, f"is {value!r}, and must be a list of names of agents")
    return tuple(dict.fromkeys(names))


def _copies(settings: Settings) -> int:
    copies = settings.integer("copies", 1)
    if copies > NAMES_OF_A_CHUNK:
        raise settings.invalid("copies", f"is {copies}, and must be at most {NAMES_OF_A_CHUNK}")
    if copies > 1 and settings.get("receiver") is not None:
        raise settings.invalid("copies", f"is {copies}, and chunks for one receiver have no copies")
    return copies
