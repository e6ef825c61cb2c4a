"""`kv_connector_extra_config`: what a user sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OFFER_SECONDS = 120.0
LOAD_SECONDS = 60.0

_KEYS = (
    "agent",
    "nats_url",
    "chunk_tokens",
    "slots",
    "offer_timeout",
    "load_timeout",
    "segment",
    "model_id",
    "revision",
)
_SECONDS_MAX = 600.0
"""The longest time that an agent takes for a request."""


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
    nats_url: str | None
    """None: `KVFERRY_NATS_URL`, or this host."""
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
    unknown = sorted(set(extra) - set(_KEYS))
    if unknown:
        raise _invalid(unknown[0], f"is unknown: the keys are {', '.join(_KEYS)}")
    chunk_tokens = _integer(extra, "chunk_tokens", engine.block_tokens)
    if chunk_tokens % engine.block_tokens != 0:
        raise _invalid(
            "chunk_tokens", f"is {chunk_tokens}, which is no multiple of the block size {engine.block_tokens}"
        )
    return ConnectorConfig(
        agents=_agents(extra.get("agent"), engine),
        nats_url=_text(extra, "nats_url"),
        chunk_tokens=chunk_tokens,
        slots=_integer(extra, "slots", 1) if "slots" in extra else None,
        offer_timeout=_seconds(extra, "offer_timeout", OFFER_SECONDS),
        load_timeout=_seconds(extra, "load_timeout", LOAD_SECONDS),
        segment=_text(extra, "segment"),
        model_id=_text(extra, "model_id") or engine.model,
        revision=_text(extra, "revision") or engine.revision or "",
    )


def _agents(agent: object, engine: EngineFacts) -> tuple[str, ...]:
    """One name for each rank: a list, or a template with `{rank}` (tensor parallel) and `{data_rank}`."""
    if isinstance(agent, str) and agent != "":
        names = [
            agent.replace("{rank}", str(rank)).replace("{data_rank}", str(engine.data_rank))
            for rank in range(engine.ranks)
        ]
    elif isinstance(agent, list) and all(isinstance(name, str) and name != "" for name in agent):
        names = list(agent)
    else:
        raise _invalid("agent", "must name the kvferry agent beside this engine, for example 'prefill-0'")
    if len(names) != engine.ranks or len(set(names)) != engine.ranks:
        what = f"names {len(set(names))} agents for {engine.ranks} tensor parallel ranks"
        raise _invalid("agent", f"{what}: use a list, or a template such as 'prefill-{{rank}}'")
    return tuple(names)


def _text(extra: Mapping[str, Any], key: str) -> str | None:
    value = extra.get(key)
    if value is not None and (not isinstance(value, str) or value == ""):
        raise _invalid(key, f"is {value!r}, and must be a text")
    return value


def _integer(extra: Mapping[str, Any], key: str, default: int) -> int:
    value = extra.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _invalid(key, f"is {value!r}, and must be a whole number from 1")
    return value


def _seconds(extra: Mapping[str, Any], key: str, default: float) -> float:
    value = extra.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _SECONDS_MAX:
        raise _invalid(key, f"is {value!r}, and must be seconds, above 0 and up to {_SECONDS_MAX:g}")
    return float(value)


def _invalid(key: str, what: str) -> ValueError:
    return ValueError(f"kv_connector_extra_config: {key} {what}")
