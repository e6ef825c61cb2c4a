"""Engines of two tensor parallel ranks, with an agent beside each rank."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from stage.engines import Engine
from stage.prompts import prompt
from stage.settings import STEP_TOKENS

from .judged import Alone, Expected
from .play import DECODE, LOAD_SECONDS, PREFILL, TINY, Play, check, check_logged_once

RANKS = 2
ALONE = Alone(TINY, RANKS)
PATIENT_SECONDS = 60
"""On few cores, ranks leave the connector little."""
PREFILLS, DECODES = [PREFILL, "prefill-1"], [DECODE, "decode-1"]


async def two_ranks(play: Play) -> None:
    """Late and early binding, prompts of several steps, and a prefix that the decode agents have."""
    async with ranked(play, load_timeout=PATIENT_SECONDS) as (prefill, decode):
        before = [await play.counter(agent, "chunks_written") for agent in DECODES]
        head = prompt("ranks-head", STEP_TOKENS)
        for number, receiver in enumerate((None, DECODES, None, DECODES)):
            tokens = prompt(f"ranks-{number}", 420 + 40 * number, head=head)
            prefilled = await play.prefilled(tokens, receiver=receiver, engine=prefill)
            await play.decoded(tokens, prefilled, Expected.LOADED, engine=decode, alone=ALONE)
        for agent, count in zip(DECODES, before, strict=True):
            check(await play.counter(agent, "chunks_written") > count, f"agent {agent} received nothing")
            await play.eventually(partial(play.pages_are_free, agent), f"every page of {agent} is free again")
        for agent in PREFILLS:
            await play.eventually(partial(play.source_is_free, agent), f"every slot of {agent} is free again")


async def one_rank_killed(play: Play) -> None:
    """The agent of one rank is killed: no rank loads its part, and the prompt is computed."""
    async with ranked(play) as (prefill, decode):
        for agent in (PREFILLS[1], DECODES[1]):
            tokens = prompt(f"rank-killed-{agent}", 300)
            prefilled = await play.prefilled(tokens, engine=prefill)
            await play.world.kill(agent)
            try:
                await play.decoded(tokens, prefilled, Expected.RECOMPUTED, engine=decode, alone=ALONE)
            finally:
                await play.start_agent(agent)
            await play.ferried_again(f"after-{agent}", prefill=prefill, decode=decode, alone=ALONE)


async def two_ranks_to_one(play: Play) -> None:
    """Negative control: each rank has a part of the heads. It is refused before a byte moves."""
    async with ranked(play, with_decode=False) as (prefill, _):
        before = await play.counter(DECODE, "chunks_written")
        tokens = prompt("ranks-to-one", 300)
        await play.decoded(tokens, await play.prefilled(tokens, engine=prefill), Expected.RECOMPUTED)
        check_logged_once(await play.decode(), "heads is 1 there and 2 here, ranks is 2 there and 1 here")
        check(await play.counter(DECODE, "chunks_written") == before, "chunks of a rank were sent to another layout")


@asynccontextmanager
async def ranked(
    play: Play, *, with_decode: bool = True, load_timeout: float = LOAD_SECONDS
) -> AsyncIterator[tuple[Engine, Engine | None]]:
    await play.close_engines()
    more = [PREFILLS[1], DECODES[1]]
    await asyncio.gather(*(play.start_agent(agent) for agent in more))
    shape: dict[str, Any] = {"tensor_parallel_size": RANKS}
    try:
        async with play.engine("prefill-ranks", play.transfer("kv_producer", "prefill-{rank}"), **shape) as prefill:
            if not with_decode:
                yield prefill, None
                return
            transfer = play.transfer("kv_consumer", "decode-{rank}", load_timeout=load_timeout)
            async with play.engine("decode-ranks", transfer, **shape) as decode:
                yield prefill, decode
    finally:
        for agent in more:
            await play.world.kill(agent)
