"""`kv_connector_extra_config`: what a user sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..settings import CONNECTION_KEYS, ConnectionSettings, Settings, read_connection

OFFER_SECONDS = 120.0
LOAD_SECONDS = 60.0

_KEYS = (
    "agent",
    "chunk_tokens",
    "slots",
    "offer_timeout",
    "load_timeout",
    "segment",
    "model_id",
    "revision",
    *CONNECTION_KEYS,
)
_WHERE = "kv_connector_extra_config"


@dataclass(frozen=True)
class EngineFacts:
    """What vLLM's own configuration says."""

    model: str
    revision: str | None
    block_tokens: int
    ranks: int
    """Tensor parallel size."""
    data_rank: int = 0
    """Of this engine, with data parallelism."""


@dataclass(frozen=True)
class ConnectorConfig:
    agents: tuple[str, ...]
    """The agent beside each tensor parallel rank."""
    connection: ConnectionSettings
    chunk_tokens: int
    slots: int | None
    """Source memory of one rank, in chunks. None: room for two of the longest prompts."""
    offer_timeout: float
    """How long the chunks of a prompt are kept for a decode server, and travel. Seconds."""
    load_timeout: float
    """How long a decode server waits for the chunks of a prompt. Seconds."""
    segment: str | None
    model_id: str
    """Names the model in keys."""
    revision: str

    def segment_of(self, rank: int) -> str:
        """The name of the source memory of a rank."""
        if self.segment is None:
            return f"vllm-{self.agents[rank]}"
        return self.segment if len(self.agents) == 1 else f"{self.segment}-{rank}"


def read_config(extra: Mapping[str, Any], engine: EngineFacts) -> ConnectorConfig:
    """Raises `ValueError`, which names the key and what it takes."""
    settings = Settings(extra, _KEYS, _WHERE)
    chunk_tokens = settings.integer("chunk_tokens", engine.block_tokens)
    if chunk_tokens % engine.block_tokens != 0:
        what = f"is {chunk_tokens}, which is no multiple of the block size {engine.block_tokens}"
        raise settings.invalid("chunk_tokens", what)
    return ConnectorConfig(
        agents=_agents(settings, engine),
        connection=read_connection(settings),
        chunk_tokens=chunk_tokens,
        slots=settings.optional_integer("slots"),
        offer_timeout=settings.seconds("offer_timeout", OFFER_SECONDS),
        load_timeout=settings.seconds("load_timeout", LOAD_SECONDS),
        segment=settings.text("segment"),
        model_id=settings.text("model_id") or engine.model,
        revision=settings.text("revision") or engine.revision or "",
    )


def _agents(settings: Settings, engine: EngineFacts) -> tuple[str, ...]:
    """One name for each rank: a list, or a template with `{rank}` (tensor parallel) and `{data_rank}`."""
    agent = settings.get("agent")
    if isinstance(agent, str) and agent != "":
        names = [
            agent.replace("{rank}", str(rank)).replace("{data_rank}", str(engine.data_rank))
            for rank in range(engine.ranks)
        ]
    elif isinstance(agent, list) and all(isinstance(name, str) and name != "" for name in agent):
        names = list(agent)
    else:
        raise settings.invalid("agent", "must name the kvferry agent beside this engine, for example 'prefill-0'")
    if len(names) != engine.ranks or len(set(names)) != engine.ranks:
        what = f"names {len(set(names))} agents for {engine.ranks} tensor parallel ranks"
        raise settings.invalid("agent", f"{what}: use a list, or a template such as 'prefill-{{rank}}'")
    return tuple(names)
