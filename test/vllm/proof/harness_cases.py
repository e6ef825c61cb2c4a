"""Cases without kvferry: they show that the judge finds answers equal, and different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from stage.prompts import prompt
from stage.settings import PROMPT_TOKENS_MAX

from .judged import Expected
from .play import ANSWER_TOKENS, Play, check


async def one_engine_alone(play: Play) -> None:
    """Another process with the same model gives the same answers, computed and from its cache."""
    async with play.engine("alone", None) as engine:
        for name in ("alone-0", "alone-1"):
            tokens = prompt(name, 300)
            play.tell(tokens, await engine.ask(tokens, ANSWER_TOKENS), Expected.PLAIN)
            play.tell(tokens, await engine.ask(tokens, ANSWER_TOKENS), Expected.PLAIN)


async def connector_of_vllm(play: Play) -> None:
    """vLLM's own example connector, by files. When a layer is negated in its files, the tokens change."""
    store = play.folder / "example"
    store.mkdir()
    transfer = {"kv_connector": "ExampleConnector", "kv_connector_extra_config": {"shared_storage_path": str(store)}}
    equal, changed = prompt("example", 300), prompt("example-changed", 300)
    # It stores what one step computes, so a prompt must fit into a step.
    plain: dict[str, Any] = {
        "enable_prefix_caching": False,
        "disable_hybrid_kv_cache_manager": True,
        "max_num_batched_tokens": PROMPT_TOKENS_MAX,
    }
    async with play.engine("producer", {**transfer, "kv_role": "kv_producer"}, **plain) as producer:
        await producer.ask(equal, 1)
        await producer.ask(changed, 1)
    # Its files are named by a hash of the prompt.
    folders = sorted(store.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
    check(len(folders) == 2, f"the producer has written {len(folders)} prompts")
    negate(next(folders[1].glob("*layers.0.*.safetensors")))
    async with play.engine("consumer", {**transfer, "kv_role": "kv_consumer"}, **plain) as consumer:
        for tokens, expected in ((equal, Expected.LOADED), (changed, Expected.CHANGED)):
            play.tell(tokens, await consumer.ask(tokens, ANSWER_TOKENS), expected)


def negate(file: Path) -> None:
    save_file({name: torch.neg(layer) for name, layer in load_file(file).items()}, file)
