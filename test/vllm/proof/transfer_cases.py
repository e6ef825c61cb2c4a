"""Prompts that must be loaded: by late and early binding, in steps, with shared prefixes, in parts, and many
at once."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from stage.prompts import prompt
from stage.settings import BLOCK_TOKENS, STEP_TOKENS

import kvferry

from .judged import Expected
from .play import ANSWER_TOKENS, DECODE, Play, check

LAYERS = 4
SIGN_BYTE = 0x80


async def plain_request(play: Play) -> None:
    """A request without kv_transfer_params, in engines with the connector."""
    for number, engine in enumerate((await play.prefill(), await play.decode())):
        tokens = prompt(f"plain-{number}", 300)
        play.tell(tokens, await engine.ask(tokens, ANSWER_TOKENS), Expected.PLAIN)


async def late_binding(play: Play) -> None:
    """The decode engine names itself, as with every router in use."""
    for number in range(3):
        await play.ferried(f"late-{number}")


async def early_binding(play: Play) -> None:
    """The router names the decode agent, and the chunks travel while prefill goes on."""
    for number in range(3):
        await play.ferried(f"early-{number}", receiver=DECODE)


async def chunked_prefill(play: Play) -> None:
    """Prompts of several steps, and lengths around the borders of blocks and steps."""
    for length in (256, 257, 288, 700, 1100):
        await play.ferried(f"steps-{length}", length)
        await play.ferried(f"early-steps-{length}", length, receiver=DECODE)


async def short_prompt(play: Play) -> None:
    """Less than a chunk: there is nothing to load."""
    for length in (1, 31, 32):
        tokens = prompt(f"short-{length}", length)
        await play.decoded(tokens, await play.prefilled(tokens), Expected.PLAIN)


async def shared_prefix(play: Play) -> None:
    """Chunks that the decode agent has travel once. The decode engine has forgotten them."""
    head = prompt("head", STEP_TOKENS)
    before = await play.counter(DECODE, "chunks_deduplicated")
    for number in range(3):
        tokens = prompt(f"shared-{number}", 420, head=head)
        (await play.decode()).forget_prompts()
        await play.decoded(tokens, await play.prefilled(tokens), Expected.LOADED)
    saved = await play.counter(DECODE, "chunks_deduplicated") - before
    check(saved >= 2 * 256 // 32, f"{saved} chunks were deduplicated of 16")
    play.deduplicated += saved


async def partial_load(play: Play) -> None:
    """The decode engine has the beginning of the prompt in its own cache: only the rest travels."""
    lengths = [steps * STEP_TOKENS + BLOCK_TOKENS // 2 for steps in (1, 2, 3)]
    whole = prompt("partial", lengths[-1])
    before = await travelled(play)
    for length in lengths:
        tokens = whole[:length]
        await play.decoded(tokens, await play.prefilled(tokens), Expected.LOADED)
    count = await travelled(play) - before
    check(count == len(whole) // BLOCK_TOKENS, f"{count} chunks travelled, or were deduplicated")


async def travelled(play: Play) -> int:
    """Chunks that the decode agent was asked for, written or there already."""
    return await play.counter(DECODE, "chunks_written") + await play.counter(DECODE, "chunks_deduplicated")


async def all_in_cache(play: Play) -> None:
    """The decode engine has the whole prompt: it loads nothing, and gives the pages back."""
    tokens = prompt("cached", 300)
    for receiver in (None, DECODE):
        for _ in range(2):
            await play.decoded(tokens, await play.prefilled(tokens, receiver=receiver), Expected.LOADED)
    await play.eventually(play.pages_are_free, "the pages of the prompt are free")
    await play.eventually(play.source_is_free, "the slots of the prompt are free")


async def many_at_once(play: Play) -> None:
    """Several prompts on their way at the same time."""
    names = [f"many-{number}" for number in range(8)]
    early = [DECODE if name[-1] in "0246" else None for name in names]
    await asyncio.gather(
        *(play.ferried(name, receiver=receiver, beside=True) for name, receiver in zip(names, early, strict=True))
    )


async def changed_layer(play: Play) -> None:
    """Negative control: the first layer is negated in the arena, before the decode engine reads it."""
    tokens = prompt("changed", 300)
    prefilled = await play.prefilled(tokens, receiver=DECODE)
    check(prefilled.transfer is not None and "kvferry" in prefilled.transfer, "prefill named no request")
    request = (prefilled.transfer or {})["kvferry"]
    acquired: dict[str, Any] = {}

    async def acquire() -> bool:
        try:
            got = await play.client.acquire(DECODE, request=request["request"], epoch=request["epoch"])
        except kvferry.KvferryError:
            return False
        acquired.update(got)
        return True

    await play.eventually(acquire, "the chunks are ready")
    negate_first_layer(acquired)
    await play.decoded(tokens, prefilled, Expected.CHANGED)


async def changed_weights(play: Play) -> None:
    """Both engines get other weights and empty their caches, and later the old ones. The arena has chunks of the same
    tokens, computed with the other weights."""
    tokens = prompt("weights", 300)
    for expected in (Expected.CHANGED, Expected.LOADED):
        for engine in (await play.prefill(), await play.decode()):
            engine.negate_input()
        await play.decoded(tokens, await play.prefilled(tokens), expected)


def negate_first_layer(acquired: dict[str, Any]) -> None:
    """Turns the sign of each float32. Layers lie one after the other in a chunk."""
    arena = acquired["arena"]
    file = os.open(arena["path"], os.O_RDWR)
    try:
        for page, length in zip(acquired["pages"], acquired["lengths"], strict=True):
            layer = bytearray(os.pread(file, length // LAYERS, page * arena["pageBytes"]))
            layer[3::4] = bytes(byte ^ SIGN_BYTE for byte in layer[3::4])
            os.pwrite(file, layer, page * arena["pageBytes"])
    finally:
        os.close(file)
