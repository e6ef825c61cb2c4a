"""How the proof and the demo run vLLM: float32, so that equal means equal."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

BLOCK_TOKENS = 32
# In steps of at most so many tokens: longer prompts are prefilled in several.
STEP_TOKENS = 256
PROMPT_TOKENS_MAX = 2048
CACHE_BYTES = 64 << 20


def engine_arguments(model: str, **changes: Any) -> dict[str, Any]:
    """Arguments of `EngineArgs`."""
    return {
        "model": model,
        "skip_tokenizer_init": True,
        "dtype": "float32",
        "enforce_eager": True,
        "max_model_len": PROMPT_TOKENS_MAX,
        "block_size": BLOCK_TOKENS,
        "kv_cache_memory_bytes": CACHE_BYTES,
        "enable_prefix_caching": True,
        "enable_chunked_prefill": True,
        "max_num_batched_tokens": STEP_TOKENS,
        "max_num_seqs": 8,
        "seed": 0,
        **changes,
    }


def segment_of(agent: str) -> str:
    """The name of the source memory beside an agent: another one in each run, since runs share /dev/shm. Ranks add
    their number."""
    return f"vllm-{os.getpid()}-{agent.removesuffix('-{rank}')}"


def memory_left() -> list[Path]:
    """Source memory of this run that no engine has removed."""
    return sorted(Path("/dev/shm").glob(f"kvferry-{segment_of('*')}"))


def remove_memory() -> None:
    """Of engines that were killed."""
    for file in memory_left():
        file.unlink()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def kvferry_transfer(
    role: str, agent: str, nats_url: str, *, policy: str = "recompute", **extra: Any
) -> dict[str, Any]:
    """Arguments of `KVTransferConfig`."""
    own = {"agent": agent, "nats_url": nats_url, "segment": segment_of(agent)}
    return {
        "kv_connector": "KvferryConnector",
        "kv_connector_module_path": "kvferry.vllm",
        "kv_role": role,
        "kv_load_failure_policy": policy,
        "kv_connector_extra_config": {**own, **extra},
    }
