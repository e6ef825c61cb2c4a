"""What the engines need fails. The prompt is computed again, and later prompts are loaded again, without a
restart of vLLM."""

from __future__ import annotations

import signal
import time

from stage.prompts import prompt

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


async def never_arrives(play: Play) -> None:
    """The prefill agent stands still. The load ends at its limit."""
    tokens = prompt("never", 300)
    prefilled = await play.prefilled(tokens)
    play.world.signal(PREFILL, signal.SIGSTOP)
    began = time.monotonic()
    try:
        await play.decoded(tokens, prefilled, Expected.RECOMPUTED)
    finally:
        play.world.signal(PREFILL, signal.SIGCONT)
    seconds = time.monotonic() - began
    check(seconds < LOAD_SECONDS + GRACE_SECONDS, f"decode answered after {seconds:.0f} s")
    await play.ferried_again("after-never")


async def unknown_request(play: Play) -> None:
    """A router passes on something that the prefill agent does not know."""
    tokens = prompt("unknown", 300)
    transfer = dict((await play.prefilled(tokens)).transfer or {})
    transfer["kvferry"] = {**transfer["kvferry"], "request": "nobody-put-this"}
    running = (await play.decode()).begin(tokens, 24, transfer)
    await play.answered(tokens, running, Expected.RECOMPUTED)


async def arena_full(play: Play) -> None:
    """Another engine holds every page of the decode agent."""
    with SourcePool.create("proof-filler", slot_bytes=4096, slots=ARENA_PAGES) as pool:
        async with await PrefillEngine.open(play.client, PREFILL, pool) as engine:
            chunks = await engine.fill([f"filler@{number}" for number in range(ARENA_PAGES)], length=PAGE_BYTES // 64)
            stream = await engine.put("filler", DECODE, chunks, timeout=60)
            end = (await stream.end()).check_ready()
            try:
                await recomputed(play, "arena-full")
            finally:
                await play.client.release(DECODE, request="filler", epoch=end.epoch)
            await play.ferried_again("after-arena-full")
