"""What the engines need fails. The prompt is computed again, and later prompts are loaded again, without a
restart of vLLM."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stage.engines import Answer
from stage.prompts import prompt
from stage.settings import segment_of

from kvferry import PrefillEngine, SourcePool

from .judged import Expected
from .play import ARENA_PAGES, DECODE, LOAD_SECONDS, PAGE_BYTES, PREFILL, Play, check

# Beyond the limit of the load: to compute the prompt on a busy machine.
GRACE_SECONDS = 30


async def recomputed(play: Play, name: str) -> None:
    tokens = prompt(name, 300)
    await play.decoded(tokens, await play.prefilled(tokens), Expected.RECOMPUTED)


async def prefill_agent_away(play: Play) -> None:
    """Killed before the prompt comes."""
    await play.world.kill(PREFILL)
    try:
        await recomputed(play, "no-prefill-agent")
    finally:
        await play.start_agent(PREFILL)
    await play.ferried_again("after-prefill-agent")


async def prefill_agent_killed(play: Play) -> None:
    """Killed after prefill has answered: the offer is lost. And killed while decode waits for the chunks."""
    for number, is_asked in enumerate((False, True)):
        tokens = prompt(f"lost-offer-{number}", 300)
        prefilled = await play.prefilled(tokens)
        play.world.signal(PREFILL, signal.SIGSTOP)
        running = await play.decoding(tokens, prefilled) if is_asked else None
        if running is not None:
            await running.is_loading()
        await play.world.kill(PREFILL)
        try:
            await play.answered(tokens, running or await play.decoding(tokens, prefilled), Expected.RECOMPUTED)
        finally:
            await play.start_agent(PREFILL)
        await play.ferried_again(f"after-lost-offer-{number}")


async def decode_agent_killed(play: Play) -> None:
    """Killed before decode is asked: with its chunks when they were pushed."""
    for number, receiver in enumerate((None, DECODE)):
        tokens = prompt(f"lost-decode-{number}", 300)
        prefilled = await play.prefilled(tokens, receiver=receiver)
        await play.world.kill(DECODE)
        try:
            await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
        finally:
            await play.start_agent(DECODE)
        await play.ferried_again(f"after-lost-decode-{number}", receiver=receiver)


async def nats_away(play: Play) -> None:
    await play.world.interrupt_nats()
    try:
        await recomputed(play, "no-nats")
    finally:
        await play.world.restore_nats()
    await play.ferried_again("after-nats")


async def prefill_agent_frozen(play: Play) -> None:
    """It stands still before it is asked for the chunks: it does not answer."""
    tokens = prompt("frozen", 300)
    prefilled = await play.prefilled(tokens)
    async with frozen(play, PREFILL):
        await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
    await noticed(play, prefilled, "was not answered within")
    await play.ferried_again("after-frozen")


async def frozen_on_the_way(play: Play) -> None:
    """It stands still while its chunks wait for pages: its heartbeats are missing."""
    tokens = prompt("frozen-on-the-way", 300)
    prefilled = await play.prefilled(tokens)
    async with arena_held(play):
        running = await play.decoding(tokens, prefilled)
        await play.eventually(lambda: is_queued(play), "the request waits for pages")
        async with frozen(play, PREFILL):
            await play.answered(tokens, running, Expected.RECOMPUTED)
    await noticed(play, prefilled, "agent prefill-0 (")
    await play.ferried_again("after-frozen-on-the-way")


async def decode_agent_frozen(play: Play) -> None:
    """It stands still before it is sent the chunks, and with chunks that nobody can read now."""
    for receiver in (None, DECODE):
        tokens = prompt(f"frozen-decode-{receiver}", 300)
        prefilled = await play.prefilled(tokens, receiver=receiver)
        began = time.monotonic()
        async with frozen(play, DECODE):
            await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
        seconds = time.monotonic() - began
        check(seconds < LOAD_SECONDS + GRACE_SECONDS, f"decode answered after {seconds:.0f} s")
        await play.ferried_again(f"after-frozen-decode-{receiver}", receiver=receiver)


@asynccontextmanager
async def frozen(play: Play, agent: str) -> AsyncIterator[None]:
    play.world.signal(agent, signal.SIGSTOP)
    try:
        yield
    finally:
        play.world.signal(agent, signal.SIGCONT)


async def noticed(play: Play, prefilled: Answer, why: str) -> None:
    """The load ended for this reason, and not at its limit."""
    request = (prefilled.transfer or {})["kvferry"]["request"]
    lines = (await play.decode()).logged(f"(request {request}) were not loaded: ")
    check(len(lines) == 1, f"{len(lines)} lines say why request {request} was not loaded")
    check(why in lines[0], f"{why!r} is not in the log: {lines[0]}")


async def is_queued(play: Play) -> bool:
    return (await play.client.status(DECODE))["queued"] > 0


async def unknown_request(play: Play) -> None:
    """A router passes on something that the prefill agent does not know."""
    tokens = prompt("unknown", 300)
    transfer = dict((await play.prefilled(tokens)).transfer or {})
    transfer["kvferry"] = {**transfer["kvferry"], "request": "nobody-put-this"}
    running = (await play.decode()).begin(tokens, 24, transfer)
    await play.answered(tokens, running, Expected.RECOMPUTED)


async def arena_full(play: Play) -> None:
    """Another engine holds every page of the decode agent. The load ends at its limit."""
    async with arena_held(play):
        await recomputed(play, "arena-full")
    await play.ferried_again("after-arena-full")


@asynccontextmanager
async def arena_held(play: Play) -> AsyncIterator[None]:
    with SourcePool.create(segment_of("filler"), slot_bytes=4096, slots=ARENA_PAGES) as pool:
        async with await PrefillEngine.open(play.client, PREFILL, pool) as engine:
            chunks = await engine.fill([f"filler@{number}" for number in range(ARENA_PAGES)], length=PAGE_BYTES // 64)
            stream = await engine.put("filler-" + secrets.token_hex(4), DECODE, chunks, timeout=60)
            end = (await stream.end()).check_ready()
            try:
                yield
            finally:
                await play.client.release(DECODE, request=end.request, epoch=end.epoch)
