"""An agent is killed, or stopped and woken, in each phase of a request. The engine ends each wait, never reads
other bytes, gets its memory back, and works again when the agent does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import cast, get_args

import pytest

from kvferry import Client, DecodeEngine, KvferryError, PrefillEngine, SourcePool
from kvferry.protocol.constants import ErrorCode

from .conftest import content, eventually, filled, fresh, new_request
from .worlds.real import RealWorld
from .worlds.world import Role, World

PHASES = ("filled", "putting", "put", "between batches", "ready", "acquired", "releasing")
LIMIT_SECONDS = 60

Harm = Callable[[], Awaitable[None]]


async def request_with_harm(engine: PrefillEngine, decode: DecodeEngine, phase: str, harm: Harm) -> str:
    """`harm` comes in that phase. Returns `ready` when the right bytes were read, and otherwise the code of the
    error."""
    keys = fresh("a", "b")
    chunks = await filled(engine, keys)
    stream = engine.begin(new_request(), decode.agent, total_chunks=2, timeout=20)

    async def during(name: str) -> None:
        if phase == name:
            await harm()

    try:
        await during("filled")
        await asyncio.gather(stream.append(chunks[:1]), during("putting"))
        await during("between batches")
        await stream.append(chunks[1:])
        await during("put")
        end = await stream.ready()
        await during("ready")
        got = await decode.take(end.request, end.epoch, keys)
        await during("acquired")
        read = [bytes(page.view) for page in got.pages]
        got.check()
        if got.missing:
            # The arena of the agent that was restarted is another one.
            return "missing"
        assert read == [content(key) for key in keys]
        await asyncio.gather(decode.release(end.request, end.epoch), during("releasing"))
    except KvferryError as error:
        engine.discard(chunks)
        return error.code
    return "ready"


def is_expected(outcome: str) -> bool:
    """The right bytes, or an error after which the prompt can be put again."""
    codes = get_args(ErrorCode)
    if outcome in codes:
        return outcome == "request_ended" or KvferryError(cast("ErrorCode", outcome), "").retryable
    return outcome in ("ready", "missing")


async def works_again(engine: PrefillEngine, decode: DecodeEngine) -> None:
    async def nothing() -> None:
        return

    outcomes: list[str] = []
    # A peer that was declared dead is connected again with the first request.
    while "ready" not in outcomes and len(outcomes) < 20:
        outcomes.append(await request_with_harm(engine, decode, "", nothing))
    assert outcomes[-1] == "ready", outcomes
    await eventually(lambda: engine.free_slots == engine.pool.slots, "every slot is free again")


@pytest.mark.parametrize("victim", ["prefill", "decode"])
@pytest.mark.parametrize("phase", PHASES)
async def test_an_agent_that_is_killed(
    world: World, client: Client, pool: SourcePool, phase: str, victim: Role
) -> None:
    token = new_request()
    sender, receiver = f"prefill-{token}", f"decode-{token}"
    await asyncio.gather(world.start(sender, "prefill"), world.start(receiver, "decode"))
    engine = await PrefillEngine.open(client, sender, pool, patience=20)
    decode = DecodeEngine(client, receiver, patience=20)

    async def harm() -> None:
        name = sender if victim == "prefill" else receiver
        await world.kill(name)
        await world.start(name, victim)

    outcome = await asyncio.wait_for(request_with_harm(engine, decode, phase, harm), LIMIT_SECONDS)
    assert is_expected(outcome), outcome
    await works_again(engine, decode)
    await engine.close()
    await world.kill(sender)
    await world.kill(receiver)


@pytest.mark.parametrize("victim", ["prefill", "decode"])
async def test_an_agent_that_is_stopped_and_woken(real: RealWorld, pool: SourcePool, victim: Role) -> None:
    await asyncio.gather(real.start("prefill-q", "prefill"), real.start("decode-q", "decode"))
    client = await real.client()
    engine = await PrefillEngine.open(client, "prefill-q", pool, call_timeout=0.3, patience=20)
    decode = DecodeEngine(client, "decode-q", call_timeout=0.3, patience=20)
    other = "decode-q" if victim == "prefill" else "prefill-q"

    async def harm() -> None:
        epoch = (await client.describe(f"{victim}-q"))["epoch"]
        real.signal(f"{victim}-q", signal.SIGSTOP)
        # Four heartbeats: long enough to be declared dead by an agent that works with it.
        heartbeats = 0
        counted = asyncio.Event()

        def heard(_: object) -> None:
            nonlocal heartbeats
            heartbeats += 1
            if heartbeats == 5:
                counted.set()

        subscription = await client.on_heartbeat(other, heard)
        await asyncio.wait_for(counted.wait(), LIMIT_SECONDS)
        await subscription.close()
        real.signal(f"{victim}-q", signal.SIGCONT)
        assert (await client.describe(f"{victim}-q"))["epoch"] == epoch

    for phase in PHASES:
        outcome = await asyncio.wait_for(request_with_harm(engine, decode, phase, harm), LIMIT_SECONDS)
        assert is_expected(outcome), (phase, outcome)
        await works_again(engine, decode)
    await engine.close()
    await client.close()
    await real.kill("prefill-q")
    await real.kill("decode-q")


async def test_a_nats_server_that_stands_still(real: RealWorld, pool: SourcePool) -> None:
    await asyncio.gather(real.start("prefill-n", "prefill"), real.start("decode-n", "decode"))
    client = await real.client()
    engine = await PrefillEngine.open(client, "prefill-n", pool, call_timeout=0.3, patience=0.5)
    decode = DecodeEngine(client, "decode-n", call_timeout=0.3, patience=0.5)
    await works_again(engine, decode)
    real.signal_nats(signal.SIGSTOP)
    chunks = await filled(engine, fresh("a"))
    with pytest.raises(KvferryError) as late:
        await asyncio.wait_for(engine.put(new_request(), "decode-n", chunks, timeout=20), LIMIT_SECONDS)
    assert late.value.code == "deadline_exceeded"
    with pytest.raises(KvferryError) as silent:
        await asyncio.wait_for(decode.take(new_request(), "0" * 16), LIMIT_SECONDS)
    assert silent.value.code == "deadline_exceeded"
    real.signal_nats(signal.SIGCONT)
    await works_again(engine, decode)
    await engine.close()
    await client.close()
    await real.kill("prefill-n")
    await real.kill("decode-n")
