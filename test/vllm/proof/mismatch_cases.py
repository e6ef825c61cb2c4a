"""Engines that differ: in what may differ, and in what must not."""

from __future__ import annotations

from typing import Any

from stage.engines import EngineRefused
from stage.prompts import prompt

from .judged import Alone, Expected
from .play import ANSWER_TOKENS, DECODE, OTHER, PREFILL, Play, check, check_logged_once


async def block_sizes(play: Play) -> None:
    """Blocks of 32 tokens here and of 64 there, chunks of 64."""
    await play.close_engines()
    chunk = {"chunk_tokens": 64}
    async with (
        play.engine("prefill-32", play.transfer("kv_producer", PREFILL, **chunk)) as prefill,
        play.engine("decode-64", play.transfer("kv_consumer", DECODE, **chunk), block_size=64) as decode,
    ):
        for number, receiver in enumerate((None, DECODE)):
            # The last chunk ends where the last block of 32 tokens ends.
            tokens = prompt(f"blocks-{number}", 270)
            prefilled = await play.prefilled(tokens, receiver=receiver, engine=prefill)
            await play.decoded(tokens, prefilled, Expected.LOADED, engine=decode)


async def other_layout(play: Play) -> None:
    """A model with other layers under the same name of keys. It is refused before a byte moves."""
    await play.close_engines()
    same_name = {"model_id": "same-name"}
    tokens = prompt("layout", 300)
    async with play.engine("prefill-named", play.transfer("kv_producer", PREFILL, **same_name)) as prefill:
        prefilled = await play.prefilled(tokens, engine=prefill)
        transfer = play.transfer("kv_consumer", DECODE, **same_name)
        before = await play.counter(DECODE, "chunks_written")
        async with play.engine("decode-other", transfer, model=OTHER) as decode:
            await play.decoded(tokens, prefilled, Expected.RECOMPUTED, engine=decode, alone=Alone(OTHER))
            check_logged_once(decode, "the KV cache of the prefill server does not fit: layers is 4#")
        check(await play.counter(DECODE, "chunks_written") == before, "chunks of another layout were sent")


async def other_dtype(play: Play) -> None:
    """The prefill server computes in bfloat16. It is refused before a byte moves."""
    await play.close_engines()
    tokens = prompt("dtype", 300)
    before = await play.counter(DECODE, "chunks_written")
    async with play.engine("prefill-half", play.transfer("kv_producer", PREFILL), dtype="bfloat16") as prefill:
        prefilled = await play.prefilled(tokens, engine=prefill)
        await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
        check_logged_once(await play.decode(), "does not fit: dtype is bfloat16 there and float32 here")
    check(await play.counter(DECODE, "chunks_written") == before, "chunks of another dtype were sent")


async def other_options(play: Play) -> None:
    """The prefill server has other positions. It is refused before a byte moves."""
    await play.close_engines()
    tokens = prompt("options", 300)
    before = await play.counter(DECODE, "chunks_written")
    positions: dict[str, Any] = {"hf_overrides": {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}}
    async with play.engine("prefill-options", play.transfer("kv_producer", PREFILL), **positions) as prefill:
        prefilled = await play.prefilled(tokens, engine=prefill)
        await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
        check_logged_once(await play.decode(), "does not fit: config is overrides#")
    check(await play.counter(DECODE, "chunks_written") == before, "chunks of other positions were sent")


async def other_chunks(play: Play) -> None:
    """Blocks of 64 tokens here, and chunks of 32 there: they are no multiple. It is refused before a byte moves."""
    await play.close_engines()
    tokens = prompt("chunks", 300)
    async with play.engine("decode-64", play.transfer("kv_consumer", DECODE), block_size=64) as decode:
        await play.decoded(tokens, await play.prefilled(tokens), Expected.RECOMPUTED, engine=decode)
        check_logged_once(decode, "does not fit: chunk_tokens is 32 there and 64 here")


async def other_revision(play: Play) -> None:
    """Other keys: nothing fits. With the policy `fail` the request is refused."""
    await play.close_engines()
    tokens = prompt("revision", 300)
    async with play.engine("prefill-old", play.transfer("kv_producer", PREFILL, revision="old")) as prefill:
        prefilled = await play.prefilled(tokens, engine=prefill)
        transfer = play.transfer("kv_consumer", DECODE, revision="new", policy="fail")
        async with play.engine("decode-new", transfer) as decode:
            answer = await decode.ask(tokens, ANSWER_TOKENS, prefilled.transfer)
            check(answer.finish == "error", f"a request that must be refused ended with {answer.finish}")


async def wrong_settings(play: Play) -> None:
    """Each is one clear error at the start of vLLM."""
    await play.close_engines()
    wrong = {"chunk_token": 32, "chunk_tokens": 48, "load_timeout": -1, "slots": "many"}
    for key, value in wrong.items():
        transfer = play.transfer("kv_consumer", DECODE, **{key: value})
        try:
            async with play.engine(f"refused-{key}", transfer):
                check(False, f"vLLM started with {key}={value!r}")
        except EngineRefused as refused:
            check(key in str(refused), f"the error does not name {key}: {refused}")
