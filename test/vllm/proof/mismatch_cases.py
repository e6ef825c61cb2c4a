"""Engines that differ: in what may differ, and in what must not."""

from __future__ import annotations

from stage.engines import EngineRefused
from stage.prompts import prompt

from .judged import Expected
from .play import ANSWER_TOKENS, DECODE, PREFILL, Play, check


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
        async with play.engine("decode-other", transfer, model="other") as decode:
            await play.decoded(tokens, prefilled, Expected.RECOMPUTED, engine=decode, model="other")
        check(await play.counter(DECODE, "chunks_written") == before, "chunks of another layout were sent")


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
    wrong = {"chunk_token": 32, "load_timeout": -1, "slots": "many"}
    for key, value in wrong.items():
        transfer = play.transfer("kv_consumer", DECODE, **{key: value})
        try:
            async with play.engine(f"refused-{key}", transfer):
                check(False, f"vLLM started with {key}={value!r}")
        except EngineRefused as refused:
            check(key in str(refused), f"the error does not name {key}: {refused}")


async def no_agent(play: Play) -> None:
    """The agent of the engine is not there, from the beginning: prompts are computed."""
    await play.close_engines()
    async with play.engine("decode-lonely", play.transfer("kv_consumer", "decode-9")) as decode:
        tokens = prompt("lonely", 300)
        await play.decoded(tokens, await play.prefilled(tokens), Expected.RECOMPUTED, engine=decode)
